//! The session of a connection.
//!
//! Enters: the answers to `describe` and `login`. Leaves: what requests and calls need of them. Guarantees: it does not
//! change while the connection lasts.

use serde_json::value::RawValue;

/// The session as the server described it.
#[derive(Debug)]
pub(super) struct Session {
    /// The session's id.
    pub(super) id: String,
    /// Name of the user, on secure servers.
    pub(super) username: Option<String>,
    /// Whether the server is secure: this decides where responses are expected.
    pub(super) secure: bool,
    /// Name of the server.
    pub(super) server_name: String,
    /// The whole answer to `login`.
    pub(super) login: Box<RawValue>,
}
