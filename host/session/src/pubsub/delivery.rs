//! One publication on its way to its recipients: written once per distinct form, then shared.

use super::registration::{Registration, Wanted};
use super::{Event, Subscriber, Targets};
use crate::{After, Deferred, InFlight, Principal, Session};
use mesh_wire::protocol::{Dialect, Frame};
use std::collections::HashMap;
use std::sync::Arc;

/// Frames of one publication that are kept for recipients still to come.
const KEPT_FRAMES: usize = 16;

/// The options that make frames of one publication differ.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Form {
    dialect: Dialect,
    channel: Arc<str>,
    wanted: Wanted,
}

/// One event on its way to its recipients; keeps some of the frames written so far.
pub(super) struct Delivery<'a> {
    event: &'a Event<'a>,
    frames: HashMap<Form, Frame>,
    /// The frame written or used last: subscribers of one channel follow each other.
    last: Option<(Form, Frame)>,
    /// It is the answer of a call: its address is the session's own.
    pub(super) is_answer: bool,
    /// As an answer it leaves behind what its component published before.
    pub(super) after: Option<After>,
    /// Those who sleep, and for whom the publisher will write.
    pub(super) deferred: Option<&'a mut Deferred>,
    /// Frames that are not to be delivered yet.
    pub(super) held: Option<Vec<(Arc<Session>, Frame)>>,
    pub(super) recipients: usize,
    /// The deliveries that its publisher may wait for; `None` while it goes to nobody else.
    pub(super) in_flight: Option<InFlight>,
}

impl<'a> Delivery<'a> {
    pub(super) fn new(event: &'a Event<'a>) -> Delivery<'a> {
        Delivery {
            event,
            frames: HashMap::new(),
            last: None,
            is_answer: false,
            after: None,
            deferred: None,
            held: None,
            recipients: 0,
            in_flight: None,
        }
    }

    pub(super) fn deliver(&mut self, registration: &Registration, depth: u32) {
        let publication = self.event.publication;
        if !registration.action.admits(publication.action) {
            return;
        }
        match &registration.subscriber {
            Subscriber::Session(session) => {
                if self.event.targets.is_some_and(|targets| !targets.admit(session)) {
                    return;
                }
                let path = publication.path;
                // Later generations do not count a slash at the beginning, and permissions do.
                let is_loose = registration.is_loose || !path.starts_with('/');
                let mut own = None;
                let may_hear = |principal: Option<&Principal>| match principal {
                    _ if self.is_answer => true,
                    Some(principal) => principal.may_hear(path, is_loose),
                    None => *own.get_or_insert_with(|| session.may_hear(path, is_loose)),
                };
                let Some(wanted) = registration.admits(self.event.version, depth, may_hear) else {
                    return;
                };
                // A session that is being closed costs nothing more.
                if session.outbound().is_closing() {
                    return;
                }
                let frame = self.frame(session.dialect(), &registration.channel, wanted);
                match &mut self.held {
                    Some(held) => held.push((session.clone(), frame)),
                    // In the publisher's own queue it goes before the answer anyway.
                    None if self.is_answer || session.id() == publication.session_id => {
                        session.outbound().push_after(frame, self.after.clone());
                    }
                    None => {
                        let in_flight = self.in_flight.get_or_insert_default().clone();
                        let deferred = self.deferred.as_mut();
                        match deferred.and_then(|deferred| deferred.admit(frame.len()).then_some(deferred)) {
                            Some(deferred) => {
                                if session.outbound().defer_publication(frame, in_flight) {
                                    deferred.add(session);
                                }
                            }
                            None => session.outbound().push_publication(frame, in_flight),
                        }
                    }
                }
            }
            Subscriber::Listener { listener, .. } => {
                if self.event.targets.is_some_and(Targets::are_sessions) {
                    return;
                }
                let is_wanted = registration.admits(self.event.version, depth, |_| true).is_some();
                if !is_wanted || !listener.hear(publication) {
                    return;
                }
            }
        }
        self.recipients += 1;
    }

    fn frame(&mut self, dialect: Dialect, channel: &Arc<str>, wanted: Wanted) -> Frame {
        if let Some((form, frame)) = &self.last
            && form.dialect == dialect
            && form.wanted == wanted
            && form.channel == *channel
        {
            return frame.clone();
        }
        let channel = channel.clone();
        let form = Form {
            dialect,
            channel,
            wanted,
        };
        let frame = match self.frames.get(&form) {
            Some(frame) => frame.clone(),
            None => self
                .event
                .publication
                .frame(dialect, &form.channel, wanted.depth, wanted.as_sent),
        };
        // Subscribers of one channel mostly follow each other; a few more frames are kept, and never many.
        if let Some((form, last)) = self.last.replace((form, frame.clone()))
            && self.frames.len() < KEPT_FRAMES
        {
            self.frames.insert(form, last);
        }
        frame
    }
}
