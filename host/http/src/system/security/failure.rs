//! Why a method of `security` does not do what it was asked, in the words of real servers where they have some.
//!
//! Enters: errors of the directory, the store and of permissions. Leaves: the payload of an answer. Guarantees: no
//! password, hash or token is in one.

use mesh_security::HashError;
use mesh_security::permission::PermissionError;
use mesh_store::StoreError;
use mesh_wire::protocol::WireError;
use serde_json::{Value, json};

/// An error for the caller.
#[derive(Debug)]
pub(super) struct Failure {
    name: &'static str,
    message: String,
    /// An HTTP-like number, for errors of the kinds that have one.
    code: Option<u16>,
}

impl Failure {
    /// Something else than what was expected.
    pub(super) fn plain(message: impl Into<String>) -> Failure {
        Failure {
            name: "Error",
            message: message.into(),
            code: None,
        }
    }

    /// A name that cannot be one.
    pub(super) fn validation(message: impl Into<String>) -> Failure {
        Failure {
            name: "ValidationError",
            message: message.into(),
            code: Some(500),
        }
    }

    /// Not for this caller.
    pub(super) fn denied(message: impl Into<String>) -> Failure {
        Failure {
            name: "AccessDenied",
            message: message.into(),
            code: Some(403),
        }
    }

    /// The payload of the answer.
    pub(super) fn payload(&self) -> String {
        let mut error = json!({"message": self.message, "name": self.name});
        if let Some(code) = self.code {
            error["code"] = code.into();
        }
        if self.name == "SystemError" {
            error["severity"] = 0.into();
        }
        Value::Array(vec![error]).to_string()
    }

    /// The name of a system error on real servers.
    pub(super) fn system(message: impl Into<String>) -> Failure {
        Failure {
            name: "SystemError",
            message: message.into(),
            code: Some(500),
        }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Failure {
        Failure::system(error.to_string())
    }
}

impl From<PermissionError> for Failure {
    fn from(error: PermissionError) -> Failure {
        Failure::plain(error.to_string())
    }
}

impl From<HashError> for Failure {
    fn from(error: HashError) -> Failure {
        Failure::system(error.to_string())
    }
}

impl From<WireError> for Failure {
    fn from(error: WireError) -> Failure {
        match error.code() {
            Some(403) => Failure::denied(error.message()),
            _ => Failure::system(error.message()),
        }
    }
}
