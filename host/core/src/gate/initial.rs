//! The documents that a new subscription finds there already (docs/protocol.md 5.5.1).
//!
//! Enters: a subscription that was made. Leaves: its answer with these documents, and for some clients that
//! asked for it a publication of each. Guarantees: what the user must not hear is left out; no answer is larger
//! than the mesh allows; where it would be, there is no subscription either.

use super::Gate;
use super::data::too_large;
use super::guard::Actor;
use super::scan::{Asked, LeftOut, Scan};
use super::subscriptions::{Made, depth_of};
use mesh_scans::{Budget, Memory};
use mesh_security::permission;
use mesh_session::pubsub::{Channel, Pattern};
use mesh_store::{Document, Item, PathPattern, Walk, Walked};
use mesh_wire::protocol::{
    Action, Dialect, Frame, Listeners, Options, Publicity, Request, WireError, initial_publication,
    write_item,
};
use serde_json::value::RawValue;
use std::ops::ControlFlow;

/// The bytes that a document takes in an answer beside its text.
const ITEM_BYTES: usize = 96;

impl Gate {
    /// Answers an `on` with the documents that a subscription matches.
    pub(super) fn present(
        &mut self,
        request: &Request<'_>,
        frame: &Frame,
        (made, actor): (Made, &Actor),
    ) -> Result<(), WireError> {
        let dialect = self.session.dialect();
        let asked = Asked::read(request, Action::On, dialect)?;
        let presenting = Presenting::new(made);
        self.mesh
            .note_reading(&self.session, &PathPattern::new(&reach(&asked, dialect)));
        self.look_through(frame, &asked, actor, presenting)
    }
}

/// Documents for a subscription.
struct Presenting {
    made: Made,
    walk: Walk,
    found: Vec<Item>,
    bytes: usize,
}

impl Presenting {
    fn new(made: Made) -> Presenting {
        Presenting {
            made,
            walk: Walk::new(4096),
            found: Vec::new(),
            bytes: 0,
        }
    }
}

fn pattern<'a>(asked: &'a Asked<'_>) -> &'a str {
    Channel::parse(&asked.path).map_or("", |channel| channel.pattern)
}

/// The paths among which the documents are.
fn reach(asked: &Asked<'_>, dialect: Dialect) -> String {
    let pattern = pattern(asked);
    // Wildcards of `get` are not open at their end.
    match PathPattern::new(pattern) {
        all if dialect.matching().is_open_ended() && all.has_wildcard() => format!("{}*", all.literal()),
        _ => pattern.to_owned(),
    }
}

/// Whether each document is to be delivered like an event, too.
fn pushes(asked: &Asked<'_>, dialect: Dialect) -> bool {
    dialect.publishes_initial_values() && Options::read(asked.request.options).initial_emit
}

impl Scan for Presenting {
    const ACTION: Action = Action::On;
    const NEEDS: permission::Action = permission::Action::On;
    const MEMORY: Memory = Memory::Collects;

    const ALSO: Option<permission::Action> = Some(permission::Action::Get);

    fn left_out(gate: &Gate, actor: &Actor) -> LeftOut {
        let dialect = gate.session.dialect();
        let hidden = |action| gate.hidden_from_listening(actor, action, dialect);
        LeftOut([hidden(permission::Action::On), hidden(permission::Action::Get)])
    }

    fn again(&self, _: &Asked<'_>) -> Presenting {
        Presenting::new(self.made.clone())
    }

    fn advance(
        &mut self,
        gate: &Gate,
        asked: &Asked<'_>,
        left_out: &LeftOut,
        budget: &mut Budget,
    ) -> Result<Walked, WireError> {
        let dialect = gate.session.dialect();
        let limit = gate.session.outbound().limit();
        let copies = 1 + usize::from(pushes(asked, dialect));
        let wanted = Pattern::parse(pattern(asked), dialect);
        let deepest = depth_of(&Options::read(asked.request.options)).segments;
        let reach = reach(asked, dialect);
        let (found, bytes) = (&mut self.found, &mut self.bytes);
        let mut take = |path: std::sync::Arc<str>, document: Document| {
            let near = wanted.matches(&path) && wanted.depth_of(&path).is_none_or(|depth| depth <= deepest);
            if near && !left_out.hides(&path) {
                *bytes += copies * (document.data.len() + path.len() + ITEM_BYTES);
                found.push((path, document));
            }
            match *bytes > limit {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        };
        let walked = self
            .walk
            .advance(gate.mesh.store(), &PathPattern::new(&reach), budget, &mut take);
        if self.bytes > limit {
            gate.unmake(&self.made);
            return Err(too_large(limit));
        }
        Ok(walked)
    }

    fn held(&self) -> usize {
        self.bytes
    }

    fn finish(mut self, gate: &mut Gate, asked: &Asked<'_>) {
        let dialect = gate.session.dialect();
        if dialect.orders_initial_values_by_time() {
            self.found.sort_by_key(|(_, document)| document.meta.modified);
        }
        let pushes = pushes(asked, dialect);
        let mut out = String::with_capacity(self.bytes);
        out.push('[');
        for (path, document) in &self.found {
            if out.len() > 1 {
                out.push(',');
            }
            write_item(&mut out, path, &document.data, document, dialect);
            if pushes {
                let event_id = asked.request.event_id.map_or("undefined", RawValue::get);
                gate.send(initial_publication(
                    dialect,
                    &asked.path,
                    &document.data,
                    gate.session.id(),
                    event_id,
                ));
            }
        }
        out.push(']');
        let meta = |meta: &mut String| {
            if dialect.listeners() == Listeners::ById {
                meta.push_str(r#""referenceId":""#);
                meta.push_str(&self.made.id);
                meta.push_str("\",");
            }
        };
        gate.send(asked.response.document(&out, meta, Publicity::Withheld));
    }
}
