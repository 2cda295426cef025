//! Writes the answer of a request (docs/protocol.md 4.2, 4.3 and 12.1).
//!
//! Guarantees: `data` is always raw JSON of an object, an array or `null`; an error always has the single form with
//! `_meta.error`.

use super::document::write_modified_by;
use super::{Action, Dialect, Frame, ItemMeta, Options, Request, WireError, json, tagged, value};
use std::borrow::Cow;

/// Whether an answer says that the change of its request is published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Publicity {
    /// It is.
    Published,
    /// It is not, or not yet.
    Withheld,
}

impl Publicity {
    /// As the options of a request wish.
    pub fn asked_for(options: &Options<'_>) -> Publicity {
        match options.no_publish {
            true => Publicity::Withheld,
            false => Publicity::Published,
        }
    }

    /// As JSON.
    pub fn as_json(self) -> &'static str {
        match self {
            Publicity::Published => "true",
            Publicity::Withheld => "false",
        }
    }
}

/// Everything an answer repeats of its request.
#[derive(Clone, Copy)]
pub struct Response<'a> {
    dialect: Dialect,
    request: &'a Request<'a>,
    echo_session: bool,
}

impl<'a> Response<'a> {
    /// An answer to `request` in the session's dialect.
    pub fn to(dialect: Dialect, action: Action, request: &'a Request<'a>) -> Response<'a> {
        let at_login = matches!(action, Action::Describe | Action::Login);
        Response {
            dialect,
            request,
            echo_session: !at_login || dialect.echoes_session_at_login(),
        }
    }

    /// `ok` with this data. `data` must be JSON of an object, an array or `null`.
    pub fn data(&self, data: &str) -> Frame {
        self.write(data, |_| {}, Publicity::Withheld)
    }

    /// `ok` with this data; `meta` appends the document's part of `_meta`, each key followed by a comma.
    pub fn document(&self, data: &str, meta: impl FnOnce(&mut String), publicity: Publicity) -> Frame {
        self.write(data, meta, publicity)
    }

    /// `error`.
    pub fn error(&self, error: &WireError) -> Frame {
        self.refusal().frame(error)
    }

    /// The data to answer with an error when the request is gone.
    pub fn refusal(&self) -> Refusal {
        let mut echo = String::with_capacity(96);
        self.write_echo(&mut echo);
        let dialect = self.dialect;
        Refusal { dialect, echo }
    }

    /// The short answer of a `set` with `noDataResponse`.
    pub fn without_data(&self, path: Option<&str>, publicity: Publicity) -> Frame {
        let mut out = String::with_capacity(128 + path.map_or(0, str::len));
        out.push_str(r#"{"_meta":{"#);
        if let Some(path) = path {
            out.push_str(r#""path":"#);
            json::write_string(&mut out, path);
            out.push(',');
        }
        if let Some(event_id) = self.request.event_id {
            out.push_str(r#""eventId":"#);
            out.push_str(event_id.get());
            out.push(',');
        }
        out.push_str(r#""type":"response","status":"ok","published":"#);
        out.push_str(publicity.as_json());
        out.push_str("}}");
        out.into()
    }

    /// Begins an answer in array form.
    pub fn array(&self) -> ArrayResponse {
        ArrayResponse {
            out: String::from("["),
        }
    }

    fn write(&self, data: &str, meta: impl FnOnce(&mut String), publicity: Publicity) -> Frame {
        let mut out = String::with_capacity(data.len() + 320);
        out.push_str(r#"{"data":"#);
        out.push_str(data);
        out.push_str(r#","_meta":{"#);
        meta(&mut out);
        out.push_str(r#""type":"response","status":"ok","published":"#);
        out.push_str(publicity.as_json());
        self.write_echo(&mut out);
        out.push('}');
        out.push_str(self.dialect.tail());
        out.into()
    }

    fn write_echo(&self, out: &mut String) {
        if let Some(event_id) = self.request.event_id {
            out.push_str(r#","eventId":"#);
            out.push_str(event_id.get());
        }
        if let Some(session_id) = self.request.session_id.filter(|_| self.echo_session) {
            out.push_str(r#","sessionId":"#);
            out.push_str(session_id.get());
        }
        if let Some(action) = self.request.action {
            out.push_str(r#","action":"#);
            out.push_str(action.get());
        }
    }
}

/// An error answer that waits for its error.
#[derive(Debug)]
pub struct Refusal {
    dialect: Dialect,
    echo: String,
}

impl Refusal {
    /// The answer.
    pub fn frame(&self, error: &WireError) -> Frame {
        let mut out = String::with_capacity(256 + error.message().len());
        out.push_str(r#"{"data":null,"_meta":{"type":"response","status":"error","published":false"#);
        out.push_str(&self.echo);
        out.push_str(r#","error":"#);
        error.write(&mut out);
        out.push('}');
        out.push_str(self.dialect.tail());
        out.into()
    }
}

/// An answer in array form: the items, then the response's own `_meta` as the last element, not wrapped.
/// It can wait for its end while its request is not at hand.
#[derive(Debug)]
pub struct ArrayResponse {
    out: String,
}

impl ArrayResponse {
    /// Appends one item that `write` appends: an object.
    pub fn push_with(&mut self, write: impl FnOnce(&mut String)) {
        write(&mut self.out);
        self.out.push(',');
    }

    /// Bytes written so far.
    pub fn len(&self) -> usize {
        self.out.len()
    }

    /// Whether nothing was written so far.
    pub fn is_empty(&self) -> bool {
        self.out.len() <= 1
    }

    /// Bytes of memory taken.
    pub fn capacity(&self) -> usize {
        self.out.capacity()
    }

    /// Appends the last element. `response` is the answer that this was made from, or one to the same request.
    pub fn finish(mut self, response: &Response<'_>) -> Frame {
        self.out
            .push_str(r#"{"type":"response","status":"ok","published":false"#);
        response.write_echo(&mut self.out);
        self.out.push_str("}]");
        self.out.into()
    }
}

/// Appends a document as it stands in an array: its own fields and a `_meta`.
pub fn write_item<'a>(
    out: &mut String,
    path: &str,
    data: &str,
    meta: impl Into<ItemMeta<'a>>,
    dialect: Dialect,
) {
    let meta = meta.into();
    let tag = tagged::tag_of(path, data);
    let bare = match tag {
        Some(_) => Cow::Owned(value::without_meta(data)),
        None => Cow::Borrowed(data),
    };
    let inner = bare.strip_suffix('}').unwrap_or("{");
    out.push_str(inner);
    if inner.trim() != "{" {
        out.push(',');
    }
    out.push_str(r#""_meta":{"#);
    if let Some(tag) = tag {
        out.push_str(r#""tag":"#);
        out.push_str(tag);
        out.push(',');
    }
    meta.times.write(out);
    if let Some(name) = meta.modified_by.filter(|_| dialect.names_modifier()) {
        out.push(',');
        write_modified_by(out, name);
    }
    out.push_str(r#","path":"#);
    json::write_string(out, path);
    if dialect.names_item_id() {
        out.push_str(r#","_id":"#);
        json::write_string(out, path);
    }
    out.push_str("}}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::DocumentMeta;
    use crate::protocol::Parsed;

    fn request(text: &str) -> Request<'_> {
        let Parsed::Request(request) = Request::parse(text) else {
            panic!("a request")
        };
        request
    }

    #[test]
    fn the_answer_to_a_set_has_the_form_of_its_generation() {
        let request = request(r#"{"action":"set","eventId":4,"path":"/v","sessionId":"S"}"#);
        let meta = DocumentMeta {
            created: 1,
            modified: 2,
        };
        let write = |dialect| {
            Response::to(dialect, Action::Set, &request)
                .document(
                    r#"{"a":1}"#,
                    |out| {
                        meta.write(out);
                        out.push(',');
                    },
                    Publicity::Published,
                )
                .to_string()
        };
        assert_eq!(
            write(Dialect::Happn1),
            r#"{"data":{"a":1},"_meta":{"created":1,"modified":2,"type":"response","status":"ok","published":true,"eventId":4,"sessionId":"S","action":"set"},"protocol":"1.3.0","__outbound":true}"#
        );
        assert!(write(Dialect::Happn4).ends_with(r#""action":"set"},"protocol":"happn_4"}"#));
    }

    #[test]
    fn an_array_answer_ends_with_its_meta() {
        let request = request(r#"{"action":"get","eventId":7}"#);
        let response = Response::to(Dialect::Happn4, Action::Get, &request);
        let mut array = response.array();
        let mut push = |path: &str, data: &str, created: u64, by: Option<&str>| {
            let meta = ItemMeta {
                times: DocumentMeta {
                    created,
                    modified: created + 1,
                },
                modified_by: by,
            };
            array.push_with(|out| write_item(out, path, data, meta, Dialect::Happn4));
        };
        push("/v/1", r#"{"a":1}"#, 1, Some("bob"));
        push("/v/2", "{ }", 3, None);
        let value: serde_json::Value = serde_json::from_str(&array.finish(&response)).unwrap();
        assert_eq!(
            value,
            serde_json::json!([
                {"a":1,"_meta":{"created":1,"modified":2,"path":"/v/1"}},
                {"_meta":{"created":3,"modified":4,"path":"/v/2"}},
                {"type":"response","status":"ok","published":false,"eventId":7,"action":"get"}
            ])
        );
    }

    #[test]
    fn an_item_of_the_first_generation_says_who_has_written_it() {
        let meta = ItemMeta {
            times: DocumentMeta {
                created: 1,
                modified: 2,
            },
            modified_by: Some("b\"b"),
        };
        let mut item = String::new();
        write_item(&mut item, "/v/1", r#"{"a":1}"#, meta, Dialect::Happn1);
        assert_eq!(
            item,
            r#"{"a":1,"_meta":{"created":1,"modified":2,"modifiedBy":"b\"b","path":"/v/1","_id":"/v/1"}}"#
        );
    }

    #[test]
    fn login_repeats_the_session_only_in_the_last_dialect() {
        let request = request(r#"{"action":"login","eventId":"x","sessionId":"S"}"#);
        let old = Response::to(Dialect::Happn3, Action::Login, &request).data("null");
        let new = Response::to(Dialect::Happn4, Action::Login, &request).data("null");
        assert!(!old.contains("sessionId") && new.contains(r#""sessionId":"S""#));
        assert!(old.contains(r#""eventId":"x""#));
    }
}
