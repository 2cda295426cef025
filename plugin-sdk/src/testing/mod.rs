//! Components under test, without a host.
//!
//! Enters: calls, events and time, as the test says. Leaves: results, and what the component emitted, logged
//! and stored. Time is the test's own: a component that sleeps an hour is awake at once.

mod host;
mod web;

use crate::answer::{NoError, Results};
use crate::component::Component;
use crate::exchange::write_arguments;
use crate::executor::lock;
use crate::ffi::{Host, host_for_tests};
use crate::instance::Instance;
use crate::work::WorkItem;
use crate::{Error, logging};
use host::{Completion, Item, TestHost};
use mesh_plugin_abi::{Level, Status, WorkKind};
use serde::Serialize;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// One instance of a component with one lane, which runs on the test's own thread.
///
/// ```
/// use mesh_plugin_sdk::prelude::*;
/// use mesh_plugin_sdk::testing::Harness;
///
/// #[derive(Default)]
/// struct Counter { count: AtomicU64 }
///
/// #[component(name = "counter", version = "1.0.0", export = false)]
/// impl Counter {
///     fn add(&self, context: &Context, by: u64) -> u64 {
///         let count = self.count.fetch_add(by, Ordering::Relaxed) + by;
///         context.emit("changed", &json!({"count": count}));
///         count
///     }
/// }
///
/// # fn main() -> Result<(), Error> {
/// let harness = Harness::<Counter>::new(json!({}));
/// assert_eq!(harness.call("add", json!([2]))?.one::<u64>()?, 2);
/// assert_eq!(harness.call("add", json!([3]))?.one::<u64>()?, 5);
/// assert_eq!(harness.events()[1], ("changed".to_owned(), json!({"count": 5})));
/// # Ok(())
/// # }
/// ```
pub struct Harness<C: Component> {
    instance: Instance<C>,
    host: Host,
    services: &'static TestHost,
    patience: Duration,
    #[cfg(feature = "tokio")]
    runtime: Option<tokio::runtime::Runtime>,
}

impl<C: Component> Harness<C> {
    /// Makes and starts the component with this configuration.
    ///
    /// # Panics
    ///
    /// When the component cannot be made or does not start; see [`Harness::create`] to look at the error.
    pub fn new(config: Value) -> Harness<C> {
        match Self::create(config) {
            Ok(harness) => harness,
            Err(error) => panic!("component {} cannot be started: {error}", C::NAME),
        }
    }

    /// Makes and starts the component with this configuration.
    ///
    /// # Errors
    ///
    /// The component's own.
    pub fn create(config: Value) -> Result<Harness<C>, Error> {
        let harness = Self::make(&config)?;
        harness.order(WorkKind::START, "start")?;
        Ok(harness)
    }

    /// Makes the component, lets it take over a state of this schema, and starts it: the way a new version comes up.
    ///
    /// ```
    /// # use mesh_plugin_sdk::prelude::*;
    /// # use mesh_plugin_sdk::testing::Harness;
    /// #[derive(Default)]
    /// struct Counter { count: AtomicU64 }
    ///
    /// #[component(name = "counter", version = "1.0.0", state = 1, export = false)]
    /// impl Counter {
    ///     #[snapshot]
    ///     fn save(&self) -> u64 {
    ///         self.count.load(Ordering::Relaxed)
    ///     }
    ///
    ///     #[restore]
    ///     fn restore(&self, count: u64) {
    ///         self.count.store(count, Ordering::Relaxed);
    ///     }
    ///
    ///     fn tick(&self) -> u64 {
    ///         self.count.fetch_add(1, Ordering::Relaxed) + 1
    ///     }
    /// }
    ///
    /// # fn main() -> Result<(), Error> {
    /// let old = Harness::<Counter>::new(json!({}));
    /// old.call("tick", ())?;
    /// let (schema, state) = old.snapshot()?;
    ///
    /// let new = Harness::<Counter>::with_state(json!({}), schema, &state)?;
    /// assert_eq!(new.call("tick", ())?.one::<u64>()?, 2);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// The component's own.
    pub fn with_state(config: Value, schema: u32, state: &[u8]) -> Result<Harness<C>, Error> {
        let harness = Self::make(&config)?;
        harness.restore(schema, state)?;
        harness.order(WorkKind::START, "start")?;
        Ok(harness)
    }

    fn make(config: &Value) -> Result<Harness<C>, Error> {
        let (host, services) = host_for_tests(TestHost::new(C::NAME));
        logging::connect();
        let info = json!({
            "mesh": "TestNode", "domain": "TestNode", "component": C::NAME, "version": C::VERSION, "lanes": 1,
        });
        let made = host.enter(|| {
            Instance::<C>::create(host, info.to_string().as_bytes(), config.to_string().as_bytes())
        });
        let harness = Harness {
            instance: made?,
            host,
            services,
            patience: Duration::from_millis(500),
            #[cfg(feature = "tokio")]
            runtime: None,
        };
        #[cfg(feature = "tokio")]
        let harness = harness.with_runtime()?;
        Ok(harness)
    }

    #[cfg(feature = "tokio")]
    fn with_runtime(mut self) -> Result<Harness<C>, Error> {
        if C::TOKIO
            && let Some(lane) = self.instance.lane(0)
        {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_io()
                .enable_time()
                .build()?;
            lane.lane().runtime.set(Some(runtime.handle().clone()));
            self.runtime = Some(runtime);
        }
        Ok(self)
    }

    /// Waits so long for threads of the component, and for a tokio runtime. Otherwise half a second. Sleeping with
    /// [`crate::Context::sleep`] costs none of it.
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Harness<C> {
        self.patience = patience;
        self
    }

    /// Calls a method, from a session named `test-session`.
    ///
    /// # Errors
    ///
    /// The method's own, or that it gave no answer and waits for nothing that could still happen.
    pub fn call<A: Serialize>(&self, method: &str, arguments: A) -> Result<Results, Error> {
        self.call_as(&json!({"id": "test-session"}), method, arguments)
    }

    /// Calls a method as somebody else, such as `json!({"id": "s1", "username": "ada"})`.
    ///
    /// # Errors
    ///
    /// As for [`Harness::call`].
    pub fn call_as<A: Serialize>(
        &self,
        origin: &Value,
        method: &str,
        arguments: A,
    ) -> Result<Results, Error> {
        let number = C::METHODS.iter().position(|name| *name == method);
        let token = self.services.next_token();
        self.services.queue(Item {
            kind: WorkKind::CALL,
            token,
            method: number.map_or(u32::MAX, |number| number as u32),
            target: method.as_bytes().to_vec(),
            payload: write_arguments(&arguments)?,
            origin: origin.to_string().into_bytes(),
            ..Item::default()
        });
        Results::read(&self.answer_to(token, method)?)
    }

    /// Says what calls of another component's method are answered with.
    pub fn answer<F>(&self, component: &str, method: &str, answer: F)
    where
        F: Fn(Value) -> Result<Value, Error> + Send + Sync + 'static,
    {
        self.services.set_answer(component, method, answer);
    }

    /// Sends an event of another component to those handlers that subscribed to it.
    pub fn publish(&self, component: &str, key: &str, data: Value) {
        self.services.deliver(component, key, &data);
        self.settle();
    }

    /// Lets time pass.
    pub fn advance(&self, duration: Duration) {
        self.settle();
        let until = self.services.now() + duration.as_millis() as u64;
        while self.services.ring_before(until) {
            self.settle();
        }
    }

    /// Stops the component.
    ///
    /// # Errors
    ///
    /// The component's own.
    pub fn stop(&self) -> Result<(), Error> {
        self.order(WorkKind::STOP, "stop").map(drop)
    }

    /// Asks the component for its state, as the host does before another version takes over. Returns the number of its
    /// schema and its bytes, which are JSON.
    ///
    /// # Errors
    ///
    /// The component's own, or that it has no state.
    pub fn snapshot(&self) -> Result<(u32, Vec<u8>), Error> {
        Ok((C::STATE, self.order(WorkKind::SNAPSHOT, "snapshot")?))
    }

    /// Lets the component, which has started, take over a state: as when the version after it is rolled back. See
    /// [`Harness::with_state`] for the state that comes before the start.
    ///
    /// # Errors
    ///
    /// The component's own, or that it cannot read such states.
    pub fn restore(&self, schema: u32, state: &[u8]) -> Result<(), Error> {
        self.order_with(
            "restore",
            Item {
                kind: WorkKind::RESTORE,
                method: schema,
                payload: state.to_vec(),
                ..Item::default()
            },
        )
        .map(drop)
    }

    /// Asks the component whether it can serve. One without `#[health]` always can.
    ///
    /// ```
    /// # use mesh_plugin_sdk::prelude::*;
    /// # use mesh_plugin_sdk::testing::Harness;
    /// #[derive(Default)]
    /// struct Mailer;
    ///
    /// #[component(name = "mailer", version = "1.0.0", export = false)]
    /// impl Mailer {
    ///     #[health]
    ///     async fn healthy(&self, context: &Context) -> Result<(), Error> {
    ///         context.call("postbox", "ping", ()).await.map(|_| ())
    ///     }
    /// }
    ///
    /// let harness = Harness::<Mailer>::new(json!({}));
    /// harness.answer("postbox", "ping", |_| Err(Error::new("full")));
    /// assert_eq!(harness.health().unwrap_err().message(), "full");
    /// ```
    ///
    /// # Errors
    ///
    /// Why it cannot.
    pub fn health(&self) -> Result<(), Error> {
        self.order(WorkKind::HEALTH, "health").map(drop)
    }

    /// Tells the component that another version has taken over.
    ///
    /// ```
    /// # use mesh_plugin_sdk::prelude::*;
    /// # use mesh_plugin_sdk::testing::Harness;
    /// # use std::sync::atomic::AtomicBool;
    /// #[derive(Default)]
    /// struct Clock { paused: AtomicBool }
    ///
    /// #[component(name = "clock", version = "1.0.0", export = false)]
    /// impl Clock {
    ///     #[quiesce]
    ///     fn pause(&self) {
    ///         self.paused.store(true, Ordering::Relaxed);
    ///     }
    ///
    ///     #[resume]
    ///     fn go_on(&self) {
    ///         self.paused.store(false, Ordering::Relaxed);
    ///     }
    /// }
    ///
    /// let harness = Harness::<Clock>::new(json!({}));
    /// harness.quiesce();
    /// assert!(harness.component().paused.load(Ordering::Relaxed));
    /// harness.resume();
    /// assert!(!harness.component().paused.load(Ordering::Relaxed));
    /// ```
    pub fn quiesce(&self) {
        self.hint(WorkKind::QUIESCE);
    }

    /// Tells the component that it serves again; see [`Harness::quiesce`].
    pub fn resume(&self) {
        self.hint(WorkKind::RESUME);
    }

    /// How many requests of the component are neither answered nor cancelled: calls, documents and timers. A future that is
    /// dropped cancels its request.
    pub fn pending_requests(&self) -> usize {
        self.services.under_way()
    }

    /// The component itself.
    pub fn component(&self) -> &C {
        self.instance.component()
    }

    /// The events emitted so far: key and data.
    pub fn events(&self) -> Vec<(String, Value)> {
        lock(&self.services.state).emitted.clone()
    }

    /// The lines logged so far: level and message.
    pub fn logs(&self) -> Vec<(&'static str, String)> {
        let name = |level| match level {
            Level::ERROR => "error",
            Level::WARN => "warn",
            Level::INFO => "info",
            Level::DEBUG => "debug",
            _ => "trace",
        };
        lock(&self.services.state)
            .logs
            .iter()
            .map(|(level, line)| (name(*level), line.clone()))
            .collect()
    }

    /// The requests to the host so far, such as `"call calc.add"`, `"emit greeted"` or `"get notes/a"`. Each has its
    /// rights: those of a caller by name, or the component's own. See [`crate::Context::as_component`].
    pub fn requests(&self) -> Vec<(String, Option<String>)> {
        lock(&self.services.state).requests.clone()
    }

    /// The document stored at a path of the component's data, without `_meta`.
    pub fn stored(&self, path: &str) -> Option<Value> {
        lock(&self.services.state)
            .documents
            .get(path.trim_start_matches('/'))
            .cloned()
    }

    fn hint(&self, kind: u32) {
        self.services.queue(Item {
            kind,
            ..Item::default()
        });
        self.settle();
    }

    fn order(&self, kind: u32, name: &str) -> Result<Vec<u8>, Error> {
        let item = Item {
            kind,
            ..Item::default()
        };
        self.order_with(name, item)
    }

    fn order_with(&self, name: &str, item: Item) -> Result<Vec<u8>, Error> {
        let token = self.services.next_token();
        self.services.queue(Item { token, ..item });
        self.answer_to(token, name)
    }

    /// Runs the lane until a token is completed, well or with an error.
    fn answer_to(&self, token: u64, method: &str) -> Result<Vec<u8>, Error> {
        match self.completion_of(token, method)? {
            Completion::Answer(Status::OK, payload) => Ok(payload),
            Completion::Answer(Status::VALUE_ERROR, payload) if payload == NoError::PAYLOAD => Ok(Vec::new()),
            Completion::Answer(status, payload) => Err(Error::read(status, &payload)),
            Completion::Response(_) => Err(Error::new("a web response was given where none was asked for")),
        }
    }

    /// Runs the lane until a token is completed.
    fn completion_of(&self, token: u64, method: &str) -> Result<Completion, Error> {
        let mut until = Instant::now() + self.patience;
        loop {
            self.settle();
            if let Some(answer) = lock(&self.services.state).completed.remove(&token) {
                return Ok(answer);
            }
            if self.services.ring_before(u64::MAX) {
                until = Instant::now() + self.patience;
            } else if Instant::now() >= until {
                return Err(Error::new(format!("{}.{method} gave no answer", C::NAME)).name("Timeout"));
            } else {
                self.pause();
            }
        }
    }

    /// Works off what is queued, and what that leads to.
    fn settle(&self) {
        #[cfg(feature = "tokio")]
        if let Some(runtime) = &self.runtime {
            return runtime.block_on(async {
                self.work_off();
                // Tasks just started get their turn, and so does what they lead to.
                for _ in 0..4 {
                    tokio::task::yield_now().await;
                    self.work_off();
                }
            });
        }
        self.work_off();
    }

    fn work_off(&self) {
        loop {
            let items = self.services.take();
            if items.is_empty() {
                return;
            }
            self.instance.work(0, items.iter().map(borrow));
        }
    }

    fn pause(&self) {
        #[cfg(feature = "tokio")]
        if let Some(runtime) = &self.runtime {
            let host = self.host;
            return host
                .enter(|| runtime.block_on(async { tokio::time::sleep(Duration::from_millis(1)).await }));
        }
        self.services.wait(Duration::from_millis(5));
    }
}

impl<C: Component> Drop for Harness<C> {
    fn drop(&mut self) {
        let instance = &self.instance;
        #[cfg(feature = "tokio")]
        if let Some(lane) = instance.lane(0) {
            lane.lane().runtime.set(None);
            self.runtime = None;
        }
        self.host.enter(|| instance.destroy());
    }
}

impl<C: Component> std::fmt::Debug for Harness<C> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Harness")
            .field("component", &C::NAME)
            .finish_non_exhaustive()
    }
}

fn borrow(item: &Item) -> WorkItem<'_> {
    WorkItem {
        kind: item.kind,
        token: item.token,
        status: item.status,
        method: item.method,
        target: &item.target,
        payload: &item.payload,
        origin: &item.origin,
    }
}
