//! Answers of the port to wrong requests of any kind: a clear failure as JSON, and it goes on serving.
//!
//! Enters: requests that no library would send. Leaves: their answers. Guarantees: see the names of the tests. Bad
//! bodies are in `http_bad_bodies.rs`.

use mesh_tests::host::{Folder, Host, library, repository};
use mesh_tests::http::{Answer, ask, get, send};
use mesh_tests::secure;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

const ADD: &str = "/rest/method/calc/add";

/// Fails unless an answer is a failure as JSON, of the one form that all have.
fn is_clear(shown: &str, answer: &Answer, status: u16) {
    assert_eq!(answer.status, status, "{shown}: {}", answer.text());
    assert_eq!(
        answer.header("content-type"),
        Some("application/json"),
        "{shown}: {answer:?}"
    );
    let body = answer.json();
    assert!(
        body["message"].is_string() && body.get("data").is_some_and(serde_json::Value::is_null),
        "{shown}: {}",
        answer.text()
    );
    let problem = body["error"]["message"].as_str().unwrap_or_default();
    assert!(!problem.is_empty(), "{shown}: {body}");
}

fn conformance() -> Host {
    Host::start(&repository().join("tests/conformance/mesh.toml"), &[])
}

#[test]
fn bytes_that_are_no_request_get_a_clear_refusal() {
    let host = conformance();
    let many: String = (0..300).map(|number| format!("X{number}: 1\r\n")).collect();
    for (status, bytes) in [
        (400, "nonsense\r\n\r\n".to_owned()),
        (400, "GET /ping\r\n\r\n".to_owned()),
        (400, "\u{16}\u{3}\u{1}\u{2}\0\u{1}\0\r\n\r\n".to_owned()),
        (400, "GET /ping HTTP/2.0\r\nHost: mesh\r\n\r\n".to_owned()),
        (400, "GET /ping HTTP/1.1\r\nConnection: close\r\n\r\n".to_owned()),
        (
            400,
            "GET /ping HTTP/1.1\r\nHost: a\r\nHost: b\r\nConnection: close\r\n\r\n".to_owned(),
        ),
        (400, "B@D /ping HTTP/1.1\r\nHost: mesh\r\n\r\n".to_owned()),
        (400, "GET /a b HTTP/1.1\r\nHost: mesh\r\n\r\n".to_owned()),
        (
            400,
            "GET /ping HTTP/1.1\r\nHost: mesh\r\nno colon\r\n\r\n".to_owned(),
        ),
        (
            400,
            "GET /ping HTTP/1.1\r\nHost: mesh\r\nX: a\0b\r\n\r\n".to_owned(),
        ),
        (431, format!("GET /ping HTTP/1.1\r\nHost: mesh\r\n{many}\r\n")),
        (
            431,
            format!(
                "GET /ping HTTP/1.1\r\nHost: mesh\r\nX: {}\r\n\r\n",
                "a".repeat(1 << 20)
            ),
        ),
    ] {
        let shown: String = bytes.chars().take(80).collect();
        is_clear(&shown, &send(host.addr(), bytes.as_bytes()), status);
    }
    is_clear(
        "a byte that is no text",
        &send(host.addr(), b"GET /\xff HTTP/1.1\r\nHost: mesh\r\n\r\n"),
        400,
    );
    assert_eq!(get(host.addr(), "/ping").text(), "pong");
    assert!(host.stop().success());
}

#[test]
fn unknown_paths_get_a_clear_refusal() {
    let host = conformance();
    let long = format!("/{}", "a".repeat(20_000));
    let longer = format!("/{}", "a".repeat(70_000));
    let query = format!("/ping?{}", "a".repeat(20_000));
    for (status, path) in [
        (404, "/"),
        (404, "*"),
        (404, "/nothing/here"),
        (404, "/rest"),
        (404, "/rest/../metrics"),
        (404, "/%2e%2e/etc/passwd"),
        (404, "/web/../metrics"),
        (404, "/web/hello%00"),
        (404, "/primus/other"),
        (404, "/browser_primus.js"),
        // There is nobody to log in where nothing is secured.
        (404, "/auth/login?username=a&password=b"),
        (404, "/rest/method"),
        (404, "/rest/method/"),
        (404, "/rest/method/calc"),
        (404, "/rest/method/calc/"),
        (404, "/rest/method//"),
        (404, "/rest/method//add"),
        (404, "/rest/method/calc/%zz"),
        (404, "/rest/method/calc/%00"),
        (404, "/rest/method/calc/%ff%fe"),
        (404, "/rest/method/..%2f..%2fcalc/add"),
        (400, "/rest/method/a/b/c/d/e"),
        (403, "/rest/method/Other/calc/add"),
        (403, "/rest/method/security/listUsers"),
        (414, &long),
        (414, &longer),
        (414, &query),
    ] {
        let shown: String = path.chars().take(80).collect();
        is_clear(&shown, &get(host.addr(), path), status);
    }
    // People who look with a browser get text.
    let answer = ask(host.addr(), "GET", "/nothing", &["Accept: text/html,*/*"], b"");
    assert_eq!(
        (answer.status, answer.text().as_str()),
        (404, "Cannot GET /nothing\n")
    );
    assert!(host.stop().success());
}

#[test]
fn an_unsupported_verb_gets_the_list_of_supported_ones() {
    let host = conformance();
    let reading = "GET, HEAD";
    let every = "GET, POST, PUT, PATCH, DELETE, OPTIONS";
    for (verb, path, allowed) in [
        ("DELETE", "/metrics", reading),
        ("DELETE", "/healthz", reading),
        ("POST", "/readyz", reading),
        ("PUT", "/ping", reading),
        ("OPTIONS", "/version", reading),
        ("POST", "/api/client", reading),
        ("DELETE", "/primus", reading),
        ("PUT", "/auth/login", "GET, POST"),
        ("PUT", "/rest/openapi.json", "GET, OPTIONS"),
        ("TRACE", "/rest/describe", every),
        ("get", ADD, every),
        ("PROPFIND", ADD, every),
        ("TRACE", "/rest/login", every),
    ] {
        let shown = format!("{verb} {path}");
        let answer = ask(host.addr(), verb, path, &[], b"");
        is_clear(&shown, &answer, 405);
        assert_eq!(answer.header("allow"), Some(allowed), "{shown}");
    }
    let head = ask(host.addr(), "HEAD", ADD, &[], b"");
    assert_eq!(
        (head.status, head.header("allow"), head.body.len()),
        (405, Some(every), 0)
    );
    for path in ["/ping", "/web/hello", ADD, "/nothing", "example.com:443"] {
        is_clear(path, &ask(host.addr(), "CONNECT", path, &[], b""), 400);
    }
    assert!(host.stop().success());
}

#[test]
fn requests_of_http_1_0_are_served() {
    let host = conformance();
    let answer = send(host.addr(), b"GET /ping HTTP/1.0\r\n\r\n");
    assert_eq!((answer.status, answer.text().as_str()), (200, "pong"));
    let call = b"POST /rest/method/calc/add HTTP/1.0\r\nContent-Type: application/json\r\nContent-Length: 18\r\n\r\n\
                 {\"parameters\":[1,2]}";
    // The length is two bytes short, and what is left is no part of the request.
    is_clear("HTTP/1.0, cut off", &send(host.addr(), call), 400);
    let whole = String::from_utf8_lossy(call).replace("Length: 18", "Length: 20");
    assert_eq!(send(host.addr(), whole.as_bytes()).json()["data"], 3);
    is_clear(
        "HTTP/1.0",
        &send(host.addr(), b"GET /nothing HTTP/1.0\r\n\r\n"),
        404,
    );
    assert!(host.stop().success());
}

#[test]
fn upgrades_that_cannot_be_made_get_a_reason() {
    let host = conformance();
    let upgrade = |path: &str, more: &str| {
        let head = format!(
            "GET {path} HTTP/1.1\r\nHost: mesh\r\nConnection: upgrade, close\r\nUpgrade: websocket\r\n"
        );
        send(host.addr(), format!("{head}{more}\r\n").as_bytes())
    };
    let key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    for (path, more, status) in [
        ("/primus", String::new(), 400),
        ("/primus", key.to_owned(), 400),
        ("/primus", format!("{key}Sec-WebSocket-Version: 99\r\n"), 400),
        ("/primus", "Sec-WebSocket-Version: 13\r\n".to_owned(), 400),
        (
            "/primus",
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: x\r\n".to_owned(),
            400,
        ),
        ("/nothing", format!("{key}Sec-WebSocket-Version: 13\r\n"), 404),
    ] {
        is_clear(&format!("{path} {more}"), &upgrade(path, &more), status);
    }
    let plain = get(host.addr(), "/primus");
    assert_eq!(
        (plain.status, plain.text().as_str()),
        (426, "Upgrade Required"),
        "clients of real servers compare the text"
    );
    let json = ask(host.addr(), "GET", "/primus", &["Accept: application/json"], b"");
    is_clear("/primus as JSON", &json, 426);
    assert!(host.stop().success());
}

#[test]
fn a_secure_mesh_tells_strangers_nothing_but_that() {
    let host = secure::host(&[]);
    let json = ["Accept: application/json"];
    for path in [
        "/",
        "/nothing",
        "/metrics",
        "/METRICS",
        "/web/hello",
        "/TestNode/web/hello",
        "/web/../metrics",
        "/web/hello%00",
        "/rest",
        "/rest/describe",
        "/rest/describe/more",
        "/rest/openapi.json",
        "/rest/login/more",
        "/auth/other",
        "*",
    ] {
        let answer = ask(host.addr(), "GET", path, &json, b"");
        is_clear(path, &answer, 401);
        assert_eq!(answer.header("www-authenticate"), Some("happn-auth"), "{path}");
        let text = get(host.addr(), path);
        assert_eq!(
            (text.status, text.text().as_str()),
            (401, "invalid token format or null token"),
            "{path}: clients of real servers compare the text"
        );
    }
    // Whether there is such a method, and whether the body is right, is nothing for them.
    for (path, body) in [
        (ADD, &b"{}"[..]),
        (ADD, b"{"),
        ("/rest/method/no/such", b"{}"),
        ("/rest/method/security/listUsers", b"{}"),
        ("/rest/method/calc", b"{}"),
    ] {
        let answer = ask(
            host.addr(),
            "POST",
            path,
            &["Content-Type: application/json"],
            body,
        );
        is_clear(path, &answer, 403);
        assert_eq!(
            answer.json()["error"]["message"],
            "origin of call unknown",
            "{path}"
        );
    }
    for token in ["", "x", "a.b.c", "\u{fffd}.\u{fffd}.\u{fffd}", &"a".repeat(8000)] {
        let header = format!("Authorization: Bearer {token}");
        let headers = [json[0], &header];
        is_clear(&header, &ask(host.addr(), "GET", "/metrics", &headers, b""), 401);
    }
    assert_eq!(get(host.addr(), "/ping").text(), "pong");
    assert!(host.stop().success());
}

#[test]
fn routes_of_components_and_folders_refuse_as_clearly() {
    let folder = Folder::new("bad-input-web");
    std::fs::create_dir(folder.path().join("public")).unwrap();
    std::fs::write(folder.path().join("public/a.txt"), "a").unwrap();
    let config = format!(
        "name = \"T\"\n[web]\nmax_body_bytes = 1000\n[[web.folders]]\npath = \"/files\"\nfolder = \"public\"\n\
         [[components]]\nname = \"web\"\nlibrary = \"{}\"\n",
        library("web").display()
    );
    let host = Host::start(&folder.write("mesh.toml", &config), &[]);
    let address = host.addr();
    for path in [
        "/files/none.txt",
        "/files/../mesh.toml",
        "/files/%2e%2e/mesh.toml",
        "/files/..%2fmesh.toml",
        "/files/..%5cmesh.toml",
        "/files/a.txt%00.html",
        "/files/%ff",
        "/files/%zz",
        "/files/a.txt/more",
        "/web/hellox",
        "/web",
    ] {
        is_clear(path, &get(address, path), 404);
    }
    let answer = ask(address, "DELETE", "/files/a.txt", &[], b"");
    is_clear("DELETE /files/a.txt", &answer, 405);
    assert_eq!(answer.header("allow"), Some("GET, HEAD"));
    for (headers, status) in [
        (&["Content-Length: 99999999999"][..], 413),
        (&["Transfer-Encoding: chunked", "\r\nzz\r\n"], 400),
        (&["Content-Length: 5", "Content-Length: 6"], 400),
    ] {
        let answer = ask(address, "POST", "/web/hello", headers, b"");
        is_clear(&format!("{headers:?}"), &answer, status);
    }
    is_clear(
        "a large body",
        &ask(address, "POST", "/web/hello", &[], &[7; 1001]),
        413,
    );
    assert_eq!(get(address, "/files/a.txt").text(), "a");
    assert_eq!(get(address, "/web/hello").status, 200);
    assert!(host.stop().success());
}

#[test]
fn a_slash_at_the_end_of_a_call_changes_nothing() {
    let host = conformance();
    for path in [
        ADD,
        "/rest/method/calc/add/",
        "/TestNode/rest/method/calc/add/",
        "/rest/method/TestNode/calc/add/",
    ] {
        let json = ["Content-Type: application/json"];
        let answer = ask(host.addr(), "POST", path, &json, b"{\"parameters\":[1,2]}");
        assert_eq!(answer.json()["data"], 3, "{path}: {}", answer.text());
    }
    assert!(host.stop().success());
}

#[test]
fn a_websocket_is_opened_for_proxies_that_speak_an_older_http() {
    let host = conformance();
    let key = "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    for host_header in ["Host: mesh\r\n", ""] {
        let head = format!(
            "GET /primus?_primuscb=1 HTTP/1.0\r\n{host_header}Connection: upgrade\r\nUpgrade: websocket\r\n{key}\r\n"
        );
        let mut stream = TcpStream::connect(host.addr()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        stream.write_all(head.as_bytes()).unwrap();
        let mut begin = [0; 34];
        stream.read_exact(&mut begin).unwrap();
        assert_eq!(
            begin.as_slice(),
            b"HTTP/1.1 101 Switching Protocols\r\n",
            "{host_header}"
        );
    }
    let plain = send(host.addr(), b"GET /primus HTTP/1.0\r\n\r\n");
    assert_eq!((plain.status, plain.header("connection")), (426, Some("close")));
    assert!(host.stop().success());
}

#[test]
fn a_client_that_closes_its_side_gets_its_answer() {
    let host = conformance();
    let body = "{\"parameters\":[1,2]}";
    let call = format!(
        "POST {ADD} HTTP/1.1\r\nHost: mesh\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let long = "GET /api/client HTTP/1.1\r\nHost: mesh\r\n\r\n".to_owned();
    for (request, end) in [
        (&call, "\"data\":3,\"error\":null}"),
        (&long, "globalThis.Mesh || {}));\n"),
    ] {
        for _ in 0..10 {
            let mut stream = TcpStream::connect(host.addr()).unwrap();
            stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
            stream.write_all(request.as_bytes()).unwrap();
            stream.shutdown(std::net::Shutdown::Write).unwrap();
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).unwrap();
            let text = String::from_utf8_lossy(&answer);
            assert!(text.starts_with("HTTP/1.1 200 ") && text.ends_with(end), "{text}");
        }
    }
    assert!(host.stop().success());
}
