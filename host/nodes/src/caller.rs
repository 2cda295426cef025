//! Callers of this node that wait for a call which goes elsewhere.
//!
//! Enters: a call's answer, the bytes of its arguments. Leaves: the answer. Guarantees: each is answered once. One that is dropped, since
//! the task has ended, is told so. The arguments of all that wait have a bounded number of bytes.

use bytes::Bytes;
use mesh_cluster::calls::{Reply, WebResponse};
use mesh_plugin::{Abandoned, Answer, Owed, Response, Status, Unserved};
use mesh_session::{After, Held};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Counted for each call beside its arguments, about what it takes.
const OVERHEAD: usize = 1024;

/// The kind of answer that a caller waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Awaits {
    /// The results of a method.
    Results,
    /// The response of a route.
    Response,
}

/// The bytes of one call among those of all.
pub(crate) struct Room {
    held: Arc<AtomicUsize>,
    bytes: usize,
}

impl Room {
    /// Room for so many bytes, where all together have at most `most`. A call that is alone always has room. Half of all is for whoever
    /// needs it; behind that a caller has at most twice what is still free, as in the queue of a component.
    pub(crate) fn take(held: &Arc<AtomicUsize>, bytes: usize, most: usize, of_caller: Held) -> Option<Room> {
        let bytes = bytes + OVERHEAD;
        let before = held.fetch_add(bytes, Ordering::Relaxed);
        // This gives back on its drop when it does not fit.
        let room = Room {
            held: held.clone(),
            bytes,
        };
        let free = most.saturating_sub(before);
        let is_greedy = of_caller.calls > 0 && of_caller.bytes + bytes > free.saturating_mul(2);
        let fits = bytes <= free && !(before + bytes > most / 2 && is_greedy);
        (before == 0 || fits).then_some(room)
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.held.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// A caller.
pub(crate) struct Waiting {
    owed: Option<Owed>,
    awaits: Awaits,
    _room: Room,
}

impl Waiting {
    /// One whose call has so many bytes.
    pub(crate) fn new(answer: Box<dyn Answer>, bytes: usize, awaits: Awaits, room: Room) -> Waiting {
        Waiting {
            owed: Some(Owed::new(answer, bytes)),
            awaits,
            _room: room,
        }
    }

    fn settle(&mut self) -> Option<Box<dyn Answer>> {
        self.owed.take().and_then(Owed::settle)
    }

    /// Gives the caller its answer, behind the publications that go before it.
    pub(crate) fn give(mut self, reply: Reply, after: Option<After>) {
        let Some(mut answer) = self.settle() else { return };
        if let Some(after) = after {
            answer.follow(after);
        }
        match reply {
            Reply::Failed(error) => answer.unserved(Unserved {
                status: error.status(),
                arguments: &error.arguments(),
            }),
            Reply::Answered { status, payload } => match self.awaits {
                Awaits::Response if status == Status::OK => respond(answer, payload),
                Awaits::Results | Awaits::Response => answer.answer(status, &payload),
            },
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if let Some(answer) = self.settle() {
            answer.abandon(Abandoned::Stopped);
        }
    }
}

fn respond(answer: Box<dyn Answer>, payload: Bytes) {
    match WebResponse::read(payload) {
        Some(response) => answer.respond(Response {
            status: response.status,
            headers: &response.headers,
            body: &response.body,
        }),
        // The same as for an answer that is no response.
        None => answer.answer(Status::OK, &[]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST: usize = 100_000;

    #[test]
    fn calls_that_wait_have_a_bounded_number_of_bytes_and_one_alone_has_room() {
        let held = Arc::<AtomicUsize>::default();
        let nothing = Held::default();
        let alone = Room::take(&held, 1 << 30, MOST, nothing);
        assert!(alone.is_some());
        assert!(Room::take(&held, 0, MOST, nothing).is_none());
        drop(alone);
        let rooms: Vec<Room> = (0..100)
            .map_while(|_| Room::take(&held, 1000, MOST, nothing))
            .collect();
        assert_eq!(rooms.len(), MOST / (1000 + OVERHEAD));
        drop(rooms);
        assert_eq!(held.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn one_caller_leaves_room_for_others() {
        let held = Arc::<AtomicUsize>::default();
        let mut greedy = Held::default();
        let mut rooms = Vec::new();
        while let Some(room) = Room::take(&held, 1000, MOST, greedy) {
            rooms.push(room);
            greedy = Held {
                calls: greedy.calls + 1,
                bytes: greedy.bytes + 1000,
            };
        }
        assert!(rooms.len() > MOST / 4000);
        assert!(Room::take(&held, 1000, MOST, Held::default()).is_some());
    }
}
