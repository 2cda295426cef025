//! Calls that are executed here: those of other nodes, and those of the own callers that chose this node.
//!
//! Enters: frames of peers, attempts that go nowhere. Leaves: jobs for the mesh, refusals. Guarantees: those of
//! [`Serving`](mesh_cluster::calls::Serving).

use super::Engine;
use crate::answer::{HereAnswer, NodeAnswer};
use crate::queue::Command;
use bytes::Bytes;
use mesh_cluster::calls::{
    AnswerFrame, AskedText, CallFrame, CancelFrame, Outcome, Refusal, Request, Served, Target, WebRequest,
};
use mesh_cluster::choice::Asked;
use mesh_cluster::component::{Aim, Component, Reach};
use mesh_cluster::frame::Kind;
use mesh_cluster::link::{self, Class, Delivered};
use mesh_cluster::moment::Moment;
use mesh_cluster::peer::Peer;
use mesh_cluster::presence::beat::State;
use mesh_cluster::provider::Place;
use mesh_core::mesh::{Endpoint, NodeCall, NotHere};
use mesh_plugin::Status;
use mesh_session::After;
use mesh_wire::versions::{ComponentVersion, Line, RequestedRange};
use serde_json::value::RawValue;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Arguments up to so many bytes are copied, so that they do not keep a whole message in memory, which counts nowhere.
const SMALL: usize = 256 * 1024;

/// The error for an answer that its caller's node does not take.
const DROPPED: &[u8] = br#"[{"message":"the answer was dropped, since the caller's node takes no more","name":"Busy","code":503,"executed":true}]"#;
/// The code of a refusal for arguments that are no JSON array. No honest node sends such.
const NO_ARGUMENTS: u8 = 100;

impl Engine {
    /// Takes a call of another node.
    pub(super) fn serve(&mut self, now: Moment, peer: &Peer, message: &Delivered) -> Result<(), String> {
        let call = CallFrame::read(&message.body).map_err(|error| error.to_string())?;
        let is_cancelled = Arc::<AtomicBool>::default();
        let job = || is_cancelled.clone();
        let limit = self.mesh.call_timeout();
        let received = self.serving.receive(peer, &call, message.age, limit, job);
        let left = match received.map_err(|fault| fault.to_string())? {
            Served::Execute(left) => left,
            Served::Refuse(body) => {
                let _ = self.send(now, peer, Kind::ANSWER, Class::Kept, body);
                return Ok(());
            }
        };
        let refusal = match self.state {
            State::Draining | State::Left => Some(Refusal::Draining),
            _ => self.execute(peer, &call, left, is_cancelled).err(),
        };
        if let Some(refusal) = refusal {
            self.finished(now, peer, call.number, Outcome::Refused(refusal));
        }
        Ok(())
    }

    /// A call of another node has ended. An answer that the link does not take is replaced by word of that.
    pub(super) fn finished(&mut self, now: Moment, peer: &Peer, number: u64, outcome: Outcome) {
        let Some(body) = self.serving.finished(peer, number, outcome) else {
            return;
        };
        let outcome = match self.send(now, peer, Kind::ANSWER, Class::Kept, body) {
            Ok(()) | Err(link::Refusal::Closed) => return,
            Err(link::Refusal::TooLarge { bytes, .. }) => Outcome::TooLarge { bytes: bytes as u64 },
            Err(link::Refusal::Full { .. }) => Outcome::Answered {
                status: Status::ERROR,
                payload: Bytes::from_static(DROPPED),
            },
        };
        let body = AnswerFrame { number, outcome }.write();
        let _ = self.send(now, peer, Kind::ANSWER, Class::Kept, body);
    }

    fn execute(
        &self,
        peer: &Peer,
        call: &CallFrame<'_>,
        left: Duration,
        is_cancelled: Arc<AtomicBool>,
    ) -> Result<(), Refusal> {
        let chosen = ComponentVersion::parse(call.version).map_err(|_| Refusal::VersionGone)?;
        let range = match call.asked {
            AskedText::Range(text) => Some(RequestedRange::from(text)),
            AskedText::Any | AskedText::Line => None,
        };
        let asked = match (call.asked, &range) {
            (AskedText::Line, _) => Asked::Line(Line::of(chosen.exact())),
            (_, Some(range)) => Asked::Range(range),
            (_, None) => Asked::Any,
        };
        let arguments = match call.arguments.len() {
            0..SMALL => Bytes::copy_from_slice(&call.arguments),
            _ => call.arguments.clone(),
        };
        let (head, payload) = match call.aim {
            Aim::Method(_) => (Bytes::new(), arguments),
            Aim::Route(_) => match WebRequest::read(arguments) {
                Some(request) => (request.head, request.body),
                None => return Err(Refusal::VersionGone),
            },
        };
        if let Aim::Method(_) = call.aim
            && !is_array(&payload)
        {
            return Err(Refusal::Other(NO_ARGUMENTS));
        }
        let answer = Box::new(NodeAnswer {
            nodes: self.nodes.clone(),
            peer: peer.clone(),
            number: call.number,
            target: format!("{}.{}", call.component, call.aim.name()),
            milliseconds: left.as_millis(),
            is_cancelled,
        });
        let own = self.nodes.own();
        let may_serve = |endpoint: &Endpoint| {
            let version = endpoint.descriptor().version();
            let told = own
                .iter()
                .find(|own| **own.name() == *call.component && own.version() == version);
            // A version that took over a moment ago is not told of yet. It serves what need not be repeatable.
            match told {
                Some(told) => {
                    let is_repeatable = told.is_idempotent(call.aim);
                    told.facts().reach == Reach::Cluster && (is_repeatable || !call.is_repeated)
                }
                None => {
                    let is_kept = self.nodes.keeps(call.component, version);
                    endpoint.library().is_some() && !is_kept && !call.is_repeated
                }
            }
        };
        let call = NodeCall {
            component: call.component,
            version: &chosen,
            asked,
            aim: call.aim,
            origin: call.caller.origin(),
            payload,
            head,
            timeout: left,
        };
        let taken = self.mesh.call_from_node(call, may_serve, answer);
        taken.map_err(|(why, _)| refusal(why))
    }

    /// Executes an attempt of an own caller that chose this node.
    pub(super) fn call_here(
        &mut self,
        number: u64,
        component: &Arc<Component>,
        request: Request,
        left: Duration,
    ) {
        let (head, payload) = match &request.target {
            Target::Method(_) => (Bytes::new(), request.arguments),
            Target::Route(_) => match WebRequest::read(request.arguments) {
                Some(request) => (request.head, request.body),
                None => (Bytes::new(), Bytes::new()),
            },
        };
        let answer = Box::new(HereAnswer {
            nodes: self.nodes.clone(),
            number,
            target: format!("{}.{}", request.component, request.target.aim().name()),
            milliseconds: left.as_millis(),
            after: None,
        });
        let call = NodeCall {
            component: &request.component,
            version: component.version(),
            asked: request.wanted.asked(),
            aim: request.target.aim(),
            origin: request.origin,
            payload,
            head,
            timeout: left,
        };
        let is_it = |endpoint: &Endpoint| endpoint.descriptor().version() == component.version();
        if let Err((why, _)) = self.mesh.call_from_node(call, is_it, answer) {
            self.nodes.queue.push(Command::FinishedHere {
                number,
                outcome: Outcome::Refused(refusal(why)),
                after: None,
            });
        }
    }

    /// An attempt has ended. The answer leaves behind what its component has published.
    pub(super) fn answered(&mut self, now: Moment, place: &Place, answer: AnswerFrame, after: Option<After>) {
        self.route(|calls, routing| calls.answered(now, place, answer, routing));
        self.after = after;
        while let Some(output) = self.calls.poll() {
            self.carry_out(now, output);
        }
        self.after = None;
    }

    /// Nobody waits for a call of another node any more.
    pub(super) fn cancel(&mut self, peer: &Peer, message: &Delivered) -> Result<(), String> {
        let cancel = CancelFrame::read(&message.body).map_err(|error| error.to_string())?;
        if let Some(is_cancelled) = self.serving.cancel(peer, cancel.number) {
            is_cancelled.store(true, Ordering::Relaxed);
        }
        Ok(())
    }
}

/// Components are promised that arguments are a JSON array.
fn is_array(arguments: &[u8]) -> bool {
    let parsed = serde_json::from_slice::<&RawValue>(arguments);
    parsed.is_ok_and(|arguments| arguments.get().starts_with('['))
}

fn refusal(why: NotHere) -> Refusal {
    match why {
        NotHere::Gone => Refusal::VersionGone,
        NotHere::Full => Refusal::Full,
    }
}
