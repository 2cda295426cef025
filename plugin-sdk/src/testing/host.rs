//! The host of a component under test: everything in memory, on the test's own time.

use crate::Error;
use crate::executor::lock;
use crate::ffi::HostServices;
use crate::http::HttpResponse;
use mesh_plugin_abi::{Status, Token, WorkKind};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, ThreadId};
use std::time::Duration;

type Stub = Arc<dyn Fn(Value) -> Result<Value, Error> + Send + Sync>;

/// The work that is queued for the lane.
#[derive(Default)]
pub(super) struct Item {
    pub(super) kind: u32,
    pub(super) token: Token,
    pub(super) status: i32,
    pub(super) method: u32,
    pub(super) target: Vec<u8>,
    pub(super) payload: Vec<u8>,
    pub(super) origin: Vec<u8>,
}

/// The component's completion of a token.
pub(super) enum Completion {
    /// A status and a payload.
    Answer(i32, Vec<u8>),
    /// The response to a web request.
    Response(HttpResponse),
}

pub(super) struct TestHost {
    component: String,
    pub(super) state: Mutex<State>,
    queued: Condvar,
}

#[derive(Default)]
pub(super) struct State {
    items: Vec<Item>,
    tokens: Token,
    pub(super) completed: HashMap<Token, Completion>,
    pub(super) emitted: Vec<(String, Value)>,
    pub(super) logs: Vec<(i32, String)>,
    pub(super) documents: BTreeMap<String, Value>,
    stubs: HashMap<(String, String), Stub>,
    subscriptions: Vec<(Token, String, String)>,
    now: u64,
    /// When, in which order, and for which token.
    timers: BTreeMap<(u64, u64), Token>,
    timers_set: u64,
    /// The callers, by the tokens of calls that are not answered yet.
    callers: HashMap<Token, Option<String>>,
    /// The calls for whose callers threads ask just now.
    acting_for: HashMap<ThreadId, Token>,
    /// The requests, each with the user that it was made for.
    pub(super) requests: Vec<(String, Option<String>)>,
}

impl TestHost {
    pub(super) fn new(component: &str) -> TestHost {
        TestHost {
            component: component.to_owned(),
            state: Mutex::default(),
            queued: Condvar::new(),
        }
    }

    pub(super) fn next_token(&self) -> Token {
        let mut state = lock(&self.state);
        state.tokens += 1;
        state.tokens
    }

    pub(super) fn queue(&self, item: Item) {
        let mut state = lock(&self.state);
        if matches!(item.kind, WorkKind::CALL | WorkKind::HTTP) {
            let origin: Value = serde_json::from_slice(&item.origin).unwrap_or_default();
            let username = origin["username"].as_str().map(str::to_owned);
            state.callers.insert(item.token, username);
        }
        state.items.push(item);
        drop(state);
        self.queued.notify_one();
    }

    pub(super) fn take(&self) -> Vec<Item> {
        std::mem::take(&mut lock(&self.state).items)
    }

    /// Waits until something is queued, for a while.
    pub(super) fn wait(&self, duration: Duration) {
        let state = lock(&self.state);
        if state.items.is_empty() {
            drop(
                self.queued
                    .wait_timeout(state, duration)
                    .unwrap_or_else(PoisonError::into_inner),
            );
        }
    }

    pub(super) fn now(&self) -> u64 {
        lock(&self.state).now
    }

    /// Lets time pass until the next timer, or until `until` when there is none before.
    pub(super) fn ring_before(&self, until: u64) -> bool {
        let token = {
            let mut state = lock(&self.state);
            match state
                .timers
                .first_key_value()
                .map(|(when, token)| (*when, *token))
            {
                Some((when, token)) if when.0 <= until => {
                    state.timers.remove(&when);
                    state.now = state.now.max(when.0);
                    token
                }
                _ => {
                    if until != u64::MAX {
                        state.now = state.now.max(until);
                    }
                    return false;
                }
            }
        };
        self.reply(token, Status::OK, Vec::new());
        true
    }

    pub(super) fn set_answer<F>(&self, component: &str, method: &str, answer: F)
    where
        F: Fn(Value) -> Result<Value, Error> + Send + Sync + 'static,
    {
        lock(&self.state)
            .stubs
            .insert((component.to_owned(), method.to_owned()), Arc::new(answer));
    }

    /// Queues an event for every subscription that matches.
    pub(super) fn deliver(&self, component: &str, key: &str, data: &Value) {
        let tokens: Vec<Token> = lock(&self.state)
            .subscriptions
            .iter()
            .filter(|(_, whose, pattern)| whose == component && matches(pattern, key))
            .map(|(token, ..)| *token)
            .collect();
        for token in tokens {
            self.queue(Item {
                kind: WorkKind::EVENT,
                token,
                target: format!("/_events/TestNode/{component}/{key}").into_bytes(),
                payload: wrapped(data).to_string().into_bytes(),
                origin: b"{}".to_vec(),
                ..Item::default()
            });
        }
    }

    /// Notes that this thread asked for something.
    fn note(&self, what: String) {
        let mut state = lock(&self.state);
        let call = state.acting_for.get(&thread::current().id());
        let username = call.and_then(|call| state.callers.get(call)).cloned().flatten();
        state.requests.push((what, username));
    }

    fn reply(&self, token: Token, status: i32, payload: Vec<u8>) {
        self.queue(Item {
            kind: WorkKind::REPLY,
            token,
            status,
            payload,
            ..Item::default()
        });
    }

    /// Keeps the first completion of a token.
    fn keep(&self, token: Token, completion: Completion) {
        let mut state = lock(&self.state);
        state.callers.remove(&token);
        state.completed.entry(token).or_insert(completion);
        drop(state);
        self.queued.notify_one();
    }

    fn document(&self, path: &str, mut document: Value) -> Value {
        document["_meta"] = json!({"path": format!("/_data/{}/{path}", self.component)});
        document
    }
}

impl HostServices for TestHost {
    fn complete(&self, token: Token, status: i32, payload: &[u8]) {
        self.keep(token, Completion::Answer(status, payload.to_vec()));
    }

    fn fail(&self, message: &str) {
        self.log(mesh_plugin_abi::Level::ERROR, "fail", message);
    }

    fn log(&self, level: i32, _target: &str, message: &str) {
        lock(&self.state).logs.push((level, message.to_owned()));
    }

    fn wake(&self, _lane: u32) {
        self.queue(Item {
            kind: WorkKind::WAKE,
            ..Item::default()
        });
    }

    fn call(&self, token: Token, component: &str, method: &str, _range: &str, arguments: &[u8]) {
        self.note(format!("call {component}.{method}"));
        let stub = lock(&self.state)
            .stubs
            .get(&(component.to_owned(), method.to_owned()))
            .cloned();
        let answer = match stub {
            Some(stub) => stub(serde_json::from_slice(arguments).unwrap_or_default()),
            None => Err(Error::new(format!(
                "the test does not say what {component}.{method} answers: use `Harness::answer`"
            ))),
        };
        let mut payload = Vec::new();
        let status = crate::answer::IntoAnswer::write(answer, &mut payload);
        self.reply(token, status, payload);
    }

    fn emit(&self, key: &str, data: &[u8], _options: &[u8]) {
        self.note(format!("emit {key}"));
        let data: Value = serde_json::from_slice(data).unwrap_or_default();
        lock(&self.state).emitted.push((key.to_owned(), data.clone()));
        self.deliver(&self.component, key, &data);
    }

    fn subscribe(&self, token: Token, component: &str, key: &str, _range: &str) {
        lock(&self.state)
            .subscriptions
            .push((token, component.to_owned(), key.to_owned()));
    }

    fn unsubscribe(&self, token: Token) {
        lock(&self.state)
            .subscriptions
            .retain(|(other, ..)| *other != token);
    }

    fn data_set(&self, token: Token, path: &str, value: &[u8]) {
        let path = path.trim_start_matches('/');
        self.note(format!("set {path}"));
        let value = wrapped(&serde_json::from_slice(value).unwrap_or_default());
        lock(&self.state).documents.insert(path.to_owned(), value.clone());
        self.reply(
            token,
            Status::OK,
            self.document(path, value).to_string().into_bytes(),
        );
    }

    fn data_get(&self, token: Token, path: &str) {
        let path = path.trim_start_matches('/');
        self.note(format!("get {path}"));
        let found: Vec<Value> = lock(&self.state)
            .documents
            .iter()
            .filter(|(other, _)| matches(path, other))
            .map(|(other, document)| self.document(other, document.clone()))
            .collect();
        let reply = if path.contains('*') {
            Value::Array(found)
        } else {
            found.into_iter().next().unwrap_or_default()
        };
        self.reply(token, Status::OK, reply.to_string().into_bytes());
    }

    fn data_remove(&self, token: Token, path: &str) {
        let path = path.trim_start_matches('/');
        self.note(format!("remove {path}"));
        let removed = {
            let mut state = lock(&self.state);
            let before = state.documents.len();
            state.documents.retain(|other, _| !matches(path, other));
            before - state.documents.len()
        };
        self.reply(
            token,
            Status::OK,
            json!({"removed": removed}).to_string().into_bytes(),
        );
    }

    fn after(&self, token: Token, milliseconds: u64) {
        let mut state = lock(&self.state);
        state.timers_set += 1;
        let when = (state.now.saturating_add(milliseconds), state.timers_set);
        state.timers.insert(when, token);
    }

    fn act_for(&self, call: Token) {
        lock(&self.state).acting_for.insert(thread::current().id(), call);
    }

    fn respond(&self, token: Token, status: u32, headers: &[u8], body: &[u8]) {
        self.keep(
            token,
            Completion::Response(HttpResponse::read(status, headers, body)),
        );
    }
}

/// A mesh knows objects only: anything else becomes the field `value`.
fn wrapped(data: &Value) -> Value {
    if data.is_object() {
        data.clone()
    } else {
        json!({"value": data})
    }
}

/// Whether a key is one of a pattern's: `*` is one segment, `**` at the end all that follow.
fn matches(pattern: &str, key: &str) -> bool {
    let mut keys = key.split('/');
    for part in pattern.trim_start_matches('/').split('/') {
        match (part, keys.next()) {
            ("**", Some(_)) => return true,
            ("*", Some(_)) => {}
            (part, Some(key)) if part == key => {}
            _ => return false,
        }
    }
    keys.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn patterns_match_whole_segments() {
        assert!(
            matches("a/*", "a/b") && matches("**", "a/b/c") && matches("a/**", "a/b/c") && matches("a", "a")
        );
        assert!(
            !matches("a/*", "a") && !matches("a/*", "a/b/c") && !matches("a", "ab") && !matches("a*", "ab")
        );
    }
}
