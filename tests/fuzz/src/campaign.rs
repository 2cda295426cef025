//! A target is tried with its corpus and with inputs made from it.
//!
//! Enters: a target, and what the environment says. Leaves: nothing, or a panic that says where the input is and how to try it
//! again. Guarantees: each seed is tried; without `MESH_FUZZ_SECONDS` the number of inputs is fixed, and they follow from the seed.
//!
//! | variable | what it does |
//! |---|---|
//! | `MESH_FUZZ_SECONDS=N` | tries inputs for so many seconds a target |
//! | `MESH_FUZZ_SEED=N` | makes other inputs |
//! | `MESH_FUZZ_INPUT=FILE` | tries this input alone |

use crate::corpus::{self, escaped};
use crate::mutation::Mutations;
use crate::{Target, targets};
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const SECONDS: &str = "MESH_FUZZ_SECONDS";
const SEED: &str = "MESH_FUZZ_SEED";
const INPUT: &str = "MESH_FUZZ_INPUT";

/// Longer inputs are not shown.
const LONGEST_SHOWN: usize = 2000;

/// Tries a target. An input that shows a fault is kept in a folder.
///
/// # Panics
///
/// When a property does not hold, or a variable cannot be read.
pub fn run(target: &Target, kept: &Path) {
    if let Some(file) = std::env::var_os(INPUT) {
        let bytes = fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        return (target.run)(&bytes);
    }
    let seeds = corpus::read(target.name);
    for seed in &seeds {
        assert!(
            seed.bytes.len() <= target.longest,
            "{} is longer than {} bytes",
            seed.name,
            target.longest
        );
        attempt(target, &seed.bytes, &seed.name, kept);
    }
    let seed = number(SEED).unwrap_or_default();
    let mut mutations = Mutations::new(&seeds, seed, target.longest);
    let until = number(SECONDS).map(|seconds| Instant::now() + Duration::from_secs(seconds));
    let mut count = 0;
    while until.map_or(count < target.inputs, |until| Instant::now() < until) {
        let bytes = mutations.next();
        count += 1;
        attempt(target, &bytes, &format!("input {count} of seed {seed}"), kept);
    }
    println!(
        "{}: {} seeds and {count} inputs of seed {seed}",
        target.name,
        seeds.len()
    );
}

/// The target of this name.
pub fn named(name: &str) -> Option<&'static Target> {
    targets::ALL.iter().copied().find(|target| target.name == name)
}

/// The folder with the corpus of a target.
pub fn corpus_of(target: &Target) -> PathBuf {
    corpus::folder(target.name)
}

/// The seeds of a target.
///
/// # Panics
///
/// When they cannot be read.
pub fn seeds_of(target: &Target) -> Vec<Vec<u8>> {
    let seeds = corpus::read(target.name).into_iter();
    seeds.map(|seed| seed.bytes).collect()
}

/// Writes the seeds of a target to a folder, a file each.
///
/// # Panics
///
/// When they cannot be read or written.
pub fn write_seeds(target: &Target, folder: &Path) {
    for seed in seeds_of(target) {
        keep(target, &seed, folder);
    }
}

/// Tries one input, and keeps it where a property does not hold.
fn attempt(target: &Target, bytes: &[u8], from: &str, kept: &Path) {
    let Err(panic) = catch_unwind(AssertUnwindSafe(|| (target.run)(bytes))) else {
        return;
    };
    let file = keep(target, bytes, &kept.join("fuzz"));
    let shown = escaped(&bytes[..bytes.len().min(LONGEST_SHOWN)]);
    eprintln!(
        "{}: {from} shows a fault: {shown}\ntry it again: {INPUT}={} cargo test --workspace --test fuzz {}",
        target.name,
        file.display(),
        target.name
    );
    resume_unwind(panic);
}

/// Writes an input to a file, and says where.
fn keep(target: &Target, bytes: &[u8], folder: &Path) -> PathBuf {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    let file = folder.join(format!("{}-{:016x}", target.name, hasher.finish()));
    let written = fs::create_dir_all(folder).and_then(|()| fs::write(&file, bytes));
    if let Err(error) = written {
        eprintln!("{}: {error}", file.display());
    }
    file
}

/// The number that a variable holds.
fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    let number = text.parse();
    Some(number.unwrap_or_else(|_| panic!("{variable} must be a number, not {text:?}")))
}
