//! on and off (docs/protocol.md 5.5 and 5.6), and the guard in front of other sessions' answers (docs/mesh-protocol.md 2.2).
//!
//! Enters: channels to listen to, or no more. Leaves: subscriptions; [`super::initial`] tells what is there already.
//! Guarantees: nobody listens without permission, or to the answers that others get. Documents that are there already
//! are asked for by those alone who may read them, too.

use super::guard::{Actor, unauthorized};
use super::{Gate, path};
use mesh_security::permission;
use mesh_session::pubsub::{
    Channel, DEFAULT_DEPTH, Depth, EVERYTHING, Subscriber, Subscription, VersionFilter,
};
use mesh_session::{After, InFlight, Principal};
use mesh_store::now;
use mesh_wire::address;
use mesh_wire::protocol::{Action, Dialect, Frame, Listeners, Options, Request, Response, WireError, json};
use mesh_wire::versions::RequestedRange;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::sync::Arc;

/// Whether a session may listen to a pattern.
enum Listening {
    /// Yes.
    Allowed,
    /// It is an answer path of another session, perhaps its own before a reconnect. The answer is `ok`, since the
    /// client would give up reconnecting otherwise, and nothing is delivered.
    Pretended,
    /// It would hear everybody's answers.
    Forbidden,
}

/// The result of an `on`.
enum Listened {
    /// A subscription.
    As {
        /// Its reference.
        id: String,
        /// The condition that ends when other nodes know of it.
        after: Option<After>,
    },
    /// A subscription that is to be answered with the documents that are there already, as this user may have them.
    Presents(Made, Actor),
}

/// A subscription that was made.
#[derive(Clone)]
pub(super) struct Made {
    /// The id by which the client knows it.
    pub(super) id: String,
    reference: u64,
    channel: Box<str>,
    /// For how many listeners, where these are counted.
    count: i64,
}

impl Gate {
    pub(super) fn on(&mut self, request: &Request<'_>, frame: &Frame) {
        let dialect = self.session.dialect();
        let response = Response::to(dialect, Action::On, request);
        let options = Options::read(request.options);
        let answered = match self.try_on(request, &options, dialect) {
            Err(error) => Err(error),
            Ok(Listened::Presents(made, actor)) => self.present(request, frame, (made, &actor)),
            Ok(Listened::As { id, after }) => {
                let frame = response.data(&format!(r#"{{"id":"{id}"}}"#));
                self.session.outbound().push_after(frame, after);
                Ok(())
            }
        };
        if let Err(error) = answered {
            self.send(response.error(&error));
        }
    }

    /// Takes a subscription back that was just made.
    pub(super) fn unmake(&self, made: &Made) {
        let (subscriptions, session) = (self.mesh.subscriptions(), self.session.number());
        match self.session.dialect().listeners() {
            Listeners::Counted => subscriptions.unsubscribe_count(session, &made.channel, made.count),
            Listeners::ById => subscriptions.unsubscribe_reference(session, &made.channel, made.reference),
        }
    }

    /// Makes the subscription.
    fn try_on(
        &mut self,
        request: &Request<'_>,
        options: &Options<'_>,
        dialect: Dialect,
    ) -> Result<Listened, WireError> {
        let asked = path::checked(request, dialect)?;
        let mut actor = self.authorize(permission::Action::On, &asked, || options.on_behalf_of)?;
        let (text, channel) = match Channel::parse(&asked) {
            None if dialect.requires_channel() => {
                return Err(WireError::service("subscribe failed", "SubscriptionService"));
            }
            None if asked == "*" => (EVERYTHING, Channel::parse("/ALL@*")),
            channel => (&*asked, channel),
        };
        if let Some(channel) = channel {
            match listening(channel.pattern, self.session.id(), dialect) {
                Listening::Allowed => {}
                Listening::Pretended => {
                    return Ok(Listened::As {
                        id: now().to_string(),
                        after: None,
                    });
                }
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
        // Other nodes know of it when it is answered, so that none of their events is missed from then on.
        let until = self.mesh.elsewhere().is_some().then(InFlight::default);
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
            as_sent: options.merge && dialect.has_merge_subscriptions(),
            principal: principal.clone(),
            is_in_part: security.is_some_and(|security| security.hears_in_part(pattern)),
            until: until.clone(),
        };
        let after = until.as_ref().map(InFlight::after);
        drop(until);
        let subscribed = self.mesh.subscriptions().subscribe(&subscriber, subscription);
        let id = subscribed.map_err(|error| WireError::service(error.to_string(), "SubscriptionService"))?;
        let session = self.session.number();
        let confirmed = self.confirm(&asked, options, &mut actor, principal.as_ref());
        confirmed.inspect_err(|_| {
            let subscriptions = self.mesh.subscriptions();
            subscriptions.unsubscribe_for(session, text, principal.as_ref());
        })?;
        let made = Made {
            id: format!("{session:x}-{id}"),
            reference: id,
            channel: text.into(),
            count,
        };
        Ok(match wants_documents {
            true => Listened::Presents(made, actor),
            false => Listened::As { id: made.id, after },
        })
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
        } else if dialect.listeners() == Listeners::Counted {
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
        self.send(response.data(if dialect.echoes_reference_at_off() {
            &data
        } else {
            "{}"
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
    let Some(responses) = address::Response::parse_pattern(pattern) else {
        return Listening::Allowed;
    };
    if responses.first() == session_id || responses.fourth() == Some(session_id) {
        return Listening::Allowed;
    }
    let star_too_early = responses.first().contains('*');
    if dialect.refuses_to_hear_all_answers() && star_too_early {
        Listening::Forbidden
    } else {
        Listening::Pretended
    }
}
