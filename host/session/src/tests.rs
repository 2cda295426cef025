//! Connections that publish to each other, in schedules made from seeds. Answers leave behind their publications,
//! nothing is waited for in a circle, nobody waits for a slow reader, and no order changes.
//!
//! Queues, batches and wakers are those of the host; sockets and tasks are made up. A publisher's steps are taken one by
//! one, so that whatever may happen between two of them does. A failure names the seed.

use super::{After, Batch, Closing, InFlight, Next, Outbound};
use mesh_choices::Choices;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Wake, Waker};

struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// The remaining steps of a publisher.
struct Publishing {
    number: usize,
    recipients: Vec<usize>,
    in_flight: InFlight,
}

struct Connection {
    outbound: Outbound,
    batch: Batch,
    woken: Arc<Flag>,
    waker: Waker,
    /// The socket takes nothing.
    is_slow: bool,
    /// It took nothing when it was tried last.
    has_stalled: bool,
    is_gone: bool,
    /// One request is worked off at a time.
    publishing: Option<Publishing>,
    pushed: Vec<String>,
    written: Vec<String>,
}

impl Connection {
    fn new() -> Connection {
        let woken = Arc::new(Flag(AtomicBool::new(true)));
        Connection {
            outbound: Outbound::new(1 << 30),
            batch: Batch::default(),
            waker: woken.clone().into(),
            woken,
            is_slow: false,
            has_stalled: false,
            is_gone: false,
            publishing: None,
            pushed: Vec::new(),
            written: Vec::new(),
        }
    }

    /// As the task of a connection does: only when it was woken. Returns whether it was.
    fn poll(&mut self) -> bool {
        if self.is_gone || !self.woken.0.swap(false, Ordering::Relaxed) {
            return false;
        }
        self.outbound.attend();
        let mut handed = Vec::new();
        let waits: Option<After> = loop {
            if self.batch.is_handed_out() {
                self.outbound.take(&mut self.batch);
                if self.batch.is_empty() {
                    break None;
                }
            }
            match self.batch.next_frame() {
                Next::Frame(frame) => {
                    handed.push(frame.as_str().to_owned());
                    if self.is_slow {
                        break None;
                    }
                }
                Next::Wait(after) => break Some(after),
                Next::End => {}
            }
        };
        self.written.append(&mut handed);
        self.has_stalled = self.is_slow;
        if self.is_slow {
            self.batch.release_publishers();
            self.outbound.block(&self.waker);
            return true;
        }
        self.batch.tried();
        match waits {
            Some(after) => {
                self.outbound.wait(&self.waker);
                after.wake(&self.waker);
            }
            None if !self.outbound.leave(&self.waker, None) => self.waker.wake_by_ref(),
            None => {}
        }
        true
    }

    fn leave(&mut self) {
        self.is_gone = true;
        self.batch.release_publishers();
        self.outbound.release_publishers();
    }
}

struct World {
    connections: Vec<Connection>,
    /// Of each publication: who is to have it before the answer leaves.
    owed: BTreeMap<usize, BTreeSet<usize>>,
    published: usize,
}

impl World {
    fn new(count: usize) -> World {
        World {
            connections: (0..count).map(|_| Connection::new()).collect(),
            owed: BTreeMap::new(),
            published: 0,
        }
    }

    /// One step of a request: one more recipient, or the answer.
    fn publish(&mut self, publisher: usize, choices: &mut Choices) {
        let count = self.connections.len();
        let own = &mut self.connections[publisher];
        if own.is_gone {
            return;
        }
        let mut publishing = own.publishing.take().unwrap_or_else(|| {
            self.published += 1;
            let recipients = (0..count).filter(|_| choices.one_in(2)).collect();
            Publishing {
                number: self.published,
                recipients,
                in_flight: InFlight::default(),
            }
        });
        let number = publishing.number;
        match publishing.recipients.pop() {
            Some(recipient) => {
                let other = &mut self.connections[recipient];
                if !other.is_gone {
                    let text = format!("event {number}");
                    other.pushed.push(text.clone());
                    match recipient == publisher {
                        true => other.outbound.push(text.into()),
                        false => {
                            let in_flight = publishing.in_flight.clone();
                            other.outbound.push_publication(text.into(), in_flight);
                        }
                    }
                    if !other.has_stalled {
                        self.owed.entry(number).or_default().insert(recipient);
                    }
                }
                self.connections[publisher].publishing = Some(publishing);
            }
            None => {
                let text = format!("answer {number}");
                own.pushed.push(text.clone());
                let after = publishing.in_flight.after();
                drop(publishing);
                own.outbound.push_after(text.into(), Some(after));
            }
        }
    }

    fn poll(&mut self, position: usize, place: &str) -> bool {
        let before = self.connections[position].written.len();
        let polled = self.connections[position].poll();
        let written = self.connections[position].written[before..].to_vec();
        for frame in written {
            let (kind, number) = frame.split_once(' ').unwrap();
            let number: usize = number.parse().unwrap();
            if kind == "event" {
                self.forgive(position, Some(number));
            } else {
                let owed = self.owed.get(&number).cloned().unwrap_or_default();
                assert!(
                    owed.is_empty(),
                    "{place}: {frame} left before {owed:?} had the event"
                );
            }
        }
        if self.connections[position].is_slow && polled {
            // It was tried.
            self.forgive(position, None);
        }
        polled
    }

    /// Nobody owes a connection this publication any more, or any.
    fn forgive(&mut self, position: usize, number: Option<usize>) {
        for (owed, recipients) in &mut self.owed {
            if number.is_none_or(|number| number == *owed) {
                recipients.remove(&position);
            }
        }
    }

    /// Until nobody is woken any more.
    fn settle(&mut self, place: &str) {
        while (0..self.connections.len()).fold(false, |any, position| self.poll(position, place) | any) {}
    }
}

fn run(seed: u64) {
    let mut choices = Choices::new(seed);
    let place = format!("seed {seed}");
    let mut world = World::new(2 + choices.below(4));
    let count = world.connections.len();
    for _ in 0..400 {
        let position = choices.below(count);
        match choices.below(40) {
            0 => {
                let connection = &mut world.connections[position];
                connection.is_slow = !connection.is_slow;
                connection.waker.wake_by_ref();
            }
            1 if choices.one_in(8) => {
                world.connections[position].leave();
                world.forgive(position, None);
            }
            2..=19 => {
                world.poll(position, &place);
            }
            _ => world.publish(position, &mut choices),
        }
    }
    // A slow session stays slow: all others get everything.
    for position in 0..count {
        while world.connections[position].publishing.is_some() && !world.connections[position].is_gone {
            world.publish(position, &mut choices);
        }
    }
    world.settle(&place);
    for (position, connection) in world.connections.iter_mut().enumerate() {
        if !connection.is_slow && !connection.is_gone {
            assert_eq!(
                connection.written, connection.pushed,
                "{place}, connection {position}"
            );
        }
        connection.is_slow = false;
        connection.waker.wake_by_ref();
    }
    world.settle(&place);
    for (position, connection) in world.connections.iter().enumerate() {
        let written = connection.written.len();
        assert_eq!(
            connection.written,
            connection.pushed[..written],
            "{place}, connection {position}"
        );
        if !connection.is_gone {
            assert_eq!(written, connection.pushed.len(), "{place}, connection {position}");
        }
    }
}

#[test]
fn answers_leave_behind_their_publications_in_every_schedule() {
    (0..500).for_each(run);
}

#[test]
fn two_that_publish_to_each_other_do_not_wait_for_each_other() {
    // All requests are worked off before anybody writes.
    for rounds in 1..20 {
        let mut world = World::new(2);
        for number in 0..rounds {
            for publisher in [0, 1] {
                let other = &mut world.connections[1 - publisher];
                let in_flight = InFlight::default();
                let after = in_flight.after();
                let text = format!("event {}", 2 * number + publisher);
                other.pushed.push(text.clone());
                other.outbound.push_publication(text.into(), in_flight);
                let own = &mut world.connections[publisher];
                let text = format!("answer {}", 2 * number + publisher);
                own.pushed.push(text.clone());
                own.outbound.push_after(text.into(), Some(after));
            }
        }
        world.settle("two publishers");
        for connection in &world.connections {
            assert_eq!(connection.written, connection.pushed);
        }
    }
}

#[test]
fn nobody_waits_for_a_session_that_is_closed_as_too_slow() {
    let (slow, publisher) = (Outbound::new(4), Outbound::new(100));
    let in_flight = InFlight::default();
    let after = in_flight.after();
    slow.push_publication("event".into(), in_flight);
    publisher.push_after("answer".into(), Some(after));
    let mut batch = Batch::default();
    publisher.take(&mut batch);
    assert!(matches!(batch.next_frame(), Next::Wait(_)));
    slow.push("one more".into());
    assert_eq!(slow.attend(), Some(Closing::SlowConsumer));
    assert!(matches!(batch.next_frame(), Next::Frame(_)));
}
