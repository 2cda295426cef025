//! Frames of the server: their kind, and the request or subscription that each belongs to.
//!
//! Enters: a frame as JSON. Leaves: its kind, the key by which the same frame is found in another run, and the
//! request that caused it. Guarantees: reads only fields that every server must send.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use super::identifiers::Identifiers;

/// The kinds of frames that a server sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// The answer to a request, in single or array form.
    Response,
    /// A publication.
    Publication,
    /// A control string of Primus or a websocket pong.
    Control,
    /// A system message or an acknowledgement of a publication.
    System,
    /// Anything else.
    Other,
}

impl Kind {
    /// The kind of a frame.
    #[must_use]
    pub fn of(frame: &Value) -> Self {
        if frame.is_string() {
            return Self::Control;
        }
        match meta(frame)
            .and_then(|meta| meta.get("type"))
            .and_then(Value::as_str)
        {
            Some("response") => Self::Response,
            Some("data") => Self::Publication,
            Some("system" | "ack") => Self::System,
            _ => Self::Other,
        }
    }
}

/// The `_meta` of a frame; in array form the last element.
#[must_use]
pub fn meta(frame: &Value) -> Option<&Value> {
    match frame {
        Value::Array(items) => items.last(),
        _ => frame.get("_meta"),
    }
}

/// A text field of the `_meta` of a frame.
#[must_use]
pub fn meta_text<'a>(frame: &'a Value, name: &str) -> Option<&'a str> {
    meta(frame)?.get(name)?.as_str()
}

/// Which side a frame comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The recording.
    Recorded,
    /// The run that is being compared with it.
    Live,
}

/// The request that a frame belongs to: its connection's number and its `eventId`.
pub type Cause = (usize, String);

/// The recorded ids of all sessions of clients, with the connection of each.
#[derive(Debug, Default)]
pub struct Sessions(HashMap<String, usize>);

impl Sessions {
    /// Remembers the session that a login response tells.
    pub fn learn(&mut self, connection: usize, frame: &Value) {
        let id = frame
            .get("data")
            .and_then(|data| data.get("id"))
            .and_then(Value::as_str);
        if let (Some("login"), Some(id)) = (meta_text(frame, "action"), id) {
            self.0.insert(id.to_owned(), connection);
        }
    }

    /// The recorded ids.
    #[must_use]
    pub fn ids(&self) -> HashSet<String> {
        self.0.keys().cloned().collect()
    }

    /// Whether a publication id in the identifiers of the recording is one of a client's session.
    #[must_use]
    pub fn of_client(&self, publication_id: &str) -> bool {
        self.publisher(publication_id).is_some()
    }

    fn publisher(&self, publication_id: &str) -> Option<Cause> {
        let (session, event) = publication_id.rsplit_once('-')?;
        Some((*self.0.get(session)?, event.to_owned()))
    }

    /// The request that caused a frame of `connection`.
    #[must_use]
    pub fn cause(
        &self,
        side: Side,
        connection: usize,
        frame: &Value,
        identifiers: &Identifiers,
    ) -> Option<Cause> {
        match Kind::of(frame) {
            Kind::Response => Some((connection, meta(frame)?.get("eventId")?.to_string())),
            Kind::Publication => {
                let id = meta_text(frame, "publicationId")?;
                match side {
                    Side::Recorded => self.publisher(id),
                    Side::Live => self.publisher(&identifiers.to_recorded(id)),
                }
            }
            _ => None,
        }
    }

    /// A text by which the same frame is recognised in the recording and in the live run.
    #[must_use]
    pub fn key(&self, side: Side, frame: &Value, identifiers: &Identifiers) -> String {
        let neutral = |text: &str| match side {
            Side::Recorded => identifiers.neutral_recorded(text),
            Side::Live => identifiers.neutral_live(text),
        };
        let text = |name: &str| neutral(meta_text(frame, name).unwrap_or_default());
        match Kind::of(frame) {
            Kind::Response => {
                let event = meta(frame).and_then(|meta| meta.get("eventId"));
                format!("response {}", event.unwrap_or(&Value::Null))
            }
            Kind::Publication => {
                let mut publication = text("publicationId");
                if !self.of_client(&publication) {
                    publication.clear();
                }
                format!(
                    "publication {publication} of {} on {}",
                    text("action"),
                    text("channel")
                )
            }
            Kind::Control => {
                let control = frame.as_str().unwrap_or_default();
                let words: Vec<&str> = control.splitn(3, "::").take(2).collect();
                format!("control {}", words.join("::"))
            }
            Kind::System => format!("system {}", frame.get("eventKey").unwrap_or(&Value::Null)),
            Kind::Other => "other".to_owned(),
        }
    }
}
