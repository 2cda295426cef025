//! Encrypted connections, as clients and operators see them.

use mesh_tests::certificates::{Authority, Pair};
use mesh_tests::host::{Folder, Host, build_folder, mesh};
use mesh_tests::kit;
use mesh_tests::session::{self, Receiver, Sender};
use mesh_tests::swapping::{answer_to, status};
use rustls::version::{TLS12, TLS13};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// How long anything may take that is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

/// A host with a certificate, and what is needed to reach it.
struct Encrypted {
    host: Host,
    authority: Authority,
    cafile: String,
    config: PathBuf,
    folder: Folder,
}

impl Encrypted {
    fn start(overrides: &[&str]) -> Encrypted {
        let folder = Folder::new("tls");
        let authority = Authority::new();
        let cafile = authority.write(&folder).display().to_string();
        authority.issue().write(&folder);
        let config = write_config(&folder);
        Encrypted {
            host: Host::start(&config, overrides),
            authority,
            cafile,
            config,
            folder,
        }
    }

    async fn session(&self) -> (Sender, Receiver) {
        let stream = self.authority.connect(self.host.addr(), &[&TLS13, &TLS12]).await;
        session::open_over(Box::new(stream.expect("the host speaks TLS"))).await
    }

    /// The certificate that a new connection is shown.
    async fn shown(&self) -> Vec<u8> {
        let stream = self.authority.connect(self.host.addr(), &[&TLS13]).await;
        let stream = stream.expect("the host speaks TLS");
        let chain = stream.get_ref().1.peer_certificates().expect("it shows one");
        assert_eq!(chain.len(), 2, "the authority's certificate is sent with it");
        chain[0].to_vec()
    }

    /// One request without websocket; the whole answer.
    async fn get(&self, path: &str) -> String {
        let stream = self.authority.connect(self.host.addr(), &[&TLS13, &TLS12]).await;
        let mut stream = stream.expect("the host speaks TLS");
        let request = format!("GET {path} HTTP/1.1\r\nHost: mesh\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.expect("it reads");
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// Waits until the log says this so often.
    async fn logged(&self, text: &str, times: usize) {
        let said = async {
            while self.host.log().matches(text).count() < times {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let waited = tokio::time::timeout(PATIENCE, said).await;
        assert!(
            waited.is_ok(),
            "not logged {times} times: {text}\n{}",
            self.host.log()
        );
    }
}

fn write_config(folder: &Folder) -> PathBuf {
    let text = "name = \"TestNode\"\n\n[happn.tls]\ncert = \"cert.pem\"\nkey = \"key.pem\"\n\n[[components]]\n\
                name = \"calc\"\nlibrary = \"calc\"\n";
    folder.write("mesh.toml", text)
}

async fn call_once(session: &mut (Sender, Receiver), number: u64) -> Value {
    session
        .0
        .call("TestNode/calc/add", number, json!([number, 1]))
        .await;
    answer_to(&mut session.1, number).await
}

/// Reads until the other side ends the connection, and returns what it said.
async fn read_to_the_end(stream: &mut TcpStream) -> Vec<u8> {
    let mut said = Vec::new();
    let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut said)).await;
    // An end by force is an end.
    let _ = read.expect("the host ends the connection");
    said
}

#[test]
fn published_clients_of_every_generation_connect_and_call() {
    if !kit::ready() {
        return;
    }
    let mesh = Encrypted::start(&[]);
    let run = |arguments: &[&str], authorities: &str| -> Vec<Value> {
        let output = Command::new("node")
            .current_dir(kit::folder())
            .args(["tls.js", "--port", &mesh.host.addr().port().to_string()])
            .args(arguments)
            .env("NODE_EXTRA_CA_CERTS", authorities)
            .output()
            .expect("node runs");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let lines = text.lines().filter(|line| line.starts_with('{'));
        let lines = lines.map(|line| serde_json::from_str(line).expect("a line of JSON"));
        lines.collect()
    };
    let expected = [
        json!({"client": "h3-1", "event": 100_000, "session": true}),
        json!({"client": "h3-13", "event": 100_000, "session": true}),
        json!({"client": "hc-2", "sum": 42, "echo": true}),
        json!({"client": "hc-12", "sum": 42, "echo": true}),
    ];
    assert_eq!(run(&[], &mesh.cafile), expected, "they trust the authority");
    assert_eq!(run(&["--allow-self-signed"], ""), expected, "they trust anybody");
    for refused in run(&[], "") {
        assert!(refused["error"].is_string(), "they trust nobody: {refused}");
    }
}

#[test]
fn the_conformance_kit_passes_over_tls() {
    if !kit::ready() {
        return;
    }
    let folder = Folder::new("tls-kit");
    let authority = Authority::new();
    let cafile = authority.write(&folder);
    authority.issue().write(&folder);
    let files = ["cert", "key"].map(|file| {
        let path = folder.path().join(format!("{file}.pem"));
        format!("happn.tls.{file}={}", path.display())
    });
    let config = kit::folder().join("mesh.toml");
    let host = Host::start(&config, &[&files[0], &files[1]]);
    for profile in ["era", "modern"] {
        let output = Command::new("node")
            .current_dir(kit::folder())
            .args(["run.js", "--protocol", "https", "--profile", profile])
            .args(["--port", &host.addr().port().to_string()])
            .args([
                "--only",
                "connect,description,exchange,events,publish,meshclient,modernclient,reconnect",
            ])
            .env("NODE_EXTRA_CA_CERTS", &cafile)
            .output()
            .expect("node runs");
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{profile}\n{text}");
    }
}

#[tokio::test]
async fn everything_says_that_the_connection_is_encrypted() {
    let mesh = Encrypted::start(&[]);
    assert!(mesh.host.url().starts_with("https://"), "{}", mesh.host.url());
    assert_eq!(status(&mesh.config)["url"], mesh.host.url());
    let version = mesh.get("/version").await;
    assert!(
        version.starts_with("HTTP/1.1 200") && version.contains("\"version\""),
        "{version}"
    );
    // The test's client asks for a name; an address is bound by nothing.
    let strict = |answer: &str| answer.contains("strict-transport-security: max-age=31536000");
    assert!(strict(&version), "{version}");
    let description = mesh.get("/rest/describe").await;
    assert!(description.contains("/calc/add"), "{description}");
    let stream = mesh.authority.connect(mesh.host.addr(), &[&TLS13]).await.unwrap();
    let (mut socket, _) = tokio_tungstenite::client_async("ws://mesh/primus", stream)
        .await
        .unwrap();
    use futures_util::{SinkExt, StreamExt};
    let login = json!({"action": "login", "eventId": 1, "data": {"protocol": "happn_4"}});
    let configure = json!({"action": "configure-session", "eventId": 1, "data": {"protocol": "happn_4"}});
    for request in [configure, login] {
        let text = request.to_string();
        socket
            .send(tokio_tungstenite::tungstenite::Message::text(text))
            .await
            .unwrap();
    }
    socket.next().await;
    let answer = socket.next().await.unwrap().unwrap().into_text().unwrap();
    let answer: Value = serde_json::from_str(&answer).unwrap();
    let data = &answer["data"];
    assert_eq!(
        (&data["encrypted"], &data["address"]["secure"]),
        (&json!(true), &json!(true))
    );
}

#[tokio::test]
async fn both_versions_of_tls_are_spoken_and_the_older_ones_are_not() {
    let mesh = Encrypted::start(&[]);
    for version in [&TLS12, &TLS13] {
        let stream = mesh
            .authority
            .connect(mesh.host.addr(), &[version])
            .await
            .unwrap();
        assert_eq!(stream.get_ref().1.protocol_version(), Some(version.version));
        let mut session = session::open_over(Box::new(stream)).await;
        assert_eq!(call_once(&mut session, 1).await["args"], json!([null, 2]));
    }
    for minor in [1, 2] {
        // The greeting of a client that knows TLS 1.0, or 1.1: version, random, no session, one cipher, no compression.
        let mut hello = vec![3, minor];
        hello.extend([7; 32]);
        hello.extend([0, 0, 2, 0xc0, 0x13, 1, 0]);
        let mut record = vec![22, 3, 1, 0, hello.len() as u8 + 4, 1, 0, 0, hello.len() as u8];
        record.extend(&hello);
        let mut stream = TcpStream::connect(mesh.host.addr()).await.unwrap();
        stream.write_all(&record).await.unwrap();
        let alert = read_to_the_end(&mut stream).await;
        assert_eq!(
            (alert.first(), alert.get(5)),
            (Some(&21), Some(&2)),
            "a fatal alert: {alert:?}"
        );
    }
}

#[tokio::test]
async fn commands_reach_it_when_they_can_trust_it() {
    let encrypted = Encrypted::start(&[]);
    let url = encrypted.host.url();
    let call =
        |url: &str, more: &[&str]| mesh(&[&["call", "--url", url, "calc/add", "20", "22"], more].concat());
    let trusted = call(&url, &["--cafile", &encrypted.cafile]);
    assert_eq!((trusted.code, trusted.out.trim(), &*trusted.err), (0, "42", ""));
    let socket = url.replace("https", "wss");
    assert_eq!(call(&socket, &["--cafile", &encrypted.cafile]).out.trim(), "42");
    let unknown = call(&url, &[]);
    assert_eq!(unknown.code, 69, "{}", unknown.err);
    assert!(
        unknown.err.contains("--cafile") && unknown.err.contains("certificate"),
        "{}",
        unknown.err
    );
    let anyone = call(&url, &["--insecure"]);
    assert_eq!((anyone.code, anyone.out.trim()), (0, "42"));
    assert!(anyone.err.starts_with("warning: "), "{}", anyone.err);
    let plain = call(&url.replace("https", "http"), &[]);
    assert_eq!(plain.code, 69, "{}", plain.err);
    let described = mesh(&["describe", "--url", &url, "--cafile", &encrypted.cafile]);
    assert!(described.out.contains("calc"), "{}", described.err);
    let nothing = call(&url, &["--cafile", "/nonexistent.pem"]);
    assert!(
        nothing.code == 69 && nothing.err.contains("/nonexistent.pem"),
        "{}",
        nothing.err
    );
    let few = [
        "bench",
        "calls",
        "--connections",
        "2",
        "--duration",
        "0.2",
        "--warm-up",
        "0.1",
        "--json",
    ];
    let bench = mesh(&[&few[..], &["--url", &url, "--cafile", &encrypted.cafile]].concat());
    assert_eq!(bench.code, 0, "{}", bench.err);
}

#[tokio::test]
async fn plaintext_on_a_tls_port_is_rejected_and_others_are_served() {
    let mesh = Encrypted::start(&[]);
    let mut session = mesh.session().await;
    let mut plain = TcpStream::connect(mesh.host.addr()).await.unwrap();
    plain
        .write_all(b"GET /version HTTP/1.1\r\nHost: mesh\r\n\r\n")
        .await
        .unwrap();
    let answer = String::from_utf8(read_to_the_end(&mut plain).await).unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 400 ") && answer.contains("https"),
        "{answer}"
    );
    let garbage: [&[u8]; 4] = [
        b"\0\0\0\0",
        b"hello",
        &[22, 3, 1, 0, 5, 1, 2, 3, 4, 5],
        &[22, 3, 1, 0xff, 0xff, 1, 0, 0, 0],
    ];
    for bytes in garbage {
        let mut stream = TcpStream::connect(mesh.host.addr()).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        read_to_the_end(&mut stream).await;
    }
    assert_eq!(call_once(&mut session, 1).await["args"], json!([null, 2]));

    let folder = Folder::new("plain");
    let host = Host::start(&folder.write("mesh.toml", "name = \"Plain\"\n"), &[]);
    let error = mesh.authority.connect(host.addr(), &[&TLS13]).await.unwrap_err();
    assert_eq!(
        error.kind(),
        std::io::ErrorKind::InvalidData,
        "it answers with plain HTTP: {error}"
    );
}

#[tokio::test]
async fn a_thousand_handshakes_that_never_finish_are_ended() {
    let mesh = Encrypted::start(&[]);
    let open_files = || {
        let folder = format!("/proc/{}/fd", mesh.host.pid());
        std::fs::read_dir(folder).expect("the host runs").count()
    };
    let before = open_files();
    let mut stuck = Vec::new();
    for number in 0..1000 {
        let mut stream = TcpStream::connect(mesh.host.addr()).await.unwrap();
        if number % 2 == 0 {
            // The beginning of a greeting whose end does not come.
            stream
                .write_all(&[22, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3])
                .await
                .unwrap();
        }
        stuck.push(stream);
    }
    let mut session = mesh.session().await;
    assert_eq!(
        call_once(&mut session, 1).await["args"],
        json!([null, 2]),
        "others are served meanwhile"
    );
    for mut stream in stuck {
        read_to_the_end(&mut stream).await;
    }
    let closed = async {
        while open_files() > before + 10 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, closed)
        .await
        .expect("their sockets are given back");
    assert_eq!(call_once(&mut session, 2).await["args"], json!([null, 3]));
}

#[tokio::test]
async fn handshakes_count_as_connections() {
    let mesh = Encrypted::start(&["happn.max_connections=2"]);
    let stuck = [
        TcpStream::connect(mesh.host.addr()).await.unwrap(),
        TcpStream::connect(mesh.host.addr()).await.unwrap(),
    ];
    // It is let in when they are ended, which is what this waits for.
    let mut session = mesh.session().await;
    assert_eq!(call_once(&mut session, 1).await["args"], json!([null, 2]));
    for mut stream in stuck {
        assert!(
            stream.try_read(&mut [0]).is_ok_and(|count| count == 0)
                || read_to_the_end(&mut stream).await.is_empty()
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_certificate_is_used_at_once_and_no_call_notices() {
    let mesh = Encrypted::start(&[]);
    let (done, calls) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let mut load = Vec::new();
    for _ in 0..4 {
        let (done, calls) = (done.clone(), calls.clone());
        let mut session = mesh.session().await;
        load.push(tokio::spawn(async move {
            let mut number = 0;
            while !done.load(Ordering::Relaxed) {
                number += 1;
                assert_eq!(
                    call_once(&mut session, number).await["args"],
                    json!([null, number + 1])
                );
                calls.fetch_add(1, Ordering::Relaxed);
                // A call is under way at any time, and the other tests have processors, too.
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        }));
    }
    const USED: &str = "new connections get the certificate";
    const KEPT: &str = "the certificate stays as it was";
    for round in 1..=3 {
        let next = mesh.authority.issue();
        assert_ne!(mesh.shown().await, *next.der);
        next.write(&mesh.folder);
        mesh.logged(USED, round).await;
        assert_eq!(mesh.shown().await, *next.der);
    }
    let last = mesh.shown().await;
    let unusable: [(&str, Pair); 2] = [
        ("mismatched", mesh.authority.issue()),
        ("half written", mesh.authority.issue()),
    ];
    for (kept, (what, pair)) in unusable.into_iter().enumerate() {
        match what {
            "mismatched" => mesh.folder.write("cert.pem", &pair.cert),
            _ => mesh.folder.write("key.pem", &pair.key[..pair.key.len() / 2]),
        };
        mesh.logged(KEPT, kept + 1).await;
        assert_eq!(mesh.shown().await, last, "{what}");
    }
    // Looked at many times since, they were each reported once.
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(mesh.host.log().matches(KEPT).count(), 2, "{}", mesh.host.log());
    let next = mesh.authority.issue();
    next.write(&mesh.folder);
    mesh.logged(USED, 4).await;
    assert_eq!(mesh.shown().await, *next.der);
    let hangup = Command::new("kill")
        .args(["-HUP", &mesh.host.pid().to_string()])
        .status();
    assert!(hangup.expect("kill can be run").success());
    mesh.logged(USED, 5).await;

    done.store(true, Ordering::Relaxed);
    for task in load {
        task.await.expect("no call failed");
    }
    assert!(calls.load(Ordering::Relaxed) > 100);
}

#[tokio::test]
async fn a_stop_is_announced_over_tls_too() {
    let mesh = Encrypted::start(&[]);
    let (_sender, mut receiver) = mesh.session().await;
    let reading = tokio::spawn(async move { while receiver.next().await.is_some() {} });
    assert_eq!(mesh.host.stop().code(), Some(0));
    reading.await.expect("the connection was closed in order");
}

#[test]
fn check_looks_at_the_certificate() {
    let folder = Folder::new("tls-check");
    let config = write_config(&folder).display().to_string();
    let plugins = format!("plugins.dir={}", build_folder().display());
    let check = |more: &[&str]| mesh(&[&["check", "--config", &config, "--set", &plugins], more].concat());
    let missing = check(&[]);
    assert_eq!(missing.code, 78);
    assert!(
        missing.err.contains("mesh.toml:4:8: ") && missing.err.contains("cert.pem"),
        "{}",
        missing.err
    );

    let authority = Authority::new();
    authority.issue_until(2021).write(&folder);
    let expired = check(&["--json"]);
    assert_eq!(expired.code, 0, "{}", expired.err);
    assert!(expired.err.contains("expired on 2021-01-01"), "{}", expired.err);
    let found: Value = serde_json::from_str(&expired.out).unwrap();
    assert_eq!(found["warnings"].as_array().map(Vec::len), Some(1), "{found}");

    authority.issue().write(&folder);
    let right = check(&[]);
    assert_eq!((right.code, &*right.err), (0, ""));

    folder.write("key.pem", &authority.issue().key);
    let mismatch = check(&[]);
    assert_eq!(mismatch.code, 78);
    assert!(
        mismatch.err.contains("mesh.toml:5:7: ") && mismatch.err.contains("not the key"),
        "{}",
        mismatch.err
    );

    let half = folder.write("half.toml", "name = \"x\"\n[happn.tls]\ncert = \"cert.pem\"\n");
    let half = mesh(&["check", "--config", &half.display().to_string()]);
    assert_eq!(half.code, 78);
    assert!(
        half.err.contains("missing key `key` in [happn.tls]"),
        "{}",
        half.err
    );
}
