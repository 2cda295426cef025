//! A messaging server in the memory of a test.
//!
//! Enters: messages and subscriptions of its connections. Leaves: the same messages, in order, to all that listen. Guarantees: those of
//! [`Wire`]; a connection that was cut is cut until it is joined again.

use bytes::Bytes;
use mesh_cluster::wire::{Connection, Event, Message, Wire, WireError};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};

#[derive(Default)]
struct Line {
    subjects: Vec<String>,
    events: VecDeque<Event>,
    waker: Option<Waker>,
    is_cut: bool,
}

impl Line {
    fn push(&mut self, event: Event) {
        self.events.push_back(event);
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

/// The server.
#[derive(Clone, Default)]
pub struct Hub(Arc<Mutex<Vec<Line>>>);

/// A connection to it.
pub struct Connected {
    hub: Hub,
    place: usize,
}

impl Hub {
    pub fn connect(&self) -> Connected {
        let mut lines = self.lock();
        lines.push(Line::default());
        Connected {
            hub: self.clone(),
            place: lines.len() - 1,
        }
    }

    /// Cuts a connection, or joins it again.
    pub fn cut(&self, place: usize, is_cut: bool) {
        let mut lines = self.lock();
        let line = &mut lines[place];
        line.is_cut = is_cut;
        let state = match is_cut {
            true => Connection::Down,
            false => Connection::Up,
        };
        line.push(Event::Connection(state));
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Line>> {
        self.0.lock().expect("no test panics inside")
    }
}

fn is_heard(pattern: &str, subject: &str) -> bool {
    let (mut wanted, mut parts) = (pattern.split('.'), subject.split('.'));
    loop {
        match (wanted.next(), parts.next()) {
            (Some(">"), Some(_)) | (None, None) => return true,
            (Some("*"), Some(_)) => {}
            (Some(one), Some(other)) if one == other => {}
            _ => return false,
        }
    }
}

impl Connected {
    fn send(&mut self, subject: &str, reply: Option<&str>, payload: &Bytes) -> Result<(), WireError> {
        let mut lines = self.hub.lock();
        if lines[self.place].is_cut {
            return Err(WireError::Down);
        }
        let mut is_taken = false;
        for line in lines.iter_mut().filter(|line| !line.is_cut) {
            if line.subjects.iter().any(|pattern| is_heard(pattern, subject)) {
                is_taken = true;
                line.push(Event::Message(Message {
                    subject: Bytes::copy_from_slice(subject.as_bytes()),
                    reply: reply.map(|reply| Bytes::copy_from_slice(reply.as_bytes())),
                    payload: payload.clone(),
                }));
            }
        }
        if let Some(reply) = reply.filter(|_| !is_taken) {
            let reply = Bytes::copy_from_slice(reply.as_bytes());
            lines[self.place].push(Event::Returned(reply));
        }
        Ok(())
    }
}

impl Wire for Connected {
    fn publish(&mut self, subject: &str, payload: Bytes) -> Result<(), WireError> {
        self.send(subject, None, &payload)
    }

    fn publish_with_reply(&mut self, subject: &str, reply: &str, payload: Bytes) -> Result<(), WireError> {
        self.send(subject, Some(reply), &payload)
    }

    fn subscribe(&mut self, subject: &str) -> Result<(), WireError> {
        self.hub.lock()[self.place].subjects.push(subject.to_owned());
        Ok(())
    }

    fn state(&self) -> Connection {
        match self.hub.lock()[self.place].is_cut {
            true => Connection::Down,
            false => Connection::Up,
        }
    }

    fn poll_event(&mut self, context: &mut Context<'_>) -> Poll<Event> {
        let mut lines = self.hub.lock();
        let line = &mut lines[self.place];
        match line.events.pop_front() {
            Some(event) => Poll::Ready(event),
            None => {
                line.waker = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }

    fn close(&mut self) {
        let mut lines = self.hub.lock();
        lines[self.place].is_cut = true;
        lines[self.place].subjects.clear();
    }
}
