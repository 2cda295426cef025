//! Reports of a swap: while it goes on, when it has switched, and when it is over.

use super::FailureKind;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

/// One step of a swap. A swap of several components takes each step for all of them before the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// Copy the library, check what it says of itself, and make an instance on lanes of its own.
    Create,
    /// Let calls of the old version wait, until it has answered those that it has.
    Quiet,
    /// Ask the old version for its state.
    Snapshot,
    /// Hand the state to the new version.
    Restore,
    /// Start the new version.
    Start,
    /// Ask the new version how it is.
    Health,
    /// Let the new version take over: one atomic store. Cannot fail.
    Switch,
    /// Watch the new version while the old one is kept.
    Probation,
    /// Let the old version finish its calls.
    Drain,
    /// Stop the old version and unload it.
    Unload,
    /// Let the old version go on, which never ceased to serve.
    Reopen,
    /// Unload the new version, which never served.
    Discard,
    /// Let calls of the new version wait, to take its state back.
    QuietBack,
    /// Ask the new version for the state.
    SnapshotBack,
    /// Hand the state to the old version.
    RestoreBack,
    /// Let the old version take over again. Cannot fail.
    SwitchBack,
    /// Stop the new version and unload it.
    UnloadNew,
    /// Let the new version go on, since the old one may still be at taking the state over.
    ReopenNew,
    /// Let the old version, which cannot come back, finish its calls; stop it and unload it.
    UnloadOld,
}

/// How a swap ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ending {
    /// The new version serves, the old one is gone.
    Replaced,
    /// The old version went on serving all the time.
    Refused,
    /// The new version served for a while, then the old one again.
    RolledBack,
    /// The new version misbehaved and serves all the same, since the old one could not come back.
    NotRolledBack,
}

/// A swap goes on to its next step.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Progress {
    /// The step.
    pub step: Step,
    /// The subject, in words.
    pub text: String,
}

/// One component in a [`Report`].
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct PartReport {
    /// The component's name.
    pub component: String,
    /// The version that served before; none for a component that was added.
    pub from: Option<String>,
    /// The version that takes over; none for one that was removed.
    pub to: Option<String>,
    /// The file of the new version.
    pub library: Option<String>,
    /// Bytes of state that were handed over; none where there is no state.
    pub state_bytes: Option<usize>,
}

/// A step that a swap has taken, or takes now.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StepReport {
    /// The step.
    pub step: Step,
    /// Its work, in words.
    pub text: String,
    /// Milliseconds from the beginning of the swap to that of the step.
    pub after_milliseconds: f64,
}

/// The state of a swap so far.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Report {
    /// The swap's number; the first of a running host is 1.
    pub number: u64,
    /// How it ended; none while it goes on, for example in probation.
    pub ending: Option<Ending>,
    /// Why it was refused or rolled back, in one sentence.
    pub reason: Option<String>,
    /// The kind of the failure that `reason` is about.
    #[serde(default)]
    pub failure: Option<FailureKind>,
    /// The components.
    pub components: Vec<PartReport>,
    /// Milliseconds from the beginning until the new versions served.
    pub switched_after_milliseconds: Option<f64>,
    /// Milliseconds for which calls waited while state was handed over.
    pub paused_milliseconds: f64,
    /// Milliseconds that the new components took to be created and to start, which is their own affair.
    pub start_milliseconds: f64,
    /// Seconds of probation that follow the switch; none when there is none.
    pub probation_seconds: Option<f64>,
    /// Warnings, though nothing failed.
    pub notes: Vec<String>,
    /// When it began: milliseconds since 1970.
    #[serde(default)]
    pub began: u64,
    /// The steps so far; the last one goes on until `ending` is there.
    #[serde(default)]
    pub steps: Vec<StepReport>,
    /// Milliseconds from the beginning to the end, when there is one.
    #[serde(default)]
    pub ended_after_milliseconds: Option<f64>,
    /// Why mesh.toml does not name what runs, though it should; a sentence about it is among the notes.
    #[serde(default)]
    pub not_recorded: Option<FailureKind>,
}

impl fmt::Display for PartReport {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = &self.component;
        match (&self.from, &self.to) {
            (Some(from), None) if self.library.is_some() => write!(formatter, "{name} {from} -> new version"),
            (Some(from), Some(to)) => write!(formatter, "{name} {from} -> {to}"),
            (None, Some(to)) => write!(formatter, "{name} {to} added"),
            (Some(from), None) => write!(formatter, "{name} {from} removed"),
            (None, None) => formatter.write_str(name),
        }
    }
}

impl Report {
    /// The report of a swap that begins now.
    pub fn begin(number: u64, components: Vec<PartReport>) -> Report {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Report {
            number,
            components,
            began: since.as_millis() as u64,
            ..Report::default()
        }
    }

    /// The components in one line.
    pub fn title(&self) -> String {
        let parts: Vec<String> = self.components.iter().map(PartReport::to_string).collect();
        parts.join(", ")
    }
}
