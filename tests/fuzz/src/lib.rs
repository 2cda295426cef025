//! Fuzz targets: what holds for any input, and the means to try many inputs.
//!
//! Enters: bytes, from the corpora in `tests/fuzz/corpus`, from a seed, or from libFuzzer. Leaves: nothing, or a panic that
//! names the property that does not hold. Guarantees: a target needs no socket and no network; the same bytes give the same verdict;
//! the same seed gives the same bytes.
//!
//! [`campaign`] tries a target from `cargo test`, and the binary `guided` under libFuzzer, which looks for inputs that reach new code.
//! `docs/contributing.md` says how to add a target and how to repeat a failure.

#![forbid(unsafe_code)]

pub mod campaign;
mod corpus;
mod input;
mod mutation;
mod scratch;
pub mod targets;

pub use input::Input;

/// Something that is tried with many inputs.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name, which is that of its file and of its corpus.
    pub name: &'static str,
    /// Panics when a property does not hold.
    pub run: fn(&[u8]),
    /// So many inputs are made for it in a plain test: they take about two seconds.
    pub inputs: u64,
    /// Inputs have at most so many bytes.
    pub longest: usize,
}
