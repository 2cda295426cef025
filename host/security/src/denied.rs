//! Why a login or a request is refused, in the words of each dialect (docs/protocol.md 9.3 and 9.7).
//!
//! Enters: the reason. Leaves: the error that clients of a dialect understand: some stop trying on 403 alone, others on
//! 401 and 403.

use mesh_session::Expiry;
use mesh_wire::protocol::{Dialect, RefusalTexts, WireError};

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
    /// The error of a request whose login, of this session, does not hold any more.
    pub fn of_request(expiry: Expiry, session_id: &str, dialect: Dialect) -> WireError {
        match (dialect.refusal_texts(), expiry) {
            (RefusalTexts::Original, Expiry::Revoked) => WireError::access_denied("unauthorized")
                .because(format!("session with id {session_id} has been revoked")),
            (RefusalTexts::Original, _) => WireError::access_denied("unauthorized").because(expiry.message()),
            (RefusalTexts::Revised, _) => WireError::access_denied(expiry.message()),
        }
    }

    /// The error of a login, for a session of this dialect.
    pub fn to_wire(&self, dialect: Dialect) -> WireError {
        let original = dialect.refusal_texts() == RefusalTexts::Original;
        let unknown = |message: &str| match dialect.has_code_401() {
            true => WireError::unauthenticated(message),
            false => WireError::access_denied(message),
        };
        match self {
            Denied::Token if original => unknown("invalid credentials: invalid session token"),
            Denied::Token => unknown("Invalid credentials: invalid session token"),
            Denied::Revoked(id) if original => {
                WireError::access_denied(format!("session with id {id} has been revoked"))
            }
            Denied::Revoked(_) => WireError::access_denied("token has been revoked"),
            Denied::TokenLogins | Denied::TokenOrigin if original => {
                WireError::access_denied(format!("invalid credentials: {self}"))
            }
            // There it is not known that somebody may be nobody.
            Denied::Anonymous if original => unknown(&Denied::Credentials.to_string()),
            Denied::TokenKind => WireError::access_denied(
                "token was created using the login type 0, which does not match how the new token is to be created",
            ),
            Denied::Credentials | Denied::Anonymous | Denied::Address | Denied::Expired(_) => {
                unknown(&self.to_string())
            }
            Denied::Busy | Denied::Provider => WireError::system(self.to_string()),
            Denied::Locked
            | Denied::TokenLogins
            | Denied::TokenAddress
            | Denied::TokenOrigin
            | Denied::Future
            | Denied::OtherUser(_)
            | Denied::Outdated
            | Denied::Admin => WireError::access_denied(self.to_string()),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_with_an_expired_token_is_refused_by_its_cause_and_a_request_as_each_generation_knows_it() {
        let written = |error: WireError| {
            let mut out = String::new();
            error.write(&mut out);
            out
        };
        for (dialect, code, request) in [
            (
                Dialect::Happn1,
                403,
                r#"{"name":"AccessDenied","message":"unauthorized","code":403,"reason":"expired session token"}"#,
            ),
            (
                Dialect::Happn2,
                401,
                r#"{"name":"AccessDenied","message":"expired session token","code":403}"#,
            ),
            (
                Dialect::Happn4,
                401,
                r#"{"name":"AccessDenied","message":"expired session token","code":403}"#,
            ),
        ] {
            let login = written(Denied::Expired(Expiry::Elapsed).to_wire(dialect));
            let expected =
                format!(r#"{{"name":"AccessDenied","message":"expired session token","code":{code}}}"#);
            assert_eq!(login, expected, "{dialect:?}");
            assert_eq!(
                written(Denied::of_request(Expiry::Elapsed, "S", dialect)),
                request,
                "{dialect:?}"
            );
        }
    }
}
