//! A loaded version as the host holds it: started, called, stopped.
//!
//! What happens on its threads meanwhile is in `lifecycle.rs`.

use super::ffi::interpose;
use super::instance::{Identity, Instance, Services};
use super::lane::{Answer, Job, JobKind, Refusal, Wake};
use super::lifecycle::{self, LaneZero};
use super::{Descriptor, LoadError, LoadErrorKind, Status};
use bytes::Bytes;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// Without the host's own key functions the process has room for this many libraries.
const LIBRARIES_WITHOUT_KEY_RELEASE: u64 = 900;

/// Looks at what a library says of itself, and refuses it or not.
pub type Approval = Box<dyn FnOnce(&Descriptor) -> Result<(), LoadError> + Send>;

/// What to load, and as what.
pub struct LoadRequest {
    /// The library file.
    pub library: PathBuf,
    /// The name to register it under.
    pub name: String,
    /// The mesh's name.
    pub mesh: String,
    /// The mesh's domain.
    pub domain: String,
    /// JSON object for the component.
    pub config: String,
    /// How many lanes, 1 to 64.
    pub lanes: u32,
    /// Bytes that may wait for each lane.
    pub queue_limit: usize,
    /// Where private copies of libraries go.
    pub stage: PathBuf,
    /// How long the component may take to start.
    pub start_timeout: Duration,
    /// What the component may ask of the host.
    pub services: Arc<dyn Services>,
    /// A last look at what the library says of itself, before any instance is made.
    pub approve: Approval,
}

/// Where a loaded version is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ComponentState {
    /// Made, and getting ready.
    Starting = 0,
    /// Answers calls.
    Active = 1,
    /// Gets no new calls; finishes those it has.
    Draining = 2,
    /// Its code does not run any more.
    Stopped = 3,
}

impl ComponentState {
    /// The word shown to people.
    pub fn as_str(self) -> &'static str {
        match self {
            ComponentState::Starting => "starting",
            ComponentState::Active => "active",
            ComponentState::Draining => "draining",
            ComponentState::Stopped => "stopped",
        }
    }
}

/// What became of a library after its component was stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unloaded {
    /// Its memory is mapped no more.
    Gone,
    /// It is still there, for this reason.
    Resident(String),
}

/// A loaded, started component.
pub struct Component {
    instance: Arc<Instance>,
    descriptor: Arc<Descriptor>,
    library: PathBuf,
    state: AtomicU8,
    calls: AtomicU64,
    timeouts: AtomicU64,
    lane_zero: Mutex<Option<JoinHandle<LaneZero>>>,
    /// What answers in place of a library.
    native: Option<Arc<dyn Native>>,
}

/// A component that is part of the host itself.
pub trait Native: Send + Sync {
    /// Answers a call, now or later, from any thread. Must not wait.
    fn call(&self, call: NativeCall, answer: Box<dyn Answer>);
}

/// A call of a component that is part of the host itself.
#[derive(Clone, Debug)]
pub struct NativeCall {
    /// The method's name, one that the component's descriptor lists.
    pub method: Bytes,
    /// A JSON array of arguments.
    pub arguments: Bytes,
    /// A JSON object about the caller.
    pub origin: Bytes,
}

impl Component {
    /// Loads a library, makes its component and waits until it has started.
    ///
    /// # Errors
    ///
    /// One sentence for each way in which a library can be unusable; nothing of it is left in memory then, unless a
    /// thread of its own still runs.
    pub async fn load(request: LoadRequest) -> Result<Component, LoadError> {
        static LOADED: AtomicU64 = AtomicU64::new(0);
        let count = LOADED.fetch_add(1, Ordering::Relaxed);
        if count >= LIBRARIES_WITHOUT_KEY_RELEASE && !interpose::is_active() {
            return Err(LoadError::new(
                LoadErrorKind::Resources,
                "900 libraries were loaded, and thread keys cannot be released in this build of the host: restart it to load more",
            ));
        }
        let (library, start_timeout) = (request.library.clone(), request.start_timeout);
        let (report, opened) = oneshot::channel();
        let thread_name = request.name.clone();
        let lane_zero = thread::Builder::new()
            .name(format!("{thread_name}/0"))
            .spawn(move || lifecycle::lane_zero(request, report))
            .map_err(|error| {
                LoadError::new(LoadErrorKind::Resources, format!("cannot start a lane: {error}"))
            })?;
        // A lane that ends without a report has panicked in host code.
        let opened = opened.await.unwrap_or_else(|_| {
            Err(LoadError::new(
                LoadErrorKind::Create,
                format!("{} could not be created", library.display()),
            ))
        });
        let opened = match opened {
            Ok(opened) => opened,
            Err(error) => {
                lifecycle::clear_away(lane_zero, Duration::from_secs(10)).await;
                return Err(error);
            }
        };
        let component = Component {
            instance: opened.instance,
            descriptor: opened.descriptor,
            library,
            state: AtomicU8::new(ComponentState::Starting as u8),
            calls: AtomicU64::new(0),
            timeouts: AtomicU64::new(0),
            lane_zero: Mutex::new(Some(lane_zero)),
            native: None,
        };
        match component.order(JobKind::Start, start_timeout).await {
            Ok(()) => {
                component
                    .state
                    .store(ComponentState::Active as u8, Ordering::Release);
                Ok(component)
            }
            Err(reason) => {
                let error = LoadError::new(
                    LoadErrorKind::Start,
                    format!(
                        "component {} of {} did not start: {reason}",
                        component.name(),
                        component.library.display()
                    ),
                );
                component.end_lanes(Duration::from_secs(2)).await;
                Err(error)
            }
        }
    }

    /// A component that is part of the host itself: no library, no lanes. `number` groups what it subscribes to.
    pub fn native(
        identity: Identity,
        descriptor: Descriptor,
        services: Arc<dyn Services>,
        native: Arc<dyn Native>,
    ) -> Component {
        Component {
            instance: Arc::new(Instance::new(identity, Box::new([]), services)),
            descriptor: Arc::new(descriptor),
            library: PathBuf::from("(part of the host)"),
            state: AtomicU8::new(ComponentState::Active as u8),
            calls: AtomicU64::new(0),
            timeouts: AtomicU64::new(0),
            lane_zero: Mutex::new(None),
            native: Some(native),
        }
    }

    /// Opens a library, asks it what it is, and unloads it again. Nothing of it runs but its constructors.
    ///
    /// # Errors
    ///
    /// As for [`Component::load`], as far as that goes.
    pub async fn inspect(library: PathBuf, stage: PathBuf) -> Result<Descriptor, LoadError> {
        let (report, described) = oneshot::channel();
        let lane = thread::Builder::new()
            .name("inspect".to_owned())
            .spawn(move || lifecycle::look(&library, &stage, report))
            .map_err(|error| {
                LoadError::new(LoadErrorKind::Resources, format!("cannot start a lane: {error}"))
            })?;
        let described = described.await;
        lifecycle::clear_away(lane, Duration::from_secs(5)).await;
        described.unwrap_or_else(|_| {
            Err(LoadError::new(
                LoadErrorKind::File,
                "the library could not be looked at",
            ))
        })
    }

    /// The name it is registered under.
    pub fn name(&self) -> &str {
        &self.instance.identity().component
    }

    /// What the library says of itself.
    pub fn descriptor(&self) -> &Descriptor {
        &self.descriptor
    }

    /// The running instance.
    pub fn instance(&self) -> &Arc<Instance> {
        &self.instance
    }

    /// The file it was loaded from.
    pub fn library(&self) -> &Path {
        &self.library
    }

    /// Where it is in its life.
    pub fn state(&self) -> ComponentState {
        match self.state.load(Ordering::Acquire) {
            0 => ComponentState::Starting,
            1 => ComponentState::Active,
            2 => ComponentState::Draining,
            _ => ComponentState::Stopped,
        }
    }

    /// Calls taken so far.
    pub fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    /// Calls given up because their deadline passed.
    pub fn timeouts(&self) -> u64 {
        self.timeouts.load(Ordering::Relaxed)
    }

    /// Calls not yet answered.
    pub fn pending(&self) -> usize {
        self.instance.lanes().iter().map(|lane| lane.pending()).sum()
    }

    /// Completions that came late or twice.
    pub fn late_completions(&self) -> u64 {
        self.instance.late_completions()
    }

    /// Events dropped because a lane's queue was full.
    pub fn dropped_events(&self) -> u64 {
        self.instance
            .lanes()
            .iter()
            .map(|lane| lane.dropped_events())
            .sum()
    }

    /// How many lanes it has.
    pub fn lanes(&self) -> usize {
        self.instance.lanes().len()
    }

    /// Hands a call to a lane, which is woken when the returned [`Wake`] is dropped. On refusal the answer comes back
    /// with the reason in words.
    pub fn call(
        &self,
        job: Job,
        answer: Box<dyn Answer>,
        deadline: Instant,
    ) -> Result<Wake, (&'static str, Box<dyn Answer>)> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        if let Some(native) = &self.native {
            native.call(
                NativeCall {
                    method: job.target,
                    arguments: job.payload,
                    origin: job.origin,
                },
                answer,
            );
            return Ok(Wake::nobody());
        }
        self.instance
            .submit(job, answer, deadline)
            .map_err(|(refusal, answer)| match refusal {
                Refusal::Full => ("has too many calls waiting", answer),
                Refusal::Closed => ("is stopping", answer),
            })
    }

    /// Gives up calls whose deadline has passed.
    pub fn expire(&self, now: Instant) {
        let expired: usize = self.instance.lanes().iter().map(|lane| lane.expire(now)).sum();
        self.timeouts.fetch_add(expired as u64, Ordering::Relaxed);
    }

    /// Waits until no call is left, for at most `drain`; stops the component and unloads its library.
    pub async fn stop(&self, drain: Duration) -> Unloaded {
        if self.native.is_some() {
            self.state.store(ComponentState::Stopped as u8, Ordering::Release);
            return Unloaded::Gone;
        }
        self.state
            .store(ComponentState::Draining as u8, Ordering::Release);
        let until = Instant::now() + drain;
        while self.pending() > 0 && Instant::now() < until {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        if let Err(reason) = self.order(JobKind::Stop, drain.max(Duration::from_secs(1))).await {
            tracing::warn!(
                component = self.name(),
                "the component did not stop properly: {reason}"
            );
        }
        self.end_lanes(drain.max(Duration::from_secs(2))).await
    }

    async fn end_lanes(&self, patience: Duration) -> Unloaded {
        for lane in self.instance.lanes() {
            lane.close();
        }
        let lane_zero = self
            .lane_zero
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let unloaded = match lane_zero {
            Some(lane_zero) => lifecycle::clear_away(lane_zero, patience).await,
            None => Unloaded::Resident("it is being unloaded already".to_owned()),
        };
        for lane in self.instance.lanes() {
            lane.abandon();
        }
        self.state.store(ComponentState::Stopped as u8, Ordering::Release);
        unloaded
    }

    /// Sends `START` or `STOP` and waits for its completion.
    async fn order(&self, kind: JobKind, patience: Duration) -> Result<(), String> {
        let (sender, outcome) = oneshot::channel();
        let Some(lane) = self.instance.lanes().first() else {
            return Err("it has no lane".to_owned());
        };
        match lane.submit(
            Job::new(kind, 0),
            Box::new(Told(sender)),
            Instant::now() + patience,
        ) {
            Ok(wake) => drop(wake),
            Err(_) => return Err("its lane takes no more work".to_owned()),
        }
        match tokio::time::timeout(patience, outcome).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => Err("it was given up".to_owned()),
            Err(_) => Err(format!("it did not answer within {} ms", patience.as_millis())),
        }
    }
}

/// Waits for `START` and `STOP`.
struct Told(oneshot::Sender<Result<(), String>>);

impl Answer for Told {
    fn answer(self: Box<Self>, status: i32, payload: &[u8]) {
        let outcome = if status == Status::OK {
            Ok(())
        } else {
            Err(reason_of(payload))
        };
        let _ = self.0.send(outcome);
    }

    fn abandon(self: Box<Self>, timed_out: bool) {
        let reason = if timed_out {
            "it did not answer in time"
        } else {
            "it ended without an answer"
        };
        let _ = self.0.send(Err(reason.to_owned()));
    }
}

/// The message of an error payload, or the payload itself.
fn reason_of(payload: &[u8]) -> String {
    let value: serde_json::Value = serde_json::from_slice(payload).unwrap_or_default();
    let error = value.get(0).unwrap_or(&value);
    match error.get("message").and_then(serde_json::Value::as_str) {
        Some(message) => message.to_owned(),
        None if payload.is_empty() => "it gave no reason".to_owned(),
        None => String::from_utf8_lossy(payload).into_owned(),
    }
}
