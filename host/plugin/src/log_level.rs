//! How much of what components log anybody wants.
//!
//! Enters: the log of this process. Leaves: a word for `info`. Guarantees: it is the level that decides about the lines
//! themselves, since both ask with the same target and fields.

use tracing::{Level, enabled};

/// The most detailed level of which lines of components reach a log; `off` when none do.
pub(super) fn wanted() -> &'static str {
    if enabled!(target: "component", Level::TRACE, component, part) {
        "trace"
    } else if enabled!(target: "component", Level::DEBUG, component, part) {
        "debug"
    } else if enabled!(target: "component", Level::INFO, component, part) {
        "info"
    } else if enabled!(target: "component", Level::WARN, component, part) {
        "warn"
    } else if enabled!(target: "component", Level::ERROR, component, part) {
        "error"
    } else {
        "off"
    }
}
