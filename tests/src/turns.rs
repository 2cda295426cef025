//! Turns: what must not happen twice at the same time, in whichever test binary.
//!
//! Enters: the wish for a turn. Leaves: a value that stands for it. Guarantees: nobody else has that turn until the
//! value is gone, neither a thread of this process nor another process. A process that dies gives its turn back.

use crate::host::target_folder;
use std::fs::File;
use std::path::Path;

/// A turn, which ends with the value.
#[derive(Debug)]
pub struct Turn(#[allow(dead_code, reason = "the lock lives as long as the file is open")] File);

/// Waits until no other heavy test runs. A test takes its turn first of all, when it loads the whole machine or measures it.
///
/// # Panics
///
/// When the folder for temporary files of the build cannot be written.
pub fn of_heavy_tests() -> Turn {
    let folder = target_folder().join("tmp");
    std::fs::create_dir_all(&folder).expect("the build's folder for temporary files can be made");
    let file = folder.join("heavy-tests.lock");
    File::create(&file).expect("a lock file can be made");
    at(&file)
}

/// Waits for the turn at a file or a folder that exists.
///
/// # Panics
///
/// When it cannot be opened or locked.
pub fn at(path: &Path) -> Turn {
    let shown = path.display();
    let file = File::open(path).unwrap_or_else(|error| panic!("{shown} cannot be opened: {error}"));
    if let Err(error) = file.lock() {
        panic!("{shown} cannot be locked: {error}");
    }
    Turn(file)
}

#[cfg(test)]
mod tests {
    use super::of_heavy_tests;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    #[test]
    fn only_one_has_the_turn() {
        static INSIDE: AtomicUsize = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let _turn = of_heavy_tests();
                    assert_eq!(INSIDE.fetch_add(1, Ordering::SeqCst), 0);
                    std::thread::sleep(Duration::from_millis(5));
                    INSIDE.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
    }
}
