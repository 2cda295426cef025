//! Settings as the library takes them.
//!
//! Enters: [`Settings`]. Leaves: addresses and options of the library, or which setting is wrong. Guarantees: each file is read once, here.
//! Servers that are named with `tls://` are spoken to in TLS only.

use crate::error::{SettingsError, SettingsErrorKind};
use crate::files::read;
use crate::settings::{Credentials, Settings};
use crate::tls;
use async_nats::{ConnectOptions, ServerAddr};
use nkeys::{KeyPair, KeyPairType};
use std::path::Path;
use std::time::Duration;

/// So long a server may take from the first packet until it has taken the credentials.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// The longest time between two attempts.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// So many messages wait for the socket. Links have a limit in bytes; this one is for a socket that takes nothing at all.
const QUEUE: usize = 2_048;

/// So many messages of one subscription wait to be read. A link asks for those that are dropped here once more.
const UNREAD: usize = 1_024;

const SHORTEST_PING_INTERVAL: Duration = Duration::from_millis(100);

/// Addresses and options.
pub(crate) struct Target {
    pub(crate) servers: Vec<ServerAddr>,
    pub(crate) options: ConnectOptions,
}

pub(crate) fn of(settings: &Settings) -> Result<Target, SettingsError> {
    let servers: Result<Vec<_>, _> = settings.servers.iter().map(|server| address(server)).collect();
    let servers = servers?;
    if servers.is_empty() {
        return Err(SettingsError::new("servers", SettingsErrorKind::NoServer));
    }
    let mut options = with_credentials(&settings.credentials)?
        .name(&settings.name)
        .ping_interval(settings.ping_interval.max(SHORTEST_PING_INTERVAL))
        .connection_timeout(CONNECT_TIMEOUT)
        .client_capacity(QUEUE)
        .subscription_capacity(UNREAD)
        .reconnect_delay_callback(pause)
        .retry_on_initial_connect()
        .ignore_discovered_servers();
    // Reading the system's authorities takes long, and without TLS nobody needs them.
    let has_tls = servers.iter().any(ServerAddr::tls_required);
    if has_tls || settings.authorities.is_some() || settings.identity.is_some() {
        options = options.tls_client_config(tls::configuration(settings)?);
    }
    Ok(Target { servers, options })
}

/// The pause before an attempt: none before the first, twice as long before each further one.
fn pause(attempt: usize) -> Duration {
    let doubled = u32::try_from(attempt).map_or(u32::MAX, |attempt| attempt.saturating_sub(1));
    match doubled {
        0 => Duration::ZERO,
        doubled => Duration::from_millis(2_u64.saturating_pow(doubled)).min(LONGEST_PAUSE),
    }
}

fn address(server: &str) -> Result<ServerAddr, SettingsError> {
    // All that could be a password stays out of errors.
    let shown = server.rsplit_once('@').map_or(server, |(_, host)| host);
    let wrong = |kind| SettingsError::new(shown, kind);
    let is_named = ["nats://", "tls://"]
        .iter()
        .any(|scheme| server.starts_with(scheme));
    if server.contains('@') && is_named {
        return Err(wrong(SettingsErrorKind::UserInAddress));
    }
    let address: Option<ServerAddr> = is_named.then(|| server.parse().ok()).flatten();
    let address = address.filter(|address| {
        let url = address.clone().into_inner();
        let is_bare = matches!(url.path(), "" | "/") && url.query().is_none() && url.fragment().is_none();
        !address.host().is_empty() && address.port() != 0 && is_bare
    });
    address.ok_or_else(|| wrong(SettingsErrorKind::Address))
}

fn with_credentials(credentials: &Credentials) -> Result<ConnectOptions, SettingsError> {
    match credentials {
        Credentials::None => Ok(ConnectOptions::new()),
        Credentials::Password { user, password } => Ok(ConnectOptions::with_user_and_password(
            user.clone(),
            password.clone(),
        )),
        Credentials::File(file) => {
            let wrong = || SettingsError::about(file, SettingsErrorKind::Credentials);
            let text = String::from_utf8(read(file)?).map_err(|_| wrong())?;
            ConnectOptions::with_credentials(&text).map_err(|_| wrong())
        }
        Credentials::Nkey(file) => Ok(ConnectOptions::with_nkey(seed(file)?)),
    }
}

/// The seed of a user's nkey.
fn seed(file: &Path) -> Result<String, SettingsError> {
    let text = read(file)?;
    let text = String::from_utf8_lossy(&text);
    let seed = text.trim();
    let is_seed =
        KeyPair::from_seed(seed).is_ok_and(|pair| matches!(pair.key_pair_type(), KeyPairType::User));
    if is_seed {
        return Ok(seed.to_owned());
    }
    let kind = match KeyPair::from_public_key(seed) {
        Ok(_) => SettingsErrorKind::PublicNkey,
        Err(_) => SettingsErrorKind::Nkey,
    };
    Err(SettingsError::about(file, kind))
}

#[cfg(test)]
mod tests;
