//! Replies of the REST component: from what a component gave to a status and `{"message","data","error"}`.
//!
//! Enters: the outcome of a call. Leaves: a [`Reply`]. Guarantees: a reply is valid JSON whatever the component gave.
//! Results are handed on as they were written. An error is an object with a message.

use super::methods::Described;
use super::parameters;
use mesh_plugin::{Abandoned, Given, Status, Unserved};
use mesh_wire::protocol::{WireError, json};
use serde_json::Value;
use serde_json::value::RawValue;
use std::time::Duration;

/// A status and a JSON body.
#[derive(Debug, PartialEq, Eq)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// `{"message":…,"data":…,"error":…}`.
    pub body: String,
}

impl Reply {
    /// A success; `data` is JSON.
    pub(super) fn succeeded(message: &str, data: &str) -> Reply {
        Reply {
            status: 200,
            body: body(message, data, "null"),
        }
    }

    /// A failure with the message of its error.
    pub fn failed(status: u16, message: &str, error: &str) -> Reply {
        let mut object = String::from(r#"{"message":"#);
        json::write_string(&mut object, error);
        object.push('}');
        Reply {
            status,
            body: body(message, "null", &object),
        }
    }

    /// A failure whose error clients of websockets know.
    pub(super) fn failed_with(status: u16, message: &str, error: &WireError) -> Reply {
        let mut object = String::new();
        error.write(&mut object);
        Reply {
            status,
            body: body(message, "null", &object),
        }
    }

    /// A call of a method of `component` that ended in any way.
    pub(super) fn of(outcome: Outcome, component: &str, method: Described<'_>, limit: Duration) -> Reply {
        let target = format!("{component}.{}", method.name());
        let failed = |status: u16, error: &str| Reply::failed(status, "Call failed", error);
        match outcome {
            Outcome::Completed(status, payload) => completed(status, &payload, &parameters::names(method))
                .unwrap_or_else(|| failed(502, &format!("{target} gave an answer that is not a JSON array"))),
            Outcome::Refused(reason) => failed(503, &reason),
            Outcome::Unserved(status, reason) => failed(status, &reason),
            Outcome::Abandoned => failed(503, &format!("{target} was stopped before it answered")),
            Outcome::TimedOut => failed(
                504,
                &format!("{target} did not answer within {} ms", limit.as_millis()),
            ),
        }
    }
}

fn body(message: &str, data: &str, error: &str) -> String {
    let mut out = String::with_capacity(message.len() + data.len() + error.len() + 40);
    out.push_str(r#"{"message":"#);
    json::write_string(&mut out, message);
    out.push_str(r#","data":"#);
    out.push_str(data);
    out.push_str(r#","error":"#);
    out.push_str(error);
    out.push('}');
    out
}

/// The reply to what a component gave for a method with these parameters; `None` when it is not what the ABI asks for.
fn completed(status: i32, payload: &[u8], parameters: &[String]) -> Option<Reply> {
    let text = if payload.is_empty() { b"[]" } else { payload };
    let values: Vec<&RawValue> = serde_json::from_slice(text).ok()?;
    let value = |position: usize| values.get(position).map_or("null", |value| value.get());
    if status == Status::OK {
        return Some(Reply::succeeded("Call successful", value(0)));
    }
    let error = values.first();
    if status == Status::VALUE_ERROR && !error.is_some_and(|error| json::is_truthy(error)) {
        return Some(Reply::succeeded("Call successful", value(1)));
    }
    let error = error?;
    Some(match Fault::of(error, parameters) {
        Fault::Denied(reason) => Reply::failed(403, &reason, "Access denied"),
        fault => Reply {
            status: if fault == Fault::OfCaller { 400 } else { 500 },
            body: body("Call failed", "null", &error_object(error)),
        },
    })
}

/// Whose fault the error of a method is.
#[derive(Debug, PartialEq, Eq)]
enum Fault {
    /// The caller's, who handed over something that the method cannot take: a `TypeError` that names one of its parameters,
    /// as the SDK says it.
    OfCaller,
    /// Of rights: the mesh denied, for this reason, what the method did for its caller.
    Denied(String),
    /// The method's own.
    OfMethod,
}

impl Fault {
    fn of(error: &RawValue, parameters: &[String]) -> Fault {
        let Ok(Value::Object(fields)) = serde_json::from_str(error.get()) else {
            return Fault::OfMethod;
        };
        let text = |name: &str| fields.get(name).and_then(Value::as_str);
        match (text("name"), text("parameter"), text("reason")) {
            (Some("TypeError"), Some(parameter), _) if parameters.iter().any(|name| name == parameter) => {
                Fault::OfCaller
            }
            (Some("AccessDenied"), _, Some(reason)) if fields.get("code").is_some_and(|code| code == 403) => {
                Fault::Denied(reason.to_owned())
            }
            _ => Fault::OfMethod,
        }
    }
}

/// An error as REST clients know it: always an object with a message. The name `Error` is left out, since the errors of
/// JavaScript do not show it; any other name tells something.
fn error_object(error: &RawValue) -> String {
    let message = match serde_json::from_str(error.get()) {
        Ok(Value::Object(mut fields)) => {
            if fields.get("name").is_some_and(|name| name == "Error") {
                fields.shift_remove("name");
            }
            return Value::Object(fields).to_string();
        }
        Ok(Value::String(text)) => text,
        _ => error.get().to_owned(),
    };
    let mut out = String::from(r#"{"message":"#);
    json::write_string(&mut out, &message);
    out.push('}');
    out
}

/// How a call ended.
#[derive(Debug)]
pub(super) enum Outcome {
    /// With a status and a payload, unchecked.
    Completed(i32, Vec<u8>),
    /// It was not taken, for this reason.
    Refused(String),
    /// No node of the cluster has answered; a status of HTTP, and why.
    Unserved(u16, String),
    /// Nobody will answer it.
    Abandoned,
    /// It took too long.
    TimedOut,
}

/// The completion of a call by a component, unchecked.
#[derive(Debug)]
pub(super) enum Completion {
    /// With a status and a payload.
    Given(i32, Vec<u8>),
    /// No node of the cluster has answered; a status of HTTP, and why.
    Unserved(u16, String),
}

impl Given for Completion {
    fn completed(status: i32, payload: &[u8]) -> Self {
        Completion::Given(status, payload.to_vec())
    }

    fn unserved(unserved: Unserved<'_>) -> Self {
        let (status, message) = crate::unserved::read(unserved.arguments);
        Completion::Unserved(status, message)
    }
}

impl From<Result<Completion, Abandoned>> for Outcome {
    fn from(ended: Result<Completion, Abandoned>) -> Outcome {
        match ended {
            Ok(Completion::Given(status, payload)) => Outcome::Completed(status, payload),
            Ok(Completion::Unserved(status, message)) => Outcome::Unserved(status, message),
            Err(Abandoned::TimedOut) => Outcome::TimedOut,
            Err(Abandoned::Stopped | Abandoned::Replaced) => Outcome::Abandoned,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_and_errors_become_answers() {
        let ok = |data: &str| Some((200, body("Call successful", data, "null")));
        let failed = |error: &str| Some((500, body("Call failed", "null", error)));
        for (status, payload, expected) in [
            (Status::OK, "", ok("null")),
            (Status::OK, "[]", ok("null")),
            (Status::OK, r#"[{"a":1.50}, 2]"#, ok(r#"{"a":1.50}"#)),
            (Status::OK, "{}", None),
            (Status::OK, "[1", None),
            (
                Status::ERROR,
                r#"[{"message":"m","name":"Error","code":1}]"#,
                failed(r#"{"message":"m","code":1}"#),
            ),
            (
                Status::ERROR,
                r#"[{"message":"m","name":"TypeError"}]"#,
                failed(r#"{"message":"m","name":"TypeError"}"#),
            ),
            (
                Status::ERROR,
                r#"[{"message":"m","name":"TypeError","parameter":"z"}]"#,
                failed(r#"{"message":"m","name":"TypeError","parameter":"z"}"#),
            ),
            (
                Status::ERROR,
                r#"[{"message":"m","name":"TypeError","parameter":"a"}]"#,
                Some((
                    400,
                    body(
                        "Call failed",
                        "null",
                        r#"{"message":"m","name":"TypeError","parameter":"a"}"#,
                    ),
                )),
            ),
            (
                Status::ERROR,
                r#"[{"message":"unauthorized","name":"AccessDenied","code":403,"reason":"not bob"}]"#,
                Some((403, body("not bob", "null", r#"{"message":"Access denied"}"#))),
            ),
            (Status::ERROR, "[]", None),
            (
                Status::VALUE_ERROR,
                r#"["text"]"#,
                failed(r#"{"message":"text"}"#),
            ),
            (Status::VALUE_ERROR, "[17]", failed(r#"{"message":"17"}"#)),
            (Status::VALUE_ERROR, "[null,5]", ok("5")),
        ] {
            let found = completed(status, payload.as_bytes(), &["a".to_owned()])
                .map(|reply| (reply.status, reply.body));
            assert_eq!(found, expected, "{status} {payload}");
        }
    }
}
