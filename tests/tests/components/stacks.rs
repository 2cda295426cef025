//! The stack of lanes: its size has a key, and the host needs a part of it that the documents promise.
//!
//! Enters: a component that measures, a key of mesh.toml. Leaves: numbers of bytes. Guarantees: the bounds are those of
//! docs/abi.md, in each profile.

use mesh_tests::c_library::{compile, fixture};
use mesh_tests::host::{Folder, Host, mesh};
use mesh_tests::session;
use mesh_tests::swapping::{answer_to, config};
use serde_json::{Value, json};

/// Bytes of stack that each function of the host needs at most.
const FUNCTIONS: u64 = 64 * 1024;
/// Bytes of a lane's stack that lie above the frames of the component at most.
const ABOVE: u64 = 128 * 1024;
/// The least value of the key.
const LEAST: u64 = 262_144;

/// The only result of a method.
async fn ask(host: &Host, method: &str) -> Value {
    let (mut sender, mut receiver) = session::open(host.addr()).await;
    sender
        .call(&format!("TestNode/stack/{method}"), 1, json!([]))
        .await;
    let answer = answer_to(&mut receiver, 1).await;
    let last = answer["args"].as_array().and_then(|args| args.last());
    last.cloned().unwrap_or_else(|| panic!("{answer}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn functions_of_the_host_and_its_own_frames_need_no_more_stack_than_is_promised() {
    let folder = Folder::new("stack");
    let library = folder.path().join("stack.so");
    compile(&fixture("stack.c"), &[], &library).expect("the fixture compiles");
    let config = config(&folder, "stack", &library, "");
    let host = Host::start(&config, &[]);
    let functions = ask(&host, "functions").await;
    let functions = functions.as_object().expect("an object");
    assert_eq!(functions.len(), 13, "{functions:?}");
    for (name, bytes) in functions {
        let bytes = bytes.as_u64().expect("a number");
        assert!((1..=FUNCTIONS).contains(&bytes), "{name}: {bytes}");
    }
    assert!(host.stop().success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lane_has_the_stack_that_mesh_toml_says() {
    let folder = Folder::new("stack-key");
    let library = folder.path().join("stack.so");
    compile(&fixture("stack.c"), &[], &library).expect("the fixture compiles");
    let config = config(&folder, "stack", &library, "");
    for (key, bytes) in [(None, 2 << 20), (Some(LEAST), LEAST), (Some(64 << 20), 64 << 20)] {
        let set = key.map(|bytes| format!("components.stack.stack_bytes={bytes}"));
        let overrides: Vec<&str> = set.as_deref().into_iter().collect();
        let host = Host::start(&config, &overrides);
        let lane = ask(&host, "lane").await;
        let (size, left) = (lane["size"].as_u64().unwrap(), lane["left"].as_u64().unwrap());
        // The C library rounds up, and counts a page that guards the end.
        assert!((bytes..bytes + 65_536).contains(&size), "{key:?}: {lane}");
        assert!(size - left <= ABOVE, "{key:?}: {lane}");
        assert!(host.stop().success());
    }
}

#[test]
fn a_stack_that_is_too_small_is_refused_with_the_range() {
    let folder = Folder::new("stack-range");
    let text = "name = \"x\"\n\n[[components]]\nname = \"a\"\nlibrary = \"a\"\nstack_bytes = 4096\n";
    let config = folder.write("mesh.toml", text);
    let checked = mesh(&["check", "--config", &config.display().to_string()]);
    assert_eq!(checked.code, 78, "{checked:?}");
    for says in ["stack_bytes", "4096", "262144", "1073741824"] {
        assert!(checked.err.contains(says), "{says}: {checked:?}");
    }
}
