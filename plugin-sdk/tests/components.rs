//! Promises to authors of components, shown with components of their kind.

use mesh_plugin_sdk::prelude::*;
use mesh_plugin_sdk::testing::Harness;
use mesh_plugin_sdk::{Component, Subscription};
use serde::Deserialize;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    #[serde(default)]
    greeting: String,
    #[serde(default)]
    fail_start: bool,
}

struct Everything {
    config: Config,
    heard: Mutex<Vec<String>>,
    dropped: &'static AtomicBool,
    stopped: AtomicBool,
    subscription: Mutex<Option<Subscription>>,
}

struct Unwritable;

impl serde::Serialize for Unwritable {
    fn serialize<S: serde::Serializer>(&self, _serializer: S) -> Result<S::Ok, S::Error> {
        panic!("no words")
    }
}

struct SetOnDrop(&'static AtomicBool);

impl Drop for SetOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[component(name = "everything", version = "1.0.0-beta.1", events("a/b"))]
impl Everything {
    #[create]
    fn new(context: &Context, config: Config) -> Result<Self, Error> {
        if config.greeting == "bad" {
            return Err(Error::new(format!(
                "{} does not greet like that",
                context.component()
            )));
        }
        let dropped = Box::leak(Box::new(AtomicBool::new(false)));
        Ok(Everything {
            config,
            heard: Mutex::default(),
            dropped,
            stopped: AtomicBool::new(false),
            subscription: Mutex::default(),
        })
    }

    #[start]
    async fn start(&self, context: &Context) -> Result<(), Error> {
        context.sleep(Duration::from_secs(10)).await;
        if self.config.fail_start {
            Err(Error::new("not today"))
        } else {
            Ok(())
        }
    }

    #[stop]
    fn stop(&self) {
        self.stopped.store(true, Ordering::SeqCst);
    }

    #[event(component = "emitter", key = "sums/*", range = "^2.0.0")]
    async fn on_sum(&self, context: &Context, event: Event) {
        context.sleep(Duration::from_secs(1)).await;
        self.heard
            .lock()
            .unwrap()
            .push(format!("{} {}", event.key(), event.raw()));
    }

    #[event(component = "emitter", key = "now")]
    fn on_now(&self, event: &Event) {
        assert!(event.key() == "now", "heard something else");
        self.heard.lock().unwrap().push("now".to_owned());
    }

    /// Greets.
    ///
    /// With the configured "greeting".
    fn greet_somebody(
        &self,
        first_name: &str,
        #[parameter(name = "surname")] last: Option<String>,
    ) -> String {
        format!(
            "{} {first_name}{}",
            self.config.greeting,
            last.unwrap_or_default()
        )
    }

    #[method(name = "total")]
    fn sum(&self, values: &[f64]) -> f64 {
        values.iter().sum()
    }

    async fn later(&self, text: &str, context: Context, origin: Origin) -> String {
        context.sleep(Duration::from_secs(3600)).await;
        format!("{text} for {}", origin.id().unwrap_or("nobody"))
    }

    fn panics(&self, text: String) {
        panic!("no {text}");
    }

    async fn panics_later(&self, context: &Context) -> u32 {
        context.sleep(Duration::from_secs(1)).await;
        self.greet_somebody("nobody", None)
            .parse()
            .expect("nothing there")
    }

    fn unwritable(&self) -> Unwritable {
        Unwritable
    }

    async fn unwritable_later(&self) -> Unwritable {
        Unwritable
    }

    fn parse(&self, text: String) -> Result<u16, std::num::ParseIntError> {
        text.parse()
    }

    fn text_error(&self) -> Result<(), Error> {
        Err(Error::text("only text"))
    }

    fn value_error(&self) -> Result<Many<(u8, u8)>, Error> {
        Err(Error::value(json!({"code": 42})))
    }

    fn error_and_result(&self) -> Result<Nothing, Error> {
        Err(Error::new("half").with_result(1))
    }

    async fn waits_forever(&self) {
        let _guard = SetOnDrop(self.dropped);
        std::future::pending::<()>().await;
    }

    async fn thread_spawns(&self, context: &Context) -> Result<String, Error> {
        // A future that is woken by a thread of its own.
        let (sender, receiver) = std::sync::mpsc::channel();
        let own = context.clone();
        let thread = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(20));
            own.spawn(async move {
                let _ = sender.send("from the lane");
            });
        });
        let mut text = None;
        while text.is_none() {
            context.sleep(Duration::from_millis(1)).await;
            text = receiver.recv_timeout(Duration::from_millis(5)).ok();
            // The lane must get a turn for the spawned future.
        }
        thread.join().map_err(|_| Error::new("the thread panicked"))?;
        Ok(text.unwrap_or_default().to_owned())
    }

    async fn relay(&self, context: &Context) -> Result<Results, Error> {
        context
            .call("other", "method", (1, "two"))
            .range("^1")
            .timeout(Duration::from_secs(1))
            .await
    }

    fn subscribe(&self, context: &Context) -> Result<(), Error> {
        let subscription = context.subscribe("other", "**", "", |context, event| async move {
            context.emit("again", event.raw());
        })?;
        *self.subscription.lock().unwrap() = Some(subscription);
        Ok(())
    }

    fn unsubscribe(&self) {
        if let Some(subscription) = self.subscription.lock().unwrap().take() {
            subscription.unsubscribe();
        }
    }

    fn log_lines(&self) {
        #[cfg(feature = "log")]
        {
            log::warn!("careful with {}", "this");
            log::debug!("detail");
        }
    }

    async fn find(&self, context: &Context) -> Result<Vec<Value>, Error> {
        context.data().set("list/a", &1).await?;
        context.data().set("/list/b", &json!({"x": 2})).await?;
        context.data().find("list/*").await
    }

    #[private]
    #[allow(dead_code)]
    fn helper<T>(&self, value: T) -> T {
        value
    }
}

fn harness() -> Harness<Everything> {
    Harness::new(json!({"greeting": "Hi"}))
}

#[test]
fn the_description_lists_methods_in_order_with_their_parameters() {
    let descriptor: Value = serde_json::from_str(Everything::DESCRIPTOR).unwrap();
    assert_eq!(
        descriptor["methods"][0],
        json!({
            "name": "greetSomebody",
            "parameters": [{"name": "firstName"}, {"name": "surname"}, {"name": "callback"}],
            "description": "Greets.\n\nWith the configured \"greeting\".",
            "schemas": {"firstName": {"type": "string"}, "surname": {"type": ["string", "null"]}},
        })
    );
    assert_eq!(descriptor["methods"][1]["name"], "total");
    assert_eq!(
        descriptor["methods"][2],
        json!({
            "name": "later",
            "parameters": [{"name": "text"}, {"name": "callback"}],
            "schemas": {"text": {"type": "string"}},
            "async": true,
        })
    );
    let names: Vec<&str> = descriptor["methods"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|method| method["name"].as_str())
        .collect();
    assert_eq!(names, Everything::METHODS);
    assert!(!names.contains(&"helper") && !names.contains(&"start") && !names.contains(&"onSum"));
    assert_eq!(descriptor["events"], json!({"a/b": {}}));
    assert_eq!(
        (&descriptor["routes"], &descriptor["data"]),
        (&json!({}), &json!({}))
    );
    assert_eq!(
        descriptor["extensions"],
        json!([mesh_plugin_sdk::abi::DELEGATION_EXTENSION])
    );
}

#[test]
fn arguments_arrive_as_the_types_that_methods_take() {
    let harness = harness();
    let greet = |arguments: Value| harness.call("greetSomebody", arguments);
    assert_eq!(
        greet(json!(["Ada", " L."])).unwrap().one::<String>().unwrap(),
        "Hi Ada L."
    );
    assert_eq!(greet(json!(["Ada"])).unwrap().one::<String>().unwrap(), "Hi Ada");
    assert_eq!(
        greet(json!(["Ada", null, 3])).unwrap().one::<String>().unwrap(),
        "Hi Ada"
    );
    assert_eq!(
        harness
            .call("total", ([1.0, 2.5],))
            .unwrap()
            .one::<f64>()
            .unwrap(),
        3.5
    );
    let error = greet(json!([1])).unwrap_err();
    assert_eq!(error.type_name(), "TypeError");
    assert_eq!(
        error.message(),
        "everything.greetSomebody: wrong argument for parameter `firstName`: expected a string, found integer `1`"
    );
    assert_eq!(
        harness.call("nope", ()).unwrap_err().message(),
        "Call to unconfigured method [everything.nope()]"
    );
}

#[test]
fn failures_come_in_three_kinds() {
    let harness = harness();
    assert_eq!(harness.call("textError", ()).unwrap_err().as_value(), "only text");
    assert_eq!(
        harness.call("valueError", ()).unwrap_err().as_value(),
        &json!({"code": 42})
    );
    assert_eq!(harness.call("errorAndResult", ()).unwrap_err().results(), [1]);
    assert_eq!(
        harness.call("parse", "x").unwrap_err().message(),
        "invalid digit found in string"
    );
    assert_eq!(harness.call("parse", "7").unwrap().one::<u16>().unwrap(), 7);
}

#[test]
fn a_panic_is_that_calls_error() {
    let harness = harness();
    let error = harness.call("panics", "way").unwrap_err();
    assert_eq!(
        (error.type_name(), error.message()),
        ("Panic", "everything.panics panicked: no way")
    );
    let error = harness.call("panicsLater", ()).unwrap_err();
    assert_eq!(
        (error.type_name(), error.message()),
        (
            "Panic",
            "everything.panicsLater panicked: nothing there: ParseIntError { kind: InvalidDigit }"
        )
    );
    let error = harness.call("unwritable", ()).unwrap_err();
    assert_eq!(error.message(), "everything.unwritable panicked: no words");
    let error = harness.call("unwritableLater", ()).unwrap_err();
    assert_eq!(error.message(), "everything.unwritableLater panicked: no words");
    assert_eq!(harness.call("total", ([1],)).unwrap().one::<u8>().unwrap(), 1);
}

#[test]
fn waiting_calls_keep_what_they_borrow() {
    let text = harness().call("later", "text").unwrap().one::<String>().unwrap();
    assert_eq!(text, "text for test-session");
}

#[test]
fn unfinished_calls_are_dropped_with_the_component() {
    let harness = harness().patience(Duration::from_millis(5));
    let dropped = harness.component().dropped;
    assert_eq!(
        harness.call("waitsForever", ()).unwrap_err().type_name(),
        "Timeout"
    );
    assert!(!dropped.load(Ordering::SeqCst));
    drop(harness);
    assert!(dropped.load(Ordering::SeqCst));
}

#[test]
fn threads_hand_futures_to_the_lane() {
    assert_eq!(
        harness()
            .call("threadSpawns", ())
            .unwrap()
            .one::<String>()
            .unwrap(),
        "from the lane"
    );
}

#[test]
fn calls_of_others_bring_all_results_or_the_whole_error() {
    let harness = harness();
    harness.answer("other", "method", |arguments| Ok(json!({"got": arguments})));
    let results = harness.call("relay", ()).unwrap();
    assert_eq!(results.values::<Value>().unwrap(), [json!({"got": [1, "two"]})]);
    harness.answer(
        "other",
        "method",
        |_| Err(Error::new("far away").field("code", 7)),
    );
    assert_eq!(
        harness.call("relay", ()).unwrap_err().get("code"),
        Some(&json!(7))
    );
}

#[test]
fn declared_handlers_hear_events_from_the_start_on() {
    let harness = harness();
    harness.publish("emitter", "sums/total", json!({"sum": 3}));
    harness.publish("emitter", "other", json!({}));
    harness.publish("emitter", "now", json!({}));
    assert_eq!(*harness.component().heard.lock().unwrap(), ["now"]);
    harness.advance(Duration::from_secs(2));
    assert_eq!(
        *harness.component().heard.lock().unwrap(),
        ["now", r#"sums/total {"sum":3}"#]
    );
}

#[test]
fn subscriptions_made_later_end_when_asked_to() {
    let harness = harness();
    harness.call("subscribe", ()).unwrap();
    harness.publish("other", "a/b", json!(5));
    assert_eq!(harness.events(), [("again".to_owned(), json!({"value": 5}))]);
    harness.call("unsubscribe", ()).unwrap();
    harness.publish("other", "a/b", json!(5));
    assert_eq!(harness.events().len(), 1);
}

#[cfg(feature = "log")]
#[test]
fn log_lines_reach_the_host() {
    let harness = harness();
    harness.call("logLines", ()).unwrap();
    assert_eq!(
        harness.logs(),
        [
            ("warn", "careful with this".to_owned()),
            ("debug", "detail".to_owned())
        ]
    );
}

#[test]
fn documents_are_found_by_pattern() {
    let found = harness().call("find", ()).unwrap().one::<Vec<Value>>().unwrap();
    assert_eq!(
        (found[0]["value"].clone(), found[1]["x"].clone()),
        (json!(1), json!(2))
    );
}

#[test]
fn a_component_that_cannot_be_made_or_started_says_why() {
    let why = |config: Value| Harness::<Everything>::create(config).err().unwrap().to_string();
    assert_eq!(
        why(json!({"greeting": "bad"})),
        "everything does not greet like that"
    );
    assert_eq!(why(json!({"fail_start": true})), "not today");
    assert_eq!(
        why(json!({"greting": ""})),
        "TypeError: wrong configuration: unknown field `greting`, expected `greeting` or `fail_start`"
    );
}

#[test]
fn stop_is_called() {
    let harness = harness();
    harness.stop().unwrap();
    assert!(harness.component().stopped.load(Ordering::SeqCst));
}
