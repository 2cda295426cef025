//! A host without a mesh, for a component that is tried out.
//!
//! Enters: requests of the component, from its threads. Leaves: replies, each one once. Guarantees: there are
//! no other components and nobody listens; data is kept in memory; timers run.

use crate::{Caller, Doing, Emitter, Instance, Services, Status, Wrong};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::runtime::Handle;

/// The services for one component.
pub struct Alone {
    runtime: Handle,
    documents: Mutex<BTreeMap<String, Map<String, Value>>>,
    emitted: AtomicU64,
}

impl Alone {
    /// Timers run on the runtime of the caller.
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    pub fn new() -> Arc<Alone> {
        Arc::new(Alone {
            runtime: Handle::current(),
            documents: Mutex::default(),
            emitted: AtomicU64::new(0),
        })
    }

    /// How many events were published.
    pub fn emitted(&self) -> u64 {
        self.emitted.load(Ordering::Relaxed)
    }
}

fn document(path: &str, value: &[u8]) -> Map<String, Value> {
    let mut document = match serde_json::from_slice(value) {
        Ok(Value::Object(object)) => object,
        Ok(other) => Map::from_iter([("value".to_owned(), other)]),
        Err(_) => Map::new(),
    };
    document.insert(
        "_meta".to_owned(),
        json!({"path": path, "created": 0, "modified": 0}),
    );
    document
}

/// Whether a path is one that a wildcard stands for; here `*` stands for anything.
fn matches(path: &str, pattern: &str) -> bool {
    let mut rest = path;
    let mut parts = pattern.split('*');
    let Some(head) = parts.next() else { return false };
    let Some(last) = parts.next_back() else {
        return path == pattern;
    };
    let Some(behind) = rest.strip_prefix(head) else {
        return false;
    };
    rest = behind;
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

impl Services for Alone {
    fn emit(&self, _: &Emitter, _: &str, _: &[u8], _: &[u8]) -> Result<(), Wrong> {
        self.emitted.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    fn call(
        &self,
        caller: Caller,
        component: &str,
        method: &str,
        _: &str,
        _: &[u8],
        _: u32,
    ) -> Result<(), Wrong> {
        let message = format!(
            "{component}/{method} cannot be called: there are no other components during the rehearsal"
        );
        caller.reply(
            Status::ERROR,
            json!([{"name": "MeshError", "message": message}]).to_string(),
        );
        Ok(())
    }

    fn subscribe(&self, _: Caller, _: &str, _: &str, _: &str) -> Result<(), Wrong> {
        Ok(())
    }

    fn unsubscribe(&self, _: &Arc<Instance>, _: u64) -> Result<(), Wrong> {
        Ok(())
    }

    fn data_set(&self, caller: Caller, path: &str, value: &[u8], _: &[u8]) -> Result<(), Wrong> {
        let document = document(path, value);
        let payload = Value::Object(document.clone()).to_string();
        self.documents
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(path.to_owned(), document);
        caller.reply(Status::OK, payload);
        Ok(())
    }

    fn data_get(&self, caller: Caller, path: &str) -> Result<(), Wrong> {
        let documents = self.documents.lock().unwrap_or_else(PoisonError::into_inner);
        let found = if path.contains('*') {
            documents
                .iter()
                .filter(|(known, _)| matches(known, path))
                .map(|(_, document)| Value::Object(document.clone()))
                .collect()
        } else {
            documents.get(path).cloned().map_or(Value::Null, Value::Object)
        };
        drop(documents);
        caller.reply(Status::OK, found.to_string());
        Ok(())
    }

    fn data_remove(&self, caller: Caller, path: &str) -> Result<(), Wrong> {
        let mut documents = self.documents.lock().unwrap_or_else(PoisonError::into_inner);
        let before = documents.len();
        documents.retain(|known, _| !matches(known, path));
        let removed = before - documents.len();
        drop(documents);
        caller.reply(Status::OK, json!({"removed": removed}).to_string());
        Ok(())
    }

    fn after(&self, caller: Caller, milliseconds: u64) -> Result<(), Wrong> {
        let asked = caller.clone();
        let timer = self.runtime.spawn(async move {
            tokio::time::sleep(Duration::from_millis(milliseconds)).await;
            caller.reply(Status::OK, "");
        });
        asked.note(Doing::Task(timer.abort_handle()));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stand_for_anything() {
        assert!(matches("notes/a", "notes/a"));
        assert!(matches("notes/a", "notes/*"));
        assert!(matches("notes/a/b", "*/b"));
        assert!(!matches("notes/a", "notes"));
        assert!(!matches("other/a", "notes/*"));
    }

    #[test]
    fn a_value_that_is_no_object_is_wrapped() {
        assert_eq!(document("a", b"1")["value"], 1);
        assert_eq!(document("a", b"{\"b\":2}")["b"], 2);
    }
}
