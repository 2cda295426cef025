//! One text frame, parsed once into a borrowed envelope.
//!
//! Enters: the text of a frame. Leaves: [`Parsed`]. `data` and `options` stay raw; a field of the wrong type
//! never fails the envelope, it fails the action that needs it. Of a key given twice the last one counts.

use super::json;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// The kinds of frames.
#[derive(Debug)]
pub enum Parsed<'a> {
    /// An object: something to answer.
    Request(Request<'a>),
    /// Legal JSON of another kind. There is no `eventId` to answer to, so it is ignored as real servers do.
    OtherJson,
    /// No JSON. Ignored as real servers do.
    NotJson,
}

/// A request as it stood in the frame.
#[derive(Debug, Default)]
pub struct Request<'a> {
    /// The verb.
    pub action: Option<&'a RawValue>,
    /// Goes back with the answer, verbatim.
    pub event_id: Option<&'a RawValue>,
    /// The path, or for `on` and `off` the channel.
    pub path: Option<&'a RawValue>,
    /// The payload.
    pub data: Option<&'a RawValue>,
    /// Goes back with the answer, never believed.
    pub session_id: Option<&'a RawValue>,
    /// An object of options.
    pub options: Option<&'a RawValue>,
}

impl<'a> Request<'a> {
    /// Parses a frame.
    pub fn parse(frame: &'a str) -> Parsed<'a> {
        match frame.trim_start().as_bytes().first() {
            Some(b'{') => match serde_json::from_str::<Request<'a>>(frame) {
                Ok(request) => Parsed::Request(request),
                Err(_) => Parsed::NotJson,
            },
            _ => match serde_json::from_str::<IgnoredAny>(frame) {
                Ok(_) => Parsed::OtherJson,
                Err(_) => Parsed::NotJson,
            },
        }
    }

    /// The path as text; `None` when it is missing or of another type.
    pub fn path_text(&self) -> Option<Cow<'a, str>> {
        self.path.and_then(json::as_text)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Request<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(RequestVisitor)
    }
}

struct RequestVisitor;

impl<'de> Visitor<'de> for RequestVisitor {
    type Value = Request<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str("a request object")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
        let mut request = Request::default();
        while let Some(key) = map.next_key::<Key>()? {
            let field = match key {
                Key::Action => &mut request.action,
                Key::EventId => &mut request.event_id,
                Key::Path => &mut request.path,
                Key::Data => &mut request.data,
                Key::SessionId => &mut request.session_id,
                Key::Options => &mut request.options,
                Key::Other => {
                    map.next_value::<IgnoredAny>()?;
                    continue;
                }
            };
            *field = Some(map.next_value::<&'de RawValue>()?);
        }
        Ok(request)
    }
}

enum Key {
    Action,
    EventId,
    Path,
    Data,
    SessionId,
    Options,
    Other,
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct KeyVisitor;
        impl Visitor<'_> for KeyVisitor {
            type Value = Key;

            fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
                formatter.write_str("a key")
            }

            fn visit_str<E>(self, key: &str) -> Result<Key, E> {
                Ok(match key {
                    "action" => Key::Action,
                    "eventId" => Key::EventId,
                    "path" => Key::Path,
                    "data" => Key::Data,
                    "sessionId" => Key::SessionId,
                    "options" => Key::Options,
                    _ => Key::Other,
                })
            }
        }
        deserializer.deserialize_identifier(KeyVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_stay_raw() {
        let Parsed::Request(request) = Request::parse(
            r#" {"action":"set","eventId":4,"path":"/a/1","data":{"x": 1},"more":[{}],"options":null}"#,
        ) else {
            panic!("a request")
        };
        assert_eq!(request.action.unwrap().get(), "\"set\"");
        assert_eq!(request.event_id.unwrap().get(), "4");
        assert_eq!(request.path_text().unwrap(), "/a/1");
        assert_eq!(request.data.unwrap().get(), r#"{"x": 1}"#);
        assert_eq!(request.options.unwrap().get(), "null");
        assert!(request.session_id.is_none());
    }

    #[test]
    fn the_last_of_two_keys_counts() {
        let Parsed::Request(request) = Request::parse(r#"{"path":"/a","path":"/b\u0041"}"#) else {
            panic!("a request")
        };
        assert_eq!(request.path_text().unwrap(), "/bA");
    }

    #[test]
    fn everything_else_is_told_apart() {
        for text in ["42", "\"text\"", "[]", "null", "true"] {
            assert!(matches!(Request::parse(text), Parsed::OtherJson), "{text}");
        }
        for text in [
            "",
            "{",
            "this is not json {{{",
            "{\"a\":}",
            "{} x",
            "primus::ping::1",
        ] {
            assert!(matches!(Request::parse(text), Parsed::NotJson), "{text}");
        }
    }

    #[test]
    fn nesting_costs_no_stack() {
        let deep = format!(
            "{{\"action\":\"set\",\"data\":{}1{}}}",
            "[".repeat(100_000),
            "]".repeat(100_000)
        );
        assert!(matches!(Request::parse(&deep), Parsed::Request(_)));
    }
}
