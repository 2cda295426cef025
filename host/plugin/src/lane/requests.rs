//! Requests of a component that name the call they are made for, until they are answered or cancelled.
//!
//! Enters: requests as they are taken, what the host does for them, and that a call is given up. Leaves: whether a reply may
//! be given, and what is to be stopped. Guarantees: a request is answered or cancelled, once, by whoever comes first. One
//! that the component cancelled gets no reply. One whose call was given up gets one, with an error. Nothing is kept of a
//! request that is over. Nothing is stopped, and nobody is told, while the table is locked.

use super::{Lane, split_token};
use crate::Status;
use crate::job::{Job, JobKind};
use crate::place::{Doing, Holds, stop};
use crate::slots::{Slots, Ticket};
use crate::wrong::Wrong;
use bytes::Bytes;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The payload of the reply to a request whose call was given up.
const CANCELLED: &[u8] =
    br#"[{"message":"the request was cancelled: nobody waits for the call that it was made for","name":"Cancelled"}]"#;

/// The number of a request that is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestNumber(pub(in crate::lane) u64);

impl RequestNumber {
    /// From the number that a component has, or for it.
    pub(crate) fn new(number: u64) -> RequestNumber {
        RequestNumber(number)
    }

    /// The number that a component gets.
    pub(crate) fn get(self) -> u64 {
        self.0
    }
}

/// A request that is under way.
struct Request {
    reply_to: Arc<Lane>,
    token: u64,
    /// The call that it is made for, or 0.
    call: u64,
    doing: Doing,
}

impl Request {
    /// Tells the component that it was cancelled. Returns what is to be stopped.
    fn give_up(self) -> Doing {
        let job = Job {
            status: Status::ERROR,
            payload: Bytes::from_static(CANCELLED),
            ..Job::new(JobKind::Reply, self.token)
        };
        drop(self.reply_to.push(job));
        self.doing
    }
}

/// The requests that are made for the calls of one lane, and those for no call that are answered there.
#[derive(Default)]
pub(crate) struct Requests {
    table: Mutex<Table>,
    /// How many there are.
    count: AtomicUsize,
}

#[derive(Default)]
struct Table {
    requests: Slots<Request>,
    /// Those that are made for a call: the call, and the position.
    by_call: BTreeSet<(u64, u32)>,
    has_ended: bool,
}

impl Table {
    fn take(&mut self, ticket: Ticket) -> Option<Request> {
        let request = self.requests.remove(ticket)?;
        if request.call != 0 {
            self.by_call.remove(&(request.call, ticket.position));
        }
        self.requests.shrink();
        Some(request)
    }
}

impl Requests {
    /// Notes a request.
    pub(crate) fn begin(&self, reply_to: &Arc<Lane>, token: u64, call: u64) -> Result<Ticket, Wrong> {
        let mut table = self.lock();
        if table.has_ended {
            return Err(Wrong::Ended);
        }
        let request = Request {
            reply_to: reply_to.clone(),
            token,
            call,
            doing: Doing::Soon,
        };
        let ticket = table.requests.insert(request).map_err(|_| Wrong::Full)?;
        if call != 0 {
            table.by_call.insert((call, ticket.position));
        }
        self.count.fetch_add(1, Ordering::Relaxed);
        Ok(ticket)
    }

    /// Notes what the host does for a request. Returns it where the request is over already.
    pub(crate) fn note(&self, ticket: Ticket, doing: Doing) -> Option<Doing> {
        match self.lock().requests.get_mut(ticket) {
            Some(request) => {
                request.doing = doing;
                None
            }
            None => Some(doing),
        }
    }

    /// Whether a request is neither answered nor cancelled.
    pub(crate) fn has(&self, ticket: Ticket) -> bool {
        self.lock().requests.get(ticket).is_some()
    }

    /// Ends a request which is answered. False when it was cancelled before.
    pub(crate) fn finish(&self, ticket: Ticket) -> bool {
        self.take(ticket).is_some()
    }

    /// Cancels a request of which the component wants to hear no more. False when it is over already.
    pub(crate) fn cancel(&self, ticket: Ticket) -> bool {
        let request = self.take(ticket);
        let was_there = request.is_some();
        if let Some(request) = request {
            stop(request.doing);
        }
        was_there
    }

    /// Cancels the requests that were made for a call which was given up, and says so to the component.
    pub(crate) fn give_up_for(&self, call: u64) {
        for request in self.take_for(call) {
            stop(request.give_up());
        }
    }

    /// Takes no more requests, and stops all.
    pub(crate) fn end(&self) {
        let mut table = self.lock();
        table.has_ended = true;
        table.by_call.clear();
        let requests = table.requests.remove_where(|_| true);
        table.requests.shrink();
        drop(table);
        self.count.fetch_sub(requests.len(), Ordering::Relaxed);
        for (_, request) in requests {
            stop(request.doing);
        }
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// For how many requests there is room without more memory.
    #[cfg(test)]
    pub(crate) fn room(&self) -> usize {
        self.lock().requests.room()
    }

    fn take(&self, ticket: Ticket) -> Option<Request> {
        let request = self.lock().take(ticket)?;
        self.count.fetch_sub(1, Ordering::Relaxed);
        Some(request)
    }

    fn take_for(&self, call: u64) -> Vec<Request> {
        if self.len() == 0 {
            return Vec::new();
        }
        let mut table = self.lock();
        let positions: Vec<u32> = table
            .by_call
            .range((call, 0)..=(call, u32::MAX))
            .map(|(_, position)| *position)
            .collect();
        let tickets = positions
            .iter()
            .filter_map(|position| table.requests.ticket_at(*position));
        let tickets: Vec<Ticket> = tickets.collect();
        let taken: Vec<Request> = tickets
            .into_iter()
            .filter_map(|ticket| table.take(ticket))
            .collect();
        drop(table);
        self.count.fetch_sub(taken.len(), Ordering::Relaxed);
        taken
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Holds for Lane {
    fn cancel_call(self: Arc<Self>, token: u64) -> Vec<Doing> {
        match self.cancel(split_token(token).1) {
            true => self
                .requests
                .take_for(token)
                .into_iter()
                .map(Request::give_up)
                .collect(),
            false => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests;
