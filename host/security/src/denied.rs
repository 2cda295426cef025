//! Why a login or a request is refused, in the words of either generation (docs/protocol.md 9.3 and 9.7).
//!
//! Enters: the reason. Leaves: the error that clients of a generation understand: those of the first stop trying
//! on 403 alone, later ones on 401 and 403.

use mesh_session::Expiry;
use mesh_wire::protocol::{Dialect, WireError};

/// Why nobody is let in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// No such user, or not this password, or no credentials at all: nobody learns which.
    #[error("Invalid credentials")]
    Credentials,
    /// Too many wrong passwords.
    #[error("Account locked out")]
    Locked,
    /// That is no token of this mesh.
    #[error("invalid session token")]
    Token,
    /// The token of this session was revoked.
    #[error("token of session {0} has been revoked")]
    Revoked(String),
    /// Its profile says so.
    #[error("logins with this token are disallowed by policy")]
    TokenLogins,
    /// A token of a login over HTTP, used for a websocket.
    #[error("token of another kind of login")]
    TokenKind,
    /// Its profile binds it to another address.
    #[error("token is locked to another address")]
    TokenAddress,
    /// Its profile binds it to meshes of another name.
    #[error("this token is locked to a different origin by policy")]
    TokenOrigin,
    /// It was made later than now.
    #[error(
        "the token was made later than now: the clock of this host, or of the one that made it, is wrong"
    )]
    Future,
    /// The user was made again since.
    #[error("token userid does not match userid for username: {0}")]
    OtherUser(String),
    /// The user has got another password since.
    #[error("token is older than the password")]
    Outdated,
    /// Nobody may log in as nobody.
    #[error("Anonymous access is disabled")]
    Anonymous,
    /// Not from there.
    #[error("Source address access restricted")]
    Address,
    /// The administrator only from this machine.
    #[error("use of _ADMIN credentials over the network is disabled")]
    Admin,
    /// The login does not hold any more.
    #[error("{}", .0.message())]
    Expired(Expiry),
    /// The component that checks passwords does not.
    #[error("logins cannot be checked at present, try again later")]
    Provider,
    /// Too many logins at once.
    #[error("too many logins are being checked, try again later")]
    Busy,
}

impl Denied {
    /// The error for a session of this dialect.
    pub fn to_wire(&self, dialect: Dialect) -> WireError {
        let first = dialect.is_first_generation();
        let unknown = |message: String| match first {
            true => WireError::access_denied(message),
            false => WireError::unauthenticated(message),
        };
        match self {
            Denied::Token if first => WireError::access_denied("invalid credentials: invalid session token"),
            Denied::Token => WireError::unauthenticated("Invalid credentials: invalid session token"),
            Denied::Revoked(id) if first => {
                WireError::access_denied(format!("session with id {id} has been revoked"))
            }
            Denied::Revoked(_) => WireError::access_denied("token has been revoked"),
            Denied::TokenLogins | Denied::TokenOrigin if first => {
                WireError::access_denied(format!("invalid credentials: {self}"))
            }
            // The first generation knows of nobody who is nobody.
            Denied::Anonymous if first => WireError::access_denied(Denied::Credentials.to_string()),
            Denied::TokenKind => WireError::access_denied(
                "token was created using the login type 0, which does not match how the new token is to be created",
            ),
            Denied::Credentials | Denied::Anonymous | Denied::Address => unknown(self.to_string()),
            Denied::Expired(expiry) if first => {
                WireError::access_denied("unauthorized").because(expiry.message())
            }
            Denied::Busy | Denied::Provider => WireError::system(self.to_string()),
            Denied::Locked
            | Denied::TokenLogins
            | Denied::TokenAddress
            | Denied::TokenOrigin
            | Denied::Future
            | Denied::OtherUser(_)
            | Denied::Outdated
            | Denied::Admin
            | Denied::Expired(_) => WireError::access_denied(self.to_string()),
        }
    }

    /// A word for the log.
    pub fn kind(&self) -> &'static str {
        match self {
            Denied::Credentials => "credentials",
            Denied::Locked => "locked",
            Denied::Token => "token",
            Denied::Revoked(_) => "revoked",
            Denied::TokenLogins => "token logins",
            Denied::TokenKind => "token kind",
            Denied::TokenAddress => "token address",
            Denied::TokenOrigin => "token origin",
            Denied::Future => "token of the future",
            Denied::OtherUser(_) => "user replaced",
            Denied::Outdated => "token outdated",
            Denied::Anonymous => "anonymous",
            Denied::Address => "address",
            Denied::Admin => "admin over network",
            Denied::Expired(_) => "expired",
            Denied::Provider => "provider",
            Denied::Busy => "busy",
        }
    }
}
