//! on and off (PROTOCOL.md 5.5 and 5.6), and the guard in front of other sessions' answers (MESH.md 2.2).
//!
//! What enters: channels to listen to, or no more. What leaves: subscriptions, and the documents that are there already.
//! Guarantees: nobody listens without permission, or to the answers that others get; documents that are there already are those that
//! the user may read and hear, and no more bytes than a `get` gives.

use super::data::too_large;
use super::guard::{Actor, unauthorized};
use super::{Gate, path};
use crate::protocol::{
    Action, Dialect, Options, Request, Response, WireError, initial_publication, json, write_item,
};
use crate::pubsub::{
    Channel, DEFAULT_DEPTH, Depth, EVERYTHING, Pattern, Subscriber, Subscription, VersionFilter,
};
use crate::security::permission;
use crate::session::Principal;
use crate::store::{Document, PathPattern, now};
use crate::versions::RequestedRange;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::sync::Arc;

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
            Ok((id, Some(documents))) => {
                let meta = |out: &mut String| {
                    if !dialect.is_first_generation() {
                        out.push_str(r#""referenceId":""#);
                        out.push_str(&id);
                        out.push_str("\",");
                    }
                };
                response.document(&documents, meta, false)
            }
            Ok((id, None)) => response.data(&format!(r#"{{"id":"{id}"}}"#)),
        };
        self.send(frame);
    }

    /// The documents that a new subscription matches, as a JSON array (PROTOCOL.md 5.5.1). Clients of the first
    /// generation that asked for it get each of them as a publication, too.
    ///
    /// # Errors
    ///
    /// When they are more bytes than the session may have queued. Nothing is sent then.
    fn present_documents(
        &self,
        request: &Request<'_>,
        options: &Options<'_>,
        dialect: Dialect,
        actor: &Actor,
    ) -> Result<String, WireError> {
        let text = request.path_text().unwrap_or_default();
        let pattern = Channel::parse(&text).map_or("", |channel| channel.pattern);
        let wanted = Pattern::parse(pattern, dialect);
        let deepest = depth_of(options).segments;
        let pushes = options.initial_emit && dialect.is_first_generation();
        let limit = self.session.outbound().limit() / if pushes { 2 } else { 1 };
        let mut bytes = 0;
        let mut found: Vec<(String, Document)> = Vec::new();
        // Subscriptions of the first generation are open at their end, which wildcards of `get` are not.
        let open = match PathPattern::new(pattern) {
            all if dialect.is_first_generation() && all.has_wildcard() => format!("{}*", all.literal()),
            _ => pattern.to_owned(),
        };
        let all = PathPattern::new(&open);
        self.mesh.note_reading(&self.session, &all);
        let hidden = [permission::Action::On, permission::Action::Get]
            .map(|action| self.hidden_from_listening(actor, action, dialect));
        let is_hidden = |path: &str| hidden.iter().flatten().any(|hidden| hidden.hides(path));
        self.mesh.store().scan(&all, &mut |path, document| {
            let near = wanted.matches(path) && wanted.depth_of(path).is_none_or(|depth| depth <= deepest);
            if near && !is_hidden(path) {
                bytes += path.len() + document.data.len();
                found.push((path.to_owned(), document.clone()));
            }
            bytes <= limit
        });
        if bytes > limit {
            return Err(too_large(limit));
        }
        if !dialect.is_first_generation() {
            found.sort_by_key(|(_, document)| document.meta.modified);
        }
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
            if out.len() > limit {
                return Err(too_large(limit));
            }
        }
        if pushes {
            for (_, document) in &found {
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
        Ok(out)
    }

    /// Returns the subscription's reference, and the documents that are there already where they were asked for.
    fn try_on(
        &mut self,
        request: &Request<'_>,
        options: &Options<'_>,
        dialect: Dialect,
    ) -> Result<(String, Option<String>), WireError> {
        let asked = path::checked(request, dialect)?;
        let mut actor = self.authorize(permission::Action::On, &asked, || options.on_behalf_of)?;
        // Later generations take a bare star for everything.
        let (text, channel) = match Channel::parse(&asked) {
            None if dialect.is_first_generation() => {
                return Err(WireError::service("subscribe failed", "SubscriptionService"));
            }
            None if asked == "*" => (EVERYTHING, Channel::parse("/ALL@*")),
            channel => (&*asked, channel),
        };
        if let Some(channel) = channel {
            match listening(channel.pattern, self.session.id(), dialect) {
                Listening::Allowed => {}
                Listening::Pretended => return Ok((now().to_string(), None)),
                Listening::Forbidden => {
                    return Err(WireError::plain(format!(
                        "wildcard listens on _exchange responses are forbidden, bad path: {}",
                        channel.pattern
                    )));
                }
            }
        }
        let wants_documents = options.initial_callback || options.initial_emit;
        let pattern = channel.map_or("", |channel| channel.pattern);
        if wants_documents && !self.may_also(&actor, permission::Action::Get, pattern) {
            return Err(unauthorized());
        }
        let depth = depth_of(options);
        let count = options.reference_count.unwrap_or(1.0).clamp(1.0, 1e9) as i64;
        let subscriber = Subscriber::Session(self.session.clone());
        let principal = self.principal(&actor);
        let security = self.mesh.security();
        let subscription = Subscription {
            text,
            channel,
            dialect,
            filter: version_filter(options),
            depth,
            count,
            as_sent: options.merge && !dialect.is_first_generation(),
            principal: principal.clone(),
            is_in_part: security.is_some_and(|security| security.hears_in_part(pattern)),
        };
        let subscribed = self.mesh.subscriptions().subscribe(&subscriber, subscription);
        let id = subscribed.map_err(|error| WireError::service(error.to_string(), "SubscriptionService"))?;
        let session = self.session.number();
        let confirmed = self.confirm(&asked, options, &mut actor, principal.as_ref());
        confirmed.inspect_err(|_| {
            let subscriptions = self.mesh.subscriptions();
            subscriptions.unsubscribe_for(session, text, principal.as_ref());
        })?;
        let documents = wants_documents.then(|| self.present_documents(request, options, dialect, &actor));
        let documents = documents.transpose().inspect_err(|_| {
            let subscriptions = self.mesh.subscriptions();
            match dialect.is_first_generation() {
                true => subscriptions.unsubscribe_count(session, text, count),
                false => subscriptions.unsubscribe_reference(session, text, id),
            }
        })?;
        Ok((format!("{session:x}-{id}"), documents))
    }

    /// Decides about a subscription once more when users or groups have changed meanwhile: what was taken away then was dropped
    /// before this one was there.
    fn confirm(
        &mut self,
        asked: &str,
        options: &Options<'_>,
        actor: &mut Actor,
        principal: Option<&Arc<Principal>>,
    ) -> Result<(), WireError> {
        while self.is_outdated() {
            *actor = self.authorize(permission::Action::On, asked, || options.on_behalf_of)?;
            // A user of the same name who was made since is somebody else.
            if self.principal(actor).as_ref().map(Arc::as_ptr) != principal.map(Arc::as_ptr) {
                return Err(unauthorized());
            }
        }
        Ok(())
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
