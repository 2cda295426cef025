//! Components that are written in a test.
//!
//! Enters: methods as functions. Leaves: components of the host, whose calls wait on a desk until the world takes one.
//! Guarantees: each call is answered once or stays; an answer leaves behind the events that the component emitted before.

use crate::mesh::{BuiltinCall, Handler};
use bytes::Bytes;
use mesh_plugin::{Abandoned, Answer, Descriptor, Emitter, Identity, Services, Status};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The name of these components in place of an SDK's.
const SDK: &str = "written in a test";

/// The behaviour of a method.
type Method = Box<dyn FnMut(&Call<'_>) -> Outcome>;

/// A component before it is started.
pub struct TestComponent {
    name: String,
    version: String,
    methods: BTreeMap<String, Method>,
}

/// How a method ends.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// With one result.
    Result(Value),
    /// With an error of this message.
    Error(String),
    /// With these bytes, whatever they are.
    Bytes(&'static [u8]),
    /// Not at all: the call is kept until its time is over.
    Never,
}

/// A call, as a method sees it.
pub struct Call<'a> {
    /// A JSON array.
    pub arguments: Value,
    /// The caller.
    pub origin: Value,
    services: &'a dyn Services,
    emitter: &'a Emitter,
}

impl Call<'_> {
    /// Emits an event of the component.
    pub fn emit(&self, key: &str, data: &Value) {
        self.emit_with(key, data, &json!({}));
    }

    /// Emits an event of the component, with options.
    pub fn emit_with(&self, key: &str, data: &Value, options: &Value) {
        let (data, options) = (data.to_string(), options.to_string());
        // A test sees what is not published.
        let _ = self
            .services
            .emit(self.emitter, key, data.as_bytes(), options.as_bytes());
    }
}

impl fmt::Debug for Call<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Call({} by {})", self.arguments, self.origin)
    }
}

impl fmt::Debug for TestComponent {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "TestComponent({} {})", self.name, self.version)
    }
}

impl TestComponent {
    /// A component without methods.
    pub fn new(name: &str, version: &str) -> TestComponent {
        TestComponent {
            name: name.to_owned(),
            version: version.to_owned(),
            methods: BTreeMap::new(),
        }
    }

    /// Adds a method.
    #[must_use]
    pub fn method(mut self, name: &str, method: impl FnMut(&Call<'_>) -> Outcome + 'static) -> TestComponent {
        self.methods.insert(name.to_owned(), Box::new(method));
        self
    }

    /// The name that it is called by.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The description that the mesh gets of it.
    pub(super) fn descriptor(&self) -> Descriptor {
        let methods: Vec<Value> = self
            .methods
            .keys()
            .map(|name| json!({"name": name, "parameters": []}))
            .collect();
        let described = json!({ "methods": methods }).to_string();
        let checked = Descriptor::check(
            SDK,
            self.name.as_bytes(),
            self.version.as_bytes(),
            SDK.as_bytes(),
            described.as_bytes(),
        );
        checked.unwrap_or_else(|error| panic!("{self:?} describes itself wrongly: {error}"))
    }

    /// Its identity. `number` groups its subscriptions.
    pub(super) fn identity(&self, mesh: &str, domain: &str, number: u64) -> Identity {
        Identity {
            mesh: mesh.to_owned(),
            domain: domain.to_owned(),
            component: self.name.clone(),
            version: self.version.clone(),
            number,
        }
    }

    /// Runs the method that a call names, and answers it. Gives the call back where the method does not.
    pub(super) fn work_off(
        &mut self,
        mut waiting: Waiting,
        emitter: &Emitter,
        services: &dyn Services,
    ) -> Option<Waiting> {
        let parsed = |json: &Bytes| serde_json::from_slice(json).unwrap_or(Value::Null);
        let call = Call {
            arguments: parsed(&waiting.call.arguments),
            origin: serde_json::from_str(waiting.call.origin.json()).unwrap_or(Value::Null),
            services,
            emitter,
        };
        let name = String::from_utf8_lossy(&waiting.call.method).into_owned();
        let Some(method) = self.methods.get_mut(&name) else {
            panic!("{self:?} was asked for {name}, which it does not describe");
        };
        let outcome = method(&call);
        let (status, payload): (i32, Bytes) = match outcome {
            Outcome::Never => return Some(waiting),
            Outcome::Result(result) => (Status::OK, json!([result]).to_string().into()),
            Outcome::Error(message) => {
                let error = json!([{"message": message, "name": "Error"}]);
                (Status::ERROR, error.to_string().into())
            }
            Outcome::Bytes(bytes) => (Status::OK, Bytes::from_static(bytes)),
        };
        if let Some(after) = emitter.unwritten() {
            waiting.answer.follow(after);
        }
        waiting.answer.answer(status, &payload);
        None
    }
}

/// A call that nobody has answered.
pub(super) struct Waiting {
    /// Which component it is for: its place in the world.
    pub(super) component: usize,
    call: BuiltinCall,
    answer: Box<dyn Answer>,
    deadline: Instant,
}

/// Calls that wait for their components.
#[derive(Clone, Default)]
pub(super) struct Desk(Arc<Mutex<Vec<Waiting>>>);

impl Desk {
    pub(super) fn lock(&self) -> MutexGuard<'_, Vec<Waiting>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The receiver of the mesh's calls.
pub(super) struct Clerk {
    pub(super) component: usize,
    pub(super) desk: Desk,
    pub(super) clock: crate::mesh::Clock,
    pub(super) timeout: Duration,
}

impl Handler for Clerk {
    fn call(&self, call: BuiltinCall, answer: Box<dyn Answer>) {
        self.desk.lock().push(Waiting {
            component: self.component,
            call,
            answer,
            deadline: self.clock.now() + self.timeout,
        });
    }
}

/// Ends the calls whose time is over.
pub(super) fn expire(waiting: &mut Vec<Waiting>, now: Instant) {
    let late = waiting.extract_if(.., |call| call.deadline <= now);
    late.for_each(|call| call.answer.abandon(Abandoned::TimedOut));
}

/// How many of these nobody waits for any more.
pub(super) fn orphaned(waiting: &[Waiting]) -> usize {
    waiting.iter().filter(|call| call.answer.is_orphaned()).count()
}
