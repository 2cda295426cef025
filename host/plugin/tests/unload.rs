//! Loading, calling and unloading a component 2,000 times in one process: everything it took is given back.
//!
//! The component starts a tokio runtime with threads of its own, a thread, thread-locals with destructors and a
//! channel that parks in every call. That is all that is known to keep a library in memory or to use up thread keys.

mod alone;

use alone::ask;
use mesh_plugin::ffi::interpose;
use mesh_plugin::{Component, LoadRequest, Status, Unloaded};
use std::path::PathBuf;
use std::time::Duration;

const ROUNDS: usize = 2_000;
/// Rounds before the first look: allocator and runtime take what they need once.
const WARM_UP: usize = 50;
/// Less than this in so many rounds is no leak.
const MOST_GROWN: usize = 1024;
/// So often memory must have grown, one time after the other, to be called a leak.
const SPANS: usize = 3;

/// The build folder: this test lies in `deps` below it.
fn build_folder() -> PathBuf {
    let test = std::env::current_exe().expect("a test knows its own file");
    test.ancestors()
        .nth(2)
        .expect("tests are in a folder below the build folder")
        .to_owned()
}

fn request() -> LoadRequest {
    let library = build_folder().join("libfixture_churn.so");
    assert!(
        library.is_file(),
        "{} is missing: run `cargo build --workspace` first",
        library.display()
    );
    LoadRequest {
        lanes: 2,
        ..alone::request(library, "churn")
    }
}

async fn round() {
    let component = Component::load(request()).await.expect("it loads");
    let (status, payload) = ask(&component, "churn").await;
    assert_eq!(status, Status::OK, "{payload}");
    assert_eq!(component.stop(Duration::from_secs(5)).await, Unloaded::Gone);
}

/// The resources of the operating system that a process holds.
#[derive(Debug)]
struct Held {
    memory_kilobytes: usize,
    threads: usize,
    descriptors: usize,
    mappings: usize,
    keys: usize,
}

fn held() -> Held {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let number = |name: &str| -> usize {
        let line = status.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    };
    Held {
        memory_kilobytes: number("VmRSS"),
        threads: number("Threads"),
        descriptors: std::fs::read_dir("/proc/self/fd").unwrap().count(),
        mappings: std::fs::read_to_string("/proc/self/maps")
            .unwrap()
            .lines()
            .filter(|line| line.contains(".so"))
            .count(),
        keys: interpose::keys_in_use(),
    }
}

/// The thread that unloaded the last library may still be on its way out.
async fn held_at_rest(threads: usize) -> Held {
    let mut held_now = held();
    for _ in 0..100 {
        if held_now.threads == threads {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
        held_now = held();
    }
    held_now
}

#[test]
fn two_thousand_rounds_leave_nothing_behind() {
    assert!(
        interpose::is_active(),
        "the test must export the host's thread functions"
    );
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        for _ in 0..WARM_UP {
            round().await;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
        let mut before = held();
        let mut grown = 0;
        // The system may have taken pages away just before the first look, and gives them back. A leak grows each time.
        for _ in 0..SPANS {
            for _ in WARM_UP..ROUNDS {
                round().await;
            }
            let after = held_at_rest(before.threads).await;
            println!("before {before:?}\nafter  {after:?}");
            assert_eq!(after.threads, before.threads, "threads");
            assert_eq!(after.descriptors, before.descriptors, "descriptors");
            assert_eq!(after.mappings, before.mappings, "mappings of libraries");
            assert_eq!(after.keys, before.keys, "thread keys");
            grown = after.memory_kilobytes.saturating_sub(before.memory_kilobytes);
            if grown < MOST_GROWN {
                return;
            }
            before = after;
        }
        panic!(
            "memory grew by {grown} KiB in {} rounds, and so each time",
            ROUNDS - WARM_UP
        );
    });
}
