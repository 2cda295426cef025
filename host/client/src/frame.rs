//! Reading the frames of a server.
//!
//! Enters: the text of one frame. Leaves: an [`Incoming`]. Guarantees: any text is accepted; what is not a
//! frame of the protocol is [`Incoming::Unknown`]. Keys may come in any order, numbers may be written as strings.

use super::RemoteError;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// A publication that a subscription receives.
#[derive(Clone, Debug)]
pub struct Publication {
    /// Path of the document or event.
    pub path: String,
    /// The channel subscribed to, such as `/SET@/a/*`.
    pub channel: String,
    /// The published value.
    pub data: Box<RawValue>,
    /// Everything that the server says about it.
    pub meta: Box<RawValue>,
}

impl Publication {
    /// A text field of [`meta`](Publication::meta), such as `action` or `componentVersion`.
    #[must_use]
    pub fn meta_text(&self, field: &str) -> Option<String> {
        let meta: serde_json::Map<String, Value> = serde_json::from_str(self.meta.get()).ok()?;
        meta.get(field)?.as_str().map(str::to_owned)
    }
}

/// One frame of a server.
#[derive(Debug)]
pub(super) enum Incoming {
    /// `primus::ping::…`; the text goes back in the pong.
    Ping(String),
    /// `primus::server::close`: the server closes on purpose.
    ServerClose,
    /// The answer to a request: its `eventId`, and the data with its meta or the error.
    Response(u64, Result<Answer, RemoteError>),
    /// A publication.
    Publication(Publication),
    /// A message of the server to the session: its key and its data.
    System(String, String),
    /// Nothing that this client uses.
    Unknown,
}

/// The content of a response.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) data: Box<RawValue>,
    pub(super) meta: Box<RawValue>,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
    #[serde(borrow, default)]
    _meta: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "eventKey")]
    event_key: Option<Cow<'a, str>>,
}

#[derive(Default, Deserialize)]
struct Meta<'a> {
    #[serde(borrow, default, rename = "type")]
    kind: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    status: Option<Cow<'a, str>>,
    #[serde(default, rename = "eventId")]
    event_id: Option<Value>,
    #[serde(default)]
    error: Option<Value>,
    #[serde(borrow, default)]
    channel: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    path: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    action: Option<Cow<'a, str>>,
}

/// Reads one frame.
pub(super) fn parse(text: &str) -> Incoming {
    match text.trim_start().as_bytes().first() {
        Some(b'"') => parse_control(text),
        Some(b'[') => parse_array(text).unwrap_or(Incoming::Unknown),
        Some(b'{') => parse_object(text).unwrap_or(Incoming::Unknown),
        _ => Incoming::Unknown,
    }
}

fn parse_control(text: &str) -> Incoming {
    let Ok(control) = serde_json::from_str::<String>(text) else {
        return Incoming::Unknown;
    };
    match control.strip_prefix("primus::ping::") {
        Some(stamp) => Incoming::Ping(stamp.to_owned()),
        None if control == "primus::server::close" => Incoming::ServerClose,
        None => Incoming::Unknown,
    }
}

/// `[document, …, meta]`: the answer to a get with a wildcard.
fn parse_array(text: &str) -> Option<Incoming> {
    let mut items: Vec<&RawValue> = serde_json::from_str(text).ok()?;
    let raw_meta = items.pop()?;
    let meta: Meta<'_> = serde_json::from_str(raw_meta.get()).ok()?;
    let length = items.iter().map(|item| item.get().len() + 1).sum::<usize>() + 2;
    let mut data = String::with_capacity(length);
    data.push('[');
    for (position, item) in items.iter().enumerate() {
        if position > 0 {
            data.push(',');
        }
        data.push_str(item.get());
    }
    data.push(']');
    response(&meta, raw_meta, RawValue::from_string(data).ok()?)
}

fn parse_object(text: &str) -> Option<Incoming> {
    let envelope: Envelope<'_> = serde_json::from_str(text).ok()?;
    let raw_meta = envelope._meta?;
    let meta: Meta<'_> = serde_json::from_str(raw_meta.get()).ok()?;
    let data = || envelope.data.map_or_else(null, RawValue::to_owned);
    match meta.kind.as_deref() {
        Some("data") => Some(Incoming::Publication(Publication {
            path: match (&meta.path, &meta.action) {
                (Some(path), _) => path.clone().into_owned(),
                (None, Some(action)) => action.split_once('@').map_or("", |(_, path)| path).to_owned(),
                (None, None) => String::new(),
            },
            channel: meta.channel?.into_owned(),
            data: data(),
            meta: raw_meta.to_owned(),
        })),
        Some("system") => {
            let key = envelope.event_key.map_or_else(String::new, Cow::into_owned);
            Some(Incoming::System(key, data().get().to_owned()))
        }
        Some("ack") => None,
        _ => response(&meta, raw_meta, data()),
    }
}

fn response(meta: &Meta<'_>, raw_meta: &RawValue, data: Box<RawValue>) -> Option<Incoming> {
    let event_id = match meta.event_id.as_ref()? {
        Value::String(text) => text.parse().ok()?,
        number => number.as_u64()?,
    };
    let outcome = match meta.status.as_deref() {
        Some("error") => Err(RemoteError::from_value(meta.error.clone().unwrap_or_default())),
        _ => Ok(Answer {
            data,
            meta: raw_meta.to_owned(),
        }),
    };
    Some(Incoming::Response(event_id, outcome))
}

/// The raw value `null`.
pub(super) fn null() -> Box<RawValue> {
    RawValue::NULL.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn responses_are_parsed_in_every_form() {
        let text = r#"{"protocol":"x","_meta":{"eventId":"7","status":"ok","new":1},"data":{"a":1}}"#;
        let Incoming::Response(7, Ok(answer)) = parse(text) else {
            panic!("no response")
        };
        assert_eq!(answer.data.get(), r#"{"a":1}"#);
        let text = r#"[{"a":1}, {"b":2} ,{"type":"response","status":"ok","eventId":9}]"#;
        let Incoming::Response(9, Ok(answer)) = parse(text) else {
            panic!("no array response")
        };
        assert_eq!(answer.data.get(), r#"[{"a":1},{"b":2}]"#);
        let text = r#"{"data":null,"_meta":{"type":"response","status":"error","eventId":2,"error":{"name":"N","message":"m"}}}"#;
        let Incoming::Response(2, Err(error)) = parse(text) else {
            panic!("no error")
        };
        assert_eq!(error.to_string(), "N: m");
    }

    #[test]
    fn publications_are_parsed() {
        let text = r#"{"data":{"n":1},"_meta":{"action":"/SET@/p/1","type":"data","channel":"/SET@/p/*"}}"#;
        let Incoming::Publication(publication) = parse(text) else {
            panic!("no publication")
        };
        assert_eq!(
            (publication.path.as_str(), publication.channel.as_str()),
            ("/p/1", "/SET@/p/*")
        );
        assert_eq!(publication.meta_text("type").as_deref(), Some("data"));
    }

    #[test]
    fn anything_else_is_unknown() {
        for text in [
            "",
            "null",
            "1",
            "{}",
            "[]",
            "{\"_meta\":1}",
            "primus::ping::1",
            "\"text\"",
            "\"",
            "{",
            "[1]",
        ] {
            assert!(matches!(parse(text), Incoming::Unknown), "{text}");
        }
        assert!(matches!(parse("\"primus::ping::5\""), Incoming::Ping(stamp) if stamp == "5"));
    }
}
