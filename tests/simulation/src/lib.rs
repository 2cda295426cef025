//! Swaps of versions under random schedules.
//!
//! Enters: a seed. Leaves: nothing, or the promises that did not hold. Guarantees: the mesh, its registry, the swaps and the lanes are
//! the host's own code; what is played are the libraries, the callers and the clock. Nothing waits for real time, and the same seed
//! plays the same story.
//!
//! A story has two components with two lanes each. `counter` has state, hears events and is swapped; `other` publishes them, and calls
//! and is called by `counter`. Promises that are looked at:
//!
//! - Each call is answered exactly once, and counted in its caller's share just as long.
//! - The calls of one caller go to the old version first and to the new one ever after. Answers of a method that answers at once come
//!   in that order, unless the old version stood still or needed longer than calls may wait.
//! - A version that gives its state has nothing queued and nothing pending on any lane.
//! - An order is never handed to a version after the step that gave it, and a version that carried out a late one does not serve.
//! - Calls wait for a hand-over no longer than its limit, on the way there and on the way back.
//! - Each event is heard by one version, in order, and none is lost.
//! - The version that serves in the end has all that was ever acknowledged, once.
//! - Each version ends as the one that serves, or is unloaded.

#![forbid(unsafe_code)]

mod actor;
mod cast;
mod ledger;
mod story;
mod temper;

pub use story::play;
