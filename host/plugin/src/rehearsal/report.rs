//! Messages between the host and the process that tries a library out: one JSON value a line.

use crate::{LoadError, LoadErrorKind};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::Duration;

/// A library's description, unchecked.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Said {
    pub(crate) name: Vec<u8>,
    pub(crate) version: Vec<u8>,
    pub(crate) sdk: Vec<u8>,
    pub(crate) descriptor: Vec<u8>,
}

/// The instance that a library is to be tried out with.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub(crate) struct Life {
    /// The original.
    pub(crate) library: PathBuf,
    pub(crate) name: String,
    pub(crate) mesh: String,
    pub(crate) domain: String,
    pub(crate) config: String,
    pub(crate) lanes: u32,
    pub(crate) stack_bytes: usize,
    pub(crate) lane_bytes: usize,
    pub(crate) start_timeout: Duration,
}

/// How a library is to be tried out.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Order {
    /// Of the thread that opens it.
    pub(crate) stack_bytes: usize,
    /// The instance to make of it, when one is to be made.
    pub(crate) life: Option<Life>,
}

/// Why a library is refused.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Refused {
    kind: LoadErrorKind,
    what: String,
}

/// One line.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) enum Message {
    /// The next step, as the end of a sentence.
    Step(String),
    /// The next step of an instance's life, which has the whole limit for itself.
    LifeStep(String),
    /// The library's own description.
    Said(Said),
    /// It is not to be loaded.
    Refused(Refused),
    /// Nothing is wrong with it.
    Done,
}

impl Refused {
    pub(crate) fn new(error: &LoadError) -> Refused {
        Refused {
            kind: error.kind(),
            what: error.to_string(),
        }
    }

    pub(crate) fn kind(&self) -> LoadErrorKind {
        self.kind
    }
}

impl std::fmt::Display for Refused {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.what)
    }
}
