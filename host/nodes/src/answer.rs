//! Answers of components here to calls that came through the cluster.
//!
//! Enters: what a component gave for a call of another node, or of an own caller. Leaves: the end of an attempt, for the task.
//! Guarantees: each attempt ends once.

use crate::nodes::Nodes;
use crate::queue::Command;
use bytes::Bytes;
use mesh_cluster::calls::{Outcome, WebResponse};
use mesh_cluster::peer::Peer;
use mesh_core::mesh::abandoned_arguments;
use mesh_plugin::{Abandoned, Answer, Response, Status};
use mesh_session::After;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Another node that waits for a component of this one.
pub(crate) struct NodeAnswer {
    pub(crate) nodes: Arc<Nodes>,
    pub(crate) peer: Peer,
    pub(crate) number: u64,
    /// Component and part, for messages.
    pub(crate) target: String,
    pub(crate) milliseconds: u128,
    /// Nobody waits for it any more.
    pub(crate) is_cancelled: Arc<AtomicBool>,
}

impl NodeAnswer {
    fn end(self, outcome: Outcome) {
        self.nodes.tell(Command::Finished {
            peer: self.peer,
            number: self.number,
            outcome,
        });
    }
}

impl Answer for NodeAnswer {
    fn answer(self: Box<Self>, status: i32, payload: &[u8]) {
        self.end(answered(status, payload));
    }

    fn respond(self: Box<Self>, response: Response<'_>) {
        self.end(responded(response));
    }

    fn is_unwanted(&self) -> bool {
        self.is_cancelled.load(Ordering::Relaxed)
    }

    fn abandon(self: Box<Self>, why: Abandoned) {
        let outcome = abandoned(&self.target, why, self.milliseconds);
        self.end(outcome);
    }
}

/// An own caller that chose a component of this node.
pub(crate) struct HereAnswer {
    pub(crate) nodes: Arc<Nodes>,
    pub(crate) number: u64,
    /// Component and part, for messages.
    pub(crate) target: String,
    pub(crate) milliseconds: u128,
    pub(crate) after: Option<After>,
}

impl HereAnswer {
    fn end(self, outcome: Outcome) {
        self.nodes.tell(Command::FinishedHere {
            number: self.number,
            outcome,
            after: self.after,
        });
    }
}

impl Answer for HereAnswer {
    fn follow(&mut self, after: After) {
        self.after = Some(after);
    }

    fn answer(self: Box<Self>, status: i32, payload: &[u8]) {
        self.end(answered(status, payload));
    }

    fn respond(self: Box<Self>, response: Response<'_>) {
        self.end(responded(response));
    }

    fn abandon(self: Box<Self>, why: Abandoned) {
        let outcome = abandoned(&self.target, why, self.milliseconds);
        self.end(outcome);
    }
}

fn answered(status: i32, payload: &[u8]) -> Outcome {
    Outcome::Answered {
        status,
        payload: Bytes::copy_from_slice(payload),
    }
}

fn responded(response: Response<'_>) -> Outcome {
    let response = WebResponse {
        status: response.status,
        headers: Bytes::copy_from_slice(response.headers),
        body: Bytes::copy_from_slice(response.body),
    };
    Outcome::Answered {
        status: Status::OK,
        payload: response.write(),
    }
}

fn abandoned(target: &str, why: Abandoned, milliseconds: u128) -> Outcome {
    Outcome::Answered {
        status: Status::ERROR,
        payload: abandoned_arguments(target, why, milliseconds).into(),
    }
}
