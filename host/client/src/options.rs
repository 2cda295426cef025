//! How a client connects: where to, in which protocol, as whom, and how long it waits.
//!
//! Enters: text from a command line. Leaves: [`Options`] and the parsed [`Address`]. Guarantees: a password
//! never appears in `Debug` output.

use super::{ClientError, ErrorKind, Trust};
use std::fmt;
use std::time::Duration;

/// The port of a happn server when an address names none.
pub const DEFAULT_PORT: u16 = 55000;

/// The protocol that a client announces. It decides the form of requests and who sends heartbeats.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, clap::ValueEnum)]
pub enum Protocol {
    /// Clients up to happn-3 3.x.
    #[value(name = "happn_1.3.0")]
    Happn1,
    /// Clients of happn-3 5.x to 7.x.
    #[value(name = "happn_2")]
    Happn2,
    /// Clients of happn-3 8.x.
    #[value(name = "happn_3")]
    Happn3,
    /// Clients since happn-3 9.x: the server sends the heartbeats.
    #[default]
    #[value(name = "happn_4")]
    Happn4,
}

impl Protocol {
    /// The string that `configure-session` announces.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Protocol::Happn1 => "happn_1.3.0",
            Protocol::Happn2 => "happn_2",
            Protocol::Happn3 => "happn_3",
            Protocol::Happn4 => "happn_4",
        }
    }

    /// Whether the server sends the heartbeats, and the client answers.
    #[must_use]
    pub fn server_pings(self) -> bool {
        self == Protocol::Happn4
    }

    /// Whether the server counts the listeners of a channel, and gives none an id.
    #[must_use]
    pub fn counts_listeners(self) -> bool {
        self == Protocol::Happn1
    }

    /// Whether an `on` carries a `listenerId`.
    #[must_use]
    pub fn names_listeners(self) -> bool {
        matches!(self, Protocol::Happn1 | Protocol::Happn2)
    }

    /// Whether a `**` at the end of a channel needs a depth.
    #[must_use]
    pub fn has_depths(self) -> bool {
        self != Protocol::Happn1
    }

    /// Whether the client says `disconnect` and waits for the answer before it closes.
    #[must_use]
    pub fn says_goodbye(self) -> bool {
        matches!(self, Protocol::Happn1 | Protocol::Happn2)
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// A user name and its password.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// Name of the user.
    pub username: String,
    /// Password of the user.
    pub password: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Credentials")
            .field("username", &self.username)
            .finish_non_exhaustive()
    }
}

/// How to connect.
#[derive(Clone, Debug)]
pub struct Options {
    /// `http://127.0.0.1:55000`, the same with `ws://`, `https://` or `wss://`, or just host and port.
    pub url: String,
    /// Announced protocol.
    pub protocol: Protocol,
    /// Whose certificates are believed, with `https` and `wss`.
    pub trust: Trust,
    /// Needed by secure servers, ignored by others.
    pub credentials: Option<Credentials>,
    /// How long to wait for the connection, and then for the answer to each request.
    pub timeout: Duration,
    /// How many publications a [`Subscription`](super::Subscription) may fall behind before it is ended.
    pub backlog: usize,
}

impl Options {
    /// Connects to `url` with the newest protocol, no credentials, and 10 seconds for each request.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Options {
        Options {
            url: url.into(),
            protocol: Protocol::default(),
            trust: Trust::default(),
            credentials: None,
            timeout: Duration::from_secs(10),
            backlog: 65_536,
        }
    }

    /// The same in another protocol.
    #[must_use]
    pub fn protocol(mut self, protocol: Protocol) -> Options {
        self.protocol = protocol;
        self
    }

    /// The same, trusting others.
    #[must_use]
    pub fn trust(mut self, trust: Trust) -> Options {
        self.trust = trust;
        self
    }

    /// The same as a named user.
    #[must_use]
    pub fn credentials(mut self, username: impl Into<String>, password: impl Into<String>) -> Options {
        self.credentials = Some(Credentials {
            username: username.into(),
            password: password.into(),
        });
        self
    }

    /// The same with another time limit.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Options {
        self.timeout = timeout;
        self
    }
}

/// Host and port of a server.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Address {
    /// Name or IP address, IPv6 without brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Whether TLS is spoken there.
    pub encrypted: bool,
}

impl Address {
    /// Reads `http://host:port`, the same with `ws`, `https` or `wss`, or `host:port`. A path is allowed and ignored.
    /// Without a port it is 80 or 443 after a scheme, as in every URL, and 55000 after a bare host.
    pub fn parse(url: &str) -> Result<Address, ClientError> {
        let wrong = |why: &str| {
            let message = format!(
                "`{url}` is not an address of a server: {why}; use for example http://127.0.0.1:55000"
            );
            ClientError::new(ErrorKind::Address, message)
        };
        let (rest, default_port, encrypted) = match url.split_once("://") {
            None => (url, DEFAULT_PORT, false),
            Some((scheme, rest))
                if ["http", "ws"]
                    .iter()
                    .any(|known| scheme.eq_ignore_ascii_case(known)) =>
            {
                (rest, 80, false)
            }
            Some((scheme, rest))
                if ["https", "wss"]
                    .iter()
                    .any(|known| scheme.eq_ignore_ascii_case(known)) =>
            {
                (rest, 443, true)
            }
            Some(_) => return Err(wrong("the scheme must be http, https, ws or wss")),
        };
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        if authority.contains('@') {
            return Err(wrong("credentials do not belong into it"));
        }
        let (host, port) = match authority.strip_prefix('[') {
            Some(bracketed) => {
                let (host, rest) = bracketed
                    .split_once(']')
                    .ok_or_else(|| wrong("a bracket is not closed"))?;
                (
                    host,
                    if rest.is_empty() {
                        None
                    } else {
                        Some(rest.strip_prefix(':').unwrap_or("?"))
                    },
                )
            }
            None => match authority.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (authority, None),
            },
        };
        if host.is_empty() || host.contains(char::is_whitespace) {
            return Err(wrong("there is no host in it"));
        }
        let port = match port {
            None => default_port,
            Some(port) => port
                .parse()
                .ok()
                .filter(|port| *port != 0)
                .ok_or_else(|| wrong("the port is not a number"))?,
        };
        Ok(Address {
            host: host.to_owned(),
            port,
            encrypted,
        })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(formatter, "[{}]:{}", self.host, self.port),
            false => write!(formatter, "{}:{}", self.host, self.port),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_parsed_and_wrong_ones_refused() {
        for (url, expected) in [
            ("http://127.0.0.1:55000", "127.0.0.1:55000"),
            ("ws://localhost:1/primus?x=1", "localhost:1"),
            ("HTTP://host/", "host:80"),
            ("host", "host:55000"),
            ("host:8080", "host:8080"),
            ("http://[::1]:9", "[::1]:9"),
            ("[::1]", "[::1]:55000"),
            ("https://host", "host:443"),
            ("wss://host:1/primus", "host:1"),
        ] {
            assert_eq!(
                Address::parse(url)
                    .map(|address| address.to_string())
                    .ok()
                    .as_deref(),
                Some(expected)
            );
        }
        for url in [
            "",
            "http://",
            "https://",
            "ftp://h",
            "h:x",
            "h:0",
            "h:99999",
            "http://u:p@h",
            "[::1",
            "[::1]x",
            ":1",
        ] {
            let error = Address::parse(url).expect_err(url);
            assert_eq!(error.kind(), ErrorKind::Address, "{url}");
        }
    }

    #[test]
    fn a_password_is_not_printed() {
        let options = Options::new("h").credentials("bob", "hidden");
        assert!(!format!("{options:?}").contains("hidden"));
    }
}
