//! Frames of clients in all dialects.
//!
//! Enters: a dialect and a kind of mesh (a byte each), and frames, a line each. Checked:
//! - Each request is answered exactly once, with its own `eventId`, in the order of the requests. Other frames get no answer.
//! - Each frame that the host writes is JSON, and of a kind that clients know.
//! - A session that has not logged in to a secure mesh gets no publication.
//! - A request that is written anew from what was read is read as the same.

use super::DIALECTS;
use crate::{Input, Target};
use mesh_core::testing::{Client, Outcome, TestComponent, World};
use mesh_security::ADMIN;
use mesh_wire::protocol::{Dialect, Parsed, Request, primus};
use serde_json::Value;
use serde_json::value::RawValue;
use std::time::Duration;

/// Frames of clients.
pub const FRAMES: Target = Target {
    name: "frames",
    run,
    inputs: 300,
    longest: 4096,
};

/// More frames are not sent.
const MOST_FRAMES: usize = 24;
/// After so long nothing is waited for any more: calls and acknowledgements have ended.
const LATER: Duration = Duration::from_secs(30);

fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let dialect = *input.pick(&DIALECTS);
    let kind = Kind::of(input.byte());
    let mut frames = Vec::new();
    while !input.is_empty() && frames.len() < MOST_FRAMES {
        // A frame that is no text does not get as far as here.
        if let Some(frame) = input.line() {
            frames.push(frame);
        }
    }
    frames.iter().for_each(|frame| is_read_as_written(frame));
    let (mut world, client) = world(kind, dialect);
    world.take_all();
    for frame in &frames {
        world.send_text(client, frame);
    }
    world.settle();
    world.pass(LATER);
    let is_stranger = kind == Kind::Stranger && world.session(client).login().is_none();
    are_answered(&mut world, client, &frames, is_stranger);
}

/// A kind of mesh, and how far the client has come in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Open,
    Stranger,
    Administrator,
}

impl Kind {
    /// A secure mesh has threads for passwords, which take their time to start. So few inputs have one.
    fn of(byte: u8) -> Kind {
        match byte {
            0xfe => Kind::Stranger,
            0xff => Kind::Administrator,
            _ => Kind::Open,
        }
    }
}

/// A mesh with a component, and a client.
fn world(kind: Kind, dialect: Dialect) -> (World, Client) {
    let mut world = match kind {
        Kind::Open => World::new(1),
        Kind::Stranger | Kind::Administrator => World::secure(1),
    };
    world.start(
        TestComponent::new("calc", "1.2.0")
            .method("add", |call| {
                call.emit("added", &call.arguments);
                Outcome::Result(call.arguments.clone())
            })
            .method("fail", |_| Outcome::Error("it fails".to_owned()))
            .method("garbage", |_| Outcome::Bytes(b"{\"\xff"))
            .method("never", |_| Outcome::Never),
    );
    let client = match kind {
        Kind::Administrator => world.connect_as(dialect, ADMIN),
        Kind::Open | Kind::Stranger => world.connect(dialect),
    };
    (world, client)
}

fn is_read_as_written(frame: &str) {
    let Parsed::Request(request) = Request::parse(frame) else {
        return;
    };
    let mut anew = String::from("{");
    for (name, value) in fields(&request) {
        if let Some(value) = value {
            let comma = if anew.len() > 1 { "," } else { "" };
            anew.push_str(&format!("{comma}\"{name}\":{value}"));
        }
    }
    anew.push('}');
    let Parsed::Request(again) = Request::parse(&anew) else {
        panic!("{frame} became {anew}");
    };
    for ((name, one), (_, other)) in fields(&request).into_iter().zip(fields(&again)) {
        assert_eq!(one, other, "{name} of {frame}");
    }
}

fn fields<'a>(request: &Request<'a>) -> [(&'static str, Option<&'a str>); 6] {
    let text = |raw: Option<&'a RawValue>| raw.map(RawValue::get);
    [
        ("action", text(request.action)),
        ("eventId", text(request.event_id)),
        ("path", text(request.path)),
        ("data", text(request.data)),
        ("sessionId", text(request.session_id)),
        ("options", text(request.options)),
    ]
}

/// An `eventId` as it is compared.
fn event(raw: &str) -> String {
    match serde_json::from_str::<Value>(raw) {
        Ok(value) => value.to_string(),
        Err(_) => raw.to_owned(),
    }
}

/// The reply that a frame is owed.
enum Owed {
    Nothing,
    /// A control string.
    Control(String),
    /// An answer with this `eventId`.
    Answer(Option<String>),
}

fn owed(frame: &str, session: &str) -> Owed {
    if let Some(control) = primus::parse(frame) {
        return match control {
            primus::Control::Ping(text) => Owed::Control(event(&primus::pong(text))),
            primus::Control::Id => Owed::Control(event(&primus::id(session))),
            primus::Control::Pong => Owed::Nothing,
        };
    }
    match Request::parse(frame) {
        Parsed::Request(request) => Owed::Answer(request.event_id.map(|raw| event(raw.get()))),
        Parsed::OtherJson | Parsed::NotJson => Owed::Nothing,
    }
}

/// A frame that the host wrote.
#[derive(Debug, PartialEq, Eq)]
enum Got {
    Control(String),
    Answer(Option<String>),
    Publication,
    Notice,
}

/// The kind of a frame that the host wrote.
fn got(frame: &Value) -> Got {
    if let Value::String(text) = frame {
        if text.starts_with("primus::") {
            return Got::Control(frame.to_string());
        }
        if text.starts_with("\"primus::") {
            return Got::Control(text.clone());
        }
        // A value that cannot be held in memory, such as 1e999 or half a letter, came back as it was sent.
        return raw_kind(text);
    }
    let meta = match frame {
        Value::Array(items) => items.last().unwrap_or(&Value::Null),
        frame => &frame["_meta"],
    };
    kind_of(
        meta["type"].as_str(),
        meta.get("eventId").map(Value::to_string),
        frame,
    )
}

fn raw_kind(text: &str) -> Got {
    fn entries(text: &str) -> Option<std::collections::BTreeMap<String, &RawValue>> {
        serde_json::from_str(text).ok()
    }
    let is_json = serde_json::from_str::<&RawValue>(text).is_ok();
    assert!(is_json, "the host wrote what is no JSON: {text}");
    let meta = match text.starts_with('[') {
        true => {
            let items: Vec<&RawValue> = serde_json::from_str(text).unwrap_or_default();
            items.last().map(|last| last.get())
        }
        false => entries(text).and_then(|frame| frame.get("_meta").map(|meta| meta.get())),
    };
    let meta = meta.and_then(entries).unwrap_or_default();
    let kind = meta.get("type").map(|raw| raw.get().trim_matches('"'));
    let of = meta.get("eventId").map(|raw| event(raw.get()));
    kind_of(kind, of, &text)
}

fn kind_of(kind: Option<&str>, event: Option<String>, frame: &dyn std::fmt::Debug) -> Got {
    match kind {
        Some("response") => Got::Answer(event),
        Some("data") => Got::Publication,
        Some("system" | "ack") => Got::Notice,
        _ => panic!("a frame of no known kind: {frame:?}"),
    }
}

fn are_answered(world: &mut World, client: Client, frames: &[&str], is_stranger: bool) {
    let has_ended = world.has_ended(client) || world.session(client).outbound().is_closing();
    let written = world.take(client);
    let session = world.session(client).id().to_owned();
    let (mut controls, mut answers) = (Vec::new(), Vec::new());
    for frame in &written {
        match got(frame) {
            Got::Control(text) => controls.push(text),
            Got::Answer(event) => answers.push(event),
            Got::Publication => assert!(!is_stranger, "a stranger heard {frame}"),
            Got::Notice => {}
        }
    }
    let (mut controls_owed, mut expected) = (Vec::new(), Vec::new());
    for frame in frames {
        match owed(frame, &session) {
            Owed::Nothing => {}
            Owed::Control(text) => controls_owed.push(text),
            Owed::Answer(event) => expected.push(event),
        }
    }
    if has_ended {
        assert!(
            expected.starts_with(&answers),
            "{answers:?} are no answers of {expected:?}"
        );
        return;
    }
    assert_eq!(answers, expected, "{written:?}");
    assert_eq!(controls, controls_owed, "{written:?}");
}
