//! The host of a component under test: everything in memory, on the test's own time.

use crate::Error;
use crate::executor::lock;
use crate::ffi::{Asking, HostServices, MadeFor};
use crate::http::HttpResponse;
use mesh_plugin_abi::{RequestStatus, Status, Token, WorkKind};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
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
    subscriptions: Vec<Listens>,
    now: u64,
    /// When, in which order, and for which token.
    timers: BTreeMap<(u64, u64), Token>,
    timers_set: u64,
    /// The callers, by the tokens of calls that are not answered yet.
    callers: HashMap<Token, Option<String>>,
    /// The tokens of requests that are neither answered nor cancelled, by the numbers that cancel them.
    under_way: BTreeMap<Token, Token>,
    /// The last of these numbers.
    numbers: Token,
    /// The requests, each with the user that it was made for.
    pub(super) requests: Vec<(String, Option<String>)>,
}

/// A subscription.
struct Listens {
    token: Token,
    component: String,
    pattern: String,
    /// The user for whom it was made.
    username: Option<String>,
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
        let mut state = lock(&self.state);
        let items = std::mem::take(&mut state.items);
        for item in items.iter().filter(|item| item.kind == WorkKind::REPLY) {
            state.under_way.retain(|_, token| *token != item.token);
        }
        items
    }

    /// How many requests are neither answered nor cancelled.
    pub(super) fn under_way(&self) -> usize {
        lock(&self.state).under_way.len()
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
            .filter(|listens| listens.component == component && matches(&listens.pattern, key))
            .map(|listens| listens.token)
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

    /// Notes that something is asked for. Nothing is for a call that is over, or for an event of no subscription.
    fn note(&self, made_for: MadeFor, what: String) -> Result<(), i32> {
        let mut state = lock(&self.state);
        let username = match made_for {
            MadeFor::Component => None,
            MadeFor::Call(call) => state.callers.get(&call).cloned().ok_or(RequestStatus::NO_CALL)?,
            MadeFor::Event(token) => {
                let mut subscriptions = state.subscriptions.iter();
                let found = subscriptions.find(|subscription| subscription.token == token);
                found.ok_or(RequestStatus::NO_CALL)?.username.clone()
            }
        };
        state.requests.push((what, username));
        Ok(())
    }

    /// Takes a request that is answered later. Returns the number that cancels it.
    fn begin(&self, asking: Asking, what: String) -> Result<Token, i32> {
        self.note(asking.made_for, what)?;
        Ok(self.number(asking))
    }

    fn number(&self, asking: Asking) -> Token {
        let mut state = lock(&self.state);
        state.numbers += 1;
        let number = state.numbers;
        state.under_way.insert(number, asking.token);
        number
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

    fn call(
        &self,
        asking: Asking,
        component: &str,
        method: &str,
        _range: &str,
        arguments: &[u8],
    ) -> Result<Token, i32> {
        if component.is_empty() || method.is_empty() {
            return Err(RequestStatus::BAD_NAME);
        }
        let number = self.begin(asking, format!("call {component}.{method}"))?;
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
        self.reply(asking.token, status, payload);
        Ok(number)
    }

    fn emit(&self, made_for: MadeFor, key: &str, data: &[u8], _options: &[u8]) -> Result<(), i32> {
        if key.is_empty() {
            return Err(RequestStatus::BAD_NAME);
        }
        self.note(made_for, format!("emit {key}"))?;
        let data: Value = serde_json::from_slice(data).unwrap_or_default();
        lock(&self.state).emitted.push((key.to_owned(), data.clone()));
        self.deliver(&self.component, key, &data);
        Ok(())
    }

    fn subscribe(&self, asking: Asking, component: &str, key: &str, _range: &str) -> Result<(), i32> {
        if component.is_empty() || key.is_empty() {
            return Err(RequestStatus::BAD_NAME);
        }
        let mut state = lock(&self.state);
        let username = match asking.made_for {
            MadeFor::Call(call) => state.callers.get(&call).cloned().ok_or(RequestStatus::NO_CALL)?,
            MadeFor::Component | MadeFor::Event(_) => None,
        };
        state.subscriptions.push(Listens {
            token: asking.token,
            component: component.to_owned(),
            pattern: key.to_owned(),
            username,
        });
        Ok(())
    }

    fn unsubscribe(&self, token: Token) -> Result<(), i32> {
        let mut state = lock(&self.state);
        let before = state.subscriptions.len();
        state.subscriptions.retain(|listens| listens.token != token);
        match state.subscriptions.len() < before {
            true => Ok(()),
            false => Err(RequestStatus::UNKNOWN),
        }
    }

    fn data_set(&self, asking: Asking, path: &str, value: &[u8]) -> Result<Token, i32> {
        let path = named(path)?;
        let number = self.begin(asking, format!("set {path}"))?;
        let value = wrapped(&serde_json::from_slice(value).unwrap_or_default());
        lock(&self.state).documents.insert(path.to_owned(), value.clone());
        self.reply(
            asking.token,
            Status::OK,
            self.document(path, value).to_string().into_bytes(),
        );
        Ok(number)
    }

    fn data_get(&self, asking: Asking, path: &str) -> Result<Token, i32> {
        let path = named(path)?;
        let number = self.begin(asking, format!("get {path}"))?;
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
        self.reply(asking.token, Status::OK, reply.to_string().into_bytes());
        Ok(number)
    }

    fn data_remove(&self, asking: Asking, path: &str) -> Result<Token, i32> {
        let path = named(path)?;
        let number = self.begin(asking, format!("remove {path}"))?;
        let removed = {
            let mut state = lock(&self.state);
            let before = state.documents.len();
            state.documents.retain(|other, _| !matches(path, other));
            before - state.documents.len()
        };
        self.reply(
            asking.token,
            Status::OK,
            json!({"removed": removed}).to_string().into_bytes(),
        );
        Ok(number)
    }

    fn after(&self, asking: Asking, milliseconds: u64) -> Result<Token, i32> {
        let number = self.number(asking);
        let mut state = lock(&self.state);
        state.timers_set += 1;
        let when = (state.now.saturating_add(milliseconds), state.timers_set);
        state.timers.insert(when, asking.token);
        Ok(number)
    }

    fn cancel(&self, id: Token) -> Result<(), i32> {
        let mut state = lock(&self.state);
        let token = state.under_way.remove(&id).ok_or(RequestStatus::UNKNOWN)?;
        state.timers.retain(|_, other| *other != token);
        state
            .items
            .retain(|item| item.kind != WorkKind::REPLY || item.token != token);
        Ok(())
    }

    fn respond(&self, token: Token, status: u32, headers: &[u8], body: &[u8]) {
        self.keep(
            token,
            Completion::Response(HttpResponse::read(status, headers, body)),
        );
    }
}

/// A document's path without its first slash.
fn named(path: &str) -> Result<&str, i32> {
    match path.trim_start_matches('/') {
        "" => Err(RequestStatus::BAD_NAME),
        path => Ok(path),
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
