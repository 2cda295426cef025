//! Components that are slow, odd or written in C, in a real host.

use mesh_tests::c_library;
use mesh_tests::host::{Finished, Folder, Host, executable, library, mesh, repository};
use std::path::Path;
use std::process::{Command, Stdio};

/// A mesh with these components: name and library file.
fn host(folder: &Folder, components: &[(&str, &Path)], overrides: &[&str]) -> Host {
    let mut text = String::from("name = \"A\"\n");
    for (name, file) in components {
        text.push_str(&format!(
            "[[components]]\nname = \"{name}\"\nlibrary = {:?}\n",
            file.display().to_string()
        ));
    }
    Host::start(&folder.write("mesh.toml", &text), overrides)
}

fn call(host: &Host, arguments: &[&str]) -> Finished {
    mesh(&[&["call", "--url", &host.url(), "--json"], arguments].concat())
}

#[test]
fn two_components_that_block_disturb_nobody() {
    let folder = Folder::new("block");
    let blocks = folder.path().join("libblocks.so");
    c_library::compile(&c_library::fixture("blocks.c"), &[], &blocks).unwrap();
    let calc = library("calc");
    let host = host(
        &folder,
        &[("one", &blocks), ("two", &blocks), ("calc", &calc)],
        &[],
    );
    let mut blocked: Vec<_> = ["one/block", "two/block"]
        .iter()
        .map(|method| {
            Command::new(executable())
                .args(["call", "--url", &host.url(), method, "10000"])
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap()
        })
        .collect();
    let status = || {
        mesh(&[
            "status",
            "--json",
            "--config",
            folder.path().join("mesh.toml").to_str().unwrap(),
        ])
        .out
    };
    while status().matches("\"pending\":1").count() < 2 {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    for number in 0..30 {
        let number = number.to_string();
        assert_eq!(
            call(&host, &["calc/add", &number, "0"]).out.trim(),
            format!("[{number}]")
        );
    }
    for child in &mut blocked {
        assert!(
            child.try_wait().unwrap().is_none(),
            "the others were answered while these still block"
        );
        child.kill().unwrap();
        child.wait().unwrap();
    }
}

#[test]
fn answers_that_are_late_double_or_garbage_hurt_only_themselves() {
    let folder = Folder::new("completions");
    let file = folder.path().join("libcompletions.so");
    c_library::compile(&c_library::fixture("completions.c"), &[], &file).unwrap();
    let host = host(&folder, &[("odd", &file)], &["calls.timeout_ms=1500"]);
    for (method, answer) in [
        ("echo", "[]"),
        ("twice", ""),
        ("errorAfterSuccess", ""),
        ("thousandTimes", ""),
        ("unknownTokens", "[\"answered\"]"),
        ("remember", ""),
        ("repeatRemembered", ""),
        ("fromThread", ""),
        ("empty", "[]"),
        ("spaces", "[1,2]"),
        ("nonsense", "[null]"),
    ] {
        let finished = call(&host, &[&format!("odd/{method}")]);
        assert_eq!(finished.code, 0, "{method}: {}", finished.err);
        assert!(
            answer.is_empty() || finished.out.trim() == answer,
            "{method}: {}",
            finished.out
        );
    }
    for method in [
        "notJson",
        "cutShort",
        "twoValues",
        "injection",
        "controlBytes",
        "invalidUtf8",
        "notArray",
        "bareValue",
        "errorEmpty",
        "errorEmptyArray",
        "errorNotJson",
        "errorNotObject",
        "errorWithoutMessage",
        "unknownStatus",
        "never",
        "lateOnCancel",
    ] {
        let finished = call(&host, &[&format!("odd/{method}")]);
        assert_eq!(finished.code, 1, "{method}: {}", finished.out);
        assert!(finished.err.contains("Error"), "{method}: {}", finished.err);
    }
    let never = call(&host, &["odd/never"]);
    assert!(
        never.err.contains("odd.never did not answer within 1500 ms"),
        "{}",
        never.err
    );
    for (method, size) in [("huge", "1000000"), ("deep", "100000")] {
        let finished = call(&host, &[&format!("odd/{method}"), size]);
        assert!(
            finished.code == 0 || finished.code == 1,
            "{method}: {}",
            finished.code
        );
    }
    assert_eq!(
        call(&host, &["odd/echo", "1"]).out.trim(),
        "[1]",
        "{}",
        host.log()
    );
    let status = mesh(&[
        "status",
        "--json",
        "--config",
        folder.path().join("mesh.toml").to_str().unwrap(),
    ])
    .out;
    let status: serde_json::Value = serde_json::from_str(&status).unwrap();
    assert!(
        status["components"].as_array().unwrap().last().unwrap()["late_completions"]
            .as_u64()
            .unwrap()
            > 1000,
        "{status}"
    );
    assert_eq!(host.stop().code(), Some(0));
}

#[test]
fn a_component_in_c_answers_and_emits() {
    let folder = Folder::new("greeter");
    let file = folder.path().join("libgreeter_c.so");
    c_library::compile(&repository().join("plugins/greeter-c/greeter.c"), &[], &file).unwrap();
    let host = host(&folder, &[("greeter", &file)], &[]);
    assert_eq!(
        call(&host, &["greeter/greet", "Ann"]).out.trim(),
        "[\"Hello, Ann!\"]"
    );
    assert!(
        call(&host, &["greeter/greet", "5"])
            .err
            .contains("name must be a string")
    );
    assert_eq!(
        call(&host, &["greeter/later", "20"]).out.trim(),
        "[{\"waited\":20}]"
    );
    let relayed = call(&host, &["greeter/callOther", "greeter", "greet", "Zed"]);
    assert_eq!(relayed.out.trim(), "[\"Hello, Zed!\"]", "{}", relayed.err);
    assert!(
        call(&host, &["greeter/callOther", "nobody", "greet", "Zed"])
            .err
            .contains("nobody.greet")
    );
}

#[test]
fn a_library_whose_thread_runs_on_is_reported_and_not_unmapped() {
    let folder = Folder::new("lingering");
    let file = folder.path().join("liblingering.so");
    c_library::compile(
        &c_library::fixture("lingering_thread.c"),
        &["LINGER_MILLISECONDS=20000"],
        &file,
    )
    .unwrap();
    let running = host(&folder, &[("lingering", &file)], &["calls.timeout_ms=1000"]);
    let pid = running.pid();
    let killed = Command::new("kill").arg(pid.to_string()).status().unwrap();
    assert!(killed.success());
    while Path::new(&format!("/proc/{pid}/exe")).exists() && !running.log().contains("still in memory") {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    assert!(
        running.log().contains("1 of its own threads still run"),
        "{}",
        running.log()
    );
}
