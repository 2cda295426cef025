//! The login of a node to its cluster, looked at before anything is opened.
//!
//! Enters: a configuration, the environment, the files that `[cluster]` names. Leaves: what is wrong and where it is written.
//! Guarantees: nothing of a file with a secret is in a message.

use mesh_config::{ClusterConfig, ClusterIdentity, ClusterLogin, Config, ConfigError, Spanned};
use mesh_security::tls::{Identity, TlsErrorKind};
use std::path::PathBuf;

/// The environment variable that the password of `user` comes from.
pub const CLUSTER_PASSWORD: &str = "MESH_CLUSTER_PASSWORD";

/// The content that a file has to have.
struct Wanted {
    key: &'static str,
    form: fn(&str) -> Result<(), &'static str>,
    help: &'static str,
}

const CREDENTIALS: Wanted = Wanted {
    key: "credentials",
    form: |text| {
        let has = |name: &str| text.contains(&format!("-----BEGIN {name}-----"));
        match has("NATS USER JWT") && has("USER NKEY SEED") {
            true => Ok(()),
            false => Err("does not hold a token and a seed"),
        }
    },
    help: "name a file that `nsc generate creds` has written",
};

const NKEY: Wanted = Wanted {
    key: "nkey",
    form: |text| match text.trim() {
        seed if is_key(seed, "SU", 58) => Ok(()),
        public if is_key(public, "U", 56) => Err("holds the public half of an nkey, and not its seed"),
        _ => Err("does not hold the seed of a user's nkey"),
    },
    help: "name a file with one line, the seed, which begins with SU",
};

const AUTHORITIES: Wanted = Wanted {
    key: "ca",
    form: |text| match text.contains("-----BEGIN CERTIFICATE-----") {
        true => Ok(()),
        false => Err("does not hold a certificate in PEM form"),
    },
    help: "name the PEM file of the authority that has signed the certificates of the servers",
};

/// The faults of the files and of the environment.
pub(super) fn check(config: &Config) -> Vec<ConfigError> {
    let Some(cluster) = &config.cluster else {
        return Vec::new();
    };
    let login = match &cluster.login {
        Some(ClusterLogin::User(user)) => check_password(config, user),
        Some(ClusterLogin::Credentials(file)) => check_file(config, file, &CREDENTIALS),
        Some(ClusterLogin::Nkey(file)) => check_file(config, file, &NKEY),
        None => None,
    };
    let authorities = cluster.authorities.as_ref();
    let authorities = authorities.and_then(|file| check_file(config, file, &AUTHORITIES));
    let identity = cluster.identity.as_ref();
    let identity = identity.and_then(|files| check_identity(config, files));
    [login, authorities, identity].into_iter().flatten().collect()
}

/// The warning about servers to which everything goes in the clear.
pub(super) fn warnings(config: &Config) -> Vec<String> {
    let servers = config
        .cluster
        .iter()
        .flat_map(|ClusterConfig { servers, .. }| servers);
    let open = servers.filter(|server| server.is_open());
    let warning = |server: &Spanned<_>| {
        format!(
            "`servers` in [cluster]: the connection to {} is not encrypted, so others on the way can read and change what the \
             nodes say; `tls://` encrypts it",
            server.value
        )
    };
    open.map(warning).collect()
}

/// The password of the environment, where there is one.
pub fn password() -> Option<String> {
    let password = std::env::var(CLUSTER_PASSWORD).ok();
    password.filter(|password| !password.is_empty())
}

fn check_password(config: &Config, user: &Spanned<String>) -> Option<ConfigError> {
    if password().is_some() {
        return None;
    }
    let message = format!(
        "`user` in [cluster] needs a password, and the environment variable {CLUSTER_PASSWORD} has none"
    );
    let help = format!("set {CLUSTER_PASSWORD}, or log in with `credentials` or `nkey`");
    Some(config.diagnose(user.at, message, Some(help)))
}

fn check_file(config: &Config, file: &Spanned<PathBuf>, wanted: &Wanted) -> Option<ConfigError> {
    let Wanted { key, form, help } = wanted;
    let path = file.value.display();
    let message = match std::fs::read(&file.value) {
        Err(error) => format!("`{key}` in [cluster]: {path} cannot be read: {error}"),
        Ok(bytes) => {
            let fault = form(&String::from_utf8_lossy(&bytes)).err()?;
            format!("`{key}` in [cluster]: {path} {fault}")
        }
    };
    Some(config.diagnose(file.at, message, Some((*help).to_owned())))
}

fn check_identity(config: &Config, files: &ClusterIdentity) -> Option<ConfigError> {
    let error = Identity::read(&files.cert, &files.key).err()?;
    let place = match error.kind() {
        TlsErrorKind::Certificate => files.cert.at,
        TlsErrorKind::Key | TlsErrorKind::Mismatch => files.key.at,
    };
    Some(config.diagnose(place, error.to_string(), None))
}

/// Whether a text has the form of a key of NATS: base32 with a beginning that says the kind.
fn is_key(text: &str, kind: &str, length: usize) -> bool {
    let is_base32 = |letter: u8| letter.is_ascii_uppercase() || matches!(letter, b'2'..=b'7');
    text.len() == length && text.starts_with(kind) && text.bytes().all(is_base32)
}
