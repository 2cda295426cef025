//! Component `counter`: a count that goes on in the next version, with as much ballast as one likes.
//!
//! Enters: calls, and the state of another instance. Leaves: the count with each answer and as event
//! `counted`, and the state. Guarantees: every call counts once, on any number of lanes.

use mesh_plugin_sdk::prelude::*;
use serde::{Deserialize, Serialize};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// More would end the host, not only this component.
const MOST_BALLAST: usize = 1 << 30;

#[derive(Default, Deserialize, Serialize)]
struct State {
    count: u64,
    ballast: String,
}

#[derive(Default)]
struct Counter {
    state: Mutex<State>,
}

#[component(name = "counter", state = 1, events("counted"))]
impl Counter {
    #[snapshot]
    fn save(&self) -> &Mutex<State> {
        &self.state
    }

    #[restore]
    fn restore(&self, state: State) {
        *self.lock() = state;
    }

    /// Counts one.
    fn increment(&self, context: &Context) -> Value {
        self.count(context, 1)
    }

    /// Counts n.
    fn add(&self, context: &Context, n: u64) -> Value {
        self.count(context, n)
    }

    /// The count, and the version that answers.
    fn get(&self) -> Value {
        shown(self.lock().count)
    }

    /// The version that answers.
    fn version(&self) -> &'static str {
        env!("CARGO_PKG_VERSION")
    }

    /// Makes the state larger by that many bytes, instead of those before.
    fn fill(&self, bytes: usize) -> Result<(), Error> {
        if bytes > MOST_BALLAST {
            return Err(Error::new(format!("at most {MOST_BALLAST} bytes")).name("RangeError"));
        }
        self.lock().ballast = "x".repeat(bytes);
        Ok(())
    }

    /// Emits any event.
    fn emit(&self, context: &Context, key: &str, data: Raw) {
        context.emit(key, &data);
    }
}

impl Counter {
    fn count(&self, context: &Context, n: u64) -> Value {
        let count = {
            let mut state = self.lock();
            state.count = state.count.saturating_add(n);
            state.count
        };
        context.emit("counted", &json!({"count": count}));
        shown(count)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn shown(count: u64) -> Value {
    json!({"count": count, "version": env!("CARGO_PKG_VERSION")})
}

#[cfg(test)]
mod tests {
    use super::*;
    use mesh_plugin_sdk::testing::Harness;

    #[test]
    fn the_next_instance_counts_on() {
        let old = Harness::<Counter>::new(json!({}));
        old.call("increment", ()).unwrap();
        old.call("add", [4]).unwrap();
        old.call("fill", [1000]).unwrap();
        let (schema, state) = old.snapshot().unwrap();
        assert_eq!(
            (schema, state.len()),
            (1, r#"{"count":5,"ballast":""}"#.len() + 1000)
        );
        let new = Harness::<Counter>::with_state(json!({}), schema, &state).unwrap();
        let counted = new.call("increment", ()).unwrap().one::<Value>().unwrap();
        assert_eq!(counted, json!({"count": 6, "version": "1.0.0"}));
        assert_eq!(new.call("get", ()).unwrap().one::<Value>().unwrap(), counted);
        assert_eq!(new.events(), [("counted".to_owned(), json!({"count": 6}))]);
        assert_eq!(new.component().lock().ballast.len(), 1000);
    }

    #[test]
    fn ballast_and_events_are_as_asked_for() {
        let counter = Harness::<Counter>::new(json!({}));
        let error = counter.call("fill", [MOST_BALLAST + 1]).unwrap_err();
        assert_eq!(error.type_name(), "RangeError");
        counter.call("emit", json!(["a/b", {"n": 1}])).unwrap();
        assert_eq!(counter.events(), [("a/b".to_owned(), json!({"n": 1}))]);
        let version = counter.call("version", ()).unwrap();
        assert_eq!(version.one::<String>().unwrap(), "1.0.0");
    }
}
