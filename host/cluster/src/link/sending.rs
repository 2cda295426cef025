//! One direction of a link at its sender: messages that wait, and batches that are not acknowledged.
//!
//! Enters: messages, acknowledgements, requests to send again, returns, voids. Leaves: batches, and what became of calls. Guarantees:
//! a batch keeps its number. No more is held than the limits allow. A call counts as never taken only if its last part was not sent, or
//! if each attempt to send it came back.

use super::parcel::{OVERHEAD, Parcel};
use super::{Class, Fate, Limits, LinkError, Notice, Outgoing, Refusal, Ticket};
use crate::batch::HEAD;
use crate::frame::Kind;
use crate::moment::Moment;
use bytes::Bytes;
use std::collections::VecDeque;

/// More attempts than this are not told apart; a batch that had more may have been taken.
const TOLD_APART: u32 = u64::BITS;

/// A numbered batch.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) parcels: Vec<Parcel>,
    held: usize,
    /// The sender's milliseconds of the last attempt.
    sent: Option<(Moment, u64)>,
    attempts: u32,
    /// One bit for each attempt.
    returned: u64,
}

impl Batch {
    fn was_never_taken(&self) -> bool {
        self.attempts <= TOLD_APART && self.returned.count_ones() == self.attempts
    }
}

/// A batch that is to be sent now.
#[derive(Debug)]
pub(super) struct Attempted<'a> {
    pub(super) number: u64,
    /// Attempts before this one.
    pub(super) before: u32,
    pub(super) batch: &'a Batch,
}

/// Messages that wait, and batches that are not acknowledged.
#[derive(Debug)]
pub(super) struct Sending {
    limits: Limits,
    waiting: VecDeque<Parcel>,
    batches: VecDeque<Batch>,
    /// Of both.
    held: usize,
    /// Of batches alone.
    numbered: usize,
    acknowledged: u64,
    /// The batch that is sent next. Behind the last one it has to be made.
    next: u64,
    /// Events that were dropped and that the receiver does not know of.
    untold: u64,
    pub(super) dropped: u64,
    pub(super) resent: u64,
}

impl Sending {
    pub(super) fn new(limits: Limits) -> Sending {
        Sending {
            limits,
            waiting: VecDeque::new(),
            batches: VecDeque::new(),
            held: 0,
            numbered: 0,
            acknowledged: 0,
            next: 1,
            untold: 0,
            dropped: 0,
            resent: 0,
        }
    }

    pub(super) fn push(&mut self, outgoing: Outgoing, now: Moment) -> Result<(), Refusal> {
        let class = outgoing.class;
        let parcel = Parcel::new(outgoing, now);
        let bytes = parcel.held() - OVERHEAD;
        if bytes > self.limits.message_bytes {
            let most = self.limits.message_bytes;
            return Err(Refusal::TooLarge { bytes, most });
        }
        let most = match class {
            Class::Call(_) | Class::Event => self.limits.bytes,
            Class::Kept => self.limits.bytes.saturating_mul(2),
        };
        if self.held + parcel.held() > most {
            if class == Class::Event {
                self.note_dropped(1);
            }
            return Err(Refusal::Full { held: self.held });
        }
        self.tell_of_drops();
        self.queue(parcel);
        Ok(())
    }

    /// Events were dropped. The receiver is told with the next message.
    pub(super) fn note_dropped(&mut self, events: u64) {
        self.untold = self.untold.saturating_add(events);
        self.dropped = self.dropped.saturating_add(events);
    }

    fn queue(&mut self, parcel: Parcel) {
        self.held += parcel.held();
        self.waiting.push_back(parcel);
    }

    fn tell_of_drops(&mut self) {
        if self.untold > 0 {
            let events = Bytes::copy_from_slice(&self.untold.to_be_bytes());
            self.untold = 0;
            self.queue(Parcel::of_link(Kind::GAP, events));
        }
    }

    /// The number of the last batch that was sent.
    pub(super) fn last_sent(&self) -> u64 {
        self.next - 1
    }

    fn last(&self) -> u64 {
        self.acknowledged + self.batches.len() as u64
    }

    /// Whether something could be sent now, or is to be sent again.
    pub(super) fn has_work(&self) -> bool {
        self.next <= self.last() || (self.has_room() && (!self.waiting.is_empty() || self.untold > 0))
    }

    /// When the oldest batch without an acknowledgement was sent last.
    pub(super) fn unacknowledged_since(&self) -> Option<Moment> {
        self.batches
            .front()
            .and_then(|batch| batch.sent)
            .map(|(at, _)| at)
    }

    pub(super) fn is_idle(&self) -> bool {
        self.batches.is_empty() && self.waiting.is_empty() && self.untold == 0
    }

    pub(super) fn held(&self) -> usize {
        self.held
    }

    fn has_room(&self) -> bool {
        self.numbered < self.limits.window_bytes
    }

    /// The batch that is to be sent now, which is sent with this.
    pub(super) fn attempt(&mut self, now: Moment) -> Option<Attempted<'_>> {
        if self.next > self.last() {
            if !self.has_room() {
                return None;
            }
            if self.waiting.is_empty() {
                self.tell_of_drops();
            }
            let mut batch = self.form()?;
            // A batch counts for itself, too, since it stays when all of its messages were withdrawn.
            batch.held += OVERHEAD;
            self.held += OVERHEAD;
            self.numbered += batch.held;
            self.batches.push_back(batch);
        }
        let number = self.next;
        self.next += 1;
        let batch = &mut self.batches[(number - self.acknowledged - 1) as usize];
        let before = batch.attempts;
        self.resent += u64::from(before > 0);
        batch.attempts = batch.attempts.saturating_add(1);
        batch.sent = Some((now, now.millis()));
        Some(Attempted {
            number,
            before,
            batch,
        })
    }

    /// A batch of what waits.
    fn form(&mut self) -> Option<Batch> {
        let whole = self.limits.batch_bytes - HEAD;
        let mut room = whole;
        let mut batch = Batch::default();
        while let Some(first) = self.waiting.front_mut() {
            let needs = first.needs();
            if needs > room {
                // A part that is hardly larger than its head is not worth it.
                let waits = needs <= whole || room < whole / 4;
                if waits && !batch.parcels.is_empty() {
                    break;
                }
                let part = first.cut(room);
                self.held += OVERHEAD;
                batch.held += part.held();
                batch.parcels.push(part);
                break;
            }
            room -= needs;
            if let Some(parcel) = self.waiting.pop_front() {
                batch.held += parcel.held();
                batch.parcels.push(parcel);
            }
        }
        (!batch.parcels.is_empty()).then_some(batch)
    }

    /// The receiver has this batch and all before it.
    pub(super) fn acknowledge(
        &mut self,
        number: u64,
        notices: &mut VecDeque<Notice>,
    ) -> Result<(), LinkError> {
        let last = self.last();
        if number > last {
            return Err(LinkError::NeverSent { number, last });
        }
        while self.acknowledged < number {
            let Some(batch) = self.batches.pop_front() else {
                break;
            };
            self.acknowledged += 1;
            self.numbered -= batch.held;
            self.held -= batch.held;
            notices.extend(tickets(&batch).map(Notice::Taken));
        }
        self.next = self.next.max(self.acknowledged + 1);
        Ok(())
    }

    /// The receiver misses batches from this number on, and last saw something that was sent at these milliseconds.
    pub(super) fn missing(&mut self, from: u64, seen: u64) {
        let place = from.checked_sub(self.acknowledged + 1);
        let Some(batch) = place.and_then(|place| self.batches.get(place as usize)) else {
            return;
        };
        // An attempt that was sent behind the message that the receiver saw is still under way.
        if batch.sent.is_some_and(|(_, sent)| sent <= seen) {
            self.next = self.next.min(from);
        }
    }

    /// An attempt to send a batch came back.
    pub(super) fn returned(&mut self, number: u64, before: u32, notices: &mut VecDeque<Notice>) {
        let place = number.checked_sub(self.acknowledged + 1);
        let Some(batch) = place.and_then(|place| self.batches.get_mut(place as usize)) else {
            return;
        };
        if before >= batch.attempts.min(TOLD_APART) {
            return;
        }
        batch.returned |= 1 << before;
        if batch.was_never_taken() {
            notices.extend(tickets(batch).map(Notice::Returned));
        }
    }

    /// Takes the call back. Returns nothing if it was acknowledged, or is not of this link.
    pub(super) fn withdraw(&mut self, ticket: Ticket) -> Option<Fate> {
        let mut fate = None;
        self.strip(
            |class| class == Class::Call(ticket),
            |_, of_it| fate = Some(of_it),
        );
        fate
    }

    /// Withdraws a call that the receiver has never had. One that it may have stays. Says whether it was withdrawn.
    pub(super) fn withdraw_untaken(&mut self, ticket: Ticket) -> bool {
        let has_it = |batch: &&Batch| tickets(batch).any(|other| other == ticket);
        let may_be_taken = self
            .batches
            .iter()
            .find(has_it)
            .is_some_and(|batch| !batch.was_never_taken());
        !may_be_taken && self.withdraw(ticket).is_some()
    }

    /// Takes all calls out of what waits and of batches.
    pub(super) fn void(&mut self, notices: &mut VecDeque<Notice>) {
        self.strip(
            |class| matches!(class, Class::Call(_)),
            |class, fate| notices.extend(voided(class, fate)),
        );
    }

    /// Takes everything out. Events are dropped; the receiver is told if it ever comes back.
    pub(super) fn empty(&mut self, notices: &mut VecDeque<Notice>) {
        let mut events = 0;
        self.strip(
            |_| true,
            |class, fate| {
                events += u64::from(class == Class::Event);
                notices.extend(voided(class, fate));
            },
        );
        self.note_dropped(events);
    }

    /// Nothing is sent any more: frees the memory.
    pub(super) fn discard(&mut self) {
        self.batches = VecDeque::new();
        self.waiting = VecDeque::new();
        self.held = 0;
        self.numbered = 0;
    }

    /// Takes messages out of batches and of what waits. Numbers stay, and so do marks where the receiver may have parts.
    fn strip(&mut self, is_meant: impl Fn(Class) -> bool, mut report: impl FnMut(Class, Fate)) {
        for batch in &mut self.batches {
            let fate = if batch.was_never_taken() {
                Fate::NeverTaken
            } else {
                Fate::Unknown
            };
            batch.parcels = std::mem::take(&mut batch.parcels)
                .into_iter()
                .filter_map(|parcel| stripped(parcel, &is_meant, fate, &mut report))
                .collect();
            let held = OVERHEAD + batch.parcels.iter().map(Parcel::held).sum::<usize>();
            let freed = std::mem::replace(&mut batch.held, held) - held;
            self.held -= freed;
            self.numbered -= freed;
        }
        let before: usize = self.waiting.iter().map(Parcel::held).sum();
        self.waiting = std::mem::take(&mut self.waiting)
            .into_iter()
            .filter_map(|parcel| stripped(parcel, &is_meant, Fate::NeverTaken, &mut report))
            .collect();
        let after: usize = self.waiting.iter().map(Parcel::held).sum();
        self.held -= before - after;
    }
}

/// The rest of a parcel that is taken out. Its fate is reported with its last part.
fn stripped(
    parcel: Parcel,
    is_meant: &impl Fn(Class) -> bool,
    fate: Fate,
    report: &mut impl FnMut(Class, Fate),
) -> Option<Parcel> {
    if parcel.kind.is_of_links() || !is_meant(parcel.class) {
        return Some(parcel);
    }
    if !parcel.more {
        report(parcel.class, fate);
    }
    parcel.voided()
}

fn voided(class: Class, fate: Fate) -> Option<Notice> {
    match class {
        Class::Call(ticket) => Some(Notice::Voided { ticket, fate }),
        Class::Event | Class::Kept => None,
    }
}

/// The calls whose last part is in a batch.
fn tickets(batch: &Batch) -> impl Iterator<Item = Ticket> {
    batch.parcels.iter().filter_map(|parcel| match parcel.class {
        Class::Call(ticket) if !parcel.more => Some(ticket),
        _ => None,
    })
}
