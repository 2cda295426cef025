//! Field by field comparison of a recorded and a live frame.
//!
//! Enters: two frames that belong together. Leaves: the fields in which they differ. Guarantees: every field
//! of either frame is looked at; identifiers are compared by binding, times by binding and by their order.

use serde_json::{Map, Value};

use super::frame::Sessions;
use super::identifiers::Identifiers;

/// Numbers from here on are times in milliseconds.
const EARLIEST_TIME: u64 = 1_000_000_000_000;

/// How a field of the live frame differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Change {
    /// Recorded, but not in the live frame.
    Missing,
    /// In the live frame, but not recorded.
    Extra,
    /// In both, with another value.
    Different,
}

/// One field in which two frames differ.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    /// The place of the field, such as `data.happn.name`.
    pub field: String,
    /// How it differs.
    pub change: Change,
    /// The recorded value, `null` when there is none.
    pub recorded: Value,
    /// The live value, `null` when there is none.
    pub live: Value,
}

/// Compares frames of one request.
pub struct Comparison<'a> {
    /// The identifiers known so far.
    pub identifiers: &'a mut Identifiers,
    /// The recorded sessions of clients.
    pub sessions: &'a Sessions,
    /// The action of the request, empty when there is none.
    pub action: &'a str,
    /// The `eventId` of the request, empty when there is none.
    pub event: &'a str,
    /// Which fields need only be of the same type.
    pub volatile: &'a dyn Fn(&str) -> bool,
}

impl Comparison<'_> {
    /// All differences between two frames.
    pub fn differences(mut self, recorded: &Value, live: &Value) -> Vec<Difference> {
        let mut found = Vec::new();
        self.value("", recorded, live, &mut found);
        found
    }

    fn value(&mut self, field: &str, recorded: &Value, live: &Value, found: &mut Vec<Difference>) {
        if self.same_identifier(field, recorded, live) {
            return;
        }
        if (self.volatile)(field) && std::mem::discriminant(recorded) == std::mem::discriminant(live) {
            return;
        }
        match (recorded, live) {
            (Value::Object(recorded), Value::Object(live)) => self.object(field, recorded, live, found),
            (Value::Array(recorded), Value::Array(live)) => {
                for index in 0..recorded.len().max(live.len()) {
                    self.member(
                        field,
                        &index.to_string(),
                        recorded.get(index),
                        live.get(index),
                        found,
                    );
                }
            }
            (Value::Number(one), Value::Number(other)) if one.as_f64() == other.as_f64() => {}
            (Value::String(one), Value::String(other)) if self.identifiers.same_text(one, other) => {}
            _ if recorded == live => {}
            _ => found.push(Difference {
                field: field.to_owned(),
                change: Change::Different,
                recorded: recorded.clone(),
                live: live.clone(),
            }),
        }
    }

    fn object(
        &mut self,
        field: &str,
        recorded: &Map<String, Value>,
        live: &Map<String, Value>,
        found: &mut Vec<Difference>,
    ) {
        for (name, value) in recorded {
            if let Some(other) = live.get(name)
                && self.same_time(name, recorded, live, value, other)
            {
                continue;
            }
            self.member(field, name, Some(value), live.get(name), found);
        }
        for (name, value) in live {
            if !recorded.contains_key(name) {
                self.member(field, name, None, Some(value), found);
            }
        }
    }

    fn member(
        &mut self,
        parent: &str,
        name: &str,
        recorded: Option<&Value>,
        live: Option<&Value>,
        found: &mut Vec<Difference>,
    ) {
        let field = if parent.is_empty() {
            name.to_owned()
        } else {
            format!("{parent}.{name}")
        };
        let change = match (recorded, live) {
            (Some(recorded), Some(live)) => return self.value(&field, recorded, live, found),
            (Some(_), None) => Change::Missing,
            (None, _) => Change::Extra,
        };
        found.push(Difference {
            field,
            change,
            recorded: recorded.cloned().unwrap_or_default(),
            live: live.cloned().unwrap_or_default(),
        });
    }

    /// `created` is bound to the document's path, so that it must be kept where the real server kept it. `modified`
    /// is bound to path and request, so that an answer and its publications agree. Other times must only be times.
    fn same_time(
        &mut self,
        name: &str,
        recorded_fields: &Map<String, Value>,
        live_fields: &Map<String, Value>,
        recorded: &Value,
        live: &Value,
    ) -> bool {
        if !matches!(name, "created" | "modified" | "timestamp") {
            return false;
        }
        let time = |value: &Value| value.as_u64().filter(|time| *time >= EARLIEST_TIME);
        let (Some(recorded), Some(live)) = (time(recorded), time(live)) else {
            return false;
        };
        let created = |fields: &Map<String, Value>| fields.get("created").and_then(time);
        if name == "modified" && created(live_fields).is_some_and(|created| created > live) {
            return false;
        }
        match (name, recorded_fields.get("path").and_then(Value::as_str)) {
            ("created", Some(path)) => self.identifiers.same_time(path, recorded, live),
            ("modified", Some(path)) => {
                let document = format!("{path} by {}", self.event);
                self.identifiers.same_time(&document, recorded, live)
            }
            _ => true,
        }
    }

    fn same_identifier(&mut self, field: &str, recorded: &Value, live: &Value) -> bool {
        let name = field.rsplit('.').next().unwrap_or_default();
        match (recorded, live) {
            (Value::String(recorded), Value::String(live)) if name == "publicationId" => {
                self.same_publication(recorded, live)
            }
            (Value::String(recorded_text), Value::String(live_text)) if field.is_empty() => {
                self.same_control(recorded_text, live_text)
            }
            _ if matches!(field, "data.id" | "_meta.referenceId") && self.action == "on" => {
                self.identifiers.bind_reference(recorded, live);
                true
            }
            _ if self.action == "off" && matches!(name, "id" | "ref") => {
                self.identifiers.reference(recorded) == Some(live)
            }
            _ => false,
        }
    }

    /// The counter of the server's own session is its own affair.
    fn same_publication(&mut self, recorded: &str, live: &str) -> bool {
        if self.sessions.of_client(recorded) {
            return self.identifiers.same_text(recorded, live);
        }
        match (recorded.rsplit_once('-'), live.rsplit_once('-')) {
            (Some((recorded, _)), Some((live, _))) => self.identifiers.same_text(recorded, live),
            _ => recorded == live,
        }
    }

    /// A ping's number is the server's choice, a pong repeats it; a connection's id is the server's choice too.
    fn same_control(&mut self, recorded: &str, live: &str) -> bool {
        let value = |text: &str| Value::String(text.to_owned());
        for prefix in ["primus::ping::", "primus::id::"] {
            if let (Some(recorded), Some(live)) = (recorded.strip_prefix(prefix), live.strip_prefix(prefix)) {
                self.identifiers.bind_reference(&value(recorded), &value(live));
                return true;
            }
        }
        recorded == live
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn differences(
        identifiers: &mut Identifiers,
        action: &str,
        recorded: &Value,
        live: &Value,
    ) -> Vec<String> {
        let sessions = Sessions::default();
        let comparison = Comparison {
            identifiers,
            sessions: &sessions,
            action,
            event: "1",
            volatile: &|field| field == "data.headers",
        };
        let found = comparison.differences(recorded, live);
        found
            .into_iter()
            .map(|difference| format!("{:?} {}", difference.change, difference.field))
            .collect()
    }

    #[test]
    fn every_field_is_compared() {
        let mut identifiers = Identifiers::default();
        let recorded = json!({"data": {"a": 1, "b": [1, 2], "headers": {"x": 1}}, "protocol": "happn_4"});
        let live = json!({"data": {"a": 1.0, "b": [1], "headers": {}, "c": 3}, "protocol": "happn_3"});
        let found = differences(&mut identifiers, "get", &recorded, &live);
        assert_eq!(found, ["Missing data.b.1", "Extra data.c", "Different protocol"]);
    }

    #[test]
    fn created_must_be_kept_where_it_was_kept() {
        let mut identifiers = Identifiers::default();
        let time =
            |created: u64, modified: u64| json!({"path": "/a", "created": created, "modified": modified});
        let first = (
            time(1_795_416_676_471, 1_795_416_676_471),
            time(1_800_000_000_000, 1_800_000_000_000),
        );
        assert!(differences(&mut identifiers, "set", &first.0, &first.1).is_empty());
        let second = (
            time(1_795_416_676_471, 1_795_416_676_999),
            time(1_800_000_000_001, 1_800_000_000_002),
        );
        assert_eq!(
            differences(&mut identifiers, "set", &second.0, &second.1),
            ["Different created"]
        );
    }

    #[test]
    fn a_subscription_reference_is_bound_by_on_and_used_by_off() {
        let mut identifiers = Identifiers::default();
        let on = (json!({"data": {"id": "x-1"}}), json!({"data": {"id": 7}}));
        assert!(differences(&mut identifiers, "on", &on.0, &on.1).is_empty());
        assert!(differences(&mut identifiers, "off", &on.0, &on.1).is_empty());
        let other = json!({"data": {"id": 8}});
        assert_eq!(
            differences(&mut identifiers, "off", &on.0, &other),
            ["Different data.id"]
        );
    }
}
