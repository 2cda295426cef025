//! The most frequent requests of clients, in one line each.
//!
//! Enters: paths, values, names of methods. Leaves: answers and events. Guarantees: requests have the form that real clients
//! give them; a helper that settles takes no frames but its own.

use super::world::{Client, World};
use mesh_wire::address::{REQUESTS, RESPONSES};
use serde_json::{Value, json};

impl World {
    /// Subscribes to all that happens to a path, and settles. Takes the answer.
    pub fn listen(&mut self, client: Client, path: &str) -> Value {
        self.listen_with(client, path, &json!({}))
    }

    /// As [`World::listen`], with options.
    pub fn listen_with(&mut self, client: Client, path: &str, options: &Value) -> Value {
        let request = json!({"action": "on", "path": format!("/ALL@{path}"), "options": options});
        self.request(client, &request)
    }

    /// Sets a document, and settles. Takes the answer.
    pub fn set(&mut self, client: Client, path: &str, value: &Value) -> Value {
        self.request(client, &setting(path, value, &json!({})))
    }

    /// Gets documents, and settles. Returns the paths of those that came, in order.
    pub fn paths_of(&mut self, client: Client, pattern: &str) -> Vec<String> {
        let answer = self.request(client, &json!({"action": "get", "path": pattern}));
        let items = answer.as_array().map(Vec::as_slice).unwrap_or_default();
        paths(&items[..items.len().saturating_sub(1)])
    }

    /// Listens to the answers of a client's calls.
    pub fn expect_answers(&mut self, client: Client) {
        let path = format!("{RESPONSES}{}/*", self.session(client).id());
        self.request(client, &json!({"action": "on", "path": format!("/SET@{path}")}));
    }

    /// Sends a call of `component/method`, and returns the address that its answer goes to. Nothing is worked off yet.
    pub fn begin_call(&mut self, client: Client, method: &str, call: &Value) -> String {
        let number = self.next_number();
        let (domain, session) = (self.mesh().domain().to_owned(), self.session(client).id());
        let address = format!("{RESPONSES}{session}/{domain}/{method}/{number}");
        let mut value = call.clone();
        value["callbackAddress"] = json!(address);
        let path = format!("{REQUESTS}{domain}/{method}");
        self.send(client, &setting(&path, &value, &json!({"noStore": true})));
        address
    }

    /// Calls `component/method` and settles. Returns what is published as its answer.
    ///
    /// # Panics
    ///
    /// When there is not just one answer.
    pub fn call(&mut self, client: Client, method: &str, call: &Value) -> Value {
        let address = self.begin_call(client, method, call);
        self.settle();
        let mut answers = self.answers(client, &address);
        assert_eq!(answers.len(), 1, "{}: {method} {call}: {answers:?}", self.place());
        answers.remove(0)
    }

    /// Takes the answers that a client has got at an address.
    pub fn answers(&mut self, client: Client, address: &str) -> Vec<Value> {
        let action = json!(format!("/SET@{address}"));
        let frames =
            self.take_if(|written| written.client == client && written.frame["_meta"]["action"] == action);
        frames
            .into_iter()
            .map(|mut written| written.frame["data"].take())
            .collect()
    }

    /// Takes the events that a client has got.
    pub fn events(&mut self, client: Client) -> Vec<Value> {
        let frames = self.take_if(|written| written.client == client && is_event(&written.frame));
        frames.into_iter().map(|written| written.frame).collect()
    }
}

/// A request that sets a document.
pub fn setting(path: &str, value: &Value, options: &Value) -> Value {
    json!({"action": "set", "path": path, "data": value, "options": options})
}

/// Whether a frame is a publication.
pub fn is_event(frame: &Value) -> bool {
    frame["_meta"]["type"] == "data"
}

/// The paths of documents or events, in their order.
pub fn paths(items: &[Value]) -> Vec<String> {
    let path = |item: &Value| item["_meta"]["path"].as_str().unwrap_or_default().to_owned();
    items.iter().map(path).collect()
}
