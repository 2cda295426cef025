//! on and off (PROTOCOL.md 5.5 and 5.6), and the guard in front of other sessions' answers (MESH.md 2.2).
//!
//! What enters: channels to listen to, or no more. What leaves: subscriptions; [`super::initial`] tells what is there already.
//! Guarantees: nobody listens without permission, or to the answers that others get.

use super::{Gate, path};
use crate::protocol::{Action, Dialect, Frame, Options, Request, Response, WireError, json};
use crate::pubsub::{Channel, DEFAULT_DEPTH, Depth, Subscriber, Subscription, VersionFilter};
use crate::security::permission;
use crate::store::now;
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
    pub(super) fn on(&mut self, request: &Request<'_>, frame: &Frame) {
        let dialect = self.session.dialect();
        let response = Response::to(dialect, Action::On, request);
        let options = Options::read(request.options);
        let answered = match self.try_on(request, &options, dialect) {
            Err(error) => Err(error),
            Ok(id) if options.initial_callback || options.initial_emit => self.present(request, frame, id),
            Ok(id) => {
                self.send(response.data(&format!(r#"{{"id":"{id}"}}"#)));
                Ok(())
            }
        };
        if let Err(error) = answered {
            self.send(response.error(&error));
        }
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

pub(super) fn depth_of(options: &Options<'_>) -> Depth {
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
