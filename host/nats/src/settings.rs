//! Settings of a connection.
//!
//! Enters: addresses and paths, as a person wrote them. Leaves: [`Settings`]. Guarantees: `Debug` shows no password. Nothing is read or
//! checked before the connection is made.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// So often a server that says nothing is asked whether it is there. It is given up when it stays silent three times as long.
pub const PING_INTERVAL: Duration = Duration::from_secs(1);

/// Where to connect to, as whom, and whom to trust.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The servers of the cluster: `nats://HOST:PORT`, or `tls://HOST:PORT` where nothing may be said in the clear. They are tried in any
    /// order. Servers that these tell of are not used, since their addresses may be others outside, and their names those of no
    /// certificate.
    pub servers: Vec<String>,
    /// The name under which the servers list the connection.
    pub name: String,
    /// As whom.
    pub credentials: Credentials,
    /// A PEM file with the authorities whose certificates are believed; without one, those that this system trusts.
    pub authorities: Option<PathBuf>,
    /// The certificate that is shown to servers that ask for one.
    pub identity: Option<Identity>,
    /// See [`PING_INTERVAL`]. Less than a tenth of a second counts as that.
    pub ping_interval: Duration,
}

impl Settings {
    /// Settings with these servers and this name, and defaults otherwise.
    pub fn new(servers: Vec<String>, name: String) -> Settings {
        Settings {
            servers,
            name,
            credentials: Credentials::None,
            authorities: None,
            identity: None,
            ping_interval: PING_INTERVAL,
        }
    }
}

/// Whom a server takes the connection for.
#[derive(Clone, Default)]
pub enum Credentials {
    /// Nobody in particular.
    #[default]
    None,
    /// A user with a password.
    Password {
        /// The user's name.
        user: String,
        /// The password.
        password: String,
    },
    /// The user of a credentials file: a JWT, and the seed of its nkey.
    File(PathBuf),
    /// The user of the nkey whose seed is in this file.
    Nkey(PathBuf),
}

impl fmt::Debug for Credentials {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Credentials::None => formatter.write_str("None"),
            Credentials::Password { user, .. } => formatter
                .debug_struct("Password")
                .field("user", user)
                .finish_non_exhaustive(),
            Credentials::File(file) => formatter.debug_tuple("File").field(file).finish(),
            Credentials::Nkey(file) => formatter.debug_tuple("Nkey").field(file).finish(),
        }
    }
}

/// A certificate of this node, for servers that want to see one.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The PEM file of the certificate, and of those between it and its authority.
    pub certificate: PathBuf,
    /// The PEM file of its private key.
    pub key: PathBuf,
}
