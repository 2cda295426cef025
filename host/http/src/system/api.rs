//! `api` (docs/mesh-protocol.md 6.2): one method that shows a client that its calls arrive and are answered.
//!
//! Enters: `test(message)`. Leaves: `"<message> tested ok"`. Guarantees: for any message there is an answer. The
//! client for web pages under `/api/client` is a path of the host itself, so no route is listed.

use super::{MethodEntry, arguments_of};
use mesh_core::mesh::{BuiltinCall, Handler};
use mesh_plugin::{Answer, Status};
use serde_json::{Value, json};

pub(super) const METHODS: &[MethodEntry] = &[("test", &["message", "callback"])];

/// The component.
pub(super) struct Api;

impl Handler for Api {
    fn call(&self, call: BuiltinCall, answer: Box<dyn Answer>) {
        let tested = match arguments_of(&call.arguments).first() {
            None => "undefined tested ok".to_owned(),
            Some(Value::String(message)) => format!("{message} tested ok"),
            Some(message) => format!("{message} tested ok"),
        };
        answer.answer(Status::OK, json!([tested]).to_string().as_bytes());
    }
}
