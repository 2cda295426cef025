//! The commands as a person uses them: what they print, and how they end.

use mesh_tests::host::{
    Folder, Host, build_folder, executable, mesh, repository, target_folder_of_new_crates,
};
use mesh_tests::secure::Client;
use mesh_tests::terminal;
use mesh_tests::tools::Tool;
use mesh_tests::turns;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

fn host() -> Host {
    Host::start(&repository().join("tests/conformance/mesh.toml"), &[])
}

#[test]
fn each_help_text_explains_its_command() {
    let all = mesh(&["--help"]).out;
    let listed = all.lines().skip_while(|line| *line != "Commands:").skip(1);
    let listed = listed.take_while(|line| !line.is_empty());
    let commands: Vec<&str> = listed
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|command| *command != "help")
        .collect();
    assert!(commands.len() > 15, "{all}");
    for command in commands {
        let help = mesh(&[command, "--help"]);
        assert_eq!(help.code, 0, "{command}: {}", help.err);
        assert!(
            help.out.lines().count() > 8,
            "{command} explains itself\n{}",
            help.out
        );
    }
    assert_eq!(mesh(&["fly"]).code, 2);
}

#[test]
fn calls_and_their_errors_are_printed() {
    let host = host();
    let url = host.url();
    let call = |arguments: &[&str]| mesh(&[&["call", "--url", &url, "--json"], arguments].concat());
    let sum = call(&["calc/add", "20", "22"]);
    assert_eq!((sum.code, sum.out.trim()), (0, "[42]"), "{}", sum.err);
    let several = call(&["calc/multi"]);
    assert_eq!(several.out.trim(), r#"["first",{"second":2},[3,"three"]]"#);
    let word = call(&["calc/echo", "word"]);
    assert_eq!(word.out.trim(), r#"["word"]"#);
    let error = call(&["calc/divide", "1", "0"]);
    assert_eq!(error.code, 1);
    assert!(
        error.err.contains("DivisionError") && error.err.contains("division by zero"),
        "{}",
        error.err
    );
    let unknown = call(&["calc/subtract", "1"]);
    assert_eq!(unknown.code, 1);
    assert!(unknown.err.contains("subtract"), "{}", unknown.err);
    let range = call(&["--version", "^9.0.0", "calc/add", "1", "2"]);
    assert_eq!(range.code, 1);
    assert!(
        range.err.contains("^9.0.0") && range.err.contains("1.2.3"),
        "{}",
        range.err
    );
    assert_eq!(host.stop().code(), Some(0));
    assert_eq!(call(&["calc/add", "1", "2"]).code, 69, "nobody is there any more");
}

#[test]
fn events_are_printed_as_they_come() {
    let host = host();
    let url = host.url();
    let mut listener = Command::new(executable())
        .args(["on", "--url", &url, "--json", "--count", "2", "emitter/news/*"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(listener.stdout.take().unwrap()).lines();
    let subscribed = || {
        let status = mesh(&[
            "status",
            "--json",
            "--config",
            repository().join("tests/conformance/mesh.toml").to_str().unwrap(),
        ]);
        status
            .out
            .lines()
            .any(|line| line.contains(&url) && !line.contains("\"subscriptions\":0"))
    };
    while !subscribed() {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    for number in ["1", "2"] {
        mesh(&["call", "--url", &url, "emitter/emit", "news/today", number]);
        let line = lines.next().unwrap().unwrap();
        let event: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(event["data"]["value"].to_string(), number, "{line}");
    }
    assert!(listener.wait().unwrap().success(), "it ends after two events");
}

#[test]
fn describe_prints_the_mesh() {
    let host = host();
    let text = mesh(&["describe", "--url", &host.url(), "calc"]);
    assert!(
        text.out.contains("calc 1.2.3") && text.out.contains("divide(a, b"),
        "{}",
        text.out
    );
    let raw = mesh(&["describe", "--url", &host.url(), "--json"]);
    let description: serde_json::Value = serde_json::from_str(&raw.out).unwrap();
    assert_eq!(description["components"]["emitterOld"]["version"], "1.4.0");
    let config = repository().join("tests/conformance/mesh.toml");
    let overridden = format!("plugins.dir={}", build_folder().display());
    let checked = mesh(&[
        "check",
        "--config",
        config.to_str().unwrap(),
        "--set",
        &overridden,
    ]);
    assert_eq!(checked.code, 0, "{}", checked.err);
    assert!(checked.out.contains("calc 1.2.3"), "{}", checked.out);
}

#[test]
fn a_new_component_builds_and_loads_as_it_is() {
    let _turn = turns::of_heavy_tests();
    let folder = Folder::new("new");
    let made = Command::new(executable())
        .args(["new", "my-greeter"])
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let again = Command::new(executable())
        .args(["new", "my-greeter"])
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert_eq!(again.status.code(), Some(1), "what is there is not overwritten");
    let crate_folder = folder.path().join("my-greeter");
    let target = target_folder_of_new_crates();
    let built = Command::new(env!("CARGO"))
        .args(["build", "--release", "--quiet"])
        .env("CARGO_TARGET_DIR", &target)
        .current_dir(&crate_folder)
        .output()
        .unwrap();
    assert!(
        built.status.success(),
        "{}",
        String::from_utf8_lossy(&built.stderr)
    );
    let here = format!("plugins.dir={}", target.join("release").display());
    let host = Host::start(&crate_folder.join("mesh.toml"), &[&here]);
    let greeted = mesh(&["call", "--url", &host.url(), "--json", "myGreeter/greet", "World"]);
    assert_eq!(greeted.out.trim(), r#"["Hello, World!"]"#, "{}", greeted.err);
}

#[test]
fn a_new_component_in_c_builds_and_loads_as_it_is() {
    let folder = Folder::new("new-c");
    let new = |arguments: &[&str]| {
        Command::new(executable())
            .args(["new", "my-greeter", "--language", "c"])
            .args(arguments)
            .current_dir(folder.path())
            .output()
            .unwrap()
    };
    let confused = new(&["--sdk", "."]);
    assert_eq!(
        confused.status.code(),
        Some(2),
        "C has no use for the SDK's folder"
    );
    let made = new(&[]);
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let own = folder.path().join("my-greeter");
    let built = Command::new("make").arg("-s").current_dir(&own).output().unwrap();
    assert!(
        built.status.success() && built.stderr.is_empty(),
        "{}",
        String::from_utf8_lossy(&built.stderr)
    );
    let here = format!("plugins.dir={}", own.display());
    let host = Host::start(&own.join("mesh.toml"), &[&here]);
    let greet = |name: &str| mesh(&["call", "--url", &host.url(), "--json", "myGreeter/greet", name]);
    assert_eq!(greet("\"World\"").out.trim(), r#"["Hello, World!"]"#);
    assert_eq!(
        greet(r#""quotes \"here\" and a line\n""#).out.trim(),
        r#"["Hello, quotes \"here\" and a line\n!"]"#
    );
    assert!(greet("[]").err.contains("whom should I greet?"));
    let library = own.join("libmy_greeter.so");
    let checked = mesh(&["check-plugin", library.to_str().unwrap(), "--rounds", "25"]);
    assert_eq!(checked.code, 0, "{}\n{}", checked.out, checked.err);
    assert!(checked.out.contains("20 ok"), "{}", checked.out);
}

#[test]
fn a_new_component_in_cpp_builds_and_loads_as_it_is() {
    if !Tool::Cpp.is_there() {
        return;
    }
    let folder = Folder::new("new-cpp");
    let made = Command::new(executable())
        .args(["new", "my-greeter", "--language", "cpp"])
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let own = folder.path().join("my-greeter");
    let built = Command::new("make").arg("-s").current_dir(&own).output().unwrap();
    assert!(
        built.status.success() && built.stderr.is_empty(),
        "{}",
        String::from_utf8_lossy(&built.stderr)
    );
    let here = format!("plugins.dir={}", own.display());
    let host = Host::start(&own.join("mesh.toml"), &[&here]);
    let greet = |name: &str| mesh(&["call", "--url", &host.url(), "--json", "myGreeter/greet", name]);
    assert_eq!(greet("\"World\"").out.trim(), r#"["Hello, World!"]"#);
    assert_eq!(
        greet(r#""quotes \"here\" and a line\n""#).out.trim(),
        r#"["Hello, quotes \"here\" and a line\n!"]"#
    );
    assert!(greet("\"\"").err.contains("whom should I greet?"));
    assert!(greet("7").err.contains("expected a string, found a number `7`"));
    let library = own.join("libmy_greeter.so");
    let checked = mesh(&["check-plugin", library.to_str().unwrap(), "--rounds", "25"]);
    assert_eq!(checked.code, 0, "{}\n{}", checked.out, checked.err);
    assert!(checked.out.contains("20 ok"), "{}", checked.out);
}

/// Characters that a terminal acts on, and a line end that forges a line.
const HOSTILE: &str =
    "a\u{1b}[31m\u{7}\u{7f}\u{9b}2J\u{202e}\u{2066}\r\n2026-01-01T00:00:00Z  INFO forged: line";

fn is_harmless(text: &str) -> bool {
    !text.chars().any(|character| {
        (character.is_control() && character != '\n' && character != '\t')
            || matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    }) && !text.lines().any(|line| line.starts_with("2026-01-01"))
}

#[tokio::test]
async fn texts_of_strangers_reach_no_terminal_unescaped() {
    let host = Host::start_with(
        &repository().join("tests/conformance/mesh.toml"),
        &["happn.secure=true", "security.admin_password=happn"],
        |command| {
            command.env("MESH_LOG", "trace");
        },
    );
    let url = host.url();
    let all = |arguments: &[&str]| {
        let there = ["--url", &url, "--password", "happn"];
        let all = arguments.iter().chain(&there);
        all.map(|argument| (*argument).to_owned()).collect::<Vec<_>>()
    };
    let run = |arguments: &[&str]| {
        let mut command = Command::new(executable());
        let ended = command.args(all(arguments)).stdin(Stdio::null()).output();
        ended.unwrap()
    };
    let on_a_terminal = |arguments: &[&str]| {
        let all = all(arguments);
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        terminal::command(&all)
    };
    let word = serde_json::to_string(HOSTILE).unwrap();
    for json in [&[][..], &["--json"]] {
        for arguments in [
            &["call", "calc/echo", &word][..],
            &["call", "calc/namedError", &word, &word],
            &["call", &format!("calc/{HOSTILE}")],
            &["describe", HOSTILE],
        ] {
            let arguments = [arguments, json].concat();
            let errors = String::from_utf8(run(&arguments).stderr).unwrap();
            assert!(is_harmless(&errors), "{arguments:?}: {errors:?}");
            if let Some(mut command) = on_a_terminal(&arguments) {
                let text = terminal::sent(&command.output().unwrap().stdout);
                assert!(is_harmless(&text) && !text.is_empty(), "{arguments:?}: {text:?}");
            }
        }
    }
    // Programs get JSON as it is.
    let echoed = run(&["call", "calc/echo", &word, "--json"]).stdout;
    assert_eq!(String::from_utf8(echoed).unwrap(), format!("[{word}]\n"));
    let on = ["on", "emitter/news/*", "--count", "1"];
    let on_json = [&on[..], &["--json"]].concat();
    let mut to_a_pipe = Command::new(executable());
    to_a_pipe.args(all(&on));
    for mut listener in [on_a_terminal(&on), on_a_terminal(&on_json), Some(to_a_pipe)]
        .into_iter()
        .flatten()
    {
        let mut listener = listener
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // Until it listens, nobody hears.
        while listener.try_wait().unwrap().is_none() {
            run(&["call", "emitter/emit", "news/today", &word]);
        }
        let mut sent = Vec::new();
        std::io::Read::read_to_end(&mut listener.stdout.take().unwrap(), &mut sent).unwrap();
        let text = terminal::sent(&sent);
        assert!(is_harmless(&text) && text.contains("u009b"), "{text:?}");
    }
    let mut stranger = Client::open(host.addr(), "happn_4").await;
    stranger.login(HOSTILE, HOSTILE).await;
    let _ = mesh_tests::http::get(host.addr(), "/%1b[31m%0a2026-01-01");
    // The log comes through a pipe.
    while !host.log().contains("login refused") {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let log = host.log();
    assert!(is_harmless(&log), "{log:?}");
}

#[test]
fn texts_of_a_library_reach_no_terminal_unescaped() {
    let folder = Folder::new("hostile");
    let library = folder.path().join("lib\u{1b}[31m\u{9b}2J\u{202e}.so");
    let source = mesh_tests::c_library::fixture("description.c");
    mesh_tests::c_library::compile(&source, &["HOSTILE_TEXTS"], &library).unwrap();
    let file = library.to_str().unwrap();
    let missing = format!("{file}.gone");
    for json in [&[][..], &["--json"]] {
        for arguments in [
            &["inspect", file][..],
            &["inspect", &missing],
            &["check-plugin", file, "--rounds", "1"],
            &["check-plugin", &missing],
        ] {
            let arguments = [arguments, json].concat();
            let ended = mesh(&arguments);
            assert!(is_harmless(&ended.err), "{arguments:?}: {ended:?}");
            if json.is_empty() {
                assert!(is_harmless(&ended.out), "{arguments:?}: {ended:?}");
            } else if arguments[1] == file {
                let said: serde_json::Value = serde_json::from_str(&ended.out).unwrap();
                assert!(said.is_object());
            }
            if let Some(mut command) = terminal::command(&arguments) {
                let text = terminal::sent(&command.output().unwrap().stdout);
                assert!(is_harmless(&text) && !text.is_empty(), "{arguments:?}: {text:?}");
            }
        }
    }
    let wrong = mesh(&["inspect", file, file]);
    assert!(wrong.code == 2 && is_harmless(&wrong.err), "{wrong:?}");
    let config = folder.write("mesh.toml", "name = \"\\u001b[31m\\u202e\"\n\"k\\u001b\" = 1\n");
    let checked = mesh(&["check", "--config", config.to_str().unwrap()]);
    assert!(checked.code == 78 && is_harmless(&checked.err), "{checked:?}");
}
