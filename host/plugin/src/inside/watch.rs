//! A look at the process before and after code of a library ran, for those who try a library out.
//!
//! Enters: moments. Leaves: the differences in words. Guarantees: nothing is put back.

pub use crate::surroundings::PUT_BACK;

use crate::ffi::process;
use crate::surroundings::Surroundings;

/// The state of the process at one moment.
pub struct Watch(Surroundings);

impl Watch {
    /// The state now.
    pub fn now() -> Watch {
        Watch(Surroundings::now())
    }

    /// The changes since, each as the rest of a sentence that begins with "it".
    pub fn changes(&self) -> Vec<String> {
        let changed = self.0.changed(&Surroundings::now());
        changed.iter().map(ToString::to_string).collect()
    }

    /// Whether this process has started others that have not ended.
    pub fn has_children() -> bool {
        process::has_children()
    }
}
