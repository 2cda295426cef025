//! One direction of a link at its receiver: the batches that were taken, and a message of which parts are there.
//!
//! Enters: batches as they arrive. Leaves: messages in order, and what the sender has to know. Guarantees: each number is taken once and
//! behind the one before it. No batch is taken after the moment until which it is valid. No more is assembled than one message may have.

use super::{Delivered, LinkError, Output};
use crate::frame::{Frame, Frames, Kind};
use crate::moment::Moment;
use bytes::{Bytes, BytesMut};
use std::collections::VecDeque;
use std::time::Duration;

/// An acknowledgement travels alone after this long.
const ACKNOWLEDGE_AFTER: Duration = Duration::from_millis(20);
/// The sender is asked for missing batches at most this often.
const ASK_EVERY: Duration = Duration::from_millis(20);

/// A batch that has arrived.
#[derive(Debug)]
pub(super) struct Arrived {
    pub(super) number: u64,
    pub(super) bytes: usize,
    /// Whether it may still be taken.
    pub(super) is_valid: bool,
    /// The sender's milliseconds.
    pub(super) sent: u64,
    pub(super) age: Duration,
    pub(super) frames: Frames,
}

/// Parts of a message.
#[derive(Debug)]
struct Assembly {
    kind: Kind,
    body: BytesMut,
}

/// Something that is missing.
#[derive(Clone, Copy, Debug)]
struct Missing {
    /// The sender's milliseconds of the message that showed it.
    seen: u64,
}

/// The batches that were taken.
#[derive(Debug)]
pub(super) struct Receiving {
    taken: u64,
    message_bytes: usize,
    /// Taken bytes that the sender does not know of, beyond which it is told at once.
    tell_at: usize,
    untold: usize,
    acknowledge_at: Option<Moment>,
    missing: Option<Missing>,
    ask_at: Moment,
    assembly: Option<Assembly>,
    pub(super) gaps: u64,
    pub(super) doubled: u64,
    pub(super) late: u64,
}

impl Receiving {
    pub(super) fn new(message_bytes: usize, tell_at: usize) -> Receiving {
        Receiving {
            taken: 0,
            message_bytes,
            tell_at,
            untold: 0,
            acknowledge_at: None,
            missing: None,
            ask_at: Moment::default(),
            assembly: None,
            gaps: 0,
            doubled: 0,
            late: 0,
        }
    }

    /// The last batch that was taken.
    pub(super) fn taken(&self) -> u64 {
        self.taken
    }

    /// Bytes of a message of which parts are missing.
    pub(super) fn assembled(&self) -> usize {
        self.assembly.as_ref().map_or(0, |assembly| assembly.body.len())
    }

    pub(super) fn receive(
        &mut self,
        now: Moment,
        arrived: Arrived,
        outputs: &mut VecDeque<Output>,
    ) -> Result<(), LinkError> {
        if arrived.number <= self.taken {
            self.doubled += 1;
            self.acknowledge_by(now + ACKNOWLEDGE_AFTER);
            return Ok(());
        }
        if arrived.number > self.taken + 1 {
            self.announced(arrived.number, arrived.sent);
            return Ok(());
        }
        if !arrived.is_valid {
            self.late += 1;
            self.missing = Some(Missing { seen: arrived.sent });
            return Ok(());
        }
        for frame in arrived.frames {
            self.take(frame?, arrived.age, outputs)?;
        }
        self.taken = arrived.number;
        self.missing = None;
        self.untold += arrived.bytes;
        let is_much = self.untold >= self.tell_at;
        self.acknowledge_by(if is_much { now } else { now + ACKNOWLEDGE_AFTER });
        Ok(())
    }

    /// Nothing is taken any more: frees the memory.
    pub(super) fn discard(&mut self) {
        self.assembly = None;
    }

    /// The sender has sent batches up to this number.
    pub(super) fn announced(&mut self, number: u64, sent: u64) {
        if number > self.taken {
            if self.missing.is_none() {
                self.gaps += 1;
            }
            self.missing = Some(Missing { seen: sent });
        }
    }

    fn take(&mut self, frame: Frame, age: Duration, outputs: &mut VecDeque<Output>) -> Result<(), LinkError> {
        match frame.kind {
            Kind::VOID => self.assembly = None,
            Kind::GAP => {
                let events = frame.body[..]
                    .try_into()
                    .map_err(|_| LinkError::Body { kind: frame.kind.0 })?;
                outputs.push_back(Output::Gap(u64::from_be_bytes(events)));
            }
            kind if kind.is_known() && kind.is_of_links() => {
                return Err(LinkError::Misplaced { kind: kind.0 });
            }
            kind if !kind.is_known() => {}
            kind => {
                let age = age + frame.waited;
                if let Some(body) = self.assemble(frame)? {
                    outputs.push_back(Output::Delivered(Delivered { kind, body, age }));
                }
            }
        }
        Ok(())
    }

    /// The body of a message, if this is its last part.
    fn assemble(&mut self, frame: Frame) -> Result<Option<Bytes>, LinkError> {
        let have = self.assembled();
        if have + frame.body.len() > self.message_bytes {
            return Err(LinkError::TooLong {
                kind: frame.kind.0,
                most: self.message_bytes,
            });
        }
        match &mut self.assembly {
            None if !frame.more => return Ok(Some(frame.body)),
            None => {
                let body = BytesMut::from(&frame.body[..]);
                self.assembly = Some(Assembly {
                    kind: frame.kind,
                    body,
                });
            }
            Some(assembly) if assembly.kind == frame.kind => {
                assembly.body.extend_from_slice(&frame.body);
                if !frame.more {
                    return Ok(self.assembly.take().map(|assembly| assembly.body.freeze()));
                }
            }
            Some(assembly) => {
                return Err(LinkError::Interrupted {
                    kind: assembly.kind.0,
                    by: frame.kind.0,
                });
            }
        }
        Ok(None)
    }

    fn acknowledge_by(&mut self, at: Moment) {
        self.acknowledge_at = Some(self.acknowledge_at.map_or(at, |before| before.min(at)));
    }

    /// A message to the sender goes out, and carries the acknowledgement.
    pub(super) fn told(&mut self) {
        self.acknowledge_at = None;
        self.untold = 0;
    }

    /// The sender's milliseconds of the message that showed a gap, if it is time to ask for what is missing.
    pub(super) fn ask(&mut self, now: Moment) -> Option<u64> {
        if now < self.ask_at {
            return None;
        }
        let missing = self.missing.take()?;
        self.ask_at = now + ASK_EVERY;
        Some(missing.seen)
    }

    pub(super) fn is_acknowledgement_due(&self, now: Moment) -> bool {
        self.acknowledge_at.is_some_and(|at| at <= now)
    }

    pub(super) fn next_deadline(&self) -> Option<Moment> {
        let ask_at = self.missing.map(|_| self.ask_at);
        crate::moment::earlier(self.acknowledge_at, ask_at)
    }
}
