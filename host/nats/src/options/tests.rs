//! Which settings are refused, and with which words.

use super::*;
use std::path::PathBuf;

fn settings(servers: &[&str]) -> Settings {
    let servers = servers.iter().map(|server| (*server).to_owned()).collect();
    Settings::new(servers, "a".to_owned())
}

fn refused(settings: &Settings) -> String {
    match of(settings) {
        Ok(_) => panic!("{settings:?} is taken"),
        Err(error) => error.to_string(),
    }
}

/// A file of one test, which is removed again.
struct File(PathBuf);

impl File {
    fn new(name: &str, content: &str) -> File {
        let file = std::env::temp_dir().join(format!("mesh-nats-{}-{name}", std::process::id()));
        std::fs::write(&file, content).expect("a file can be written");
        File(file)
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[test]
fn addresses_of_servers_are_taken() {
    let servers = [
        "nats://127.0.0.1:4222",
        "nats://nats-2.example",
        "nats://[::1]:4222/",
    ];
    let target = of(&settings(&servers)).expect("the addresses are right");
    let ports: Vec<u16> = target.servers.iter().map(ServerAddr::port).collect();
    assert_eq!(ports, [4222, 4222, 4222]);
}

#[test]
fn a_server_must_be_named() {
    let said = refused(&settings(&[]));
    assert_eq!(
        said,
        "servers: no server is named; at least one is needed, such as `nats://127.0.0.1:4222`"
    );
}

#[test]
fn what_is_no_address_is_named() {
    for wrong in [
        "",
        "127.0.0.1:4222",
        "http://a:1",
        "ws://a:1",
        "nats://",
        "nats://a:0",
        "nats://a:99999",
        "nats://a:1/b",
        "nats://a:1?b",
    ] {
        let said = refused(&settings(&["nats://127.0.0.1:4222", wrong]));
        let expected = "this is no address of a NATS server; write `nats://HOST:PORT` or `tls://HOST:PORT`";
        assert_eq!(said, format!("{wrong}: {expected}"));
    }
}

#[test]
fn a_password_in_an_address_is_refused_and_not_repeated() {
    for wrong in [
        "nats://joe:secret@a:1",
        "tls://secret@a:1",
        "nats://joe:secret@/@a:1",
    ] {
        let said = refused(&settings(&[wrong]));
        assert!(said.starts_with("a:1: an address may not hold a user"), "{said}");
        assert!(!said.contains("secret"), "{said}");
    }
    let said = refused(&settings(&["joe:secret@a:1"]));
    assert!(!said.contains("secret"), "{said}");
}

#[test]
fn a_password_is_in_no_output_for_debugging() {
    let credentials = Credentials::Password {
        user: "joe".to_owned(),
        password: "secret".to_owned(),
    };
    let mut settings = settings(&["nats://a:1"]);
    settings.credentials = credentials;
    let shown = format!("{settings:?}");
    assert!(shown.contains("joe") && !shown.contains("secret"), "{shown}");
}

#[test]
fn files_with_something_else_are_named_and_not_repeated() {
    let pair = KeyPair::new_user();
    let seed = pair.seed().expect("a new pair has a seed");
    let account = KeyPair::new_account().seed().expect("a new pair has a seed");
    let with = |credentials| Settings {
        credentials,
        ..settings(&["nats://a:1"])
    };
    let right = File::new("right.nk", &format!("{seed}\n"));
    assert!(of(&with(Credentials::Nkey(right.0.clone()))).is_ok());
    for (name, content, expected) in [
        (
            "public.nk",
            pair.public_key(),
            "this is the public half of an nkey",
        ),
        (
            "account.nk",
            account.clone(),
            "there is no seed of a user's nkey in this file",
        ),
        (
            "short.nk",
            seed[..57].to_owned(),
            "there is no seed of a user's nkey in this file",
        ),
        (
            "empty.nk",
            String::new(),
            "there is no seed of a user's nkey in this file",
        ),
    ] {
        let file = File::new(name, &content);
        let said = refused(&with(Credentials::Nkey(file.0.clone())));
        assert!(
            said.starts_with(&format!("{}: {expected}", file.0.display())),
            "{said}"
        );
        assert!(content.is_empty() || !said.contains(&content), "{said}");
    }
    let file = File::new("no.creds", &seed);
    let said = refused(&with(Credentials::File(file.0.clone())));
    assert!(said.contains("there are no credentials in this file"), "{said}");
    assert!(!said.contains(&seed), "{said}");
    let missing = PathBuf::from("/there/is/no/file");
    for credentials in [Credentials::Nkey(missing.clone()), Credentials::File(missing)] {
        let said = refused(&with(credentials));
        assert!(
            said.starts_with("/there/is/no/file: the file cannot be read: "),
            "{said}"
        );
    }
}

#[test]
fn pauses_between_attempts_grow_to_one_second() {
    let pauses = [0, 1, 2, 3, 4, 10, 11, 12, 1_000, usize::MAX].map(|attempt| pause(attempt).as_millis());
    assert_eq!(pauses, [0, 0, 2, 4, 8, 512, 1_000, 1_000, 1_000, 1_000]);
}
