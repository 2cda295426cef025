//! Kinds of failures of swaps, for programs that act on them.
//!
//! Enters: nothing. Leaves: one word for each kind, the same in a report, in an answer of the control socket and in
//! code. Guarantees: a kind says what to do next; sentences beside it are for people, and may change.

use serde::{Deserialize, Serialize};

/// Why components were not changed, or were changed back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailureKind {
    /// The request could not be read.
    Request,
    /// There is no such component, or no such version of it.
    NotFound,
    /// A component has several versions, and the request does not say which one is meant.
    Ambiguous,
    /// The component is no library: it is part of the host, or runs elsewhere.
    PartOfTheHost,
    /// mesh.toml cannot be read, or is wrong.
    Configuration,
    /// The library cannot be read, or is no component that this host can load.
    Library,
    /// The library misbehaved when it was tried out in a process of its own.
    Rehearsal,
    /// The version is outside the range that was asked for, or somebody relies on what would be gone.
    Requirement,
    /// The version is loaded already.
    Duplicate,
    /// A limit was reached: of versions, or of what the process may hold.
    Limit,
    /// The version could not be created, did not start, or is not well.
    Start,
    /// State was not given, not taken, or would be lost.
    State,
    /// Calls would have waited too long while state was handed over.
    Handover,
    /// The version misbehaved in its probation, and the one before serves again.
    Probation,
    /// The version misbehaved in its probation and serves on, since the one before did not take the state over in time.
    NotRolledBack,
    /// mesh.toml was changed by somebody else meanwhile.
    FileChanged,
    /// mesh.toml cannot be written.
    FileNotWritten,
    /// The host failed where it should not.
    Unexpected,
}
