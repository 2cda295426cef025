//! An event on its way to another node.
//!
//! Enters: the parts of a publication, or the body of a frame. Leaves: the body, or the parts. Guarantees: data is JSON; a body without
//! it, or with anything else that is wrong, is an error.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::borrow::Cow;
use thiserror::Error;

/// The form that is written here.
const FORM: u32 = 1;

/// A body that is no event.
#[derive(Debug, Error)]
pub enum EventError {
    /// It has another form.
    #[error("the event has form {0}, and this node reads form {FORM}")]
    Form(u32),
    /// It is damaged.
    #[error("the event cannot be read: {0}")]
    Json(#[from] serde_json::Error),
}

/// An event.
#[derive(Debug, Serialize, Deserialize)]
pub struct EventFrame<'a> {
    /// The number of the form.
    #[serde(default)]
    pub event: u32,
    /// Where.
    #[serde(borrow)]
    pub path: Cow<'a, str>,
    /// The content.
    #[serde(borrow)]
    pub data: &'a RawValue,
    /// The value that its publisher sent, where that is another one.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub sent: Option<&'a RawValue>,
    /// Where the document is, where that is another path.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub document_path: Option<Cow<'a, str>>,
    /// The publisher's session.
    #[serde(borrow)]
    pub session: Cow<'a, str>,
    /// The request that caused it, as raw JSON of its `eventId`.
    #[serde(borrow)]
    pub id: Cow<'a, str>,
    /// The consistency asked for.
    pub consistency: u8,
    /// When the document came to be and was written last, in milliseconds since 1970; absent when it was not stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stored: Option<[u64; 2]>,
    /// The publisher's user.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub username: Option<Cow<'a, str>>,
    /// The user who stored a new document.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub modified_by: Option<Cow<'a, str>>,
    /// Fields of `_meta`, each behind a comma.
    #[serde(borrow, default, skip_serializing_if = "str::is_empty")]
    pub custom_meta: Cow<'a, str>,
    /// The version of the component that publishes.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub version: Option<Cow<'a, str>>,
    /// The sessions that it is for; absent for all.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub sessions: Option<Vec<Cow<'a, str>>>,
}

impl<'a> EventFrame<'a> {
    /// The body.
    pub fn write(self) -> Bytes {
        let event = EventFrame { event: FORM, ..self };
        // Nothing in it can fail to be written: keys are texts, and data is JSON already.
        serde_json::to_vec(&event).unwrap_or_default().into()
    }

    /// Reads a body.
    ///
    /// # Errors
    ///
    /// When it has another form, or is damaged.
    pub fn read(body: &'a [u8]) -> Result<EventFrame<'a>, EventError> {
        let event: EventFrame<'a> = serde_json::from_slice(body)?;
        match event.event {
            FORM => Ok(event),
            other => Err(EventError::Form(other)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(data: &RawValue) -> EventFrame<'_> {
        EventFrame {
            event: 0,
            path: "/_events/shop/calc/\"quoted\"".into(),
            data,
            sent: None,
            document_path: None,
            session: "a session".into(),
            id: "\"7\"".into(),
            consistency: 2,
            stored: Some([1, 2]),
            username: None,
            modified_by: Some("bob".into()),
            custom_meta: ",\"componentVersion\":\"1.2.3\"".into(),
            version: Some("1.2.3".into()),
            sessions: Some(vec!["one".into(), "two".into()]),
        }
    }

    #[test]
    fn an_event_is_read_as_it_was_written() {
        let data: Box<RawValue> = serde_json::from_str("{\"a\": [1.50, null]}").unwrap();
        let body = event(&data).write();
        let read = EventFrame::read(&body).unwrap();
        assert_eq!(read.path, event(&data).path);
        assert_eq!(read.data.get(), "{\"a\": [1.50, null]}");
        assert_eq!(read.sessions, event(&data).sessions);
        assert_eq!((read.stored, read.id), (Some([1, 2]), "\"7\"".into()));
        assert_eq!(read.custom_meta, event(&data).custom_meta);
    }

    #[test]
    fn a_damaged_event_and_one_of_another_form_are_refused() {
        let data: Box<RawValue> = serde_json::from_str("1").unwrap();
        let body = event(&data).write();
        for end in 0..body.len() {
            assert!(EventFrame::read(&body[..end]).is_err(), "{end}");
        }
        let other = String::from_utf8_lossy(&body).replacen("\"event\":1", "\"event\":2", 1);
        let error = EventFrame::read(other.as_bytes()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the event has form 2, and this node reads form 1"
        );
    }
}
