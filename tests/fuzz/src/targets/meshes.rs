//! A whole mesh: two clients write, remove and subscribe, and one looks on.
//!
//! Enters: a seed (two bytes), the dialects of the clients (a byte each), and what they do (some bytes each). Checked:
//! - What was published, in the order in which the onlooker heard it, makes the documents that are found.
//! - A client hears what the onlooker hears, as far as it matches what it has subscribed to, in the same order.
//! - Each request has its answer, and a `get` finds what a plain model of documents holds.
//!
//! The seed chooses which of the possible steps is next, so that the requests of the two clients interleave.

use super::DIALECTS;
use crate::{Input, Target};
use mesh_core::testing::{Client, World, is_event, setting};
use mesh_wire::protocol::{Dialect, Matching};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// A whole mesh.
pub const MESHES: Target = Target {
    name: "meshes",
    run,
    inputs: 150,
    longest: 512,
};

const PATHS: [&str; 6] = ["/a/1", "/a/2", "/b/1", "/b/2", "/a/1/x", "/c"];
const PATTERNS: [&str; 5] = ["/a/1", "/b/*", "/a/*", "/c", "*"];
/// More is not done.
const MOST_STEPS: usize = 60;

/// An event, as both kinds of dialects tell it.
#[derive(Clone, Debug, PartialEq)]
struct Told {
    action: String,
    data: Value,
}

struct Story {
    world: World,
    onlooker: Client,
    clients: [Client; 2],
    dialects: [Dialect; 2],
    /// The patterns that each client has subscribed to.
    subscribed: [BTreeSet<&'static str>; 2],
    documents: BTreeMap<String, Value>,
    /// Requests that were sent and not worked off.
    sent: usize,
    next: u64,
}

fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let mut world = World::new(u64::from(input.short()));
    let dialects = [(); 2].map(|()| *input.pick(&DIALECTS));
    let onlooker = world.connect(Dialect::Happn4);
    let request = json!({"action": "on", "path": "/ALL@*"});
    assert_eq!(world.request(onlooker, &request)["_meta"]["status"], "ok");
    let clients = dialects.map(|dialect| world.connect(dialect));
    let mut story = Story {
        world,
        onlooker,
        clients,
        dialects,
        subscribed: Default::default(),
        documents: BTreeMap::new(),
        sent: 0,
        next: 0,
    };
    for _ in 0..MOST_STEPS {
        if input.is_empty() {
            break;
        }
        story.step(&mut input);
    }
    story.rest();
}

impl Story {
    fn step(&mut self, input: &mut Input<'_>) {
        let step = input.byte();
        let who = usize::from(step >> 7);
        let client = self.clients[who];
        match step & 0x7f {
            0..50 => {
                self.next += 1;
                let options = match input.below(4) {
                    0 => json!({"merge": true}),
                    1 => json!({"consistency": 1}),
                    _ => json!({}),
                };
                let field = *input.pick(&["x", "y"]);
                let value = json!({ field: self.next });
                self.send(client, &setting(input.pick::<&str>(&PATHS), &value, &options));
            }
            50..70 => {
                let path = *input.pick(&["/a/1", "/b/2", "/c", "/a/*", "*"]);
                self.send(client, &json!({"action": "remove", "path": path}));
            }
            70..90 => self.get(client, input.pick::<&str>(&PATHS)),
            90..105 => self.subscribe(who, input.pick::<&str>(&PATTERNS)),
            105..115 => self.unsubscribe(who),
            _ => self.rest(),
        }
    }

    fn send(&mut self, client: Client, request: &Value) {
        self.world.send(client, request);
        self.sent += 1;
    }

    /// A `get` finds what the model holds.
    fn get(&mut self, client: Client, path: &str) {
        self.rest();
        let answer = self
            .world
            .request(client, &json!({"action": "get", "path": path}));
        let expected = self.documents.get(path).unwrap_or(&Value::Null);
        assert_eq!(without_meta(&answer["data"]), *expected, "{answer}");
    }

    fn subscribe(&mut self, who: usize, pattern: &'static str) {
        self.rest();
        // Clients of the first generation count their listeners; one is enough.
        if self.subscribed[who].insert(pattern) {
            let request = json!({"action": "on", "path": format!("/ALL@{pattern}")});
            let answer = self.world.request(self.clients[who], &request);
            assert_eq!(answer["_meta"]["status"], "ok", "{answer}");
        }
    }

    fn unsubscribe(&mut self, who: usize) {
        self.rest();
        self.subscribed[who].clear();
        let answer = self
            .world
            .request(self.clients[who], &json!({"action": "off", "path": "*"}));
        assert_eq!(answer["_meta"]["status"], "ok", "{answer}");
    }

    /// Everything happens that was asked for, and is compared with the model.
    fn rest(&mut self) {
        self.world.settle();
        let told: Vec<Told> = events(&self.world.take(self.onlooker))
            .into_iter()
            .map(|(_, told)| told)
            .collect();
        let mut answers: Vec<Value> = Vec::new();
        for who in 0..2 {
            let frames = self.world.take(self.clients[who]);
            // Who did not wait for the publications is told later how they went.
            answers.extend(
                frames
                    .iter()
                    .filter(|frame| frame["_meta"]["type"] == "response")
                    .cloned(),
            );
            let heard = events(&frames);
            let dialect = self.dialects[who];
            let channels: BTreeSet<String> = self.subscribed[who]
                .iter()
                .map(|pattern| format!("/ALL@{pattern}"))
                .collect();
            assert!(
                heard.iter().all(|(channel, _)| channels.contains(channel)),
                "{heard:?}"
            );
            for pattern in &self.subscribed[who] {
                let channel = format!("/ALL@{pattern}");
                let heard: Vec<&Told> = heard
                    .iter()
                    .filter(|(on, _)| *on == channel)
                    .map(|(_, told)| told)
                    .collect();
                let expected: Vec<&Told> = told
                    .iter()
                    .filter(|told| is_for(pattern, path_of(told), dialect))
                    .collect();
                assert_eq!(
                    heard,
                    expected,
                    "{dialect:?} on {channel}, {}",
                    self.world.place()
                );
            }
        }
        assert_eq!(answers.len(), self.sent, "{}: {answers:?}", self.world.place());
        self.sent = 0;
        told.iter().for_each(|told| self.apply(told));
        self.are_found();
    }

    fn apply(&mut self, told: &Told) {
        let path = path_of(told);
        if told.action.starts_with("/SET@") {
            self.documents.insert(path.to_owned(), without_meta(&told.data));
        } else {
            self.documents.retain(|document, _| !is_removed(path, document));
        }
    }

    /// All documents are those of the model.
    fn are_found(&mut self) {
        let answer = self
            .world
            .request(self.onlooker, &json!({"action": "get", "path": "*"}));
        let items = answer.as_array().map(Vec::as_slice).unwrap_or_default();
        let found: BTreeMap<String, Value> = items[..items.len().saturating_sub(1)]
            .iter()
            .map(|item| {
                let path = item["_meta"]["path"].as_str().unwrap_or_default().to_owned();
                (path, without_meta(item))
            })
            .collect();
        assert_eq!(found, self.documents, "{}", self.world.place());
    }
}

/// The events among frames, each with its channel.
fn events(frames: &[Value]) -> Vec<(String, Told)> {
    let events = frames.iter().filter(|frame| is_event(frame));
    let told = events.map(|frame| {
        let meta = &frame["_meta"];
        let text = |name: &str| meta[name].as_str().unwrap_or_default().to_owned();
        let told = Told {
            action: text("action"),
            data: without_meta(&frame["data"]),
        };
        (text("channel"), told)
    });
    told.collect()
}

fn path_of(told: &Told) -> &str {
    told.action.split_once('@').map_or("", |(_, path)| path)
}

fn without_meta(data: &Value) -> Value {
    let mut data = data.clone();
    if let Some(fields) = data.as_object_mut() {
        fields.remove("_meta");
    }
    data
}

/// Whether a pattern of a subscription is for a path: a star is one segment, or any rest in the first generation.
fn is_for(pattern: &str, path: &str, dialect: Dialect) -> bool {
    let Some(front) = pattern.strip_suffix('*') else {
        return pattern == path;
    };
    let is_below = path.strip_prefix(front);
    is_below
        .is_some_and(|rest| front.is_empty() || dialect.matching() == Matching::Text || !rest.contains('/'))
}

/// Whether a `remove` of a path removes a document.
fn is_removed(path: &str, document: &str) -> bool {
    match path.strip_suffix('*') {
        Some(front) => document.starts_with(front),
        None => path == document,
    }
}
