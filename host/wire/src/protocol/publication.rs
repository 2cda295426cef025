//! Writes publications and the other frames that nobody asked for (docs/protocol.md 4.4 and 7).
//!
//! A publication is written once per distinct (dialect, channel) by [`Publication::frame`] and then shared.

use super::document::write_modified_by;
use super::{Dialect, DocumentMeta, EndNotice, EventAction, Frame, json};
use serde_json::value::RawValue;

/// One event on one path, as all its recipients see it.
#[derive(Clone, Copy)]
pub struct Publication<'a> {
    /// The change.
    pub action: EventAction,
    /// The path as the publisher wrote it.
    pub path: &'a str,
    /// Raw JSON. Never empty: a client of the last generation ends over a publication without data.
    pub data: &'a str,
    /// The value that the publisher sent, raw JSON: for subscriptions that asked for that.
    pub sent: &'a str,
    /// Where the document is, when that is not `path`.
    pub document_path: Option<&'a str>,
    /// The publisher's real session.
    pub session_id: &'a str,
    /// The request that caused it, as raw JSON of its `eventId`, or a number of the mesh's own.
    pub event_id: &'a str,
    /// The consistency asked for.
    pub consistency: u8,
    /// When the document was stored; absent when it was not.
    pub stored: Option<DocumentMeta>,
    /// For a removal: now, in milliseconds since 1970.
    pub timestamp: Option<u64>,
    /// The publisher's user, where there is one.
    pub username: Option<&'a str>,
    /// The user who stored a new document, which recipients of the first generation are told.
    pub modified_by: Option<&'a str>,
    /// Keys of the publisher's `options.meta`, reserved ones taken out (see [`custom_meta`]).
    pub custom_meta: &'a str,
}

impl Publication<'_> {
    /// The frame for recipients of this dialect that subscribed with this channel. `depth` belongs to `**` channels;
    /// `as_sent` to subscriptions with the option `merge`.
    pub fn frame(&self, dialect: Dialect, channel: &str, depth: Option<u32>, as_sent: bool) -> Frame {
        let data = if as_sent { self.sent } else { self.data };
        let mut out = String::with_capacity(
            data.len()
                + 2 * self.path.len()
                + channel.len()
                + self.custom_meta.len()
                + 2 * self.session_id.len()
                + 300,
        );
        out.push_str(r#"{"data":"#);
        out.push_str(data);
        out.push_str(r#","_meta":{"#);
        self.write_meta(&mut out, dialect);
        if let Some(depth) = depth {
            out.push_str(r#","depth":"#);
            json::write_number(&mut out, u64::from(depth));
        }
        out.push_str(r#","channel":"#);
        json::write_string(&mut out, channel);
        out.push('}');
        out.push_str(dialect.tail());
        out.into()
    }

    /// The `_meta` without a channel, as a JSON object: what components see.
    pub fn meta_object(&self, out: &mut String) {
        out.push('{');
        self.write_meta(out, Dialect::OF_COMPONENTS);
        out.push('}');
    }

    fn write_meta(&self, out: &mut String, dialect: Dialect) {
        out.push_str(r#""action":"/"#);
        out.push_str(self.action.as_str());
        out.push('@');
        json::write_string_content(out, self.path);
        out.push_str(r#"","type":"data","sessionId":""#);
        out.push_str(self.session_id);
        out.push_str(r#"","consistency":"#);
        json::write_number(out, u64::from(self.consistency));
        out.push_str(r#","publicationId":""#);
        out.push_str(self.session_id);
        out.push('-');
        write_event_id(out, self.event_id);
        out.push_str(r#"","path":"#);
        json::write_string(out, self.document_path.unwrap_or(self.path));
        if let Some(stored) = self.stored {
            out.push(',');
            stored.write(out);
        }
        if let Some(name) = self.modified_by.filter(|_| dialect.names_modifier()) {
            out.push(',');
            write_modified_by(out, name);
        }
        if let Some(timestamp) = self.timestamp.filter(|_| dialect.stamps_remove_publications()) {
            out.push_str(r#","timestamp":"#);
            json::write_number(out, timestamp);
        }
        if let Some(username) = self.username.filter(|_| dialect.names_event_origin()) {
            out.push_str(r#","eventOrigin":{"username":"#);
            json::write_string(out, username);
            out.push_str(r#","id":""#);
            out.push_str(self.session_id);
            out.push_str(r#""}"#);
        }
        out.push_str(self.custom_meta);
    }
}

/// Appends a raw `eventId` to the text of a JSON string.
fn write_event_id(out: &mut String, raw: &str) {
    match raw.strip_prefix('"').and_then(|inner| inner.strip_suffix('"')) {
        Some(inner) => out.push_str(inner),
        None => json::write_string_content(out, raw),
    }
}

/// The keys of an `options.meta` object, each preceded by a comma, without those that a publisher must not set
/// (docs/protocol.md 7.4).
pub fn custom_meta(meta: &RawValue) -> String {
    let mut out = String::new();
    let Ok(fields) = serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(meta.get()) else {
        return out;
    };
    for (key, value) in fields {
        let reserved = matches!(
            key.as_str(),
            "created"
                | "modified"
                | "path"
                | "action"
                | "type"
                | "published"
                | "status"
                | "eventId"
                | "sessionId"
                | "channel"
                | "consistency"
                | "publicationId"
                | "eventOrigin"
                | "depth"
                | "timestamp"
                | "username"
        );
        if !reserved {
            out.push(',');
            json::write_string(&mut out, &key);
            out.push(':');
            out.push_str(&value.to_string());
        }
    }
    out
}

/// A document that was there before a subscription, delivered like an event (docs/protocol.md 5.5.1).
pub fn initial_publication(
    dialect: Dialect,
    channel: &str,
    data: &str,
    session_id: &str,
    event_id: &str,
) -> Frame {
    let mut out = String::from(r#"{"data":"#);
    out.push_str(data);
    out.push_str(r#","_meta":{"channel":"#);
    json::write_string(&mut out, channel);
    out.push_str(r#","action":"/ON@"#);
    json::write_string_content(&mut out, channel);
    out.push_str(r#"","type":"data","consistency":2,"sessionId":""#);
    out.push_str(session_id);
    out.push_str(r#"","publicationId":""#);
    out.push_str(session_id);
    out.push('-');
    write_event_id(&mut out, event_id);
    out.push_str(r#""}"#);
    out.push_str(dialect.tail());
    out.into()
}

/// The `publicationId` as clients send it back in an `ack`.
pub fn publication_id(session_id: &str, event_id: &str) -> String {
    let mut id = String::from("\"");
    id.push_str(session_id);
    id.push('-');
    write_event_id(&mut id, event_id);
    id.push('"');
    // An escape in an `eventId` that is text may be written in more than one way.
    serde_json::from_str(&id).unwrap_or(id)
}

/// The result of a publication (docs/protocol.md 7.5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// How many frames went out.
    pub successful: usize,
    /// How many of them their recipients acknowledged, where they were asked to.
    pub acknowledged: Option<usize>,
}

impl Outcome {
    /// Appends it as a JSON object.
    pub fn write(self, out: &mut String) {
        out.push_str(r#"{"successful":"#);
        json::write_number(out, self.successful as u64);
        out.push_str(r#","failed":0,"skipped":0"#);
        if let Some(acknowledged) = self.acknowledged {
            out.push_str(r#","acknowledged":"#);
            json::write_number(out, acknowledged as u64);
        }
        out.push_str(r#","queued":"#);
        json::write_number(out, self.successful as u64);
        out.push('}');
    }

    fn is_complete(self) -> bool {
        self.acknowledged
            .is_none_or(|acknowledged| acknowledged >= self.successful)
    }
}

/// Tells a publisher what became of its publication: that it is done, or that acknowledgements are missing.
pub fn acknowledgement(dialect: Dialect, session_id: &str, event_id: &str, outcome: Outcome) -> Frame {
    let mut out = String::from(r#"{"id":""#);
    out.push_str(session_id);
    out.push('-');
    write_event_id(&mut out, event_id);
    out.push_str(r#"","action":"publication-ack","result":"#);
    outcome.write(&mut out);
    out.push_str(if outcome.is_complete() {
        r#","status":"ok""#
    } else {
        r#","status":"error","error":"unacknowledged publication""#
    });
    out.push_str(r#","_meta":{"type":"ack","eventId":"#);
    out.push_str(if event_id.is_empty() || event_id == "undefined" {
        "null"
    } else {
        event_id
    });
    out.push('}');
    out.push_str(dialect.tail());
    out.into()
}

/// Tells a client of the first generation that the server is going away (docs/protocol.md 2.6).
pub fn disconnect_notice() -> Frame {
    Frame::from_static(
        r#"{"_meta":{"type":"system"},"eventKey":"server-side-disconnect","data":"server-side-disconnect","__outbound":true}"#,
    )
}

/// Tells a client why its session ends (docs/protocol.md 3.8).
pub fn session_end_notice(dialect: Dialect, reason: &str) -> Frame {
    let mut out = String::from(r#"{"_meta":{"type":"system"},"eventKey":"server-side-disconnect","data":"#);
    match dialect.end_notice() {
        EndNotice::Text => {
            json::write_string(&mut out, reason);
            out.push_str(r#","__outbound":true}"#);
        }
        EndNotice::Object => {
            out.push_str(r#"{"reason":"#);
            json::write_string(&mut out, reason);
            out.push_str("}}");
        }
    }
    out.into()
}

/// Tells a client that what it may do has changed (docs/protocol.md 9.9). `data` is a JSON object.
pub fn security_notice(dialect: Dialect, data: &str) -> Frame {
    let tail = dialect.tail();
    format!(r#"{{"_meta":{{"type":"system"}},"eventKey":"security-data-changed","data":{data}{tail}"#).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn a_publication_has_the_form_of_its_generation() {
        let publication = Publication {
            action: EventAction::Set,
            path: "/p/\"1",
            data: r#"{"n":1}"#,
            sent: r#"{"n":1}"#,
            document_path: None,
            session_id: "A",
            event_id: "5",
            consistency: 2,
            stored: Some(DocumentMeta {
                created: 1,
                modified: 2,
            }),
            timestamp: None,
            username: Some("bob"),
            modified_by: Some("bob"),
            custom_meta: r#","componentVersion":"1.0.0""#,
        };
        let read = |dialect| {
            serde_json::from_str::<Value>(&publication.frame(dialect, "/ALL@/p/*", None, false)).unwrap()
        };
        assert_eq!(
            read(Dialect::Happn1),
            json!({"data":{"n":1},"_meta":{"action":"/SET@/p/\"1","type":"data","sessionId":"A","consistency":2,"publicationId":"A-5",
                "path":"/p/\"1","created":1,"modified":2,"modifiedBy":"bob","componentVersion":"1.0.0","channel":"/ALL@/p/*"},"protocol":"1.3.0","__outbound":true})
        );
        assert_eq!(
            read(Dialect::Happn4)["_meta"]["eventOrigin"],
            json!({"username":"bob","id":"A"})
        );
    }

    #[test]
    fn reserved_meta_is_dropped() {
        let raw: &RawValue = serde_json::from_str(
            r#"{"path":"/x","a":{"b":[1]},"publicationId":"x","componentVersion":"1.0.0"}"#,
        )
        .unwrap();
        assert_eq!(custom_meta(raw), r#","a":{"b":[1]},"componentVersion":"1.0.0""#);
    }

    #[test]
    fn acknowledgements_count_their_recipients() {
        let told = |successful, acknowledged| {
            let outcome = Outcome {
                successful,
                acknowledged,
            };
            let frame = acknowledgement(Dialect::Happn4, "S", "29", outcome);
            serde_json::from_str::<Value>(&frame).unwrap()
        };
        assert_eq!(told(2, Some(2))["result"]["acknowledged"], 2);
        assert_eq!(told(2, Some(2))["status"], "ok");
        assert_eq!(told(2, Some(1))["error"], "unacknowledged publication");
        let value = told(2, None);
        assert_eq!(value["id"], "S-29");
        assert_eq!(
            value["result"],
            json!({"successful":2,"failed":0,"skipped":0,"queued":2})
        );
        assert_eq!(value["_meta"], json!({"type":"ack","eventId":29}));
    }
}
