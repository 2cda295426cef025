//! The commands of `mesh` against a secure host.
//!
//! Enters: `--username` and `--password`, or their variables. Leaves: output, exit codes, and one clear sentence where
//! they are wrong. Guarantees: a password is printed nowhere; the owner of the host needs none for `status` and `swap`.

use mesh_tests::control::run_folder;
use mesh_tests::host::{Finished, Folder, Host, executable, library};
use mesh_tests::secure::{Client, PASSWORD};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

fn command(host: &Host, arguments: &[&str], variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(executable());
    command.args(&arguments[..1]);
    if !["status", "swap"].contains(&arguments[0]) {
        command.args(["--url", &host.url(), "--timeout", "20"]);
    }
    command
        .args(&arguments[1..])
        .env_remove("MESH_USERNAME")
        .env_remove("MESH_PASSWORD")
        .envs(variables.iter().copied())
        .stdin(Stdio::null());
    command
}

fn run(host: &Host, arguments: &[&str], variables: &[(&str, &str)]) -> Finished {
    let output = command(host, arguments, variables).output().unwrap();
    Finished {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

async fn mesh() -> (Host, Folder, String) {
    let folder = Folder::new("commands");
    let components: String = ["calc", "emitter", "counter"]
        .iter()
        .map(|name| {
            format!(
                "[[components]]\nname = \"{name}\"\nlibrary = \"{}\"\n\n",
                library(name).display()
            )
        })
        .collect();
    let text = format!(
        "name = \"TestNode\"\n[happn]\nsecure = true\n[security]\nadmin_password = \"{PASSWORD}\"\nlogin_attempts = 1000\n{components}"
    );
    let file = folder.write("mesh.toml", &text);
    let host = Host::start(&file, &[]);
    let mut admin = Client::admin(&host).await;
    let permissions = json!({
        "methods": {"/TestNode/calc/add": {"authorized": true}},
        "events": {"/TestNode/emitter/allowed": {"authorized": true}},
    });
    admin
        .security("addGroup", json!([{"name": "G", "permissions": permissions}]))
        .await;
    let bob = json!({"username": "bob", "password": "bob-pass-1234567", "groups": {"G": true}});
    admin.security("upsertUser", json!([bob])).await;
    (host, folder, file.display().to_string())
}

#[tokio::test]
async fn call_and_describe_log_in() {
    let (host, _folder, _file) = mesh().await;
    let sum = run(
        &host,
        &[
            "call",
            "--json",
            "calc/add",
            "1",
            "2",
            "--username",
            "_ADMIN",
            "--password",
            PASSWORD,
        ],
        &[],
    );
    assert_eq!((sum.code, sum.out.trim()), (0, "[3]"), "{}", sum.err);
    let variables = [("MESH_USERNAME", "bob"), ("MESH_PASSWORD", "bob-pass-1234567")];
    for protocol in ["happn_1.3.0", "happn_2", "happn_4"] {
        let sum = run(
            &host,
            &["call", "--json", "calc/add", "1", "2", "--protocol", protocol],
            &variables,
        );
        assert_eq!((sum.code, sum.out.trim()), (0, "[3]"), "{protocol}: {}", sum.err);
        let denied = run(
            &host,
            &["call", "calc/echo", "1", "--protocol", protocol],
            &variables,
        );
        assert_eq!(denied.code, 1, "{protocol}: {}", denied.err);
        assert!(denied.err.contains("unauthorized"), "{protocol}: {}", denied.err);
    }
    let alone = run(
        &host,
        &["call", "--json", "calc/add", "1", "2"],
        &[("MESH_PASSWORD", PASSWORD)],
    );
    assert_eq!(
        (alone.code, alone.out.trim()),
        (0, "[3]"),
        "a password alone is the administrator's: {}",
        alone.err
    );
    for variables in [&variables[..], &[("MESH_PASSWORD", PASSWORD)]] {
        let described = run(&host, &["describe", "--json"], variables);
        assert_eq!(described.code, 0, "{}", described.err);
        let description: Value = serde_json::from_str(&described.out).unwrap();
        assert!(description["components"]["calc"].is_object(), "{description}");
    }
}

#[tokio::test]
async fn a_login_that_fails_is_said_once_and_plainly() {
    let (host, _folder, _file) = mesh().await;
    let secret = "wrong-pass-1234567";
    for (arguments, variables, words) in [
        (
            vec!["--username", "bob", "--password", secret],
            vec![],
            "Invalid credentials",
        ),
        (
            vec![],
            vec![("MESH_USERNAME", "bob"), ("MESH_PASSWORD", secret)],
            "Invalid credentials",
        ),
        (
            vec!["--username", "nobody", "--password", secret],
            vec![],
            "Invalid credentials",
        ),
        (vec!["--username", "bob"], vec![], "password"),
        (vec![], vec![], "a user name and a password are needed"),
    ] {
        for protocol in ["happn_1.3.0", "happn_4"] {
            for what in [
                vec!["call", "calc/add", "1", "2"],
                vec!["describe"],
                vec!["on", "emitter/allowed"],
            ] {
                let all = [&what[..], &["--protocol", protocol], &arguments[..]].concat();
                let failed = run(&host, &all, &variables);
                let said = &failed.err;
                let code = if arguments == ["--username", "bob"] { 2 } else { 69 };
                assert_eq!(failed.code, code, "{all:?}: {said}");
                assert!(said.contains(words), "{all:?}: {said}");
                assert!(!said.contains(secret), "{said}");
                assert!(
                    failed.out.is_empty() && said.trim().lines().count() <= 4,
                    "{all:?}: {said}"
                );
            }
        }
    }
    let help = run(&host, &["call", "--help"], &[("MESH_PASSWORD", secret)]);
    assert!(
        help.out.contains("MESH_PASSWORD") && !help.out.contains(secret),
        "{}",
        help.out
    );
}

#[tokio::test]
async fn listening_logs_in() {
    let (host, _folder, _file) = mesh().await;
    let variables = [("MESH_USERNAME", "bob"), ("MESH_PASSWORD", "bob-pass-1234567")];
    let denied = run(&host, &["on", "emitter/forbidden", "--count", "1"], &variables);
    assert_eq!(denied.code, 1, "{}", denied.err);
    assert!(denied.err.contains("unauthorized"), "{}", denied.err);
    let mut admin = Client::admin(&host).await;
    let mut listening = command(
        &host,
        &["on", "emitter/allowed", "--count", "1", "--json"],
        &variables,
    )
    .stdout(Stdio::piped())
    .stderr(Stdio::piped())
    .spawn()
    .unwrap();
    let mut lines = BufReader::new(listening.stdout.take().unwrap()).lines();
    let heard = std::thread::spawn(move || lines.next());
    // Nothing says when it listens; whatever it misses is said again.
    while !heard.is_finished() {
        admin
            .call("emitter/emit", json!(["allowed", {"n": 1}]))
            .await
            .unwrap();
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let line = heard.join().unwrap().unwrap().unwrap();
    assert!(line.contains("\"n\":1"), "{line}");
    assert!(listening.wait().unwrap().success());
}

#[tokio::test]
async fn the_owner_of_the_host_needs_no_password_for_status_and_swap() {
    let (host, folder, file) = mesh().await;
    let shown = run(&host, &["status", "--json", "--config", &file], &[]);
    assert_eq!(shown.code, 0, "{}", shown.err);
    assert!(
        !shown.out.contains("token") && !shown.out.contains(PASSWORD),
        "{}",
        shown.out
    );
    let next = library("fixture-counter-next");
    let swapped = run(
        &host,
        &["swap", "counter", next.to_str().unwrap(), "--config", &file],
        &[],
    );
    assert_eq!(swapped.code, 0, "{}", swapped.err);
    let mut admin = Client::admin(&host).await;
    let described = admin.get("/mesh/schema/description").await;
    assert_eq!(described["data"]["components"]["counter"]["version"], "1.1.0");
    // Which is why nobody else can reach the socket.
    let about = std::fs::metadata(run_folder()).unwrap();
    assert_eq!(
        about.permissions().mode() & 0o077,
        0,
        "the folder of sockets is the owner's alone"
    );
    drop(folder);
}
