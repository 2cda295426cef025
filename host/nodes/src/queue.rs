//! Work for the task of the cluster, from any thread.
//!
//! Enters: commands. Leaves: the same, in order, to the one task that takes them. Guarantees: nobody waits; a task that sleeps is woken
//! once for all that was queued meanwhile. Events that wait have a bounded number of bytes; more are dropped and counted. When the task
//! has ended, nothing is kept.

use crate::caller::Waiting;
use bytes::Bytes;
use mesh_cluster::calls::{Outcome, Request};
use mesh_cluster::interest::Subscribed;
use mesh_cluster::peer::Peer;
use mesh_cluster::presence::beat::State;
use mesh_session::{After, InFlight};
use mesh_wire::protocol::Matching;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

/// A subscription of this node, or one that has ended.
pub(crate) struct Listening {
    pub(crate) pattern: Box<str>,
    pub(crate) matching: Matching,
    pub(crate) range: Option<Box<str>>,
}

impl Listening {
    /// The same, borrowed.
    pub(crate) fn subscribed(&self) -> Subscribed<'_> {
        Subscribed {
            pattern: &self.pattern,
            matching: self.matching,
            range: self.range.as_deref(),
        }
    }
}

/// Something that the task is to do.
pub(crate) enum Command {
    /// Begin a call.
    Call {
        /// The call.
        request: Request,
        /// Its caller.
        waiting: Waiting,
    },
    /// A call of another node has ended.
    Finished {
        /// The other node.
        peer: Peer,
        /// The number of the attempt.
        number: u64,
        /// Its end.
        outcome: Outcome,
    },
    /// An attempt of an own caller has ended that chose this node.
    FinishedHere {
        /// The number of the attempt.
        number: u64,
        /// Its end.
        outcome: Outcome,
        /// The publications that go before the answer.
        after: Option<After>,
    },
    /// Somebody here listens.
    Listen {
        /// The subscription.
        listening: Listening,
        /// Its answer waits for the last copy of this.
        until: Option<InFlight>,
    },
    /// Somebody here listens no more.
    ListenNoMore(Listening),
    /// Send an event to those that want it.
    Publish {
        /// The nodes.
        peers: Vec<Peer>,
        /// The body of the frame.
        body: Bytes,
    },
    /// So many events for a node were dropped, since the task did not keep up.
    Dropped {
        /// The node.
        peer: Peer,
        /// How many.
        events: u64,
    },
    /// The components of this node are others than before.
    OwnChanged,
    /// This node does something else than before.
    State(State),
    /// Say goodbye when all is worked off, or after this time.
    Leave(Duration),
}

/// Commands that wait.
pub(crate) struct Queue {
    /// Bytes of events that may wait.
    most_bytes: usize,
    waiting: Mutex<Commands>,
    wake: Notify,
}

#[derive(Default)]
struct Commands {
    list: Vec<Command>,
    event_bytes: usize,
    dropped: BTreeMap<Peer, u64>,
    is_closed: bool,
}

impl Queue {
    /// One in which events of so many bytes may wait.
    pub(crate) fn new(most_bytes: usize) -> Queue {
        Queue {
            most_bytes,
            waiting: Mutex::default(),
            wake: Notify::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Commands> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues a command. Returns it when nobody takes any more.
    pub(crate) fn push(&self, command: Command) -> Option<Command> {
        let mut waiting = self.lock();
        if waiting.is_closed {
            return Some(command);
        }
        waiting.list.push(command);
        drop(waiting);
        self.wake.notify_one();
        None
    }

    /// Queues an event, or counts that it was dropped.
    pub(crate) fn publish(&self, peers: Vec<Peer>, body: Bytes) {
        let mut waiting = self.lock();
        if waiting.is_closed {
            return;
        }
        if waiting.event_bytes > 0 && waiting.event_bytes + body.len() > self.most_bytes {
            for peer in peers {
                *waiting.dropped.entry(peer).or_default() += 1;
            }
        } else {
            // Each counts, so that empty ones are bounded, too.
            waiting.event_bytes += body.len() + size_of::<Command>();
            waiting.list.push(Command::Publish { peers, body });
        }
        drop(waiting);
        self.wake.notify_one();
    }

    /// Takes all that waits. `into` is empty, and keeps its memory.
    pub(crate) fn take(&self, into: &mut Vec<Command>) {
        let mut waiting = self.lock();
        std::mem::swap(&mut waiting.list, into);
        waiting.event_bytes = 0;
        let dropped = std::mem::take(&mut waiting.dropped);
        into.extend(
            dropped
                .into_iter()
                .map(|(peer, events)| Command::Dropped { peer, events }),
        );
    }

    /// Ends when something was queued since the last time.
    pub(crate) async fn queued(&self) {
        self.wake.notified().await;
    }

    /// Takes nothing any more. All that waits is returned.
    pub(crate) fn close(&self) -> Vec<Command> {
        let mut waiting = self.lock();
        waiting.is_closed = true;
        std::mem::take(&mut waiting.list)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mesh_cluster::identity::{Incarnation, NodeName};
    use std::num::NonZeroU64;

    fn peer(name: &str) -> Peer {
        Peer {
            node: NodeName::new(name).expect("it is a name"),
            incarnation: Incarnation::new(1, NonZeroU64::MIN),
        }
    }

    #[test]
    fn events_that_wait_have_a_bounded_number_of_bytes_and_the_rest_is_counted() {
        let queue = Queue::new(1 << 20);
        for _ in 0..100 {
            let body = Bytes::from(vec![0; 100 << 10]);
            queue.publish(vec![peer("a"), peer("b")], body);
        }
        let mut taken = Vec::new();
        queue.take(&mut taken);
        let bytes = |command: &Command| match command {
            Command::Publish { body, .. } => body.len(),
            _ => 0,
        };
        let held: usize = taken.iter().map(bytes).sum();
        let sent = taken.iter().filter(|command| bytes(command) > 0).count() as u64;
        assert!(held <= 1 << 20 && sent > 0, "{held} {sent}");
        let dropped = taken.iter().filter_map(|command| match command {
            Command::Dropped { peer, events } => Some((peer.node.as_str(), *events)),
            _ => None,
        });
        let dropped: Vec<(&str, u64)> = dropped.collect();
        assert_eq!(dropped, [("a", 100 - sent), ("b", 100 - sent)]);
    }

    #[test]
    fn a_queue_that_nobody_reads_keeps_nothing() {
        let queue = Queue::new(1 << 20);
        assert!(queue.push(Command::OwnChanged).is_none());
        assert_eq!(queue.close().len(), 1);
        assert!(queue.push(Command::OwnChanged).is_some());
        queue.publish(vec![peer("a")], Bytes::from_static(b"1"));
        let mut taken = Vec::new();
        queue.take(&mut taken);
        assert!(taken.is_empty());
    }
}
