//! One target under libFuzzer, which keeps inputs that reach code that no input has reached before.
//!
//! Enters: the name of the target in `MESH_FUZZ_TARGET`, and what libFuzzer is told on the command line. Leaves: new inputs in
//! the first folder that is named there, and for a fault a file with the input. With `MESH_FUZZ_SEEDS` the seeds of the target are written
//! to that folder first, a file each. With `MESH_FUZZ_LONGEST` the longest input of the target is printed. `.ci/fuzz` builds and runs it.

#![no_main]

use libfuzzer_sys::fuzz_target;
use mesh_fuzz::{Target, campaign};
use std::path::Path;
use std::sync::LazyLock;

static TARGET: LazyLock<&Target> = LazyLock::new(|| {
    let name = std::env::var("MESH_FUZZ_TARGET").unwrap_or_default();
    campaign::named(&name).unwrap_or_else(|| panic!("MESH_FUZZ_TARGET must name a target, not {name:?}"))
});

fn prepare() {
    // libFuzzer's own hook ends the process at once, and the store goes on where redb panics about a damaged file. A panic that leaves
    // the target ends the process all the same.
    drop(std::panic::take_hook());
    if std::env::var_os("MESH_FUZZ_LONGEST").is_some() {
        println!("{}", TARGET.longest);
    }
    if let Some(folder) = std::env::var_os("MESH_FUZZ_SEEDS") {
        campaign::write_seeds(&TARGET, Path::new(&folder));
    }
}

fuzz_target!(init: prepare(), |bytes: &[u8]| {
    if bytes.len() <= TARGET.longest {
        (TARGET.run)(bytes);
    }
});
