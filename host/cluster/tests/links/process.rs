//! One process of a node: the member, its wire and its clock.
//!
//! Enters: events of the wire, the time. Leaves: outputs of the member, messages on the wire. Guarantees: it does what a host does, in the
//! same order: it reads all events, turns, then takes all outputs. A stopped process does nothing, and its events wait.

use crate::nats::{Time, message};
use bytes::Bytes;
use mesh_cluster::member::{Member, Membership, Output};
use mesh_cluster::moment::Moment;
use mesh_cluster::wire::{Connection, Event, Message, Wire, WireError};
use std::collections::VecDeque;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// The wire of a process.
#[derive(Debug)]
pub struct PlayedWire {
    state: Connection,
    pub arrived: VecDeque<Event>,
    pub published: Vec<Message>,
    pub subscribed: Vec<String>,
}

impl PlayedWire {
    fn push(&mut self, message: Message) -> Result<(), WireError> {
        match self.state {
            Connection::Up => self.published.push(message),
            Connection::Down | Connection::Closed => return Err(WireError::Down),
        }
        Ok(())
    }
}

impl Wire for PlayedWire {
    fn publish(&mut self, subject: &str, payload: Bytes) -> Result<(), WireError> {
        self.push(message(subject, None, payload))
    }

    fn publish_with_reply(&mut self, subject: &str, reply: &str, payload: Bytes) -> Result<(), WireError> {
        self.push(message(subject, Some(reply), payload))
    }

    fn subscribe(&mut self, subject: &str) -> Result<(), WireError> {
        self.subscribed.push(subject.to_owned());
        Ok(())
    }

    fn state(&self) -> Connection {
        self.state
    }

    fn poll_event(&mut self, _: &mut Context<'_>) -> Poll<Event> {
        self.arrived.pop_front().map_or(Poll::Pending, |event| {
            if let Event::Connection(state) = &event {
                self.state = *state;
            }
            Poll::Ready(event)
        })
    }

    fn close(&mut self) {
        self.state = Connection::Closed;
    }
}

/// Something that a process did.
#[derive(Debug)]
pub enum Deed {
    /// It read this.
    Read(Event),
    /// Its member said this.
    Said(Output),
}

/// One process.
#[derive(Debug)]
pub struct Process {
    pub name: usize,
    pub member: Member,
    pub wire: PlayedWire,
    /// The connection that it has at the servers.
    pub connection: Option<usize>,
    /// All subjects that it listens to.
    pub subjects: Vec<String>,
    pub is_stopped: bool,
    pub has_ended: bool,
    /// Its clock began with this.
    offset: Time,
}

impl Process {
    pub fn new(name: usize, membership: Membership, now: Time, offset: Time) -> Process {
        Process {
            name,
            member: Member::new(membership, Moment::at(Duration::from_micros(now + offset))),
            wire: PlayedWire {
                state: Connection::Down,
                arrived: VecDeque::new(),
                published: Vec::new(),
                subscribed: Vec::new(),
            },
            connection: None,
            subjects: Vec::new(),
            is_stopped: false,
            has_ended: false,
            offset,
        }
    }

    /// Its own clock.
    pub fn clock(&self, now: Time) -> Moment {
        Moment::at(Duration::from_micros(now + self.offset))
    }

    /// The time of the world at which it wants to run.
    pub fn next(&self) -> Option<Time> {
        let at = self.member.next_deadline()?;
        let beginning = Moment::at(Duration::from_micros(self.offset));
        Some(u64::try_from(at.since(beginning).as_micros()).expect("stories are short"))
    }

    /// Runs until it has nothing to do.
    pub fn run(&mut self, now: Time) -> Vec<Deed> {
        let clock = self.clock(now);
        let mut deeds = Vec::new();
        let mut context = Context::from_waker(Waker::noop());
        while let Poll::Ready(event) = self.wire.poll_event(&mut context) {
            deeds.push(Deed::Read(event.clone()));
            match event {
                Event::Message(message) => self.member.receive(clock, message),
                Event::Returned(subject) => self.member.returned(clock, &subject),
                Event::Connection(Connection::Up) => self.member.connected(clock),
                Event::Connection(Connection::Down) => self.member.disconnected(clock),
                Event::Connection(Connection::Closed) => {}
            }
            self.take(clock, &mut deeds);
        }
        self.member.turn(clock);
        self.take(clock, &mut deeds);
        deeds
    }

    fn take(&mut self, clock: Moment, deeds: &mut Vec<Deed>) {
        while let Some(output) = self.member.poll_output(clock) {
            match output {
                Output::Subscribe(subject) => self.wire.subscribe(&subject).expect("it always can"),
                Output::Publish(it) => {
                    // A message that is refused counts as lost.
                    let _ = match &it.reply {
                        Some(reply) => self.wire.publish_with_reply(&it.subject, reply, it.payload),
                        None => self.wire.publish(&it.subject, it.payload),
                    };
                }
                output => {
                    if matches!(output, Output::Ended(_)) {
                        self.has_ended = true;
                    }
                    deeds.push(Deed::Said(output));
                }
            }
        }
    }
}
