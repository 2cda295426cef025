//! The bodies of frames, whole and damaged.

use super::*;
use crate::component::Aim;
use mesh_wire::traceparent::Traceparent;

const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// A call that says all that can be said.
pub(super) fn whole<'a>() -> CallFrame<'a> {
    CallFrame {
        number: 7,
        budget: Duration::from_millis(1_234),
        component: "calc",
        version: "1.2.3",
        asked: AskedText::Range("^1"),
        aim: Aim::Method("add"),
        is_repeated: true,
        caller: Caller {
            session: Some("S"),
            user: Some("bob"),
            profile: Some("kiosks"),
            trace: Traceparent::parse(TRACE),
            delegate: Some("_ADMIN"),
            groups: 99,
        },
        arguments: Bytes::from_static(b"[1]"),
    }
}

#[test]
fn frames_are_read_as_they_were_written() {
    let bare = CallFrame {
        asked: AskedText::Any,
        is_repeated: false,
        caller: Caller::default(),
        ..whole()
    };
    let route = CallFrame {
        asked: AskedText::Line,
        aim: Aim::Route("page"),
        arguments: Bytes::new(),
        ..whole()
    };
    for frame in [whole(), bare, route] {
        let body = frame.write().joined();
        assert_eq!(CallFrame::read(&body).unwrap(), frame);
    }
    for outcome in [
        ok(),
        Outcome::Answered {
            status: -3,
            payload: Bytes::new(),
        },
        Outcome::Refused(Refusal::Full),
        Outcome::Refused(Refusal::Draining),
        Outcome::Refused(Refusal::VersionGone),
        Outcome::Refused(Refusal::Expired),
        Outcome::Refused(Refusal::TooLarge),
        Outcome::Refused(Refusal::Other(200)),
        Outcome::TooLarge { bytes: u64::MAX },
    ] {
        let answer = AnswerFrame {
            number: u64::MAX,
            outcome,
        };
        assert_eq!(AnswerFrame::read(&answer.write().joined()).unwrap(), answer);
    }
    let cancel = CancelFrame { number: 5 };
    assert_eq!(CancelFrame::read(&cancel.write().joined()).unwrap(), cancel);
}

#[test]
fn arguments_are_a_slice_of_what_was_received() {
    let body = whole().write().joined();
    let read = CallFrame::read(&body).unwrap();
    let end = body.as_ptr() as usize + body.len();
    assert_eq!(read.arguments.as_ptr() as usize + read.arguments.len(), end);
}

#[test]
fn the_origin_is_that_of_a_local_call() {
    let trace = Traceparent::parse(TRACE).unwrap();
    let full = Origin::of_user("S", "bob")
        .with_permissions_of(&"kiosks".into())
        .traced(trace);
    for origin in [
        Origin::nobody(),
        Origin::of_session("S"),
        Origin::of_user("S", "bob"),
        full,
    ] {
        let frame = CallFrame {
            caller: Caller::of(&origin, None, 3),
            ..whole()
        };
        let body = frame.write().joined();
        assert_eq!(CallFrame::read(&body).unwrap().caller.origin(), origin);
    }
}

#[test]
fn damaged_frames_are_refused_with_a_reason() {
    let body = whole().write().joined();
    let front = body.len() - 3;
    for end in 0..front {
        assert_eq!(
            CallFrame::read(&body.slice(..end)),
            Err(FrameError::Short),
            "{end}"
        );
    }
    let with = |position: usize, byte: u8| {
        let mut damaged = body.to_vec();
        damaged[position] = byte;
        CallFrame::read(&Bytes::from(damaged)).map(|_| ()).unwrap_err()
    };
    assert_eq!(with(0, 2), FrameError::Form(2));
    assert_eq!(with(2, 3), FrameError::Senseless("kind of a range"));
    assert!(matches!(with(25, 0xff), FrameError::TooLong("component", _)));
    assert_eq!(with(27, 0xff), FrameError::NoText("component"));
    assert_eq!(with(front - 12, b'x'), FrameError::Senseless("trace"));
    let mut choices = mesh_choices::Choices::new(9);
    for _ in 0..20_000 {
        let mut damaged = body.to_vec();
        let position = choices.below(damaged.len());
        damaged[position] = choices.number() as u8;
        damaged.truncate(choices.below(damaged.len() * 2).max(1));
        let damaged = Bytes::from(damaged);
        let _ = (
            CallFrame::read(&damaged),
            AnswerFrame::read(&damaged),
            CancelFrame::read(&damaged),
        );
    }
    let cancel = CancelFrame { number: 5 }.write().joined();
    let more = Bytes::from([&*cancel, b"x"].concat());
    assert_eq!(CancelFrame::read(&more), Err(FrameError::Surplus(1)));
    assert_eq!(
        AnswerFrame::read(&Bytes::from_static(&[1, 9, 0, 0, 0, 0, 0, 0, 0, 0])),
        Err(FrameError::Senseless("kind of an answer"))
    );
}
