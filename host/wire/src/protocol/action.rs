//! The verbs of the protocol.

/// The actions of requests (docs/protocol.md 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Announces the dialect of the session.
    ConfigureSession,
    /// Asks for the server's name and whether it is secure.
    Describe,
    /// Opens the session.
    Login,
    /// Reads documents.
    Get,
    /// Writes a document, publishes, or calls a component.
    Set,
    /// Subscribes.
    On,
    /// Unsubscribes.
    Off,
    /// Removes documents.
    Remove,
    /// Announces that the client is about to close the socket.
    Disconnect,
    /// Asks for a number to sign at a login.
    RequestNonce,
    /// Ends a token of a secure mesh.
    RevokeToken,
    /// Ends the sessions that were logged in with this session's token, later generations.
    DisconnectChildSessions,
    /// Ends a session of a secure mesh, first generation.
    RevokeSession,
    /// Changes the user's own password on a secure mesh.
    ChangePassword,
    /// Counts documents.
    Count,
    /// Acknowledges a publication.
    Acknowledge,
    /// Any other verb. Real servers of the first generation answer it with `ok` and `null`; so does this host.
    Other,
}

impl Action {
    /// Reads the verb as it stands on the wire. Verbs are case sensitive.
    pub fn from_wire(text: &str) -> Action {
        match text {
            "configure-session" => Action::ConfigureSession,
            "describe" => Action::Describe,
            "login" => Action::Login,
            "get" => Action::Get,
            "set" => Action::Set,
            "on" => Action::On,
            "off" => Action::Off,
            "remove" => Action::Remove,
            "disconnect" => Action::Disconnect,
            "request-nonce" => Action::RequestNonce,
            "revoke-token" => Action::RevokeToken,
            "disconnect-child-sessions" => Action::DisconnectChildSessions,
            "revoke-session" => Action::RevokeSession,
            "change-password" => Action::ChangePassword,
            "count" => Action::Count,
            "ack" => Action::Acknowledge,
            _ => Action::Other,
        }
    }
}

/// The kind of a change, as it stands in front of the `@` of a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum EventAction {
    /// `/SET@…`
    Set,
    /// `/REMOVE@…`
    Remove,
}

impl EventAction {
    /// The word in front of the `@`.
    pub fn as_str(self) -> &'static str {
        match self {
            EventAction::Set => "SET",
            EventAction::Remove => "REMOVE",
        }
    }
}
