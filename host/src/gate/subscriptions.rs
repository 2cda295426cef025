//! on and off (PROTOCOL.md 5.5 and 5.6), and the guard in front of other sessions' answers (MESH.md 2.2).
//!
//! What enters: channels to listen to, or no more. What leaves: subscriptions, and the documents that are there already.
//! Guarantees: nobody listens without permission, or to the answers that others get.

use super::{Gate, path};
use crate::protocol::{
    Action, Dialect, Options, Request, Response, WireError, initial_publication, json, write_item,
};
use crate::pubsub::{Channel, DEFAULT_DEPTH, Depth, Pattern, Subscriber, Subscription, VersionFilter};
use crate::security::permission;
use crate::store::{Document, PathPattern, now};
use crate::versions::RequestedRange;
use serde::Deserialize;
use serde_json::value::RawValue;

const RESPONSES: &str = "_exchange/responses";

/// Whether a session may listen to a pattern.
enum Listening {
    /// Yes.
    Allowed,
    /// It is an answer path of another session, perhaps its own before a reconnect: the client is told that it worked,
    /// since it would give up reconnecting otherwise, and nothing is delivered.
    Pretended,
    /// It would hear everybody's answers.
    Forbidden,
}

impl Gate {
    pub(super) fn on(&mut self, request: &Request<'_>) {
        let dialect = self.session.dialect();
        let response = Response::to(dialect, Action::On, request);
        let options = Options::read(request.options);
        let frame = match self.try_on(request, &options, dialect) {
            Err(error) => response.error(&error),
            Ok(id) if options.initial_callback || options.initial_emit => {
                let documents = self.present_documents(request, &options, dialect);
                let meta = |out: &mut String| {
                    if !dialect.is_first_generation() {
                        out.push_str(r#""referenceId":""#);
                        out.push_str(&id);
                        out.push_str("\",");
                    }
                };
                response.document(&documents, meta, false)
            }
            Ok(id) => response.data(&format!(r#"{{"id":"{id}"}}"#)),
        };
        self.send(frame);
    }

    /// The documents that a new subscription matches, as a JSON array (PROTOCOL.md 5.5.1). Clients of the first
    /// generation that asked for it get each of them as a publication, too.
    fn present_documents(&self, request: &Request<'_>, options: &Options<'_>, dialect: Dialect) -> String {
        let text = request.path_text().unwrap_or_default();
        let pattern = Channel::parse(&text).map_or("", |channel| channel.pattern);
        let wanted = Pattern::parse(pattern, dialect);
        let deepest = depth_of(options).segments;
        let mut found: Vec<(String, Document)> = Vec::new();
        // Subscriptions of the first generation are open at their end, which wildcards of `get` are not.
        let open = match PathPattern::new(pattern) {
            all if dialect.is_first_generation() && all.has_wildcard() => format!("{}*", all.literal()),
            _ => pattern.to_owned(),
        };
        let all = PathPattern::new(&open);
        self.mesh.note_reading(&self.session, &all);
        let hidden = self.hidden_from_listening(dialect);
        self.mesh.store().scan(&all, &mut |path, document| {
            let near = wanted.matches(path) && wanted.depth_of(path).is_none_or(|depth| depth <= deepest);
            if near && !hidden.as_ref().is_some_and(|hidden| hidden.hides(path)) {
                found.push((path.to_owned(), document.clone()));
            }
            true
        });
        if !dialect.is_first_generation() {
            found.sort_by_key(|(_, document)| document.meta.modified);
        }
        let pushes = options.initial_emit && dialect.is_first_generation();
        let mut out = String::from("[");
        for (path, document) in &found {
            if out.len() > 1 {
                out.push(',');
            }
            write_item(
                &mut out,
                path,
                &document.data,
                document.meta,
                dialect.names_item_id(),
            );
            if pushes {
                let event_id = request.event_id.map_or("undefined", RawValue::get);
                self.send(initial_publication(
                    dialect,
                    &text,
                    &document.data,
                    self.session.id(),
                    event_id,
                ));
            }
        }
        out.push(']');
        out
    }

    fn try_on(
        &mut self,
        request: &Request<'_>,
        options: &Options<'_>,
        dialect: Dialect,
    ) -> Result<String, WireError> {
        let text = path::checked(request, dialect)?;
        self.authorize(permission::Action::On, &text, || options.on_behalf_of)?;
        // Later generations take a bare star for everything.
        let (text, channel) = match Channel::parse(&text) {
            None if dialect.is_first_generation() => {
                return Err(WireError::service("subscribe failed", "SubscriptionService"));
            }
            None if text == "*" => ("/*@*", Channel::parse("/ALL@*")),
            channel => (&*text, channel),
        };
        if let Some(channel) = channel {
            match listening(channel.pattern, self.session.id(), dialect) {
                Listening::Allowed => {}
                Listening::Pretended => return Ok(now().to_string()),
                Listening::Forbidden => {
                    return Err(WireError::plain(format!(
                        "wildcard listens on _exchange responses are forbidden, bad path: {}",
                        channel.pattern
                    )));
                }
            }
        }
        let depth = depth_of(options);
        let count = options.reference_count.unwrap_or(1.0).clamp(1.0, 1e9) as i64;
        let subscriber = Subscriber::Session(self.session.clone());
        let filter = version_filter(options);
        let subscription = Subscription {
            text,
            channel,
            dialect,
            filter,
            depth,
            count,
            as_sent: options.merge && !dialect.is_first_generation(),
        };
        let subscribed = self.mesh.subscriptions().subscribe(&subscriber, subscription);
        let id = subscribed.map_err(|error| WireError::service(error.to_string(), "SubscriptionService"))?;
        if self.is_outdated() {
            // What was taken away meanwhile was dropped before this one was there.
            let again = self.authorize(permission::Action::On, text, || options.on_behalf_of);
            again.inspect_err(|_| {
                let subscriptions = self.mesh.subscriptions();
                subscriptions.unsubscribe_channel(self.session.number(), text);
            })?;
        }
        Ok(format!("{:x}-{id}", self.session.number()))
    }

    pub(super) fn off(&mut self, request: &Request<'_>) {
        let dialect = self.session.dialect();
        let response = Response::to(dialect, Action::Off, request);
        let text = match path::any(request) {
            Ok(text) => text,
            Err(error) => return self.send(response.error(&error)),
        };
        let options = Options::read(request.options);
        let (subscriptions, session) = (self.mesh.subscriptions(), self.session.number());
        let named = options.reference_id.filter(|id| json::is_truthy(id));
        if text == "*" {
            subscriptions.unsubscribe_all(session);
        } else if dialect.is_first_generation() {
            match options.reference_count {
                Some(count) => subscriptions.unsubscribe_count(session, &text, count.clamp(0.0, 1e9) as i64),
                None => subscriptions.unsubscribe_channel(session, &text),
            }
        } else if let Some(named) = named {
            let prefix = format!("{session:x}-");
            let reference = json::as_text(named).and_then(|id| id.strip_prefix(&prefix)?.parse().ok());
            if let Some(reference) = reference {
                subscriptions.unsubscribe_reference(session, &text, reference);
            }
        } else {
            subscriptions.unsubscribe_channel(session, &text);
        }
        let data = format!(r#"{{"id":{}}}"#, named.map_or("false", RawValue::get));
        self.send(response.data(if dialect.is_first_generation() {
            "{}"
        } else {
            &data
        }));
    }
}

fn depth_of(options: &Options<'_>) -> Depth {
    match options.depth {
        None => Depth {
            segments: DEFAULT_DEPTH,
            named: false,
        },
        Some(depth) => Depth {
            segments: depth.clamp(0.0, f64::from(u32::MAX)) as u32,
            named: true,
        },
    }
}

fn version_filter(options: &Options<'_>) -> VersionFilter {
    #[derive(Deserialize)]
    struct Asked<'a> {
        #[serde(borrow, rename = "componentVersion")]
        range: Option<&'a RawValue>,
    }
    let asked = options
        .meta_object()
        .and_then(|meta| serde_json::from_str::<Asked>(meta.get()).ok());
    let range = asked.and_then(|asked| asked.range).and_then(json::as_text);
    range.map_or(VersionFilter::Any, |range| {
        VersionFilter::Range(RequestedRange::from(&*range))
    })
}

fn listening(pattern: &str, session_id: &str, dialect: Dialect) -> Listening {
    let bare = pattern.strip_prefix('/').unwrap_or(pattern);
    let Some(rest) = bare.strip_prefix(RESPONSES) else {
        return Listening::Allowed;
    };
    if !rest.is_empty() && !rest.starts_with('/') {
        return Listening::Allowed;
    }
    let segments: Vec<&str> = rest.trim_start_matches('/').split('/').collect();
    if segments.first() == Some(&session_id) || segments.get(3) == Some(&session_id) {
        return Listening::Allowed;
    }
    let star_too_early = segments.first().is_none_or(|first| first.contains('*'));
    if dialect.is_first_generation() && star_too_early {
        Listening::Forbidden
    } else {
        Listening::Pretended
    }
}
