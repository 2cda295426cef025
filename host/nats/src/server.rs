//! A server, as it describes itself.
//!
//! Enters: nothing. Leaves: the words for it. Guarantees: none.

/// The server that the connection leads to, or the last one that it led to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Its name among servers.
    pub name: String,
    /// The address that it listens on, as it says.
    pub address: String,
    /// Its version.
    pub version: String,
}
