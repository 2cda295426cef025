//! Why a swap was refused, or its version rolled back.
//!
//! Enters: the failure of a step, with what is known about it. Leaves: [`SwapError`], whose `Display` is the sentence
//! of the report. Guarantees: callers decide by [`SwapError::kind`]; an error that was caused by another one names it as its
//! source.

use mesh_core::mesh::Irreplaceable;
use mesh_core::mesh::swaps::FailureKind;
use mesh_plugin::{Fate, LoadError, LoadErrorKind};
use std::time::Duration;

/// Why a swap did not end with the new version.
#[derive(Clone, Debug, thiserror::Error)]
pub enum SwapError {
    /// There is nothing of this name.
    #[error("there is no component {component}")]
    NoComponent {
        /// The name.
        component: String,
    },
    /// The component has other versions.
    #[error("component {component} has no version {version}, there is {loaded}")]
    NoVersion {
        /// The component's name.
        component: String,
        /// The version that was asked for.
        version: String,
        /// Those that there are.
        loaded: String,
    },
    /// It is no library.
    #[error(transparent)]
    Irreplaceable(#[from] Irreplaceable),
    /// A library was refused, or a version did not do what a step asks of it.
    #[error("{source}")]
    Version {
        /// The failure of the library or version.
        source: LoadError,
    },
    /// The same, and calls have waited too long because of it.
    #[error("{source}; calls may wait {} ms for all of a hand-over, which is handover_timeout_ms", limit.as_millis())]
    HandoverTooLong {
        /// The failure of the version.
        source: LoadError,
        /// How long calls may wait.
        limit: Duration,
    },
    /// The old version could not be asked for its state.
    #[error("{version} did not finish {unfinished} within {} ms, so its state could not be handed over", limit.as_millis())]
    Unfinished {
        /// Name and version.
        version: String,
        /// The work that it still has to do.
        unfinished: &'static str,
        /// How long it had.
        limit: Duration,
    },
    /// A version in probation panicked.
    #[error("{version} panicked in {panics} {}", match panics { 1 => "call", _ => "calls" })]
    Panicked {
        /// Name and version.
        version: String,
        /// In how many calls.
        panics: u64,
    },
    /// More calls of a version in probation fail than of the one before.
    #[error(
        "{percent:.0} % of the calls of {version} failed ({failed} of {calls}), {usual_percent:.0} % were usual before"
    )]
    Failing {
        /// Name and version.
        version: String,
        /// Its calls since the switch.
        calls: u64,
        /// Those of them that failed.
        failed: u64,
        /// The same as a share.
        percent: f64,
        /// The share of the version before.
        usual_percent: f64,
    },
    /// A version in probation says that it is not well, or says nothing.
    #[error("{source}")]
    Unwell {
        /// The failure that it reported, or its silence.
        source: LoadError,
    },
    /// A version in probation failed and serves on, since the old one would lose what it counts once it takes the state over.
    #[error(
        "{failure}; it serves on, since the old version may still take the state back, too late: {source}"
    )]
    NotRolledBack {
        /// Why it should have been rolled back.
        failure: Box<SwapError>,
        /// The failure of the old version.
        source: LoadError,
    },
}

impl SwapError {
    /// The kind of the failure.
    pub fn kind(&self) -> FailureKind {
        match self {
            SwapError::NoComponent { .. } | SwapError::NoVersion { .. } => FailureKind::NotFound,
            SwapError::Irreplaceable(_) => FailureKind::PartOfTheHost,
            SwapError::Version { source } => kind_of(source.kind()),
            SwapError::HandoverTooLong { .. } | SwapError::Unfinished { .. } => FailureKind::Handover,
            SwapError::Panicked { .. } | SwapError::Failing { .. } | SwapError::Unwell { .. } => {
                FailureKind::Probation
            }
            SwapError::NotRolledBack { .. } => FailureKind::NotRolledBack,
        }
    }

    /// Whether a version may still do what it did not do in time.
    pub(super) fn fate(&self) -> Fate {
        match self {
            SwapError::Version { source }
            | SwapError::HandoverTooLong { source, .. }
            | SwapError::Unwell { source }
            | SwapError::NotRolledBack { source, .. } => source.fate(),
            SwapError::NoComponent { .. }
            | SwapError::NoVersion { .. }
            | SwapError::Irreplaceable(_)
            | SwapError::Unfinished { .. }
            | SwapError::Panicked { .. }
            | SwapError::Failing { .. } => Fate::Over,
        }
    }
}

impl From<LoadError> for SwapError {
    fn from(source: LoadError) -> SwapError {
        SwapError::Version { source }
    }
}

fn kind_of(kind: LoadErrorKind) -> FailureKind {
    match kind {
        LoadErrorKind::File
        | LoadErrorKind::NotALibrary
        | LoadErrorKind::Linking
        | LoadErrorKind::NotAComponent
        | LoadErrorKind::AbiVersion
        | LoadErrorKind::Description => FailureKind::Library,
        LoadErrorKind::Rehearsal => FailureKind::Rehearsal,
        LoadErrorKind::VersionRange | LoadErrorKind::Required => FailureKind::Requirement,
        LoadErrorKind::Duplicate => FailureKind::Duplicate,
        LoadErrorKind::Create | LoadErrorKind::Start | LoadErrorKind::Health => FailureKind::Start,
        LoadErrorKind::State => FailureKind::State,
        LoadErrorKind::Resources => FailureKind::Limit,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::error::Error;

    #[test]
    fn each_failure_has_a_kind_a_sentence_and_its_cause() {
        let cause = || LoadError::new(LoadErrorKind::Start, "calc 2.0.0 did not start");
        let version = || "calc 2.0.0".to_owned();
        let limit = Duration::from_millis(250);
        let failures = [
            (
                SwapError::from(cause()),
                FailureKind::Start,
                "calc 2.0.0 did not start",
            ),
            (
                SwapError::HandoverTooLong {
                    source: cause(),
                    limit,
                },
                FailureKind::Handover,
                "calc 2.0.0 did not start; calls may wait 250 ms for all of a hand-over, which is handover_timeout_ms",
            ),
            (
                SwapError::Unwell { source: cause() },
                FailureKind::Probation,
                "calc 2.0.0 did not start",
            ),
            (
                SwapError::Unfinished {
                    version: version(),
                    unfinished: "calls",
                    limit,
                },
                FailureKind::Handover,
                "calc 2.0.0 did not finish calls within 250 ms, so its state could not be handed over",
            ),
            (
                SwapError::Panicked {
                    version: version(),
                    panics: 1,
                },
                FailureKind::Probation,
                "calc 2.0.0 panicked in 1 call",
            ),
            (
                SwapError::Panicked {
                    version: version(),
                    panics: 2,
                },
                FailureKind::Probation,
                "calc 2.0.0 panicked in 2 calls",
            ),
            (
                SwapError::Failing {
                    version: version(),
                    calls: 40,
                    failed: 30,
                    percent: 75.0,
                    usual_percent: 0.4,
                },
                FailureKind::Probation,
                "75 % of the calls of calc 2.0.0 failed (30 of 40), 0 % were usual before",
            ),
        ];
        let failure = Box::new(SwapError::Panicked {
            version: version(),
            panics: 1,
        });
        let stays = SwapError::NotRolledBack {
            failure,
            source: cause(),
        };
        assert_eq!(stays.kind(), FailureKind::NotRolledBack);
        assert_eq!(
            stays.to_string(),
            "calc 2.0.0 panicked in 1 call; it serves on, since the old version may still take the state back, too late: \
             calc 2.0.0 did not start"
        );
        for (error, kind, text) in failures {
            assert_eq!((error.kind(), error.to_string().as_str()), (kind, text));
            let is_caused = error
                .source()
                .is_some_and(|source| source.to_string() == cause().to_string());
            assert_eq!(is_caused, text.starts_with("calc 2.0.0 did not start"), "{text}");
        }
    }
}
