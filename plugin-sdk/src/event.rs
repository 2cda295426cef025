//! Events of components: those heard, and how to send one.

use crate::Error;
use crate::context::Context;
use crate::error::parse;
use crate::raw::{self, Raw};
use mesh_plugin_abi::Token;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// An event that the component subscribed to.
#[derive(Clone, Debug)]
pub struct Event {
    path: Box<str>,
    data: Raw,
    meta: Raw,
}

impl Event {
    pub(crate) fn read(path: &[u8], data: &[u8], meta: &[u8]) -> Event {
        Event {
            path: String::from_utf8_lossy(path).into_owned().into_boxed_str(),
            data: raw::from_bytes(data),
            meta: raw::from_bytes(meta),
        }
    }

    /// The event's whole path: `/_events/<domain>/<component>/<key>`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The component that sent it.
    pub fn component(&self) -> &str {
        self.segments().map_or("", |(component, _)| component)
    }

    /// The event's key, such as `sums/total`.
    pub fn key(&self) -> &str {
        self.segments().map_or(&self.path, |(_, key)| key)
    }

    /// The event's data as JSON text.
    pub fn raw(&self) -> &Raw {
        &self.data
    }

    /// The event's data as a value of the component's own type.
    ///
    /// # Errors
    ///
    /// A `TypeError` when the data is something else.
    pub fn data<T: DeserializeOwned>(&self) -> Result<T, Error> {
        parse("data of an event", &self.data)
    }

    /// The mesh's facts about the event: its origin, its time, the sender's version.
    pub fn meta(&self) -> Value {
        serde_json::from_str(self.meta.get()).unwrap_or_default()
    }

    fn segments(&self) -> Option<(&str, &str)> {
        self.path
            .strip_prefix("/_events/")?
            .split_once('/')?
            .1
            .split_once('/')
    }
}

/// How an event is to be sent. See [`Context::emit_with`].
#[derive(Clone, Debug, Default)]
pub struct EmitOptions {
    store: bool,
    targets: Option<Vec<String>>,
}

impl EmitOptions {
    /// As [`Context::emit`] does it: not stored, to all who subscribed.
    pub fn new() -> EmitOptions {
        EmitOptions::default()
    }

    /// Stores the event, so that it can be read later.
    #[must_use]
    pub fn store(mut self) -> EmitOptions {
        self.store = true;
        self
    }

    /// Sends only to these sessions.
    #[must_use]
    pub fn target_clients<S: Into<String>>(mut self, sessions: impl IntoIterator<Item = S>) -> EmitOptions {
        self.targets = Some(sessions.into_iter().map(Into::into).collect());
        self
    }

    pub(crate) fn write(&self) -> Vec<u8> {
        let mut options = serde_json::Map::new();
        if self.store {
            options.insert("noStore".to_owned(), Value::Bool(false));
        }
        if let Some(targets) = &self.targets {
            options.insert("targetClients".to_owned(), targets.clone().into());
        }
        if options.is_empty() {
            Vec::new()
        } else {
            Value::Object(options).to_string().into_bytes()
        }
    }
}

/// A subscription made with [`Context::subscribe`]. Dropping it changes nothing: it ends with
/// [`Subscription::unsubscribe`], or with the component.
#[derive(Clone, Debug)]
pub struct Subscription {
    pub(crate) context: Context,
    pub(crate) token: Token,
}

impl Subscription {
    /// Ends the subscription. Events already on their way are dropped.
    pub fn unsubscribe(self) {
        self.context.lane().unsubscribe(self.token);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_knows_its_sender_and_key() {
        let event = Event::read(
            b"/_events/Node/emitter/sums/total",
            br#"{"sum":3}"#,
            br#"{"componentVersion":"2.1.0"}"#,
        );
        assert_eq!((event.component(), event.key()), ("emitter", "sums/total"));
        assert_eq!(event.data::<Value>().unwrap()["sum"], 3);
        assert_eq!(event.meta()["componentVersion"], "2.1.0");
        assert_eq!(Event::read(b"odd", b"", b"").key(), "odd");
    }

    #[test]
    fn options_are_written_only_where_they_differ() {
        assert_eq!(EmitOptions::new().write(), b"");
        let options = EmitOptions::new().store().target_clients(["s1"]).write();
        assert_eq!(
            String::from_utf8(options).unwrap(),
            r#"{"noStore":false,"targetClients":["s1"]}"#
        );
    }
}
