//! Components in C++, in a real host.
//!
//! Enters: `plugins/greeter-cpp`, and a fixture that does what goes wrong in C++. Leaves: answers, reports of
//! `mesh check-plugin`, and what a host holds after many swaps. Guarantees: see the names of the tests. Without a compiler for
//! C++ they are skipped.

use mesh_tests::cpp_library::{component, fixture};
use mesh_tests::host::{Finished, Folder, Host, mesh, repository};
use mesh_tests::swapping::answer_to;
use mesh_tests::{control, session, turns};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The greeter as a library; nothing where there is no compiler.
fn greeter(folder: &Folder) -> Option<PathBuf> {
    let source = repository().join("plugins/greeter-cpp/greeter.cpp");
    component(&source, &[], folder.path().join("libgreeter_cpp.so"))
}

/// The odd component in a variant; nothing where there is no compiler.
fn odd(folder: &Folder, variant: &str, defines: &[&str]) -> Option<PathBuf> {
    let file = folder.path().join(format!("libodd-{variant}.so"));
    component(&fixture("odd.cpp"), defines, file)
}

/// A mesh with one component, and what stands below it in mesh.toml.
fn host(folder: &Folder, name: &str, library: &Path, more: &str) -> Host {
    let library = library.display();
    let text = format!(
        "name = \"TestNode\"\n\n[[components]]\nname = \"{name}\"\nlibrary = \"{library}\"\n{more}\n\n\
         [calls]\ntimeout_ms = 5000\n\n[swap]\nprobation_ms = 1\n"
    );
    Host::start(&folder.write("mesh.toml", &text), &[])
}

fn call(host: &Host, arguments: &[&str]) -> Finished {
    mesh(&[&["call", "--url", &host.url(), "--json"], arguments].concat())
}

#[test]
fn a_component_in_cpp() {
    let folder = Folder::new("greeter-cpp");
    let Some(library) = greeter(&folder) else { return };
    let host = host(
        &folder,
        "greeter",
        &library,
        "lanes = 2\n\n[components.config]\ngreeting = \"Hi\"\nlistensTo = \"greeter\"",
    );
    for (arguments, answer) in [
        (&["greeter/greet", "Ann"][..], r#"["Hi, Ann!"]"#),
        (&["greeter/greet", r#""a\u0000b""#], r#"["Hi, a\u0000b!"]"#),
        (&["greeter/emitGreeting", "Ann"], r#"["Hi, Ann!"]"#),
        (&["greeter/later", "20"], r#"[{"waited":20}]"#),
        (&["greeter/onThread", "Ann"], r#"["Hi, Ann!"]"#),
        (
            &["greeter/callOther", "greeter", "greet", "Zed"],
            r#"["Hi, Zed!"]"#,
        ),
        (
            &["greeter/order", r#"{"item":"pears","count":3}"#],
            r#"["3 pears (no note)"]"#,
        ),
        (&["greeter/remember", "ada", "[1,2]"], "[[1,2]]"),
        (&["greeter/divide", "7", "2"], "[3,1]"),
        (&["greeter/whoCalls"], "[null]"),
    ] {
        let finished = call(&host, arguments);
        assert_eq!(finished.out.trim(), answer, "{arguments:?}: {}", finished.err);
    }
    for (arguments, error) in [
        (
            &["greeter/greet", "5"][..],
            "expected a string, found a number `5`",
        ),
        (&["greeter/divide", "1", "0"], "division by zero"),
        (&["greeter/callOther", "nobody", "greet", "Zed"], "nobody.greet"),
    ] {
        let finished = call(&host, arguments);
        assert!(finished.err.contains(error), "{arguments:?}: {finished:?}");
    }
    assert_eq!(host.stop().code(), Some(0));
}

#[test]
fn the_component_in_cpp_keeps_the_contract() {
    let folder = Folder::new("check-cpp");
    let libraries = [greeter(&folder), odd(&folder, "good", &[])];
    for library in libraries.into_iter().flatten() {
        let checked = mesh(&["check-plugin", &library.display().to_string(), "--rounds", "25"]);
        assert_eq!(checked.code, 0, "{}\n{}", checked.out, checked.err);
        assert!(checked.out.contains(", 0 failed"), "{}", checked.out);
    }
}

#[test]
fn nothing_that_is_thrown_crosses_and_each_call_is_answered_once() {
    let folder = Folder::new("odd-cpp");
    let Some(library) = odd(&folder, "good", &[]) else {
        return;
    };
    let host = host(&folder, "odd", &library, "");
    for (method, answer) in [
        ("twice", r#"["first"]"#),
        ("nothing", "[]"),
        ("fromThreads", r#"["one of four"]"#),
        ("nested", r#"["bad endpoint",false]"#),
    ] {
        let finished = call(&host, &[&format!("odd/{method}")]);
        assert_eq!(finished.out.trim(), answer, "{method}: {}", finished.err);
    }
    let text = call(&host, &["odd/nul", r#""a\u0000""#]);
    let text: Value = serde_json::from_str(&text.out).unwrap_or_default();
    assert_eq!(text, json!(["a\u{0}\u{0}|\u{fffd}"]));
    for (method, error) in [
        ("throwsNumber", "something was thrown that is no exception"),
        ("throwsException", "no \\\"such\\\" place"),
        ("throwsValue", "just a text"),
        ("throwsAfterLater", "changed its mind"),
        ("dropped", "dropped the call without an answer"),
        ("handlerThrows", "in the handler"),
        ("handlerThrowsNumber", "something was thrown that is no exception"),
    ] {
        let finished = call(&host, &[&format!("odd/{method}")]);
        assert_eq!(finished.code, 1, "{method}: {}", finished.out);
        let said = finished.err.replace("\\\\", "\\");
        assert!(
            said.contains(error) || said.contains(&error.replace('\\', "")),
            "{method}: {said}"
        );
    }
    assert_eq!(call(&host, &["odd/nothing"]).out.trim(), "[]", "{}", host.log());
    let status = control::status(&host);
    let own = status["components"]
        .as_array()
        .and_then(|all| all.iter().find(|component| component["name"] == "odd"))
        .expect("it is listed");
    assert_eq!(own["late_completions"], 0, "{own}");
    assert_eq!(host.stop().code(), Some(0));
}

#[test]
fn a_component_in_cpp_that_throws_too_early_is_refused_with_the_reason() {
    let folder = Folder::new("early-cpp");
    for (define, reason) in [
        ("CREATE_THROWS", "there is no tea"),
        ("DESCRIBE_THROWS", "its entry function returned no description"),
    ] {
        let Some(library) = odd(&folder, define, &[define]) else {
            return;
        };
        let checked = mesh(&["check-plugin", &library.display().to_string(), "--rounds", "5"]);
        assert_eq!(checked.code, 1, "{checked:?}");
        assert!(
            format!("{}{}", checked.out, checked.err).contains(reason),
            "{checked:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_swaps_under_calls_leave_nothing_of_cpp_behind() {
    let _turn = turns::of_heavy_tests();
    let folder = Folder::new("swaps-cpp");
    let Some(one) = odd(&folder, "one", &[]) else {
        return;
    };
    let marks = folder.path().join("marks");
    std::fs::create_dir(&marks).expect("a folder");
    let config = format!("[components.config]\nfolder = \"{}\"", marks.display());
    let host = host(&folder, "odd", &one, &config);
    let (mut sender, mut receiver) = session::open(host.addr()).await;
    let mut first = None;
    for swap in 0..100_u64 {
        // Calls are under way while versions change places.
        for number in 0..10 {
            let path = ["calls", "handlerThrows", "fromThreads", "throwsException"][number as usize % 4];
            let path = format!("TestNode/odd/{path}");
            sender.call(&path, swap * 100 + number, json!([])).await;
        }
        let report = control::swap(&host, "odd", &one, true).report();
        assert_eq!(report["ending"], "replaced", "swap {swap}: {report}");
        assert!(
            !report["notes"].to_string().contains("still in memory"),
            "swap {swap}: {report}"
        );
        // They are answered in any order, each once.
        let mut unanswered: BTreeSet<u64> = (0..10).map(|number| swap * 100 + number).collect();
        while !unanswered.is_empty() {
            let frame = receiver.next().await.expect("the host answers");
            let path = frame["_meta"]["path"].as_str().unwrap_or_default();
            let Some(path) = path.strip_prefix("/_exchange/responses/") else {
                continue;
            };
            let number = path
                .rsplit('/')
                .next()
                .and_then(|number| number.parse().ok())
                .expect("a number");
            assert!(unanswered.remove(&number), "swap {swap}: {frame}");
            assert!(frame["data"]["status"].is_string(), "swap {swap}: {frame}");
        }
        // A new version has its own statics, and so begins to count anew.
        sender
            .call("TestNode/odd/calls", swap * 100 + 99, json!([]))
            .await;
        let answer = answer_to(&mut receiver, swap * 100 + 99).await;
        let count = answer["args"][1].as_u64().expect("a number");
        assert!((1..=11).contains(&count), "swap {swap}: {answer}");
        if swap == 20 {
            first = Some(mappings(&host));
        }
    }
    // Destructors of statics and of thread-locals ran.
    for name in ["static-1.0.0", "thread-1.0.0"] {
        assert!(marks.join(name).is_file(), "{name} ran no destructor");
    }
    let first = first.expect("there were more than twenty swaps");
    let mut now = mappings(&host);
    for _ in 0..500 {
        if now <= first {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
        now = mappings(&host);
    }
    assert!(
        now <= first,
        "{now} mappings of libraries, {first} at the beginning"
    );
    assert_eq!(host.stop().code(), Some(0));
}

/// How many mappings of libraries a host has.
fn mappings(host: &Host) -> usize {
    let maps = std::fs::read_to_string(format!("/proc/{}/maps", host.pid())).expect("the host runs");
    maps.lines().filter(|line| line.contains(".so")).count()
}
