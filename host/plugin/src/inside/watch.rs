//! A look at the process before and after code of a library ran, for those who try a library out.
//!
//! Enters: moments. Leaves: the differences in words. Guarantees: nothing is put back.

pub use crate::surroundings::{PUT_BACK, REFUSED};

use crate::ffi::interpose::{RefusedLimit, refused_limits};
use crate::ffi::process;
use crate::surroundings::{Changed, Surroundings};

/// The state of the process at one moment.
pub struct Watch {
    surroundings: Surroundings,
    refused: Vec<RefusedLimit>,
}

impl Watch {
    /// The state now.
    pub fn now() -> Watch {
        Watch {
            surroundings: Surroundings::now(),
            refused: refused_limits(),
        }
    }

    /// The changes since, each as the rest of a sentence that begins with "it".
    pub fn changes(&self) -> Vec<String> {
        let changed = self.surroundings.changed(&Surroundings::now());
        changed.iter().map(ToString::to_string).collect()
    }

    /// The changes that were refused since, in the same form. Those that the log has told of already are not among them.
    pub fn refusals(&self) -> Vec<String> {
        let refused = refused_limits().into_iter();
        let since = refused.filter(|refused| !self.refused.contains(refused));
        since
            .map(|refused| Changed::Limit(refused.name).to_string())
            .collect()
    }

    /// Whether this process has started others that have not ended.
    pub fn has_children() -> bool {
        process::has_children()
    }
}
