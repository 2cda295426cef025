//! The bodies of the three kinds of frames: call, answer, cancel.
//!
//! Enters: the parts of a frame, or the body that a link delivered. Leaves: the body, or the parts. Guarantees: arguments and
//! results are not looked at and not copied. Each body begins with the number of its form.

use super::text::{Reader, Writer};
use crate::component::Aim;
use bytes::Bytes;
use mesh_wire::origin::Origin;
use mesh_wire::traceparent::Traceparent;
use std::time::Duration;
use thiserror::Error;

/// The form that is written here.
const FORM: u8 = 1;
/// The longest name, range or id in a body, in bytes.
pub const LONGEST_TEXT: usize = 16 * 1024;

/// A body in two parts, so that the payload need not be copied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Body {
    /// The front.
    pub head: Bytes,
    /// Arguments or results, as they were received. Empty for a cancel.
    pub payload: Bytes,
}

impl Body {
    /// Its length in bytes.
    pub fn len(&self) -> usize {
        self.head.len() + self.payload.len()
    }

    /// Whether it is empty. None is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Both parts as one.
    pub fn joined(&self) -> Bytes {
        [&*self.head, &*self.payload].concat().into()
    }
}

/// A body that a peer should not have sent.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum FrameError {
    /// It ends too early.
    #[error("the body of a frame ends too early")]
    Short,
    /// It does not end where it should.
    #[error("the body of a frame has {0} bytes behind its end")]
    Surplus(usize),
    /// It has another form.
    #[error("the body of a frame has form {0}, and this node reads form {FORM}")]
    Form(u8),
    /// A part is too long.
    #[error("the {0} in the body of a frame has {1} bytes, more than {LONGEST_TEXT}")]
    TooLong(&'static str, usize),
    /// A part is no UTF-8.
    #[error("the {0} in the body of a frame is not UTF-8 text")]
    NoText(&'static str),
    /// A part has no meaning.
    #[error("the {0} in the body of a frame has no meaning")]
    Senseless(&'static str),
}

/// Which versions a call asks for, as a frame says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AskedText<'a> {
    /// All.
    Any,
    /// The line of the version that was chosen.
    Line,
    /// A range.
    Range(&'a str),
}

/// Who calls, as the edge has authorised it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Caller<'a> {
    /// The session.
    pub session: Option<&'a str>,
    /// The user.
    pub user: Option<&'a str>,
    /// The profile whose permissions hold in the place of the user's own.
    pub profile: Option<&'a str>,
    /// The trace that the call belongs to.
    pub trace: Option<Traceparent>,
    /// The user who acts in the name of that user.
    pub delegate: Option<&'a str>,
    /// The revision of the groups that the edge has decided by.
    pub groups: u64,
}

impl<'a> Caller<'a> {
    /// The caller of this origin.
    pub fn of(origin: &'a Origin, delegate: Option<&'a str>, groups: u64) -> Caller<'a> {
        Caller {
            session: origin.id(),
            user: origin.username(),
            profile: origin.profile(),
            trace: origin.traceparent(),
            delegate,
            groups,
        }
    }

    /// The origin that the component is told: the same as for a local call.
    pub fn origin(&self) -> Origin {
        let origin = match (self.session, self.user) {
            (None, _) => Origin::nobody(),
            (Some(session), None) => Origin::of_session(session),
            (Some(session), Some(user)) => Origin::of_user(session, user),
        };
        let origin = match self.profile {
            Some(profile) => origin.with_permissions_of(&profile.into()),
            None => origin,
        };
        match self.trace {
            Some(trace) => origin.traced(trace),
            None => origin,
        }
    }
}

/// A call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallFrame<'a> {
    /// The number of the attempt. Those of one incarnation rise from frame to frame.
    pub number: u64,
    /// The time that is left when it is sent.
    pub budget: Duration,
    /// The component.
    pub component: &'a str,
    /// The version that was chosen. A higher one that is asked for may serve in its place.
    pub version: &'a str,
    /// The versions that may serve.
    pub asked: AskedText<'a>,
    /// The part of the component.
    pub aim: Aim<'a>,
    /// Whether the call is sent again, to another node, if this one is lost. A version that does not allow that must not serve.
    pub is_repeated: bool,
    /// Who calls.
    pub caller: Caller<'a>,
    /// The arguments, a JSON array; or a web request.
    pub arguments: Bytes,
}

const SESSION: u8 = 1;
const USER: u8 = 1 << 1;
const PROFILE: u8 = 1 << 2;
const TRACE: u8 = 1 << 3;
const DELEGATE: u8 = 1 << 4;
const ROUTE: u8 = 1 << 5;
const REPEATED: u8 = 1 << 6;

const ANY: u8 = 0;
const LINE: u8 = 1;
const RANGE: u8 = 2;

impl<'a> CallFrame<'a> {
    /// The body.
    pub fn write(&self) -> Body {
        let caller = &self.caller;
        let trace = caller.trace.as_ref().map(Traceparent::as_str);
        let optional = [
            (SESSION, caller.session),
            (USER, caller.user),
            (PROFILE, caller.profile),
            (TRACE, trace),
            (DELEGATE, caller.delegate),
        ];
        let (asked, range) = match self.asked {
            AskedText::Any => (ANY, None),
            AskedText::Line => (LINE, None),
            AskedText::Range(range) => (RANGE, Some(range)),
        };
        let aim = match self.aim {
            Aim::Method(_) => 0,
            Aim::Route(_) => ROUTE,
        };
        let given = optional.iter().filter(|(_, text)| text.is_some());
        let repeated = if self.is_repeated { REPEATED } else { 0 };
        let flags = given.fold(repeated | aim, |flags, (flag, _)| flags | flag);
        let texts = [
            Some(self.component),
            Some(self.version),
            Some(self.aim.name()),
            range,
        ];
        let texts = texts.into_iter().chain(optional.map(|(_, text)| text)).flatten();
        let mut writer = Writer::with_capacity(23 + texts.clone().map(|text| 4 + text.len()).sum::<usize>());
        writer.byte(FORM);
        writer.byte(flags);
        writer.byte(asked);
        writer.number(self.number);
        writer.small(u32::try_from(self.budget.as_millis()).unwrap_or(u32::MAX));
        writer.number(caller.groups);
        texts.for_each(|text| writer.text(text));
        Body {
            head: writer.finish(),
            payload: self.arguments.clone(),
        }
    }

    /// Reads a body.
    ///
    /// # Errors
    ///
    /// When it is not one of a call.
    pub fn read(body: &'a Bytes) -> Result<CallFrame<'a>, FrameError> {
        let mut reader = begin(body)?;
        let flags = reader.byte()?;
        let asked = reader.byte()?;
        let number = reader.number()?;
        let budget = Duration::from_millis(reader.small()?.into());
        let groups = reader.number()?;
        let component = reader.text("component")?;
        let version = reader.text("version")?;
        let part = reader.text("method")?;
        let asked = match asked {
            ANY => AskedText::Any,
            LINE => AskedText::Line,
            RANGE => AskedText::Range(reader.text("range")?),
            _ => return Err(FrameError::Senseless("kind of a range")),
        };
        let mut optional = |flag: u8, what| match flags & flag {
            0 => Ok(None),
            _ => reader.text(what).map(Some),
        };
        let session = optional(SESSION, "session")?;
        let user = optional(USER, "user")?;
        let profile = optional(PROFILE, "profile")?;
        let trace = optional(TRACE, "trace")?;
        let delegate = optional(DELEGATE, "delegate")?;
        let trace = trace.map(|text| Traceparent::parse(text).ok_or(FrameError::Senseless("trace")));
        Ok(CallFrame {
            number,
            budget,
            component,
            version,
            asked,
            aim: match flags & ROUTE {
                0 => Aim::Method(part),
                _ => Aim::Route(part),
            },
            is_repeated: flags & REPEATED != 0,
            caller: Caller {
                session,
                user,
                profile,
                trace: trace.transpose()?,
                delegate,
                groups,
            },
            arguments: reader.payload(),
        })
    }
}

/// Why a node has not executed a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Its queues are full, or those of this caller are.
    Full,
    /// It is going.
    Draining,
    /// It has no version any more that may serve.
    VersionGone,
    /// The time of the call was over.
    Expired,
    /// The arguments are too long for it.
    TooLarge,
    /// A reason of a later version of the host.
    Other(u8),
}

impl Refusal {
    fn code(self) -> u8 {
        match self {
            Refusal::Full => 1,
            Refusal::Draining => 2,
            Refusal::VersionGone => 3,
            Refusal::Expired => 4,
            Refusal::TooLarge => 5,
            Refusal::Other(code) => code,
        }
    }

    fn of(code: u8) -> Refusal {
        match code {
            1 => Refusal::Full,
            2 => Refusal::Draining,
            3 => Refusal::VersionGone,
            4 => Refusal::Expired,
            5 => Refusal::TooLarge,
            code => Refusal::Other(code),
        }
    }
}

/// The end of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The component has answered, or its host in its place.
    Answered {
        /// A status of the component contract.
        status: i32,
        /// A JSON array, or a web response.
        payload: Bytes,
    },
    /// It was not executed.
    Refused(Refusal),
    /// It was executed, and its answer is too long.
    TooLarge {
        /// How long it is, in bytes.
        bytes: u64,
    },
}

/// The answer to an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnswerFrame {
    /// The number of the attempt.
    pub number: u64,
    /// Its end.
    pub outcome: Outcome,
}

const ANSWERED: u8 = 0;
const REFUSED: u8 = 1;
const TOO_LARGE: u8 = 2;

impl AnswerFrame {
    /// The body.
    pub fn write(&self) -> Body {
        let mut writer = Writer::with_capacity(18);
        let mut payload = Bytes::new();
        writer.byte(FORM);
        let kind = match &self.outcome {
            Outcome::Answered { .. } => ANSWERED,
            Outcome::Refused(_) => REFUSED,
            Outcome::TooLarge { .. } => TOO_LARGE,
        };
        writer.byte(kind);
        writer.number(self.number);
        match &self.outcome {
            Outcome::Answered {
                status,
                payload: given,
            } => {
                writer.small(status.cast_unsigned());
                payload = given.clone();
            }
            Outcome::Refused(refusal) => writer.byte(refusal.code()),
            Outcome::TooLarge { bytes } => writer.number(*bytes),
        }
        Body {
            head: writer.finish(),
            payload,
        }
    }

    /// Reads a body.
    ///
    /// # Errors
    ///
    /// When it is not one of an answer.
    pub fn read(body: &Bytes) -> Result<AnswerFrame, FrameError> {
        let mut reader = begin(body)?;
        let kind = reader.byte()?;
        let number = reader.number()?;
        let outcome = match kind {
            ANSWERED => Outcome::Answered {
                status: reader.small()?.cast_signed(),
                payload: reader.payload(),
            },
            REFUSED => {
                let refusal = Refusal::of(reader.byte()?);
                reader.end()?;
                Outcome::Refused(refusal)
            }
            TOO_LARGE => {
                let bytes = reader.number()?;
                reader.end()?;
                Outcome::TooLarge { bytes }
            }
            _ => return Err(FrameError::Senseless("kind of an answer")),
        };
        Ok(AnswerFrame { number, outcome })
    }
}

/// Nobody waits for an attempt any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CancelFrame {
    /// The number of the attempt.
    pub number: u64,
}

impl CancelFrame {
    /// The body.
    pub fn write(&self) -> Body {
        let mut writer = Writer::with_capacity(9);
        writer.byte(FORM);
        writer.number(self.number);
        Body {
            head: writer.finish(),
            payload: Bytes::new(),
        }
    }

    /// Reads a body.
    ///
    /// # Errors
    ///
    /// When it is not one of a cancel.
    pub fn read(body: &Bytes) -> Result<CancelFrame, FrameError> {
        let mut reader = begin(body)?;
        let number = reader.number()?;
        reader.end()?;
        Ok(CancelFrame { number })
    }
}

fn begin(body: &Bytes) -> Result<Reader<'_>, FrameError> {
    let mut reader = Reader::new(body, LONGEST_TEXT);
    match reader.byte()? {
        FORM => Ok(reader),
        form => Err(FrameError::Form(form)),
    }
}
