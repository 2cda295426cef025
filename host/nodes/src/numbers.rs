//! Numbers of all that happened between this node and each other one.
//!
//! Enters: increments of the task, one thread at a time. Leaves: the same for operators, from any thread. Guarantees: counting costs an
//! increment, and reading waits for nobody. Numbers of a name stay while it is known; there are at most [`MOST`] names.

use mesh_cluster::catalogue::MOST_NODES;
use mesh_cluster::identity::NodeName;
use mesh_cluster::status::{CallCounts, EventCounts, NodeStatus};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Beyond so many names those are forgotten that nobody counts for.
const MOST: usize = MOST_NODES;

/// A number that one thread changes.
#[derive(Debug, Default)]
pub(crate) struct Number(AtomicU64);

impl Number {
    pub(crate) fn add(&self, more: u64) {
        if more > 0 {
            self.0.fetch_add(more, Ordering::Relaxed);
        }
    }

    pub(crate) fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The numbers of one other node.
#[derive(Debug, Default)]
pub(crate) struct Numbers {
    /// When it was judged last, in milliseconds since 1970.
    pub(crate) judged: Number,
    pub(crate) in_flight: Number,
    pub(crate) waiting_bytes: Number,
    pub(crate) resent: Number,
    pub(crate) events_sent: Number,
    pub(crate) events_received: Number,
    pub(crate) events_lost: Number,
    answered: Number,
    refused: Number,
    lost: Number,
    timed_out: Number,
}

impl Numbers {
    /// Adds the endings of calls.
    pub(crate) fn add_ended(&self, ended: CallCounts) {
        self.answered.add(ended.answered);
        self.refused.add(ended.refused);
        self.lost.add(ended.lost);
        self.timed_out.add(ended.timed_out);
    }

    /// Writes all of them into a status.
    pub(crate) fn write(&self, status: &mut NodeStatus) {
        status.since = self.judged.get();
        status.in_flight = self.in_flight.get();
        status.waiting_bytes = self.waiting_bytes.get();
        status.resent = self.resent.get();
        status.calls = CallCounts {
            answered: self.answered.get(),
            refused: self.refused.get(),
            lost: self.lost.get(),
            timed_out: self.timed_out.get(),
        };
        status.events = EventCounts {
            sent: self.events_sent.get(),
            received: self.events_received.get(),
            lost: self.events_lost.get(),
        };
    }
}

/// The numbers of all other nodes, by name.
#[derive(Debug, Default)]
pub(crate) struct AllNumbers(Mutex<BTreeMap<NodeName, Arc<Numbers>>>);

impl AllNumbers {
    /// Those of a node, which begin with 0 where its name is new.
    pub(crate) fn of(&self, node: &NodeName) -> Arc<Numbers> {
        let mut all = self.all();
        if all.len() >= MOST && !all.contains_key(node) {
            all.retain(|_, numbers| Arc::strong_count(numbers) > 1);
        }
        all.entry(node.clone()).or_default().clone()
    }

    /// Those of a node that is known.
    pub(crate) fn find(&self, node: &NodeName) -> Option<Arc<Numbers>> {
        self.all().get(node).cloned()
    }

    fn all(&self) -> MutexGuard<'_, BTreeMap<NodeName, Arc<Numbers>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_a_name_stay_and_names_without_a_node_make_room() {
        let all = AllNumbers::default();
        let name = |number: usize| NodeName::new(&format!("n{number}")).expect("it is a name");
        let kept = all.of(&name(0));
        kept.events_sent.add(3);
        drop(all.of(&name(1)));
        let mut status = NodeStatus::default();
        all.of(&name(0)).write(&mut status);
        assert_eq!(status.events.sent, 3);
        for number in 2..=MOST {
            drop(all.of(&name(number)));
        }
        assert!(all.find(&name(1)).is_none());
        assert!(Arc::ptr_eq(&kept, &all.find(&name(0)).expect("it is in use")));
    }
}
