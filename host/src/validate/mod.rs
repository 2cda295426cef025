//! Whether a component library keeps the contract, tried out from the host's side.
//!
//! Enters: a library and a configuration for its component ([`Subject`]). Leaves: a [`CheckReport`] for each
//! [`Check`], every fault one sentence that says what is wrong and what would be right. Guarantees: each check runs
//! in a process of its own ([`supervise`]), so that a library which crashes or never returns costs its own check
//! alone. The library is loaded by the same loader as in a serving host, and asks a host without a mesh for whatever
//! it wants (`mesh_plugin::inside::Alone`).

mod arguments;
mod calls;
mod entry;
mod faults;
mod file;
mod health;
mod held;
mod inside;
mod judge;
mod lives;
mod orders;
mod process;
mod quiesce;
mod report;
mod rounds;
mod routes;
mod schema;
mod state;
mod subject;
mod supervise;
mod warnings;
mod wrong_state;

pub use inside::inside;
pub use report::{About, CheckReport, Finding, Verdict};
pub use supervise::supervise;

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

/// The checks, and their patience.
#[derive(Clone, Debug)]
pub struct Subject {
    /// The library file.
    pub library: PathBuf,
    /// JSON object for the component.
    pub config: String,
    /// Bytes of stack that each of its lanes has.
    pub stack_bytes: usize,
    /// How often it is loaded and unloaded.
    pub rounds: u32,
    /// How long a method may take to answer before it is given up.
    pub answer_time: Duration,
    /// How long one step of a check may take before its process is ended.
    pub step_time: Duration,
}

/// One aspect of the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// It can be opened and says what it is.
    Inspect,
    /// The file is built so that it can be loaded and unloaded.
    File,
    /// The host's own rehearsal lets it through.
    Rehearsal,
    /// Its description is as the contract has it.
    Description,
    /// Its descriptor keeps to the schema.
    Schema,
    /// Its description is one that is static.
    Entry,
    /// It can be created, started, stopped, destroyed and unloaded, also twice at the same time.
    Lifecycle,
    /// It leaves the state of the process as it is.
    Process,
    /// It answers calls of methods that it does not have.
    UnknownMethod,
    /// Its methods answer without arguments.
    NoArguments,
    /// Its methods answer arguments that nobody would expect.
    OddArguments,
    /// Calls may be given up.
    Cancel,
    /// Its web routes answer.
    Routes,
    /// Events, replies and hints that it does not expect do no harm.
    UnexpectedWork,
    /// Many calls at the same time are each answered once.
    AtOnce,
    /// The state goes to another instance, and back.
    State,
    /// A state that is not its own is refused.
    WrongState,
    /// It says how it is.
    Health,
    /// Pausing loses no call, and it serves again.
    Quiesce,
    /// Loading and unloading over and over gives everything back.
    Rounds,
}

impl Check {
    /// All checks in the order in which they are made.
    pub const ALL: [Check; 20] = [
        Check::Inspect,
        Check::File,
        Check::Rehearsal,
        Check::Description,
        Check::Schema,
        Check::Entry,
        Check::Lifecycle,
        Check::Process,
        Check::UnknownMethod,
        Check::NoArguments,
        Check::OddArguments,
        Check::Cancel,
        Check::Routes,
        Check::UnexpectedWork,
        Check::AtOnce,
        Check::State,
        Check::WrongState,
        Check::Health,
        Check::Quiesce,
        Check::Rounds,
    ];

    /// The name shown to people.
    pub fn as_str(self) -> &'static str {
        match self {
            Check::Inspect => "inspect",
            Check::File => "file",
            Check::Rehearsal => "rehearsal",
            Check::Description => "description",
            Check::Schema => "schema",
            Check::Entry => "entry",
            Check::Process => "process",
            Check::Lifecycle => "lifecycle",
            Check::UnknownMethod => "unknown-method",
            Check::NoArguments => "no-arguments",
            Check::OddArguments => "odd-arguments",
            Check::Cancel => "cancel",
            Check::Routes => "routes",
            Check::UnexpectedWork => "unexpected-work",
            Check::AtOnce => "at-once",
            Check::State => "state",
            Check::WrongState => "wrong-state",
            Check::Health => "health",
            Check::Quiesce => "quiesce",
            Check::Rounds => "rounds",
        }
    }

    /// The promise that holds when nothing is wrong.
    pub fn promise(self) -> &'static str {
        match self {
            Check::Inspect => "it opens, and describes itself as plugins must",
            Check::File => "it is built so that versions can replace each other",
            Check::Rehearsal => "it harms nobody when it is opened and closed",
            Check::Description => "it says of itself only what the contract knows",
            Check::Schema => "its descriptor keeps to the schema in every place",
            Check::Entry => "its entry function says the same at each call, from memory that stays",
            Check::Process => "it leaves signals, folder, environment, limits and streams to the host",
            Check::Lifecycle => "it starts, stops and unloads, and two instances live side by side",
            Check::UnknownMethod => "a call of a method that it lacks is an error",
            Check::NoArguments => "every method answers a call without arguments",
            Check::OddArguments => "every method answers arguments of the wrong kind, number, size and depth",
            Check::Cancel => "calls that are given up do no harm",
            Check::Routes => "every web route answers, whatever is sent to it",
            Check::UnexpectedWork => "events and replies that it does not expect do no harm",
            Check::AtOnce => "many calls on four lanes are each answered once",
            Check::State => "its state goes to a new instance and back, and calls go on",
            Check::WrongState => {
                "bytes and schemas that are no state of its own are refused, and calls go on"
            }
            Check::Health => "it says that it is well, each time that it is asked",
            Check::Quiesce => "it answers the calls that it has when it pauses, and serves again",
            Check::Rounds => "memory, threads, thread keys, descriptors and mappings are given back",
        }
    }
}

/// A text that names no check.
#[derive(Debug, thiserror::Error)]
#[error("there is no check of this name; there are {}", Check::ALL.map(Check::as_str).join(", "))]
pub struct UnknownCheck;

impl FromStr for Check {
    type Err = UnknownCheck;

    fn from_str(name: &str) -> Result<Check, UnknownCheck> {
        Check::ALL
            .into_iter()
            .find(|check| check.as_str() == name)
            .ok_or(UnknownCheck)
    }
}
