//! The conversation of two incarnations.
//!
//! Enters: messages for the peer, messages of the peer, returns, the time. Leaves: messages to publish, frames in order, what became of
//! calls, the moment of the next turn. Guarantees:
//! - Frames arrive once and in order while both incarnations live, but for those that were withdrawn, voided or dropped.
//! - Batches are sent until they are acknowledged. Only those that the peer misses are sent again.
//! - A batch is taken only while its **lease** holds. The receiver's own clock is in it: the sender repeats the last time that it heard,
//!   and may void calls only when the peer was silent for longer than a lease. So nothing that was voided is taken afterwards: neither
//!   by a process that was stopped, nor out of a queue or a socket that was slow.
//! - A call that is withdrawn or voided counts as never taken only if the peer cannot have taken it.
//! - Memory is bounded by [`Limits`].

mod age;
mod error;
mod limits;
mod message;
mod parcel;
mod receiving;
mod sending;
#[cfg(test)]
mod tests;

pub use error::{LinkError, Refusal};
pub use limits::Limits;
pub use message::{Class, Counts, Delivered, Ends, Fate, Notice, Outgoing, Output, Ticket, Transmission};

use crate::batch::{Head, Numbered};
use crate::frame::{self, Frames, Kind, Written};
use crate::moment::{Moment, earlier, millis};
use age::Age;
use bytes::{Bytes, BytesMut};
use receiving::{Arrived, Receiving};
use sending::Sending;
use std::collections::VecDeque;
use std::time::Duration;

/// While an answer is expected, a silent peer is asked this often for a sign of life.
const PROBE_EVERY: Duration = Duration::from_millis(200);
/// The same for a peer that has been silent for [`LONG_SILENCE`].
const PROBE_RARELY: Duration = Duration::from_secs(1);
const LONG_SILENCE: Duration = Duration::from_secs(5);

/// The last sign of life, which leases are made from.
#[derive(Clone, Copy, Debug)]
struct Sign {
    /// The peer's milliseconds.
    sent: u64,
    heard: Moment,
}

/// The conversation with one incarnation of a peer.
#[derive(Debug)]
pub struct Link {
    ends: Ends,
    limits: Limits,
    is_connected: bool,
    is_closed: bool,
    expects_answers: bool,
    sending: Sending,
    receiving: Receiving,
    age: Age,
    sign: Option<Sign>,
    heard: Moment,
    probed: Option<Moment>,
    probes: u32,
    /// A probe is wanted at once.
    probe: bool,
    /// The peer has asked for a sign of life.
    answer: bool,
    /// The reason why nothing more is said.
    farewell: Option<String>,
    /// It is to be said, for the first time or since the peer has not heard it.
    says_farewell: bool,
    notices: VecDeque<Notice>,
    outputs: VecDeque<Output>,
}

impl Link {
    /// A link on which nothing was said. It is connected.
    pub fn new(ends: Ends, limits: Limits, now: Moment) -> Link {
        let limits = limits.sensible();
        Link {
            ends,
            limits,
            is_connected: true,
            is_closed: false,
            expects_answers: false,
            sending: Sending::new(limits),
            receiving: Receiving::new(limits.message_bytes, limits.batch_bytes),
            age: Age::default(),
            sign: None,
            heard: now,
            probed: None,
            probes: 0,
            probe: false,
            answer: false,
            farewell: None,
            says_farewell: false,
            notices: VecDeque::new(),
            outputs: VecDeque::new(),
        }
    }

    /// The own connection is there or not. Nothing is sent without it.
    pub fn connected(&mut self, is_connected: bool) {
        self.probe |= is_connected && !self.is_connected && !self.sending.is_idle();
        self.is_connected = is_connected;
    }

    /// Takes a message for the peer.
    pub fn send(&mut self, now: Moment, outgoing: Outgoing) -> Result<(), Refusal> {
        if self.is_closed {
            return Err(Refusal::Closed);
        }
        self.sending.push(outgoing, now)
    }

    /// Events were dropped before they came here. The peer is told how many.
    pub fn dropped(&mut self, events: u64) {
        if !self.is_closed {
            self.sending.note_dropped(events);
        }
    }

    /// Takes a call back, so that it is not sent again. Returns nothing if it was acknowledged, or is not of this link.
    pub fn withdraw(&mut self, ticket: Ticket) -> Option<Fate> {
        self.sending.withdraw(ticket)
    }

    /// Takes a call back if the peer has never had it. One that it may have is sent again until it is acknowledged. Says whether it was
    /// withdrawn.
    pub fn withdraw_untaken(&mut self, ticket: Ticket) -> bool {
        self.sending.withdraw_untaken(ticket)
    }

    /// Whether calls wait for answers of the peer. Its silence is looked at then.
    pub fn expect_answers(&mut self, expects_answers: bool) {
        self.expects_answers = expects_answers;
    }

    /// Wants a sign of life of the peer, or to know that nobody is there.
    pub fn probe(&mut self) {
        self.probe = true;
    }

    /// A sign of life that did not come over this link, with the peer's milliseconds.
    pub fn heard_beat(&mut self, now: Moment, sent: u64) {
        if self.sign.is_none_or(|sign| sent > sign.sent) {
            self.sign = Some(Sign { sent, heard: now });
            self.heard = now;
        }
    }

    /// Takes a message of the peer. After an error the link is closed.
    pub fn receive(
        &mut self,
        now: Moment,
        head: &Head,
        frames: Frames,
        bytes: usize,
    ) -> Result<(), LinkError> {
        if self.is_closed {
            self.says_farewell |= matches!(head.numbered, Numbered::Batch(_));
            return Ok(());
        }
        let received = self.receive_open(now, head, frames, bytes);
        if let Err(error) = &received {
            let says_it = !matches!(error, LinkError::Closed { .. });
            self.close(says_it.then(|| error.to_string()));
        }
        received
    }

    fn receive_open(
        &mut self,
        now: Moment,
        head: &Head,
        frames: Frames,
        bytes: usize,
    ) -> Result<(), LinkError> {
        self.heard_beat(now, head.sent);
        let age = self.age.of(head.sent, now.millis());
        self.sending.acknowledge(head.acknowledged, &mut self.notices)?;
        self.pass_notices_on();
        match head.numbered {
            Numbered::Batch(number) => {
                let is_valid = now.millis() <= head.valid_until;
                let arrived = Arrived {
                    number,
                    bytes,
                    is_valid,
                    sent: head.sent,
                    age,
                    frames,
                };
                self.receiving.receive(now, arrived, &mut self.outputs)
            }
            Numbered::Beside(number) => {
                self.receiving.announced(number, head.sent);
                frames.into_iter().try_for_each(|frame| self.beside(frame?))
            }
        }
    }

    fn beside(&mut self, frame: frame::Frame) -> Result<(), LinkError> {
        match frame.kind {
            Kind::PROBE => self.answer = true,
            Kind::MISSING => {
                let body: [u8; 16] = frame.body[..]
                    .try_into()
                    .map_err(|_| LinkError::Body { kind: frame.kind.0 })?;
                let both = u128::from_be_bytes(body);
                self.sending.missing((both >> 64) as u64, both as u64);
            }
            Kind::CLOSE => {
                let reason = String::from_utf8_lossy(&frame.body).chars().take(200).collect();
                return Err(LinkError::Closed { reason });
            }
            kind if kind.is_known() => return Err(LinkError::Misplaced { kind: kind.0 }),
            _ => {}
        }
        Ok(())
    }

    /// An attempt came back, since nobody listened.
    pub fn returned(&mut self, batch: u64, before: u32) {
        self.sending.returned(batch, before, &mut self.notices);
        self.pass_notices_on();
    }

    /// The peer is lost: calls are taken out. All else is kept, in case that it is heard again.
    ///
    /// The caller has waited for longer than a lease since the peer was heard.
    pub fn void(&mut self) {
        self.sending.void(&mut self.notices);
        self.pass_notices_on();
    }

    /// The peer has been lost for long: everything is taken out. The link goes on with its numbers if the peer is heard again.
    pub fn forget(&mut self) {
        self.sending.empty(&mut self.notices);
        self.pass_notices_on();
    }

    /// The incarnation has ended, or broke the rules: nothing more is sent or taken. The reason is told to it.
    pub fn close(&mut self, reason: Option<String>) {
        self.is_closed = true;
        self.says_farewell = true;
        self.farewell = reason;
        self.forget();
        self.sending.discard();
        self.receiving.discard();
    }

    fn pass_notices_on(&mut self) {
        self.outputs.extend(self.notices.drain(..).map(Output::Notice));
    }

    /// Whether everything that was sent is acknowledged.
    pub fn is_idle(&self) -> bool {
        self.is_closed || self.sending.is_idle()
    }

    /// Its numbers.
    pub fn counts(&self) -> Counts {
        Counts {
            held: self.sending.held(),
            assembled: self.receiving.assembled(),
            resent: self.sending.resent,
            dropped: self.sending.dropped,
            gaps: self.receiving.gaps,
            doubled: self.receiving.doubled,
            late: self.receiving.late,
        }
    }

    /// The next thing for the own node.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// The next message to publish. Called until there is none, after everything that has changed.
    pub fn poll_transmission(&mut self, now: Moment) -> Option<Transmission> {
        if !self.is_connected {
            return None;
        }
        if self.is_closed {
            if !std::mem::take(&mut self.says_farewell) {
                return None;
            }
            let reason = Bytes::from(self.farewell.clone()?);
            return Some(self.beside_batches(now, Kind::CLOSE, &[reason]));
        }
        if let Some(seen) = self.receiving.ask(now) {
            let both = u128::from(self.receiving.taken() + 1) << 64 | u128::from(seen);
            let body = Bytes::copy_from_slice(&both.to_be_bytes());
            return Some(self.beside_batches(now, Kind::MISSING, &[body]));
        }
        if self.holds_lease(now)
            && let Some(transmission) = self.batch(now)
        {
            return Some(transmission);
        }
        if self.probe || self.probe_at().is_some_and(|at| at <= now) {
            self.probe = false;
            self.probed = Some(now);
            let probe = self.beside_batches(now, Kind::PROBE, &[]);
            let before = self.probes;
            self.probes = self.probes.wrapping_add(1);
            return Some(Transmission {
                returns_as: Some((0, before)),
                ..probe
            });
        }
        if self.answer || self.receiving.is_acknowledgement_due(now) {
            let payload = self
                .head(now, Numbered::Beside(self.sending.last_sent()))
                .write(0);
            return Some(self.sent(payload, None));
        }
        None
    }

    /// The moment at which `poll_transmission` has something to say, if nothing else happens.
    pub fn next_deadline(&self) -> Option<Moment> {
        if !self.is_connected || self.is_closed {
            return None;
        }
        earlier(self.receiving.next_deadline(), self.probe_at())
    }

    /// When the silence of the peer is looked at.
    fn probe_at(&self) -> Option<Moment> {
        let every = match self.probed {
            Some(probed) if probed.since(self.heard) >= LONG_SILENCE => PROBE_RARELY,
            _ => PROBE_EVERY,
        };
        let after = |since: Moment| self.probed.map_or(since, |probed| probed.max(since)) + every;
        let unanswered = self.expects_answers.then(|| after(self.heard));
        let unacknowledged = self.sending.unacknowledged_since().map(after);
        // Without a lease a batch would be refused. So the peer is asked first.
        let without_lease = self
            .sending
            .has_work()
            .then(|| match (self.lease_ends(), self.probed) {
                (Some(ends), None) => ends,
                (ends, Some(probed)) => (probed + every).max(ends.unwrap_or_default()),
                (None, None) => Moment::default(),
            });
        earlier(earlier(unanswered, unacknowledged), without_lease)
    }

    /// Until when batches are sent. The receiver takes them for somewhat longer.
    fn lease_ends(&self) -> Option<Moment> {
        self.sign.map(|sign| sign.heard + self.limits.lease * 3 / 4)
    }

    fn holds_lease(&self, now: Moment) -> bool {
        self.lease_ends().is_some_and(|ends| now < ends)
    }

    fn batch(&mut self, now: Moment) -> Option<Transmission> {
        let last = self.head(now, Numbered::Beside(0));
        let attempted = self.sending.attempt(now)?;
        let room = attempted.batch.parcels.iter().map(parcel::Parcel::needs).sum();
        let numbered = Numbered::Batch(attempted.number);
        let mut payload = Head { numbered, ..last }.write(room);
        for parcel in &attempted.batch.parcels {
            frame::write(&mut payload, &parcel.written(now));
        }
        let returns_as = (attempted.number, attempted.before);
        Some(self.sent(payload, Some(returns_as)))
    }

    fn beside_batches(&mut self, now: Moment, kind: Kind, body: &[Bytes]) -> Transmission {
        let head = self.head(now, Numbered::Beside(self.sending.last_sent()));
        let mut payload = head.write(64);
        frame::write(&mut payload, &Written::whole(kind, body));
        self.sent(payload, None)
    }

    fn head(&self, now: Moment, numbered: Numbered) -> Head {
        // A sixteenth is for clocks that do not run at the same speed.
        let lease = millis(self.limits.lease * 15 / 16);
        Head {
            numbered,
            sent: now.millis(),
            from: self.ends.own,
            to: self.ends.peer,
            acknowledged: self.receiving.taken(),
            valid_until: self.sign.map_or(0, |sign| sign.sent.saturating_add(lease)),
        }
    }

    fn sent(&mut self, payload: BytesMut, returns_as: Option<(u64, u32)>) -> Transmission {
        self.receiving.told();
        self.answer = false;
        Transmission {
            payload: payload.freeze(),
            returns_as,
        }
    }
}
