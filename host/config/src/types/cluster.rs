//! The types of `[cluster]`.
//!
//! Enters: values the parser has checked. Leaves: plain structs with the types of `mesh-cluster`. Guarantees: a server's address
//! holds no password; a node has at most one way to log in.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use mesh_cluster::catalogue::Expose;
use mesh_cluster::choice::Prefer;
use mesh_cluster::identity::{ClusterName, NodeName};
use mesh_cluster::presence;

use crate::source::{Location, Spanned};

/// `[cluster]`: the mesh that several hosts form together.
#[derive(Clone, Debug)]
pub struct ClusterConfig {
    /// The section itself: its line `[cluster]`.
    pub at: Location,
    /// Name of the cluster, the same on all nodes.
    pub name: Spanned<ClusterName>,
    /// Name of this node: the `name` of the mesh.
    pub node: NodeName,
    /// The NATS servers, at least one.
    pub servers: Vec<Spanned<ServerAddress>>,
    /// Whether `mesh run --dev` starts a server of this list where none answers. They are all on this machine then. Default `false`.
    pub dev: bool,
    /// How the node logs in there. Default none: the servers let everybody in.
    pub login: Option<ClusterLogin>,
    /// Key `ca`: PEM file of the authorities that sign certificates of the servers. Default none: those of the system.
    pub authorities: Option<Spanned<PathBuf>>,
    /// Keys `cert` and `key`: the certificate that the node shows to the servers. Default none.
    pub identity: Option<ClusterIdentity>,
    /// Which components of other nodes clients here see and may call. Default all.
    pub expose: Expose,
    /// Whether calls go to the own node where it has the component. Default [`Prefer::Local`].
    pub prefer: Prefer,
    /// Components that must be there before clients may connect. Default none.
    pub wait_for: Vec<Spanned<String>>,
    /// Nodes that must be there before clients may connect, this one among them, 1 to 512. Default 1.
    pub min_nodes: u32,
    /// How long the host waits for these, 1 ms to a day. Default two minutes.
    pub wait: Duration,
    /// Keys `beat_ms`, `suspect_beats`, `lost_ms`, `away_ms` and `forget_ms`. A node is suspect no later than lost.
    pub presence: presence::Settings,
    /// Bytes that may wait for one other node, 1 MiB to 4 GiB. Default 16 MiB.
    pub link_bytes: usize,
    /// Key `separate_users`: whether it is known that users are each node's own. A secure mesh has it. Default `false`.
    pub has_separate_users: bool,
}

/// The way in which a node logs in to its NATS servers. Files are relative to the folder of the configuration file.
#[derive(Clone, Debug)]
pub enum ClusterLogin {
    /// As this user. The environment variable `MESH_CLUSTER_PASSWORD` has the password.
    User(Spanned<String>),
    /// With this credentials file: a signed token and a seed.
    Credentials(Spanned<PathBuf>),
    /// With the seed of an nkey, in this file.
    Nkey(Spanned<PathBuf>),
}

/// A certificate and its key, as `[cluster]` names them.
#[derive(Clone, Debug)]
pub struct ClusterIdentity {
    /// PEM file of the certificate, and of those that link it to its authority.
    pub cert: Spanned<PathBuf>,
    /// PEM file of its private key.
    pub key: Spanned<PathBuf>,
}

/// Where a NATS server is. It is printed as in mesh.toml.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerAddress {
    /// Whether the connection is encrypted, and the server's certificate checked.
    pub is_encrypted: bool,
    /// A host name or an address; one of IPv6 without brackets.
    pub host: String,
    /// The port, 1 to 65535.
    pub port: u16,
}

/// The fault of a server's address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AddressFault {
    /// It names a user, and perhaps a password.
    User,
    /// Something else is wrong.
    Form,
}

const PLAIN: &str = "nats";
const ENCRYPTED: &str = "tls";

impl ServerAddress {
    /// Reads `nats://host:port` or `tls://host:port`.
    pub(crate) fn parse(text: &str) -> Result<ServerAddress, AddressFault> {
        let (scheme, authority) = text.split_once("://").ok_or(AddressFault::Form)?;
        if authority.contains('@') {
            return Err(AddressFault::User);
        }
        let is_encrypted = match scheme {
            PLAIN => false,
            ENCRYPTED => true,
            _ => return Err(AddressFault::Form),
        };
        let (host, port) = authority.rsplit_once(':').ok_or(AddressFault::Form)?;
        let host = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
            Some(inner) if matches!(inner.parse(), Ok(IpAddr::V6(_))) => inner,
            None if is_host_name(host) => host,
            _ => return Err(AddressFault::Form),
        };
        let is_number = port.bytes().all(|digit| digit.is_ascii_digit());
        let port = port.parse().ok().filter(|port| is_number && *port > 0);
        Ok(ServerAddress {
            is_encrypted,
            host: host.to_owned(),
            port: port.ok_or(AddressFault::Form)?,
        })
    }

    /// Where `mesh run --dev` starts one.
    pub(crate) fn of_development() -> ServerAddress {
        ServerAddress {
            is_encrypted: false,
            host: "127.0.0.1".to_owned(),
            port: 4222,
        }
    }

    /// Whether others can read what passes: it leaves this machine, and is not encrypted.
    pub fn is_open(&self) -> bool {
        !self.is_encrypted && !self.is_loopback()
    }

    fn is_loopback(&self) -> bool {
        let address = self.host.parse::<IpAddr>();
        address.map_or(self.host == "localhost", |address| address.is_loopback())
    }
}

/// Also addresses of IPv4.
fn is_host_name(text: &str) -> bool {
    let is_plain = |letter: u8| letter.is_ascii_alphanumeric() || matches!(letter, b'-' | b'_' | b'.');
    !text.is_empty() && text.bytes().all(is_plain)
}

impl fmt::Display for ServerAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.is_encrypted { ENCRYPTED } else { PLAIN };
        match self.host.contains(':') {
            true => write!(formatter, "{scheme}://[{}]:{}", self.host, self.port),
            false => write!(formatter, "{scheme}://{}:{}", self.host, self.port),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_printed_as_it_was_read() {
        for text in [
            "nats://127.0.0.1:4222",
            "tls://nats-1.example:4222",
            "nats://[::1]:1",
            "tls://NATS_1:65535",
        ] {
            assert_eq!(
                ServerAddress::parse(text).map(|address| address.to_string()),
                Ok(text.to_owned())
            );
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in [
            "",
            "nats",
            "nats://",
            "nats://a",
            "nats://a:",
            "nats://a:0",
            "nats://a:65536",
            "nats://a:+1",
            "nats://:4222",
            "nats://a b:1",
            "nats://a:1/",
            "nats://::1:4222",
            "nats://[a]:1",
            "nats://[::1:1",
            "http://a:1",
            "NATS://a:1",
            "tls:a:1",
            " nats://a:1",
        ] {
            assert_eq!(ServerAddress::parse(text), Err(AddressFault::Form), "{text}");
        }
        for text in ["nats://u:p@a:1", "nats://u@a", "http://u@"] {
            assert_eq!(ServerAddress::parse(text), Err(AddressFault::User), "{text}");
        }
    }

    #[test]
    fn others_can_read_what_leaves_the_machine_without_encryption() {
        let is_open = |text: &str| ServerAddress::parse(text).expect("it is an address").is_open();
        assert!(is_open("nats://a:1") && is_open("nats://10.0.0.1:1") && is_open("nats://[fd00::1]:1"));
        for text in [
            "tls://a:1",
            "nats://localhost:1",
            "nats://127.0.0.9:1",
            "nats://[::1]:1",
        ] {
            assert!(!is_open(text), "{text}");
        }
    }
}
