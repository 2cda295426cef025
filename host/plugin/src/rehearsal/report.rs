//! Messages from the process that tries a library out to the host: one JSON object a line.

use crate::{LoadError, LoadErrorKind};
use serde::{Deserialize, Serialize};

/// A library's description, unchecked.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Said {
    pub(crate) name: Vec<u8>,
    pub(crate) version: Vec<u8>,
    pub(crate) sdk: Vec<u8>,
    pub(crate) descriptor: Vec<u8>,
}

/// Why a library is refused.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Refused {
    kind: LoadErrorKind,
    what: String,
}

/// One line.
#[derive(Debug, Deserialize, Serialize)]
pub(super) enum Message {
    /// The next step, as the end of a sentence.
    Step(String),
    /// The library's own description.
    Said(Said),
    /// It is not to be loaded.
    Refused(Refused),
    /// Nothing is wrong with it.
    Done,
}

impl Refused {
    pub(super) fn new(error: &LoadError) -> Refused {
        Refused {
            kind: error.kind(),
            what: error.to_string(),
        }
    }

    pub(super) fn kind(&self) -> LoadErrorKind {
        self.kind
    }
}

impl std::fmt::Display for Refused {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.what)
    }
}
