//! Beats: what each node says of itself, once a second and at once when it changes.
//!
//! Enters: the facts, or bytes. Leaves: bytes, or the facts. Guarantees: the first three bytes have the same meaning in all versions. A
//! beat is bounded; damaged ones are errors. Bytes behind the known ones are from a newer minor version, and are left out.

use crate::identity::Incarnation;
use bytes::{Buf, BufMut, Bytes, BytesMut};
use std::time::Duration;
use thiserror::Error;

/// The version of the form of beats.
pub const FORM: u8 = 1;
/// The protocol that this host speaks. Another major version is no peer.
pub const PROTOCOL: Protocol = Protocol { major: 1, minor: 0 };
/// The most components whose load a beat has. The sender chooses which.
pub const MOST_LOADS: usize = 256;
/// The longest name of a component in a beat; longer ones are left out.
pub const LONGEST_COMPONENT: usize = 255;

/// Bytes before the loads.
const FIXED: usize = 82;
/// Bytes of a load beside its name.
const LOAD: usize = 15;

/// A version of the protocol between nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Protocol {
    /// Nodes of different major versions do not talk.
    pub major: u8,
    /// Two nodes use the features of the smaller one.
    pub minor: u8,
}

/// A node's own word for what it is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It starts, and takes no calls yet.
    Joining,
    /// It takes calls.
    Ready,
    /// It leaves, and takes no new calls.
    Draining,
    /// It does not have all shared documents.
    Stale,
    /// It has left.
    Left,
}

impl State {
    const ALL: [State; 5] = [
        State::Joining,
        State::Ready,
        State::Draining,
        State::Stale,
        State::Left,
    ];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            State::Joining => "joining",
            State::Ready => "ready",
            State::Draining => "draining",
            State::Stale => "stale",
            State::Left => "left",
        }
    }

    fn number(self) -> u8 {
        match self {
            State::Joining => 0,
            State::Ready => 1,
            State::Draining => 2,
            State::Stale => 3,
            State::Left => 4,
        }
    }
}

/// The load of one component.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Load {
    /// Its name.
    pub component: Box<str>,
    /// Bytes of calls and events that wait.
    pub waiting_bytes: u64,
    /// Calls that are not answered.
    pub calls: u32,
    /// Its lanes.
    pub lanes: u16,
}

/// The facts that a node tells of itself, beside those that its presence knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Its own word for what it is doing.
    pub state: State,
    /// The number of its catalogue, which rises with each change.
    pub catalogue_revision: u64,
    /// The hash of its catalogue.
    pub catalogue_hash: u64,
    /// The last entry of the log that it has applied.
    pub applied: u64,
    /// The longest message that it takes.
    pub message_bytes: u64,
    /// The load of its components.
    pub loads: Vec<Load>,
}

/// One beat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Beat {
    /// The sender's protocol.
    pub protocol: Protocol,
    /// The sender's incarnation.
    pub incarnation: Incarnation,
    /// The number of this beat, from 1.
    pub number: u64,
    /// The sender's monotonic milliseconds.
    pub sent: u64,
    /// The sender's wall clock in milliseconds, for a warning and nothing else.
    pub wall_clock: u64,
    /// How much later than intended the sender's last beat was. Others are more patient by this.
    pub late: Duration,
    /// The facts that the sender tells.
    pub facts: Facts,
}

/// Bytes that are no beat of this protocol.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BeatError {
    /// The form is another one.
    #[error("the beat has the form {form}; this host reads {FORM}")]
    Form {
        /// The first byte.
        form: u8,
    },
    /// The major version is another one.
    #[error("the node speaks the protocol {}.{}, and this one {}.{}; nodes of one cluster need the same major version",
        .theirs.major, .theirs.minor, PROTOCOL.major, PROTOCOL.minor)]
    Protocol {
        /// The sender's protocol.
        theirs: Protocol,
    },
    /// The beat ends too early.
    #[error("the beat has {have} bytes and needs {needs}")]
    Cut {
        /// The bytes that there are.
        have: usize,
        /// The bytes that its own lengths ask for.
        needs: usize,
    },
    /// The state is unknown.
    #[error("the beat has the unknown state {state}; known are 0 to 4")]
    State {
        /// Its number.
        state: u8,
    },
    /// The random half is 0.
    #[error("the incarnation of the beat has a random half of 0, which no incarnation has")]
    Incarnation,
    /// There are too many loads.
    #[error("the beat has the load of {count} components; it may have {MOST_LOADS}")]
    Loads {
        /// Their number.
        count: usize,
    },
    /// A name is no text.
    #[error("the name of a component in the beat is not UTF-8")]
    Name,
}

impl Beat {
    /// Its bytes. Loads beyond the first 256, and those with too long names, are left out.
    pub fn write(&self) -> Bytes {
        let fits = |load: &&Load| load.component.len() <= LONGEST_COMPONENT;
        let loads: Vec<&Load> = self.facts.loads.iter().filter(fits).take(MOST_LOADS).collect();
        let of_loads: usize = loads.iter().map(|load| LOAD + load.component.len()).sum();
        let mut bytes = BytesMut::with_capacity(FIXED + of_loads);
        bytes.put_u8(FORM);
        bytes.put_u8(self.protocol.major);
        bytes.put_u8(self.protocol.minor);
        bytes.put_u8(self.facts.state.number());
        bytes.put_slice(&self.incarnation.to_bytes());
        bytes.put_u64(self.number);
        bytes.put_u64(self.sent);
        bytes.put_u64(self.wall_clock);
        bytes.put_u32(u32::try_from(self.late.as_millis()).unwrap_or(u32::MAX));
        bytes.put_u64(self.facts.catalogue_revision);
        bytes.put_u64(self.facts.catalogue_hash);
        bytes.put_u64(self.facts.applied);
        bytes.put_u64(self.facts.message_bytes);
        bytes.put_u16(loads.len() as u16);
        for load in loads {
            bytes.put_u8(load.component.len() as u8);
            bytes.put_slice(load.component.as_bytes());
            bytes.put_u64(load.waiting_bytes);
            bytes.put_u32(load.calls);
            bytes.put_u16(load.lanes);
        }
        bytes.freeze()
    }

    /// The beat of these bytes.
    pub fn read(mut bytes: &[u8]) -> Result<Beat, BeatError> {
        let have = bytes.len();
        let form = bytes.first().copied().unwrap_or(FORM);
        if form != FORM {
            return Err(BeatError::Form { form });
        }
        if let [_, major, minor, ..] = bytes[..] {
            let theirs = Protocol { major, minor };
            if major != PROTOCOL.major {
                return Err(BeatError::Protocol { theirs });
            }
        }
        if have < FIXED {
            return Err(BeatError::Cut { have, needs: FIXED });
        }
        let _form = bytes.get_u8();
        let protocol = Protocol {
            major: bytes.get_u8(),
            minor: bytes.get_u8(),
        };
        let state = bytes.get_u8();
        let known = State::ALL.into_iter().find(|known| known.number() == state);
        let state = known.ok_or(BeatError::State { state })?;
        let incarnation = bytes.get_u128().to_be_bytes();
        let incarnation = Incarnation::from_bytes(incarnation).ok_or(BeatError::Incarnation)?;
        let number = bytes.get_u64();
        let sent = bytes.get_u64();
        let wall_clock = bytes.get_u64();
        let late = Duration::from_millis(bytes.get_u32().into());
        let catalogue_revision = bytes.get_u64();
        let catalogue_hash = bytes.get_u64();
        let applied = bytes.get_u64();
        let message_bytes = bytes.get_u64();
        let loads = loads(bytes, have)?;
        Ok(Beat {
            protocol,
            incarnation,
            number,
            sent,
            wall_clock,
            late,
            facts: Facts {
                state,
                catalogue_revision,
                catalogue_hash,
                applied,
                message_bytes,
                loads,
            },
        })
    }
}

fn loads(mut bytes: &[u8], have: usize) -> Result<Vec<Load>, BeatError> {
    let count = usize::from(bytes.get_u16());
    if count > MOST_LOADS {
        return Err(BeatError::Loads { count });
    }
    let mut loads = Vec::with_capacity(count);
    for _ in 0..count {
        let length = usize::from(bytes.first().copied().unwrap_or_default());
        let needs = LOAD + length;
        if bytes.len() < needs {
            let needs = have - bytes.len() + needs;
            return Err(BeatError::Cut { have, needs });
        }
        let (name, rest) = bytes[1..].split_at(length);
        bytes = rest;
        loads.push(Load {
            component: std::str::from_utf8(name).map_err(|_| BeatError::Name)?.into(),
            waiting_bytes: bytes.get_u64(),
            calls: bytes.get_u32(),
            lanes: bytes.get_u16(),
        });
    }
    Ok(loads)
}

#[cfg(test)]
mod tests {
    use super::*;
    use mesh_choices::Choices;
    use std::num::NonZeroU64;

    fn beat(loads: Vec<Load>) -> Beat {
        Beat {
            protocol: PROTOCOL,
            incarnation: Incarnation::new(1, NonZeroU64::new(2).unwrap()),
            number: 3,
            sent: 4,
            wall_clock: 5,
            late: Duration::from_millis(6),
            facts: Facts {
                state: State::Draining,
                catalogue_revision: 7,
                catalogue_hash: 8,
                applied: 9,
                message_bytes: 10,
                loads,
            },
        }
    }

    fn load(name: &str) -> Load {
        Load {
            component: name.into(),
            waiting_bytes: 11,
            calls: 12,
            lanes: 13,
        }
    }

    /// Hosts of different versions exchange these bytes. They change only together with the form.
    #[test]
    fn a_beat_has_these_bytes() {
        let written = beat(vec![load("calc")]).write();
        let golden: &[u8] = b"\x01\x01\x00\x02\
            \0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\x02\
            \0\0\0\0\0\0\0\x03\0\0\0\0\0\0\0\x04\0\0\0\0\0\0\0\x05\0\0\0\x06\
            \0\0\0\0\0\0\0\x07\0\0\0\0\0\0\0\x08\0\0\0\0\0\0\0\x09\0\0\0\0\0\0\0\x0a\
            \0\x01\x04calc\0\0\0\0\0\0\0\x0b\0\0\0\x0c\0\x0d";
        assert_eq!(written[..], *golden);
        assert_eq!(Beat::read(golden), Ok(beat(vec![load("calc")])));
        let newer = [golden, b"of a later minor version"].concat();
        assert_eq!(Beat::read(&newer), Ok(beat(vec![load("calc")])));
    }

    #[test]
    fn a_beat_that_is_cut_or_foreign_is_an_error() {
        let whole = beat(vec![load("calc"), load("")]).write();
        for length in 0..whole.len() {
            let cut = Beat::read(&whole[..length]);
            assert!(matches!(cut, Err(BeatError::Cut { have, needs }) if have == length && needs > length));
        }
        let changed = |at: usize, byte: u8| {
            let mut bytes = whole.to_vec();
            bytes[at] = byte;
            Beat::read(&bytes).unwrap_err()
        };
        assert_eq!(changed(0, 2), BeatError::Form { form: 2 });
        let theirs = Protocol { major: 2, minor: 0 };
        assert_eq!(changed(1, 2), BeatError::Protocol { theirs });
        assert_eq!(changed(3, 5), BeatError::State { state: 5 });
        assert_eq!(changed(19, 0), BeatError::Incarnation);
        assert_eq!(changed(80, 2), BeatError::Loads { count: 514 });
        assert_eq!(changed(83, 0xff), BeatError::Name);
    }

    #[test]
    fn a_beat_is_bounded() {
        let many = (0..1_000)
            .map(|_| load("c"))
            .chain([load(&"n".repeat(256))])
            .collect();
        let read = Beat::read(&beat(many).write()).unwrap();
        assert_eq!(read.facts.loads.len(), MOST_LOADS);
        let long = beat(vec![load(&"n".repeat(256)), load("short")]);
        assert_eq!(Beat::read(&long.write()).unwrap().facts.loads, [load("short")]);
    }

    #[test]
    fn any_bytes_are_read_or_refused() {
        let mut choices = Choices::new(16);
        let whole = beat(vec![load("calc"), load("stock")]).write();
        for _ in 0..20_000 {
            let mut bytes = whole.to_vec();
            for _ in 0..=choices.below(4) {
                let at = choices.below(bytes.len());
                bytes[at] = choices.number() as u8;
            }
            bytes.truncate(choices.below(bytes.len() * 2));
            if let Ok(beat) = Beat::read(&bytes) {
                assert!(beat.facts.loads.len() <= MOST_LOADS);
            }
        }
    }
}
