//! Answers of calls: from what a component gave to what a client reads (docs/mesh-protocol.md 2.3 and 2.5).

use super::publishing::Own;
use super::{Mesh, Reach};
use mesh_plugin::{Abandoned, Answer, Status, Unserved};
use mesh_session::{After, Session, Share};
use mesh_wire::protocol::json;
use serde_json::value::RawValue;
use std::sync::Arc;

/// A call that failed before or outside its method.
pub struct Failure {
    status: Option<&'static str>,
    name: &'static str,
    message: String,
}

impl Failure {
    /// Could not be dispatched.
    pub(super) fn failed(name: &'static str, message: String) -> Failure {
        Failure {
            status: Some("failed"),
            name,
            message,
        }
    }

    /// There is no such component.
    pub(super) fn bad_endpoint(message: String) -> Failure {
        Failure {
            status: None,
            name: "bad endpoint",
            message,
        }
    }

    /// Went wrong after it was dispatched.
    fn error(name: &'static str, message: String) -> Failure {
        Failure {
            status: Some("error"),
            name,
            message,
        }
    }

    /// The failure, in words.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The payload that says so.
    pub fn arguments(&self) -> String {
        error_array(self.name, &self.message)
    }

    fn document(&self) -> String {
        response(self.status, &self.arguments())
    }
}

/// The response document with this status, or without one.
fn response(status: Option<&str>, arguments: &str) -> String {
    match status {
        Some(status) => format!(r#"{{"status":"{status}","args":{arguments}}}"#),
        None => format!(r#"{{"args":{arguments}}}"#),
    }
}

/// The payload of an error that is not a component's own: `[{"message":…,"name":…}]`.
pub fn error_array(name: &str, message: &str) -> String {
    let mut out = String::from(r#"[{"message":"#);
    json::write_string(&mut out, message);
    out.push_str(r#","name":"#);
    json::write_string(&mut out, name);
    out.push_str("}]");
    out
}

/// A client that waits for the answer of its call.
#[derive(Clone)]
pub(super) struct SessionAnswer {
    mesh: Arc<Mesh>,
    session: Arc<Session>,
    /// The address, and behind it the component and method for messages.
    text: Box<str>,
    address: usize,
    component: usize,
    /// The publications of the component before its answer.
    after: Option<After>,
}

impl SessionAnswer {
    pub(super) fn new(
        mesh: Arc<Mesh>,
        session: Arc<Session>,
        address: &str,
        component: &str,
        method: &str,
    ) -> SessionAnswer {
        let mut text = String::with_capacity(address.len() + component.len() + method.len());
        text.push_str(address);
        text.push_str(component);
        text.push_str(method);
        SessionAnswer {
            mesh,
            session,
            text: text.into(),
            address: address.len(),
            component: address.len() + component.len(),
            after: None,
        }
    }

    /// Answers with what went wrong.
    pub(super) fn fail(&self, failure: &Failure) {
        self.publish(&failure.document());
    }

    fn target(&self) -> String {
        format!(
            "{}.{}",
            &self.text[self.address..self.component],
            &self.text[self.component..]
        )
    }

    fn publish(&self, document: &str) {
        let reach = Reach::Caller {
            session: &self.session,
            after: self.after.clone(),
        };
        self.mesh
            .publish_own(Own::new(&self.text[..self.address], document), reach);
    }
}

impl Answer for SessionAnswer {
    fn follow(&mut self, after: After) {
        self.after = Some(after);
    }

    fn answer(self: Box<Self>, status: i32, payload: &[u8]) {
        match document(status, payload) {
            Some(document) => self.publish(&document),
            None => self.fail(&unreadable(&self.target())),
        }
    }

    fn unserved(self: Box<Self>, unserved: Unserved<'_>) {
        self.publish(&response(unserved.status, unserved.arguments));
    }

    fn is_orphaned(&self) -> bool {
        self.session.has_ended()
    }

    fn share(&self) -> Option<&Share> {
        Some(self.session.calls())
    }

    fn abandon(self: Box<Self>, why: Abandoned) {
        self.fail(&abandoned(
            &self.target(),
            why,
            self.mesh.call_timeout().as_millis(),
        ));
    }
}

/// The error that a caller gets when a component breaks the ABI's rules for answers.
pub(super) fn unreadable(target: &str) -> Failure {
    Failure::error(
        "Error",
        format!("{target} gave an answer that is not a JSON array"),
    )
}

/// The payload of the error that a caller gets when nobody will answer.
pub fn abandoned_arguments(target: &str, why: Abandoned, limit_milliseconds: u128) -> String {
    abandoned(target, why, limit_milliseconds).arguments()
}

/// The error that a caller gets when nobody will answer.
pub(super) fn abandoned(target: &str, why: Abandoned, limit_milliseconds: u128) -> Failure {
    match why {
        Abandoned::TimedOut => Failure::error(
            "TimeoutError",
            format!("{target} did not answer within {limit_milliseconds} ms"),
        ),
        Abandoned::Stopped => Failure::error("Error", format!("{target} was stopped before it answered")),
        Abandoned::Replaced => Failure::error(
            "ComponentReplaced",
            format!("{target} was replaced by another version before it answered"),
        ),
    }
}

/// The response document for what a component gave; `None` when it is not what the ABI asks for.
fn document(status: i32, payload: &[u8]) -> Option<String> {
    let array = array(payload)?;
    let (head, body): (&str, &str) = match status {
        Status::OK => {
            let results = array[1..array.len() - 1].trim();
            if results.is_empty() {
                return Some(r#"{"status":"ok","args":[]}"#.to_owned());
            }
            (r#"{"status":"ok","args":[null,"#, &array[1..])
        }
        Status::VALUE_ERROR => (r#"{"status":"ok","args":"#, array),
        _ => (
            r#"{"status":"error","args":"#,
            begins_with_error(array).then_some(array)?,
        ),
    };
    let mut out = String::with_capacity(head.len() + body.len() + 1);
    out.push_str(head);
    out.push_str(body);
    out.push('}');
    Some(out)
}

/// The text of a JSON array; an empty payload is an empty array.
pub(super) fn array(payload: &[u8]) -> Option<&str> {
    if payload.is_empty() {
        return Some("[]");
    }
    let text = std::str::from_utf8(payload).ok()?.trim();
    (text.starts_with('[') && serde_json::from_str::<&RawValue>(text).is_ok()).then_some(text)
}

/// The meaning of an array whose first element stands for an error. `null` there means none.
pub(super) fn without_null_error(array: &str) -> (i32, String) {
    let elements: Vec<&RawValue> = serde_json::from_str(array).unwrap_or_default();
    match elements.split_first() {
        Some((first, results)) if first.get() == "null" => {
            let results: Vec<&str> = results.iter().map(|result| result.get()).collect();
            (Status::OK, format!("[{}]", results.join(",")))
        }
        _ => (Status::VALUE_ERROR, array.to_owned()),
    }
}

/// Whether the first element is an object with a message: clients rely on it.
fn begins_with_error(array: &str) -> bool {
    let elements: Vec<&RawValue> = serde_json::from_str(array).unwrap_or_default();
    let fields = elements
        .first()
        .map(|first| serde_json::from_str::<std::collections::HashMap<String, &RawValue>>(first.get()));
    matches!(fields, Some(Ok(fields)) if fields.contains_key("message"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_become_response_documents() {
        for (status, payload, expected) in [
            (Status::OK, "", Some(r#"{"status":"ok","args":[]}"#)),
            (Status::OK, "[ ]", Some(r#"{"status":"ok","args":[]}"#)),
            (
                Status::OK,
                r#"[{"key":"value"}]"#,
                Some(r#"{"status":"ok","args":[null,{"key":"value"}]}"#),
            ),
            (
                Status::OK,
                r#"[1,"two",[3]]"#,
                Some(r#"{"status":"ok","args":[null,1,"two",[3]]}"#),
            ),
            (
                Status::OK,
                "[null]",
                Some(r#"{"status":"ok","args":[null,null]}"#),
            ),
            (
                Status::ERROR,
                r#"[{"message":"m","name":"E","code":1},null]"#,
                Some(r#"{"status":"error","args":[{"message":"m","name":"E","code":1},null]}"#),
            ),
            (
                Status::VALUE_ERROR,
                r#"["text"]"#,
                Some(r#"{"status":"ok","args":["text"]}"#),
            ),
            (
                Status::VALUE_ERROR,
                "[null]",
                Some(r#"{"status":"ok","args":[null]}"#),
            ),
            (Status::OK, "{}", None),
            (Status::OK, "[1", None),
            (Status::OK, "[1]]", None),
            (Status::ERROR, "[]", None),
            (Status::ERROR, r#"["text"]"#, None),
            (
                77,
                r#"[{"message":"m"}]"#,
                Some(r#"{"status":"error","args":[{"message":"m"}]}"#),
            ),
        ] {
            assert_eq!(
                document(status, payload.as_bytes()).as_deref(),
                expected,
                "{status} {payload}"
            );
        }
        assert_eq!(document(Status::OK, b"[\"\xff\"]"), None);
    }

    #[test]
    fn components_take_null_for_no_error() {
        for (given, expected) in [
            ("[null]", (Status::OK, "[]")),
            ("[null, 1,[2]]", (Status::OK, "[1,[2]]")),
            (r#"["oh"]"#, (Status::VALUE_ERROR, r#"["oh"]"#)),
        ] {
            assert_eq!(without_null_error(given), (expected.0, expected.1.to_owned()));
        }
    }

    #[test]
    fn failures_become_errors_of_their_kind() {
        assert_eq!(
            Failure::bad_endpoint("m".into()).document(),
            r#"{"args":[{"message":"m","name":"bad endpoint"}]}"#
        );
        assert_eq!(
            Failure::failed("Error", "m".into()).document(),
            r#"{"status":"failed","args":[{"message":"m","name":"Error"}]}"#
        );
    }
}
