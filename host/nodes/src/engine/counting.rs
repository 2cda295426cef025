//! Numbers of other nodes, as operators see them.
//!
//! Enters: what the state machines have counted. Leaves: the same, where any thread reads it. Guarantees: a round of the task costs a
//! few stores for each node, and a call nothing of its own.

use super::Engine;
use mesh_cluster::link;

/// The counts of a link that were added already.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Added {
    resent: u64,
    dropped: u64,
}

impl Added {
    /// The batches sent again and the events dropped since the last time.
    fn follow(&mut self, counts: &link::Counts) -> Added {
        let link::Counts { resent, dropped, .. } = *counts;
        let before = std::mem::replace(self, Added { resent, dropped });
        Added {
            resent: resent.saturating_sub(before.resent),
            dropped: dropped.saturating_sub(before.dropped),
        }
    }
}

impl Engine {
    /// Tells operators what has changed since the last time.
    pub(super) fn count(&mut self) {
        let nodes = &self.nodes;
        let known = &mut self.known;
        self.calls.take_ended(|node, ended| match known.get(node) {
            Some(known) => known.numbers.add_ended(ended),
            None => nodes.numbers.of(node).add_ended(ended),
        });
        for (node, known) in known {
            let in_flight = self.calls.in_flight().of(known.incarnation);
            known.numbers.in_flight.set(u64::from(in_flight));
            if let Some(counts) = self.member.counts(node) {
                let more = known.added.follow(&counts);
                known.numbers.waiting_bytes.set(counts.held as u64);
                known.numbers.resent.add(more.resent);
                known.numbers.events_lost.add(more.dropped);
            }
        }
    }
}
