//! The flags of all commands that talk to a running host.
//!
//! Enters: flags and environment. Leaves: a connected [`Client`]. Guarantees: a password is shown neither in
//! the help nor in errors.

use super::CommandError;
use crate::control;
use crate::terminal;
use mesh_client::{Client, Options, Protocol, Trust};
use std::path::PathBuf;
use std::time::Duration;

/// Where a host listens of which nothing is said.
const DEFAULT_URL: &str = "http://127.0.0.1:55000";

/// Where the host is, and how to talk to it.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Connection")]
pub struct Connection {
    /// Address of the host; without it, the host of this user that runs with --config, else http://127.0.0.1:55000
    #[arg(long, value_name = "URL")]
    pub url: Option<String>,
    /// The file that the host runs with
    #[arg(
        long,
        default_value = "mesh.toml",
        value_name = "FILE",
        conflicts_with = "url"
    )]
    pub config: PathBuf,
    /// Whom to trust.
    #[command(flatten)]
    pub authorities: Authorities,
    /// The user to log in as.
    #[command(flatten)]
    pub credentials: Credentials,
    /// Seconds to wait for the connection, and then for each answer
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    pub timeout: Duration,
    /// Protocol to announce; servers of happner-2 3.x know only happn_1.3.0
    #[arg(long, value_name = "PROTOCOL", default_value_t = Protocol::default(), value_enum)]
    pub protocol: Protocol,
    /// Print JSON, for programs
    #[arg(long)]
    pub json: bool,
}

/// Whose certificates are believed, where the address begins with https or wss.
#[derive(Clone, Debug, clap::Args)]
pub struct Authorities {
    /// PEM file of the authorities to trust, or of the host's own certificate, in place of the system's authorities
    #[arg(long, value_name = "FILE")]
    pub cafile: Option<PathBuf>,
    /// Trust any certificate: a machine in between can read and change everything
    #[arg(long, conflicts_with = "cafile")]
    pub insecure: bool,
}

impl Authorities {
    /// Whom the flags mean; says so when that is anyone.
    pub fn read(&self) -> Trust {
        match &self.cafile {
            Some(file) => Trust::Authorities(file.clone()),
            None if self.insecure => {
                terminal::note(
                    "warning: with --insecure nobody checks that this is the right host; a machine in between can read \
                     and change everything",
                );
                Trust::Anyone
            }
            None => Trust::System,
        }
    }
}

/// The login, where the host is secure.
#[derive(Clone, Debug, clap::Args)]
pub struct Credentials {
    /// User to log in as, where the host is secure
    #[arg(long, value_name = "NAME", env = "MESH_USERNAME", hide_env_values = true)]
    pub username: Option<String>,
    /// Password of that user; better given in the environment, where other users cannot see it
    #[arg(long, value_name = "PASSWORD", env = "MESH_PASSWORD", hide_env_values = true)]
    pub password: Option<String>,
}

impl Credentials {
    /// Both or none; a password alone belongs to the administrator.
    pub fn read(&self) -> Result<Option<mesh_client::Credentials>, CommandError> {
        match (&self.username, &self.password) {
            (None, None) => Ok(None),
            (Some(_), None) => Err(CommandError::Usage(
                "a user name without a password: give --password or set MESH_PASSWORD".to_owned(),
            )),
            (username, Some(password)) => Ok(Some(mesh_client::Credentials {
                username: username.as_deref().unwrap_or("_ADMIN").to_owned(),
                password: password.clone(),
            })),
        }
    }
}

impl Connection {
    /// Connects and logs in.
    pub async fn connect(&self) -> Result<Client, CommandError> {
        let url = self.address().await;
        let mut options = Options::new(url.as_str())
            .protocol(self.protocol)
            .timeout(self.timeout)
            .trust(self.authorities.read());
        options.credentials = self.credentials.read()?;
        // Also a server that accepts the connection and then says nothing cannot be connected to.
        Client::connect(options)
            .await
            .map_err(|error| match CommandError::from(error) {
                CommandError::Failed(text) => CommandError::Unreachable(text),
                error => error,
            })
    }
}

impl Connection {
    /// Where the host is, as far as that is known.
    async fn address(&self) -> String {
        if let Some(url) = &self.url {
            return url.clone();
        }
        let running = control::status(&self.config).await.unwrap_or_default();
        running
            .into_iter()
            .next()
            .map_or_else(|| DEFAULT_URL.to_owned(), |status| status.url)
    }
}

/// Reads a time in seconds, which may have decimals, or carry a unit: `500ms`, `2s`, `1m`.
pub fn seconds(text: &str) -> Result<Duration, String> {
    let units = [("ms", 1e-3), ("s", 1.0), ("m", 60.0)];
    let (number, factor) = units
        .iter()
        .find_map(|(unit, factor)| Some((text.strip_suffix(unit)?, *factor)))
        .unwrap_or((text, 1.0));
    let seconds = number.trim().parse::<f64>().ok().map(|number| number * factor);
    seconds
        .filter(|seconds| (0.0..=86_400.0).contains(seconds))
        .map(Duration::from_secs_f64)
        .ok_or_else(|| "use a number of seconds such as 5, 0.5, 500ms or 2m, at most a day".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_parsed() {
        assert_eq!(seconds("5"), Ok(Duration::from_secs(5)));
        assert_eq!(seconds("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(seconds("1.5s"), Ok(Duration::from_millis(1500)));
        assert_eq!(seconds("2m"), Ok(Duration::from_secs(120)));
        for wrong in ["", "s", "-1", "1h", "NaN", "inf", "1e9"] {
            assert!(seconds(wrong).is_err(), "{wrong}");
        }
    }
}
