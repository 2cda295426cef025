//! Failures between the client and a server.
//!
//! Enters: causes from the socket, from JSON and from the server. Leaves: [`ClientError`], matched by its
//! [`ErrorKind`] and readable by people. Guarantees: the text names the request concerned and never a password.

use serde_json::{Map, Value};
use std::error::Error;
use std::fmt;

/// The kind of a [`ClientError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The address is not one of a happn server.
    Address,
    /// No connection: nobody listens, or what listens does not speak websocket.
    Connect,
    /// The server's certificate is not trusted, or there is nobody to trust.
    Certificate,
    /// The server is secure and no credentials were given.
    CredentialsMissing,
    /// The server refused the login.
    LoginRefused,
    /// The server answered the request with an error; [`ClientError::remote`] has it.
    Refused,
    /// No answer within the configured time.
    Timeout,
    /// The connection is gone.
    Closed,
    /// The server's answer is not what the protocol promises.
    Protocol,
    /// A value cannot be written as JSON.
    Encode,
    /// A subscription was read too slowly and has ended.
    Overflow,
}

/// A failure of the client, with the request that it belongs to.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct ClientError {
    kind: ErrorKind,
    message: String,
    remote: Option<Box<RemoteError>>,
    #[source]
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl ClientError {
    /// An error with a text and no cause.
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> ClientError {
        ClientError {
            kind,
            message: message.into(),
            remote: None,
            source: None,
        }
    }

    /// An error with a cause. The cause is not part of the text.
    pub(crate) fn caused(
        kind: ErrorKind,
        message: impl Into<String>,
        source: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> ClientError {
        ClientError {
            kind,
            message: message.into(),
            remote: None,
            source: Some(source.into()),
        }
    }

    /// An error that the server sent in answer to `request`.
    pub(crate) fn remote_error(kind: ErrorKind, request: &str, remote: RemoteError) -> ClientError {
        ClientError {
            kind,
            message: format!("{request}: {remote}"),
            remote: Some(Box::new(remote)),
            source: None,
        }
    }

    /// The kind of failure.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The error as the server sent it, if it did.
    #[must_use]
    pub fn remote(&self) -> Option<&RemoteError> {
        self.remote.as_deref()
    }
}

/// An error object as it came over the wire: from the happn server, or from a component.
#[derive(Clone, Debug, PartialEq)]
pub struct RemoteError {
    /// Its `name`, `Error` when it has none.
    pub name: String,
    /// Its `message`, empty when it has none.
    pub message: String,
    /// Everything else, in the order in which it was sent.
    pub fields: Map<String, Value>,
}

impl RemoteError {
    /// Reads an error object. Any other value becomes the message: a string as it is, the rest as JSON.
    #[must_use]
    pub fn from_value(value: Value) -> RemoteError {
        let mut fields = match value {
            Value::Object(fields) => fields,
            Value::String(message) => return RemoteError::plain(message),
            other => return RemoteError::plain(other.to_string()),
        };
        let mut take = |key: &str| match fields.shift_remove(key) {
            None => String::new(),
            Some(Value::String(text)) => text,
            Some(other) => other.to_string(),
        };
        let (mut name, message) = (take("name"), take("message"));
        if name.is_empty() {
            name.push_str("Error");
        }
        RemoteError {
            name,
            message,
            fields,
        }
    }

    fn plain(message: String) -> RemoteError {
        RemoteError {
            name: "Error".to_owned(),
            message,
            fields: Map::new(),
        }
    }

    /// The numeric `code` that happn gives to refusals, such as 403.
    #[must_use]
    pub fn code(&self) -> Option<i64> {
        self.fields.get("code").and_then(Value::as_i64)
    }
}

impl fmt::Display for RemoteError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.name, self.message)?;
        match self.fields.get("reason").and_then(Value::as_str) {
            Some(reason) => write!(formatter, " ({reason})"),
            None => Ok(()),
        }
    }
}

impl Error for RemoteError {}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_error_object_keeps_its_own_fields() {
        let error = RemoteError::from_value(json!({"message": "m", "name": "N", "code": 403, "reason": "r"}));
        assert_eq!(
            (error.name.as_str(), error.message.as_str(), error.code()),
            ("N", "m", Some(403))
        );
        assert_eq!(error.to_string(), "N: m (r)");
        assert_eq!(error.fields.keys().collect::<Vec<_>>(), ["code", "reason"]);
    }

    #[test]
    fn any_value_can_be_an_error() {
        assert_eq!(RemoteError::from_value(json!("text")).to_string(), "Error: text");
        assert_eq!(
            RemoteError::from_value(json!({"code": 42})).to_string(),
            "Error: "
        );
        assert_eq!(RemoteError::from_value(json!([1])).to_string(), "Error: [1]");
    }
}
