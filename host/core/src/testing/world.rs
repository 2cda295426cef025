//! A mesh, its clients and its components, and one seed for all that may happen in more than one order.
//!
//! Enters: requests of clients as JSON. Leaves: frames as clients read them. Guarantees: a step is one batch of
//! requests, one turn of writing or one answer of a component. A world that does not come to rest says so, with its
//! seed.

use super::component::{Clerk, Desk, TestComponent, Waiting, expire, orphaned};
use super::connection::Connection;
use super::departures::{Departure, Departures};
use super::users::{SECRET, settings};
use crate::mesh::{Builtin, Clock, Mesh, Settings, Site};
use mesh_choices::Choices;
use mesh_plugin::{Rehearsal, Stage};
use mesh_security::{Administrator, Security};
use mesh_session::pubsub::Limits;
use mesh_session::{AdmissionLimits, Session};
use mesh_store::{MemoryStore, Store};
use mesh_wire::protocol::Dialect;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::runtime::{Builder, Runtime};

/// The name of every world, and its domain.
pub(super) const NAME: &str = "World";
/// How long other threads may take for a part of a step.
const PATIENCE: Duration = Duration::from_secs(20);
/// More steps than this in a row are a circle.
const MOST_STEPS: usize = 100_000;
/// How long a call may take.
pub(super) const CALL_TIMEOUT: Duration = Duration::from_secs(10);

/// A client of a world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Client(usize);

/// A frame that was written.
#[derive(Clone, Debug, PartialEq)]
pub struct Written {
    /// To whom.
    pub client: Client,
    /// The frame.
    pub frame: Value,
}

/// The possible next steps.
#[derive(Clone, Copy)]
enum Step {
    Read(usize),
    Write(usize),
    /// The call at this place of the desk is worked off.
    Answer(usize),
}

/// A component that was started.
struct Acting {
    written: TestComponent,
    started: Arc<Builtin>,
}

/// A whole mesh.
pub struct World {
    seed: u64,
    choices: Choices,
    clock: Clock,
    mesh: Arc<Mesh>,
    connections: Vec<Connection>,
    components: Vec<Acting>,
    desk: Desk,
    /// Calls that their methods do not answer.
    kept: Vec<Waiting>,
    departures: Departures,
    /// All frames in the order in which they were written, until somebody takes them.
    written: Vec<Written>,
    next_event: u64,
    /// The last to be dropped: it runs what the mesh has begun.
    runtime: Runtime,
}

impl World {
    /// A mesh in which nobody has to log in.
    ///
    /// # Panics
    ///
    /// As all that is here, when the system gives no threads or memory.
    pub fn new(seed: u64) -> World {
        World::with(seed, false)
    }

    /// A mesh in which users log in.
    pub fn secure(seed: u64) -> World {
        World::with(seed, true)
    }

    fn with(seed: u64, is_secure: bool) -> World {
        let runtime = match Builder::new_current_thread().enable_time().build() {
            Ok(runtime) => runtime,
            Err(error) => panic!("no runtime: {error}"),
        };
        let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
        let security = is_secure.then(|| {
            // Without a password for the administrator nothing has to be hashed.
            let administrator = Administrator {
                password: None,
                public_key: None,
            };
            let opened = Security::open(settings(NAME), store.clone(), administrator, Some(SECRET));
            match runtime.block_on(opened) {
                Ok(security) => Arc::new(security),
                Err(error) => panic!("no security: {error}"),
            }
        });
        let clock = Clock::stopped();
        let mesh = {
            let _inside = runtime.enter();
            let store: Arc<dyn Store> = match is_secure {
                true => Arc::new(mesh_store::PublicStore::new(store)),
                false => store,
            };
            Mesh::with_clock(mesh_settings(), store, security, clock.clone())
        };
        let departures = Departures::default();
        mesh.observe(departures.observer());
        World {
            seed,
            choices: Choices::new(seed),
            clock,
            mesh,
            connections: Vec::new(),
            components: Vec::new(),
            desk: Desk::default(),
            kept: Vec::new(),
            departures,
            written: Vec::new(),
            next_event: 0,
            runtime,
        }
    }

    /// The mesh.
    pub fn mesh(&self) -> &Arc<Mesh> {
        &self.mesh
    }

    /// The session of a client.
    pub fn session(&self, client: Client) -> &Arc<Session> {
        self.connections[client.0].session()
    }

    /// Runs something that waits.
    pub fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    /// Connects a client that speaks a dialect. In a secure world it has not logged in yet.
    pub fn connect(&mut self, dialect: Dialect) -> Client {
        let client = Client(self.connections.len());
        let port = 1024 + client.0 as u16;
        self.connections
            .push(Connection::open(&self.mesh, ([127, 0, 0, 1], port).into()));
        self.request(
            client,
            &json!({"action": "configure-session", "data": {"protocol": dialect.name()}}),
        );
        client
    }

    /// Connects a client and logs in, with a token.
    ///
    /// # Panics
    ///
    /// When the login is refused.
    pub fn connect_as(&mut self, dialect: Dialect, username: &str) -> Client {
        let client = self.connect(dialect);
        let login = json!({"action": "login", "data": {"token": self.token(username)}});
        let answer = self.request(client, &login);
        assert_eq!(answer["_meta"]["status"], "ok", "{username}: {answer}");
        client
    }

    /// Starts a component.
    ///
    /// # Panics
    ///
    /// When one of the same name and version is there.
    pub fn start(&mut self, component: TestComponent) {
        let place = self.components.len();
        // Sessions count upwards from far below.
        let number = u64::MAX - place as u64;
        let clerk = Clerk {
            component: place,
            desk: self.desk.clone(),
            clock: self.clock.clone(),
            timeout: self.mesh.call_timeout(),
        };
        let started = Arc::new(Builtin::new(
            component.identity(self.mesh.name(), self.mesh.domain(), number),
            component.descriptor(),
            Box::new(clerk),
            usize::MAX,
        ));
        let registered = self.mesh.register(started.clone());
        assert!(registered.is_ok(), "{component:?} is there twice");
        self.components.push(Acting {
            written: component,
            started,
        });
    }

    /// Sends a request, and gives it an `eventId`, which is returned. Nothing is worked off yet.
    pub fn send(&mut self, client: Client, request: &Value) -> u64 {
        let number = self.next_number();
        let mut request = request.clone();
        request["eventId"] = json!(number);
        request["sessionId"] = json!(self.session(client).id());
        self.send_text(client, &request.to_string());
        number
    }

    /// Sends a frame as it is.
    pub fn send_text(&mut self, client: Client, text: &str) {
        self.connections[client.0].inbox.push_back(text.to_owned().into());
    }

    /// Sends a request, lets everything happen that comes of it, and takes its answer.
    ///
    /// # Panics
    ///
    /// When there is none, or more than one.
    pub fn request(&mut self, client: Client, request: &Value) -> Value {
        let event = self.send(client, request);
        self.settle();
        let is_answer =
            |written: &Written| written.client == client && answered(&written.frame) == Some(event);
        let mut answers = self.take_if(is_answer);
        assert_eq!(
            answers.len(),
            1,
            "{}: answers of {request}: {answers:?}",
            self.place()
        );
        answers.remove(0).frame
    }

    /// Takes one step, if there is anything to do. Returns whether there was.
    pub fn step(&mut self) -> bool {
        let mut steps = Vec::new();
        for (place, connection) in self.connections.iter().enumerate() {
            if connection.may_read() {
                steps.push(Step::Read(place));
            }
            if connection.may_write() {
                steps.push(Step::Write(place));
            }
        }
        steps.extend((0..self.desk.lock().len()).map(Step::Answer));
        if steps.is_empty() {
            return false;
        }
        match steps[self.choices.below(steps.len())] {
            Step::Read(place) => {
                let now = self.clock.now();
                self.connections[place].read(now, &mut self.choices);
            }
            Step::Write(place) => {
                for frame in self.connections[place].write() {
                    let frame = serde_json::from_str(&frame).unwrap_or_else(|_| json!(frame.as_str()));
                    self.written.push(Written {
                        client: Client(place),
                        frame,
                    });
                }
            }
            Step::Answer(place) => {
                let waiting = self.desk.lock().remove(place);
                let Acting { written, started } = &mut self.components[waiting.component];
                let services = self.mesh.services();
                let kept = written.work_off(waiting, started.emitter(), &*services);
                self.kept.extend(kept);
            }
        }
        true
    }

    /// Takes steps until nothing is left to do.
    ///
    /// # Panics
    ///
    /// When that never comes.
    pub fn settle(&mut self) {
        let started = Instant::now();
        let mut steps = 0;
        loop {
            while self.step() {
                steps += 1;
                assert!(steps < MOST_STEPS, "{}: there is always more to do", self.place());
            }
            if !self.connections.iter().any(Connection::waits) {
                return;
            }
            assert!(
                started.elapsed() < PATIENCE,
                "{}: a request waits for ever",
                self.place()
            );
            self.block_on(async { tokio::time::sleep(Duration::from_millis(1)).await });
        }
    }

    /// Lets time pass, and everything happen that comes of it.
    pub fn pass(&mut self, time: Duration) {
        self.clock.advance(time);
        self.mesh.expire();
        let now = self.clock.now();
        expire(&mut self.desk.lock(), now);
        expire(&mut self.kept, now);
        self.settle();
    }

    /// The client goes.
    pub fn disconnect(&mut self, client: Client) {
        self.connections[client.0].end(None);
    }

    /// Whether the client's connection has ended.
    pub fn has_ended(&self, client: Client) -> bool {
        self.connections[client.0].has_ended()
    }

    /// The client reads nothing from now on.
    pub fn stall(&mut self, client: Client) {
        self.connections[client.0].is_stalled = true;
    }

    /// The client reads again.
    pub fn resume(&mut self, client: Client) {
        self.connections[client.0].is_stalled = false;
        self.connections[client.0].wake();
    }

    /// Calls that wait for their answers.
    pub fn waiting_calls(&self) -> usize {
        self.desk.lock().len() + self.kept.len()
    }

    /// Those of them whose callers have gone.
    pub fn orphaned_calls(&self) -> usize {
        orphaned(&self.desk.lock()) + orphaned(&self.kept)
    }

    /// All frames that were written and not taken, in order.
    pub fn take_all(&mut self) -> Vec<Written> {
        std::mem::take(&mut self.written)
    }

    /// The frames of one client that were not taken.
    pub fn take(&mut self, client: Client) -> Vec<Value> {
        let own = self.take_if(|written| written.client == client);
        own.into_iter().map(|written| written.frame).collect()
    }

    /// Those frames that are meant, of all that were not taken.
    pub fn take_if(&mut self, is_meant: impl Fn(&Written) -> bool) -> Vec<Written> {
        self.written.extract_if(.., |written| is_meant(written)).collect()
    }

    /// A number that no request and no call of this world has.
    pub(super) fn next_number(&mut self) -> u64 {
        self.next_event += 1;
        self.next_event
    }

    /// The events that have left the mesh since the last look.
    pub fn take_departures(&mut self) -> Vec<Departure> {
        self.departures.take()
    }

    /// Names the seed, for messages.
    pub fn place(&self) -> String {
        format!("seed {}", self.seed)
    }
}

/// The `eventId` of a frame that is an answer.
fn answered(frame: &Value) -> Option<u64> {
    // Some answers are arrays, which end with what others have as `_meta`.
    let meta = frame.as_array().and_then(|all| all.last());
    let meta = meta.unwrap_or(&frame["_meta"]);
    (meta["type"] == "response").then(|| meta["eventId"].as_u64())?
}

fn mesh_settings() -> Settings {
    Settings {
        name: NAME.to_owned(),
        domain: NAME.to_owned(),
        call_timeout: CALL_TIMEOUT,
        client_timeout: CALL_TIMEOUT,
        acknowledge_timeout: Duration::from_secs(5),
        lane_queue: 1 << 20,
        session_queue: 1 << 20,
        admission: AdmissionLimits {
            all: 1000,
            per_address: 1000,
        },
        compression: false,
        ping_interval: Duration::from_secs(60),
        subscriptions_each: Limits {
            count: 1000,
            bytes: 1 << 20,
        },
        // No library is ever loaded.
        stage: Stage {
            folder: PathBuf::new(),
            rehearsal: Rehearsal::off(),
        },
        site: Site::default(),
        console: false,
    }
}
