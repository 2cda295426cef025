//! The runner of a library's code, and all that a component asks of it.
//!
//! Enters: a [`LoadRequest`]. Leaves: an instance whose lanes are worked off, and in the end how much of the library is
//! left. Guarantees: once [`Unloaded::Gone`] is said, no code of the library runs; a runner ends once.
//!
//! Calls, events and orders do not pass through here. They go into the lanes of the instance, and a runner takes them from
//! there until the lanes are closed. So it costs a call nothing which runner there is. Today there is one: threads of this
//! process.

mod in_process;
#[cfg(feature = "testing")]
mod played;

use super::instance::Instance;
use super::instance::Services;
use super::lane::Limits;
use super::{Descriptor, LoadError, Stage};
use in_process::Threads;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Looks at what a library says of itself, and refuses it or not.
pub type Approval = Box<dyn FnOnce(&Descriptor) -> Result<(), LoadError> + Send + Sync>;

/// The library to load, and the component that it becomes.
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
    /// Bytes of stack that each lane has.
    pub stack_bytes: usize,
    /// The limits of each lane.
    pub limits: Limits,
    /// Where its private copy goes, and how that is tried out.
    pub stage: Stage,
    /// How long the component may take to start.
    pub start_timeout: Duration,
    /// The services that the component may ask of the host.
    pub services: Arc<dyn Services>,
    /// Whether it asks for what its callers want with their rights.
    pub delegates: bool,
    /// A last look at what the library says of itself, before any instance is made.
    pub approve: Approval,
}

/// The fate of a library after its component was stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unloaded {
    /// Its memory is mapped no more.
    Gone,
    /// It is still there, for this reason.
    Resident(String),
}

/// Bytes of stack that a lane has where nothing else is said.
pub const LANE_STACK: usize = 2 << 20;

/// The reason of [`Unloaded::Resident`] where a lane does not come back from the library.
pub(super) const LANE_IS_BUSY: &str = "one of its lanes is still busy";

/// A library of which an instance was made.
pub(super) struct Loaded {
    pub(super) instance: Arc<Instance>,
    pub(super) descriptor: Arc<Descriptor>,
    pub(super) runner: Runner,
}

/// Runs the code of one library. Its parts are taken when it ends.
pub(super) struct Runner(Mutex<Option<Running>>);

/// The parts that are left to be ended.
enum Running {
    Threads(Threads),
    #[cfg(feature = "testing")]
    Played(played::PlayedLanes),
}

impl Runner {
    fn of(running: Running) -> Runner {
        Runner(Mutex::new(Some(running)))
    }

    /// Loads a library and makes an instance of its component. The instance has not been told to start.
    ///
    /// # Errors
    ///
    /// One sentence for each way in which a library can be unusable.
    pub(super) async fn load(request: LoadRequest) -> Result<Loaded, LoadError> {
        #[cfg(feature = "testing")]
        if let Some(player) = request.stage.rehearsal.player().cloned() {
            return played::load(request, &*player).await;
        }
        let (opened, threads) = in_process::load(request).await?;
        Ok(Loaded {
            instance: opened.instance,
            descriptor: opened.descriptor,
            runner: Runner::of(Running::Threads(threads)),
        })
    }

    /// Asks a library what it is.
    ///
    /// # Errors
    ///
    /// As for [`Runner::load`], as far as that goes.
    pub(super) async fn describe(library: PathBuf, stage: Stage) -> Result<Descriptor, LoadError> {
        in_process::describe(library, stage).await
    }

    /// Waits until the lanes, which must be closed, have been left, and unloads the library. `patience` bounds the wait for the
    /// lanes, and again that for threads of the library.
    pub(super) async fn end(&self, patience: Duration) -> Unloaded {
        let running = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        match running {
            Some(Running::Threads(threads)) => threads.end(patience).await,
            #[cfg(feature = "testing")]
            Some(Running::Played(lanes)) => lanes.end(patience).await,
            None => Unloaded::Resident("it is being unloaded already".to_owned()),
        }
    }
}
