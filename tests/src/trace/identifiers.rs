//! The identifiers of the live run that stand for those of the recording.
//!
//! Enters: pairs of recorded and live texts at the same place of the same frame. Leaves: whether they can
//! stand for each other, and requests in which recorded identifiers are replaced by live ones. Guarantees: a recorded
//! session stands for exactly one live session and the other way round.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

/// The length of a UUID in text.
const UUID_LENGTH: usize = 36;

/// All identifiers that were seen in both the recording and the live run.
#[derive(Debug, Default)]
pub struct Identifiers {
    live_of_recorded: HashMap<String, String>,
    recorded_of_live: HashMap<String, String>,
    references: Vec<(Value, Value)>,
    times: HashMap<(String, u64), u64>,
    clients: HashSet<String>,
}

impl Identifiers {
    /// Nothing is bound yet; `clients` are the recorded ids of sessions of clients. Other ids belong to the server, and
    /// several of them may stand for one live id, since the recorded server may have been started again.
    #[must_use]
    pub fn new(clients: HashSet<String>) -> Self {
        Self {
            clients,
            ..Self::default()
        }
    }

    /// Whether `live` can stand where the recording has `recorded`: the same text apart from UUIDs, which must be
    /// bound to each other. Binds those that are new.
    pub fn same_text(&mut self, recorded: &str, live: &str) -> bool {
        let (recorded_parts, live_parts) = (split(recorded), split(live));
        if recorded_parts.len() != live_parts.len() {
            return false;
        }
        recorded_parts.into_iter().zip(live_parts).all(|pair| match pair {
            (Part::Text(recorded), Part::Text(live)) => recorded == live,
            (Part::Uuid(recorded), Part::Uuid(live)) => self.bind(recorded, live),
            _ => false,
        })
    }

    fn bind(&mut self, recorded: &str, live: &str) -> bool {
        match (
            self.live_of_recorded.get(recorded),
            self.recorded_of_live.get(live),
        ) {
            (Some(bound), _) => bound == live,
            (None, Some(other)) => {
                let of_server = !self.clients.contains(recorded) && !self.clients.contains(other);
                if of_server {
                    self.live_of_recorded.insert(recorded.to_owned(), live.to_owned());
                }
                of_server
            }
            (None, None) => {
                self.live_of_recorded.insert(recorded.to_owned(), live.to_owned());
                self.recorded_of_live.insert(live.to_owned(), recorded.to_owned());
                true
            }
        }
    }

    /// Remembers that the live subscription reference `live` stands for `recorded`.
    pub fn bind_reference(&mut self, recorded: &Value, live: &Value) {
        self.references.retain(|(known, _)| known != recorded);
        self.references.push((recorded.clone(), live.clone()));
    }

    /// The live reference for a recorded one.
    #[must_use]
    pub fn reference(&self, recorded: &Value) -> Option<&Value> {
        self.references
            .iter()
            .find(|(known, _)| known == recorded)
            .map(|(_, live)| live)
    }

    /// Whether the live time can stand for the recorded one of the document at `path`. Binds a new pair.
    pub fn same_time(&mut self, path: &str, recorded: u64, live: u64) -> bool {
        *self.times.entry((path.to_owned(), recorded)).or_insert(live) == live
    }

    /// A text of the recording with live identifiers.
    #[must_use]
    pub fn to_live(&self, text: &str) -> String {
        replace(text, &self.live_of_recorded)
    }

    /// A live text with the identifiers of the recording.
    #[must_use]
    pub fn to_recorded(&self, text: &str) -> String {
        replace(text, &self.recorded_of_live)
    }

    /// A text of the recording in which identifiers that are still unknown are `#`.
    #[must_use]
    pub fn neutral_recorded(&self, text: &str) -> String {
        neutral(text, |uuid| {
            self.live_of_recorded.contains_key(uuid).then_some(uuid)
        })
    }

    /// A live text with the identifiers of the recording, and `#` for those that are still unknown.
    #[must_use]
    pub fn neutral_live(&self, text: &str) -> String {
        neutral(text, |uuid| self.recorded_of_live.get(uuid).map(String::as_str))
    }

    /// A request of the recording as it is sent to the live host.
    #[must_use]
    pub fn request_to_live(&self, request: &Value) -> Value {
        match request {
            Value::String(text) => Value::String(self.to_live(text)),
            Value::Array(items) => items.iter().map(|item| self.request_to_live(item)).collect(),
            Value::Object(fields) => fields
                .iter()
                .map(|(name, value)| {
                    let reference = (name == "referenceId").then(|| self.reference(value)).flatten();
                    let value = reference.cloned().unwrap_or_else(|| self.request_to_live(value));
                    (self.to_live(name), value)
                })
                .collect(),
            other => other.clone(),
        }
    }
}

enum Part<'a> {
    Text(&'a str),
    Uuid(&'a str),
}

fn replace(text: &str, names: &HashMap<String, String>) -> String {
    split(text)
        .into_iter()
        .map(|part| match part {
            Part::Text(text) => text,
            Part::Uuid(uuid) => names.get(uuid).map_or(uuid, String::as_str),
        })
        .collect()
}

fn neutral<'a>(text: &'a str, name: impl Fn(&'a str) -> Option<&'a str>) -> String {
    split(text)
        .into_iter()
        .map(|part| match part {
            Part::Text(text) => text,
            Part::Uuid(uuid) => name(uuid).unwrap_or("#"),
        })
        .collect()
}

fn split(text: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let (mut start, mut position) = (0, 0);
    while position + UUID_LENGTH <= text.len() {
        match text.get(position..position + UUID_LENGTH) {
            Some(candidate) if is_uuid(candidate) => {
                if start < position {
                    parts.push(Part::Text(&text[start..position]));
                }
                parts.push(Part::Uuid(candidate));
                position += UUID_LENGTH;
                start = position;
            }
            _ => position += 1,
        }
        while !text.is_char_boundary(position) {
            position += 1;
        }
    }
    if start < text.len() {
        parts.push(Part::Text(&text[start..]));
    }
    parts
}

/// Whether the text has the form of a UUID.
#[must_use]
pub fn is_uuid(text: &str) -> bool {
    text.len() == UUID_LENGTH
        && text.bytes().enumerate().all(|(index, byte)| match index {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECORDED: &str = "424957f3-6a8b-4d8c-b9c2-b643320c6527";
    const LIVE: &str = "a30bf27d-e685-44d0-92d0-e459d56af5b5";

    #[test]
    fn a_session_id_is_bound_wherever_it_stands() {
        let mut identifiers = Identifiers::new(HashSet::from([RECORDED.to_owned()]));
        assert!(identifiers.same_text(RECORDED, LIVE));
        assert!(identifiers.same_text(&format!("/x/{RECORDED}/*"), &format!("/x/{LIVE}/*")));
        assert!(!identifiers.same_text(&format!("/x/{RECORDED}"), &format!("/y/{LIVE}")));
        assert!(
            !identifiers.same_text(LIVE, LIVE),
            "a live id stands for one recorded id only"
        );
        assert_eq!(identifiers.to_live(&format!("{RECORDED}-5")), format!("{LIVE}-5"));
        assert_eq!(
            identifiers.to_recorded(&format!("ü{LIVE}")),
            format!("ü{RECORDED}")
        );
    }

    #[test]
    fn references_of_requests_are_replaced() {
        let mut identifiers = Identifiers::default();
        identifiers.bind_reference(&serde_json::json!("abc-1"), &serde_json::json!(77));
        let request = serde_json::json!({"options": {"referenceId": "abc-1"}, "data": "abc-1"});
        let live = serde_json::json!({"options": {"referenceId": 77}, "data": "abc-1"});
        assert_eq!(identifiers.request_to_live(&request), live);
    }
}
