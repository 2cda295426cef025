//! Errors as clients see them in `_meta.error` (docs/protocol.md 12).

use super::json;
use std::borrow::Cow;

/// The error of one request. Clients turn `message` into the text of the error they raise and copy the other
/// fields onto it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WireError {
    name: &'static str,
    message: String,
    code: Option<u16>,
    /// Why, where the message does not say it; or the part of a happn server that the error comes from.
    reason: Option<Cow<'static, str>>,
}

impl WireError {
    /// An error of the plain kind: `{"name":"Error","message":…}`.
    pub fn plain(message: impl Into<String>) -> WireError {
        WireError {
            name: "Error",
            message: message.into(),
            code: None,
            reason: None,
        }
    }

    /// A failure inside the host, such as a store that cannot write: `{"name":"SystemError","code":500,…}`.
    pub fn system(message: impl Into<String>) -> WireError {
        WireError {
            name: "SystemError",
            message: message.into(),
            code: Some(500),
            reason: None,
        }
    }

    /// As [`WireError::system`], naming the part of a happn server that it comes from.
    pub fn service(message: impl Into<String>, service: &'static str) -> WireError {
        WireError {
            reason: Some(Cow::Borrowed(service)),
            ..WireError::system(message)
        }
    }

    /// The request is not allowed: `{"name":"AccessDenied","code":403,…}`.
    pub fn access_denied(message: impl Into<String>) -> WireError {
        WireError {
            name: "AccessDenied",
            message: message.into(),
            code: Some(403),
            reason: None,
        }
    }

    /// The client is not who it claims to be: as [`WireError::access_denied`] with the code that later generations
    /// use.
    pub fn unauthenticated(message: impl Into<String>) -> WireError {
        WireError {
            code: Some(401),
            ..WireError::access_denied(message)
        }
    }

    /// The same, with a reason.
    pub fn because(self, reason: impl Into<Cow<'static, str>>) -> WireError {
        WireError {
            reason: Some(reason.into()),
            ..self
        }
    }

    /// The HTTP-like number that the error carries.
    pub fn code(&self) -> Option<u16> {
        self.code
    }

    /// The error for a `path` that is missing or not text; `found` is the JSON of what was sent.
    pub fn path_is_no_text(found: Option<&str>) -> WireError {
        WireError::plain(format!(
            "Bad path [{}], must be a string",
            json::shorten(found.unwrap_or("undefined"))
        ))
    }

    /// The error for a path with a character outside the list of docs/protocol.md 6.1.
    pub fn path_has_bad_characters() -> WireError {
        WireError::plain(
            "Bad path, can only contain characters a-z A-Z 0-9 / & + = : @ % * ( ) _ -, ie: \
             factory1@I&J(western-cape)/plant1:conveyer_2/stats=true/capacity=10%/*",
        )
    }

    /// The text that says what went wrong.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Appends the error as a JSON object.
    pub fn write(&self, out: &mut String) {
        out.push_str(r#"{"name":""#);
        out.push_str(self.name);
        out.push_str(r#"","message":"#);
        json::write_string(out, &self.message);
        if let Some(code) = self.code {
            out.push_str(r#","code":"#);
            json::write_number(out, u64::from(code));
            if self.name == "SystemError" {
                out.push_str(r#","severity":0"#);
            }
            if let Some(reason) = &self.reason {
                if self.name == "SystemError" {
                    out.push_str(r#","inner":{}"#);
                }
                out.push_str(r#","reason":"#);
                json::write_string(out, reason);
            }
        }
        out.push('}');
    }
}
