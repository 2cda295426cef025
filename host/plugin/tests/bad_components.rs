//! Versions of one component that are each bad in one way (`bad.c` of the test fixtures), met by the loader.
//!
//! Enters: libraries compiled here, on demand. Asserted: which of them can be looked at, which can be
//! loaded, and the kind and words of the refusal of all others. Those whose fault shows only in a swap load and answer.

mod alone;
#[path = "../../../tests/src/c_library.rs"]
#[allow(dead_code)]
mod c_library;

use alone::ask;
use mesh_plugin::{Component, LoadErrorKind, LoadRequest, Status, Unloaded};
use std::path::PathBuf;
use std::time::Duration;

/// A variant of `bad.c`, and one of its versions where that is given.
fn compiled(bad: u32, version: Option<&str>) -> PathBuf {
    let name = format!("bad-{bad}-{}-{}.so", version.unwrap_or("own"), std::process::id());
    let library = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    let defines = [
        Some(format!("BAD={bad}")),
        version.map(|version| format!("VERSION=\"{version}\"")),
    ];
    let defines: Vec<&str> = defines.iter().flatten().map(String::as_str).collect();
    c_library::compile(&c_library::fixture("bad.c"), &defines, &library).expect("the fixture compiles");
    library
}

fn request(library: PathBuf) -> LoadRequest {
    LoadRequest {
        start_timeout: Duration::from_millis(300),
        ..alone::request(library, "target")
    }
}

async fn ping(component: &Component) -> (i32, String) {
    let has_ping = component.descriptor().method("ping").is_some();
    ask(component, if has_ping { "ping" } else { "pong" }).await
}

#[tokio::test]
async fn a_good_component_answers_with_its_version() {
    let library = compiled(0, Some("1.4.2"));
    let component = Component::load(request(library.clone())).await.expect("it loads");
    assert_eq!(component.descriptor().version().text(), "1.4.2");
    assert_eq!(
        ping(&component).await,
        (Status::OK, r#"[{"version":"1.4.2"}]"#.to_owned())
    );
    assert_eq!(component.stop(Duration::from_secs(5)).await, Unloaded::Gone);
    let _ = std::fs::remove_file(library);
}

#[tokio::test]
async fn faulty_libraries_are_refused_when_they_are_looked_at() {
    let whole = compiled(0, Some("3.0.0"));
    let content = std::fs::read(&whole).unwrap();
    std::fs::write(&whole, &content[..content.len() / 2]).unwrap();
    for (library, kind, says) in [
        (whole, LoadErrorKind::NotALibrary, "the file was cut short"),
        (
            compiled(2, None),
            LoadErrorKind::Linking,
            "undefined symbol: a_function_that_nobody_defines",
        ),
        (
            compiled(3, None),
            LoadErrorKind::NotAComponent,
            "does not export the function `mesh_component_entry`",
        ),
        (
            compiled(4, None),
            LoadErrorKind::AbiVersion,
            "was built for plugin ABI 2.",
        ),
        (
            compiled(5, None),
            LoadErrorKind::Description,
            "the descriptor of component target is not as plugins must write it",
        ),
        (
            compiled(6, None),
            LoadErrorKind::Description,
            "the version of component target is wrong",
        ),
    ] {
        let request = request(library.clone());
        let looked = Component::inspect(library.clone(), request.stage.clone()).await;
        let refused = looked.expect_err(says);
        assert_eq!(refused.kind(), kind, "{refused}");
        assert!(
            refused.to_string().contains(says),
            "{says:?} is not in: {refused}"
        );
        let loaded = Component::load(request).await.err().expect(says);
        assert_eq!((loaded.kind(), loaded.to_string()), (kind, refused.to_string()));
        let _ = std::fs::remove_file(library);
    }
}

#[tokio::test]
async fn faulty_libraries_are_refused_when_they_are_loaded() {
    for (bad, kind, says) in [
        (
            7,
            LoadErrorKind::Create,
            "could not be created: the target is not to be made",
        ),
        (9, LoadErrorKind::Start, "did not start: the target does not move"),
        (
            10,
            LoadErrorKind::Start,
            "did not start: it did not answer within 300 ms",
        ),
    ] {
        let library = compiled(bad, None);
        let request = request(library.clone());
        let seen = Component::inspect(library.clone(), request.stage.clone()).await;
        assert_eq!(seen.expect("it can be looked at").name(), "target");
        let refused = Component::load(request).await.err().expect(says);
        assert_eq!(refused.kind(), kind, "{refused}");
        assert!(
            refused.to_string().contains(says),
            "{says:?} is not in: {refused}"
        );
        let _ = std::fs::remove_file(library);
    }
}

#[tokio::test]
async fn a_library_that_hangs_in_create_can_be_looked_at() {
    let library = compiled(8, None);
    let stage = request(library.clone()).stage;
    let seen = Component::inspect(library.clone(), stage).await;
    assert_eq!(seen.expect("nothing is created").version().text(), "2.0.0");
    let _ = std::fs::remove_file(library);
}

#[tokio::test]
async fn libraries_with_faulty_calls_can_be_loaded() {
    for (bad, status, says) in [
        (13, Status::ERROR, "the target only fails"),
        (14, Status::PANIC, "the target fell over"),
    ] {
        let library = compiled(bad, None);
        let component = Component::load(request(library.clone())).await.expect("it loads");
        let (answered, payload) = ping(&component).await;
        assert_eq!(answered, status, "{payload}");
        assert!(payload.contains(says), "{payload}");
        assert_eq!(component.stop(Duration::from_secs(5)).await, Unloaded::Gone);
        let _ = std::fs::remove_file(library);
    }
}

#[tokio::test]
async fn libraries_with_faulty_swaps_can_be_loaded_and_answer() {
    for bad in [11, 12, 15, 16] {
        let library = compiled(bad, None);
        let component = match Component::load(request(library.clone())).await {
            Ok(component) => component,
            // A host that asks for health before it sends calls finds this one out when it loads it.
            Err(error) if bad == 12 => {
                assert!(error.to_string().contains("the target is ill"), "{error}");
                continue;
            }
            Err(error) => panic!("{bad} does not load: {error}"),
        };
        assert_eq!(
            component.descriptor().method("ping").is_none(),
            bad == 15,
            "{bad}"
        );
        // Those with state count their calls.
        let count = if matches!(bad, 11 | 16) {
            r#","count":1"#
        } else {
            ""
        };
        let expected = format!(r#"[{{"version":"2.0.0"{count}}}]"#);
        assert_eq!(ping(&component).await, (Status::OK, expected), "{bad}");
        assert_eq!(
            component.stop(Duration::from_secs(5)).await,
            Unloaded::Gone,
            "{bad}"
        );
        let _ = std::fs::remove_file(library);
    }
}

#[tokio::test]
async fn a_library_that_hangs_in_destroy_stays_in_memory_and_is_reported() {
    let library = compiled(17, None);
    let component = Component::load(request(library.clone())).await.expect("it loads");
    assert_eq!(ping(&component).await.0, Status::OK);
    let unloaded = component.stop(Duration::from_millis(100)).await;
    assert!(matches!(unloaded, Unloaded::Resident(_)), "{unloaded:?}");
    let _ = std::fs::remove_file(library);
}
