//! Failures of calls, as clients see them.
//!
//! Enters: a component's facts about a failure, or the payload of a failed reply. Leaves: a status and a JSON array
//! for the host. A failure that is handed on with `?` keeps every field it came with.

use crate::javascript;
use crate::raw::Raw;
use mesh_plugin_abi::Status;
use serde::Serialize;
use serde_json::{Map, Value};
use std::fmt;

/// Why a call failed.
///
/// ```
/// use mesh_plugin_sdk::prelude::*;
///
/// fn divide(a: f64, b: f64) -> Result<f64, Error> {
///     if b == 0.0 {
///         return Err(Error::new("division by zero").name("DivisionError").field("code", 4220));
///     }
///     Ok(a / b)
/// }
///
/// let error = divide(1.0, 0.0).unwrap_err();
/// assert_eq!(error.message(), "division by zero");
/// assert_eq!(error.get("code"), Some(&json!(4220)));
/// ```
///
/// Every [`std::error::Error`] becomes an `Error` through `?`:
///
/// ```
/// use mesh_plugin_sdk::prelude::*;
///
/// fn read(text: &str) -> Result<u16, Error> {
///     Ok(text.parse::<u16>()?)
/// }
///
/// assert_eq!(read("x").unwrap_err().message(), "invalid digit found in string");
/// ```
pub struct Error {
    inner: Box<Inner>,
}

struct Inner {
    /// An object with `message` and `name` for an error object; anything else was made by [`Error::value`].
    value: Value,
    is_object: bool,
    /// Results sent along with the failure.
    results: Vec<Value>,
}

impl Error {
    /// An error object with this message and the name `Error`.
    pub fn new(message: impl Into<String>) -> Error {
        let mut fields = Map::new();
        fields.insert("message".to_owned(), Value::String(message.into()));
        fields.insert("name".to_owned(), Value::String("Error".to_owned()));
        Error::from_parts(Value::Object(fields), true, Vec::new())
    }

    /// A failure that is only a text: the caller's callback gets the string itself as error.
    pub fn text(text: impl Into<String>) -> Error {
        Error::value(Value::String(text.into()))
    }

    /// A failure that is any JSON value: the caller's callback gets it as error, unchanged.
    ///
    /// ```
    /// use mesh_plugin_sdk::prelude::*;
    /// let error = Error::value(json!({"code": 42}));
    /// assert_eq!(error.get("code"), Some(&json!(42)));
    /// ```
    pub fn value(value: impl Into<Value>) -> Error {
        Error::from_parts(value.into(), false, Vec::new())
    }

    /// A `TypeError`, as for wrong arguments.
    pub fn type_error(message: impl Into<String>) -> Error {
        Error::new(message).name("TypeError")
    }

    /// Sets the error's name, such as `DivisionError`.
    #[must_use]
    pub fn name(self, name: impl Into<String>) -> Error {
        self.field("name", name.into())
    }

    /// Adds a field to the error object. A value that cannot be written as JSON becomes `null`.
    #[must_use]
    pub fn field(mut self, key: impl Into<String>, value: impl Serialize) -> Error {
        let value = serde_json::to_value(value).unwrap_or_default();
        if let Value::Object(fields) = &mut self.inner.value {
            fields.insert(key.into(), value);
        }
        self
    }

    /// Adds a result that is sent along with the failure.
    #[must_use]
    pub fn with_result(mut self, result: impl Serialize) -> Error {
        self.inner
            .results
            .push(serde_json::to_value(result).unwrap_or_default());
        self
    }

    /// The failure, in words.
    pub fn message(&self) -> &str {
        match &self.inner.value {
            Value::String(text) => text,
            value => value.get("message").and_then(Value::as_str).unwrap_or_default(),
        }
    }

    /// The error's name; `Error` where it has none.
    pub fn type_name(&self) -> &str {
        self.get("name").and_then(Value::as_str).unwrap_or("Error")
    }

    /// A field of the error object.
    pub fn get(&self, field: &str) -> Option<&Value> {
        self.inner.value.get(field)
    }

    /// The error as clients see it.
    pub fn as_value(&self) -> &Value {
        &self.inner.value
    }

    /// The results sent along with the failure.
    pub fn results(&self) -> &[Value] {
        &self.inner.results
    }

    fn from_parts(value: Value, is_object: bool, results: Vec<Value>) -> Error {
        Error {
            inner: Box::new(Inner {
                value,
                is_object,
                results,
            }),
        }
    }

    /// Writes the payload for the host and returns its status.
    pub(crate) fn write(&self, payload: &mut Vec<u8>) -> i32 {
        payload.clear();
        payload.push(b'[');
        for (position, value) in std::iter::once(&self.inner.value)
            .chain(&self.inner.results)
            .enumerate()
        {
            if position > 0 {
                payload.push(b',');
            }
            let before = payload.len();
            if javascript::write(payload, value).is_err() {
                payload.truncate(before);
                payload.extend_from_slice(b"null");
            }
        }
        payload.push(b']');
        if self.inner.is_object {
            Status::ERROR
        } else {
            Status::VALUE_ERROR
        }
    }

    /// Reads the payload of a failed reply.
    pub(crate) fn read(status: i32, payload: &[u8]) -> Error {
        let parsed = serde_json::from_slice(payload)
            .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(payload).into_owned()));
        let (value, results) = match parsed {
            Value::Array(mut values) if !values.is_empty() => {
                let first = values.remove(0);
                (first, values)
            }
            value => (value, Vec::new()),
        };
        match value {
            Value::Object(fields) => {
                Error::from_parts(Value::Object(fields), status != Status::VALUE_ERROR, results)
            }
            value if status == Status::VALUE_ERROR => Error::from_parts(value, false, results),
            Value::String(text) => Error::new(text),
            Value::Null | Value::Array(_) => Error::new("the request failed"),
            value => Error::new(value.to_string()),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.inner.value, self.type_name()) {
            (Value::String(text), _) => formatter.write_str(text),
            (Value::Object(fields), "Error") if fields.contains_key("message") => {
                formatter.write_str(self.message())
            }
            (Value::Object(fields), name) if fields.contains_key("message") => {
                write!(formatter, "{name}: {}", self.message())
            }
            (value, _) => write!(formatter, "{value}"),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Error")
            .field("value", &self.inner.value)
            .field("results", &self.inner.results)
            .finish()
    }
}

impl<E: std::error::Error> From<E> for Error {
    fn from(error: E) -> Error {
        Error::new(error.to_string())
    }
}

/// Reads JSON that came from the host or from another component.
pub(crate) fn parse<T: serde::de::DeserializeOwned>(what: &str, raw: &Raw) -> Result<T, Error> {
    serde_json::from_str(raw.get()).map_err(|error| Error::type_error(format!("{what}: {error}")))
}

/// The errors that a method may fail with.
///
/// Only there for the words of the compiler: everything that becomes an [`Error`] through `?` is one.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the error of a method",
    label = "not an error",
    note = "fail with `mesh_plugin_sdk::Error`, such as `Error::new(\"what is wrong\")`, or with a type that implements `std::error::Error`"
)]
pub trait IntoError {
    /// The error as callers see it.
    fn into_error(self) -> Error;
}

#[diagnostic::do_not_recommend]
impl<E: Into<Error>> IntoError for E {
    fn into_error(self) -> Error {
        self.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn written(error: &Error) -> (i32, String) {
        let mut payload = Vec::new();
        let status = error.write(&mut payload);
        (status, String::from_utf8(payload).unwrap())
    }

    #[test]
    fn error_objects_texts_and_values_are_told_apart() {
        let error = Error::new("m").name("N").field("code", 7).with_result("extra");
        assert_eq!(
            written(&error),
            (
                Status::ERROR,
                r#"[{"message":"m","name":"N","code":7},"extra"]"#.to_owned()
            )
        );
        assert_eq!(
            written(&Error::text("oh")),
            (Status::VALUE_ERROR, r#"["oh"]"#.to_owned())
        );
        assert_eq!(
            written(&Error::value(json!({"a":1}))),
            (Status::VALUE_ERROR, r#"[{"a":1}]"#.to_owned())
        );
    }

    #[test]
    fn a_written_error_reads_the_same() {
        for error in [
            Error::new("m").field("code", 7).with_result(1),
            Error::text("oh"),
            Error::value(json!({"a":1})),
        ] {
            let (status, payload) = written(&error);
            assert_eq!(
                written(&Error::read(status, payload.as_bytes())),
                (status, payload)
            );
        }
        assert_eq!(Error::read(Status::ERROR, b"").message(), "");
        assert_eq!(Error::read(Status::ERROR, b"[]").message(), "the request failed");
        assert_eq!(Error::read(Status::ERROR, b"{\"message\":\"m\"}").message(), "m");
    }
}
