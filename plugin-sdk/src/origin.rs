//! The caller.

use serde::Deserialize;
use serde_json::Value;

/// The caller of a method. Asked for by a parameter of type `&Origin`.
///
/// On a mesh without security the caller says itself who it is; only on a secure one is [`Origin::username`] proven.
#[derive(Clone, Debug, Default)]
pub struct Origin {
    fields: Option<Fields>,
    text: Box<str>,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct Fields {
    #[serde(default)]
    id: Value,
    #[serde(default)]
    username: Value,
}

impl Origin {
    pub(crate) fn read(json: &[u8]) -> Origin {
        Origin {
            fields: serde_json::from_slice(json).ok(),
            text: String::from_utf8_lossy(json).into_owned().into_boxed_str(),
        }
    }

    /// The caller's session.
    pub fn id(&self) -> Option<&str> {
        self.fields.as_ref()?.id.as_str()
    }

    /// The caller's user name, on a secure mesh.
    pub fn username(&self) -> Option<&str> {
        self.fields.as_ref()?.username.as_str()
    }

    /// All that the host said of the caller, as JSON text; empty when it said nothing.
    pub fn json(&self) -> &str {
        &self.text
    }
}
