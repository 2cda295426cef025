//! State, health and quiescing: what a component hands over to its next version, and what the host asks it meanwhile.

use mesh_plugin_sdk::prelude::*;
use mesh_plugin_sdk::testing::Harness;
use mesh_plugin_sdk::{Component, serde_json};
use serde::{Deserialize, Serialize};
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;

/// Version 1 of a component that keeps a list of names.
mod first {
    use super::*;

    #[derive(Default)]
    pub(super) struct Guests {
        names: Mutex<Vec<String>>,
    }

    #[component(name = "guests", version = "1.0.0", state = 1, export = false)]
    impl Guests {
        fn add(&self, name: String) {
            self.names.lock().unwrap().push(name);
        }

        fn all(&self) -> Vec<String> {
            self.names.lock().unwrap().clone()
        }

        /// Serialize is implemented for a `Mutex`: nothing is copied.
        #[snapshot]
        fn save(&self) -> &Mutex<Vec<String>> {
            &self.names
        }

        #[restore]
        fn restore(&self, names: Vec<String>) {
            *self.names.lock().unwrap() = names;
        }
    }
}

/// Version 3, which reads what versions 1 and 2 wrote.
mod third {
    use super::*;

    #[derive(Deserialize)]
    struct Second {
        guests: Vec<String>,
    }

    #[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
    pub(super) struct Third {
        pub(super) guests: Vec<(String, u32)>,
        pub(super) closed: bool,
        pub(super) share: f64,
    }

    #[derive(Default)]
    pub(super) struct Guests {
        pub(super) state: Mutex<Third>,
        pub(super) ill: AtomicBool,
        pub(super) started_with: Mutex<Option<usize>>,
        pub(super) paused: AtomicBool,
    }

    #[component(name = "guests", version = "3.0.0", state = 3, export = false)]
    impl Guests {
        #[start]
        fn start(&self) {
            let count = self.state.lock().unwrap().guests.len();
            *self.started_with.lock().unwrap() = Some(count);
        }

        #[migrate(from = 2)]
        fn three(old: Second) -> Result<Third, Error> {
            if old.guests.iter().any(String::is_empty) {
                return Err(Error::new("a guest without a name"));
            }
            Ok(Third {
                guests: old.guests.into_iter().map(|name| (name, 1)).collect(),
                ..Third::default()
            })
        }

        #[migrate(from = 1)]
        fn two(names: &[String]) -> Second {
            assert!(names.len() < 3, "too many guests");
            Second {
                guests: names.to_vec(),
            }
        }

        #[restore]
        async fn restore(&self, context: &Context, state: Third) -> Result<(), Error> {
            context.sleep(Duration::from_secs(1)).await;
            if state.closed {
                return Err(Error::new("closed"));
            }
            *self.state.lock().unwrap() = state;
            Ok(())
        }

        #[snapshot]
        async fn save(&self, context: &Context) -> Result<Third, Error> {
            context.sleep(Duration::from_secs(1)).await;
            if self.ill.load(Ordering::Relaxed) {
                return Err(Error::new("not now"));
            }
            Ok(self.state.lock().unwrap().clone())
        }

        #[health]
        async fn healthy(&self, context: &Context) -> Result<(), Error> {
            context.sleep(Duration::from_secs(1)).await;
            match self.ill.load(Ordering::Relaxed) {
                true => Err(Error::new("feverish")),
                false => Ok(()),
            }
        }

        #[quiesce]
        async fn pause(&self, context: &Context) -> Result<(), Error> {
            context.sleep(Duration::from_secs(1)).await;
            self.paused.store(true, Ordering::Relaxed);
            Err(Error::new("reluctantly"))
        }

        #[resume]
        fn go_on(&self) {
            self.paused.store(false, Ordering::Relaxed);
        }
    }
}

/// A component all of whose parts fail the hard way.
#[derive(Default)]
struct Clumsy;

struct Unwritable;

impl Serialize for Unwritable {
    fn serialize<S: serde::Serializer>(&self, _serializer: S) -> Result<S::Ok, S::Error> {
        panic!("no words")
    }
}

#[component(name = "clumsy", version = "1.0.0", state = 1, export = false)]
impl Clumsy {
    #[snapshot]
    fn save(&self) -> Unwritable {
        Unwritable
    }

    #[restore]
    fn restore(&self, _state: Value) {
        panic!("dropped it");
    }

    #[health]
    fn healthy(&self) -> Result<(), Error> {
        panic!("fainted");
    }

    #[quiesce]
    fn pause(&self) {
        panic!("never rests");
    }

    fn still_there(&self) -> bool {
        true
    }
}

#[derive(Default)]
struct Stateless;

#[component(name = "stateless", version = "1.0.0", export = false)]
impl Stateless {}

fn descriptor<C: Component>() -> Value {
    serde_json::from_str(C::DESCRIPTOR).unwrap()
}

#[test]
fn the_description_lists_the_schemas_of_states() {
    assert_eq!(
        descriptor::<first::Guests>()["state"],
        json!({"schema": 1, "restores": [1]})
    );
    let third = descriptor::<third::Guests>();
    assert_eq!(third["state"], json!({"schema": 3, "restores": [1, 2, 3]}));
    assert_eq!(third["health"], true);
    assert_eq!(third["methods"], json!([]));
    let stateless = descriptor::<Stateless>();
    assert_eq!(
        (stateless.get("state"), stateless.get("health")),
        (None, None),
        "versions before knew no such keys"
    );
}

#[test]
fn a_new_version_of_the_same_schema_goes_on_where_the_old_one_was() {
    let old = Harness::<first::Guests>::new(json!({}));
    old.call("add", "Ada").unwrap();
    let (schema, state) = old.snapshot().unwrap();
    assert_eq!((schema, &*state), (1, &br#"["Ada"]"#[..]));
    let new = Harness::<first::Guests>::with_state(json!({}), schema, &state).unwrap();
    new.call("add", "Bob").unwrap();
    assert_eq!(
        new.call("all", ()).unwrap().one::<Vec<String>>().unwrap(),
        ["Ada", "Bob"]
    );
    // The new version is rolled back: the old one gets what was added since.
    let (schema, state) = new.snapshot().unwrap();
    old.restore(schema, &state).unwrap();
    assert_eq!(
        old.call("all", ()).unwrap().one::<Vec<String>>().unwrap(),
        ["Ada", "Bob"]
    );
}

#[test]
fn older_states_are_migrated_step_by_step_before_the_start() {
    for (schema, state) in [
        (1, r#"["Ada"]"#),
        (2, r#"{"guests":["Ada"]}"#),
        (3, r#"{"guests":[["Ada",1]],"closed":false,"share":0.0}"#),
    ] {
        let guests = Harness::<third::Guests>::with_state(json!({}), schema, state.as_bytes()).unwrap();
        assert_eq!(
            guests.component().state.lock().unwrap().guests,
            [("Ada".to_owned(), 1)],
            "schema {schema}"
        );
        assert_eq!(*guests.component().started_with.lock().unwrap(), Some(1));
    }
}

#[test]
fn numbers_stay_as_they_are() {
    let guests = Harness::<third::Guests>::new(json!({}));
    guests.component().state.lock().unwrap().share = 4.0;
    let (_, state) = guests.snapshot().unwrap();
    assert_eq!(
        String::from_utf8(state).unwrap(),
        r#"{"guests":[],"closed":false,"share":4.0}"#
    );
}

/// Measured values and sums must not drift a little with each version.
#[test]
fn fractions_survive_to_the_last_bit() {
    let mut random = 88_172_645_463_325_252_u64;
    for _ in 0..1000 {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let share = f64::from_bits(random % 0x7ff0_0000_0000_0000);
        let old = Harness::<third::Guests>::new(json!({}));
        old.component().state.lock().unwrap().share = share;
        let (schema, state) = old.snapshot().unwrap();
        let new = Harness::<third::Guests>::with_state(json!({}), schema, &state).unwrap();
        let restored = new.component().state.lock().unwrap().share;
        assert_eq!(
            restored.to_bits(),
            share.to_bits(),
            "{share:e} became {restored:e}"
        );
    }
}

#[test]
fn a_state_that_cannot_be_taken_over_says_why() {
    let why = |schema, state: &str| {
        Harness::<third::Guests>::with_state(json!({}), schema, state.as_bytes())
            .err()
            .unwrap()
            .to_string()
    };
    assert_eq!(why(4, "{}"), "TypeError: guests cannot read states of schema 4");
    assert_eq!(why(0, "{}"), "TypeError: guests cannot read states of schema 0");
    assert_eq!(
        why(2, "{}"),
        "TypeError: guests cannot read this state of schema 2: missing field `guests` at line 1 column 2"
    );
    assert_eq!(why(2, r#"{"guests":[""]}"#), "a guest without a name");
    assert_eq!(why(3, r#"{"guests":[],"closed":true,"share":0}"#), "closed");
    assert_eq!(
        why(1, r#"["a","b","c"]"#),
        "Panic: guests.restore panicked: too many guests"
    );
}

#[test]
fn a_component_says_when_it_cannot_serve() {
    let guests = Harness::<third::Guests>::new(json!({}));
    guests.health().unwrap();
    guests.component().ill.store(true, Ordering::Relaxed);
    assert_eq!(guests.health().unwrap_err().message(), "feverish");
    assert_eq!(guests.snapshot().unwrap_err().message(), "not now");
    guests.component().ill.store(false, Ordering::Relaxed);
    guests.health().unwrap();
}

#[test]
fn background_work_of_a_component_pauses_and_goes_on() {
    let guests = Harness::<third::Guests>::new(json!({}));
    guests.quiesce();
    guests.advance(Duration::from_secs(2));
    assert!(guests.component().paused.load(Ordering::Relaxed));
    assert_eq!(
        guests.logs(),
        [("warn", "quiesce failed: reluctantly".to_owned())]
    );
    guests.resume();
    assert!(!guests.component().paused.load(Ordering::Relaxed));
}

#[test]
fn a_panic_on_the_way_is_an_error_and_nothing_more() {
    let clumsy = Harness::<Clumsy>::new(json!({}));
    assert_eq!(
        clumsy.snapshot().unwrap_err().to_string(),
        "Panic: clumsy.snapshot panicked: no words"
    );
    assert_eq!(
        clumsy.restore(1, b"{}").unwrap_err().to_string(),
        "Panic: clumsy.restore panicked: dropped it"
    );
    assert_eq!(
        clumsy.health().unwrap_err().to_string(),
        "Panic: clumsy.health panicked: fainted"
    );
    clumsy.quiesce();
    clumsy.resume();
    assert!(clumsy.call("stillThere", ()).unwrap().one::<bool>().unwrap());
}

#[cfg(feature = "tokio")]
mod on_tokio {
    use super::*;

    #[derive(Default)]
    struct Sum {
        sum: AtomicU64,
    }

    #[component(name = "sum", version = "1.0.0", state = 1, runtime = "tokio", export = false)]
    impl Sum {
        #[snapshot]
        async fn save(&self) -> Result<u64, tokio::task::JoinError> {
            let sum = self.sum.load(Ordering::Relaxed);
            tokio::task::spawn_blocking(move || sum).await
        }

        #[restore]
        async fn restore(&self, sum: u64) {
            tokio::task::yield_now().await;
            self.sum.store(sum, Ordering::Relaxed);
        }

        fn add(&self, by: u64) -> u64 {
            self.sum.fetch_add(by, Ordering::Relaxed) + by
        }
    }

    #[test]
    fn state_may_need_the_runtime() {
        let old = Harness::<Sum>::new(json!({}));
        old.call("add", [3]).unwrap();
        let (schema, state) = old.snapshot().unwrap();
        let new = Harness::<Sum>::with_state(json!({}), schema, &state).unwrap();
        assert_eq!(new.call("add", [4]).unwrap().one::<u64>().unwrap(), 7);
    }
}

#[test]
fn a_component_without_a_state_says_so_and_is_healthy() {
    let stateless = Harness::<Stateless>::new(json!({}));
    assert_eq!(
        stateless.snapshot().unwrap_err().message(),
        "stateless has no state to hand over"
    );
    assert_eq!(
        stateless.restore(1, b"{}").unwrap_err().message(),
        "stateless has no state to hand over"
    );
    stateless.health().unwrap();
    stateless.quiesce();
    stateless.resume();
}
