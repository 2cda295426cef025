//! What the port answers to requests that are wrong, whatever they are about: a clear failure as JSON, and it goes on serving.

use mesh_tests::host::{Host, repository};
use serde_json::Value;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// The status and the body of the answer to these bytes.
fn send(host: &Host, bytes: &[u8]) -> (u16, String) {
    let mut stream = TcpStream::connect(host.addr()).expect("the host listens");
    stream
        .set_read_timeout(Some(Duration::from_secs(40)))
        .expect("a socket has options");
    // A request that is refused early may not be read to its end.
    let _ = stream.write_all(bytes);
    let mut text = Vec::new();
    let _ = stream.read_to_end(&mut text);
    let text = String::from_utf8_lossy(&text).into_owned();
    let status = text.split(' ').nth(1).and_then(|status| status.parse().ok());
    let body = text
        .split_once("\r\n\r\n")
        .map_or("", |(_, body)| body)
        .to_owned();
    (status.unwrap_or_else(|| panic!("no answer: {text:?}")), body)
}

fn request(verb: &str, target: &str, more: &str) -> Vec<u8> {
    format!("{verb} {target} HTTP/1.1\r\nHost: mesh\r\nConnection: close\r\n{more}\r\n").into_bytes()
}

#[test]
fn wrong_requests_are_told_what_is_wrong_as_json() {
    let host = Host::start(&repository().join("tests/conformance/mesh.toml"), &[]);
    let add = "/rest/method/calc/add";
    let long = format!("/{}", "a".repeat(20_000));
    let longer = format!("/{}", "a".repeat(70_000));
    let mut cases = vec![
        (404, request("GET", "/nothing/here", "")),
        (404, request("GET", "/rest/../metrics", "")),
        (404, request("GET", "/rest/method/calc/%zz", "")),
        (400, b"GET /\xff HTTP/1.1\r\nHost: mesh\r\n\r\n".to_vec()),
        (400, b"nonsense\r\n\r\n".to_vec()),
        (400, b"GET /ping HTTP/1.1\r\nConnection: close\r\n\r\n".to_vec()),
        (414, request("GET", &long, "")),
        (414, request("GET", &longer, "")),
        (
            431,
            request("GET", "/ping", &format!("X: {}\r\n", "a".repeat(1 << 20))),
        ),
        (405, request("PUT", "/rest/openapi.json", "")),
        (405, request("TRACE", "/rest/describe", "")),
        (
            415,
            request(
                "POST",
                add,
                "Content-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}",
            ),
        ),
        (
            413,
            request(
                "POST",
                add,
                "Content-Type: application/json\r\nContent-Length: 99999999\r\n",
            ),
        ),
        (
            400,
            request(
                "POST",
                add,
                "Content-Type: application/json\r\nContent-Length: 1\r\n\r\n{",
            ),
        ),
    ];
    for path in [
        "/metrics",
        "/healthz",
        "/readyz",
        "/ping",
        "/version",
        "/api/client",
        "/primus",
        "/auth/login",
    ] {
        cases.push((405, request("DELETE", path, "")));
    }
    for (expected, bytes) in cases {
        let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(80)]).into_owned();
        let (status, body) = send(&host, &bytes);
        assert_eq!(status, expected, "{shown}: {body}");
        let body: Value =
            serde_json::from_str(&body).unwrap_or_else(|error| panic!("{shown}: {error}: {body}"));
        assert!(
            body["message"].is_string() && body["data"].is_null(),
            "{shown}: {body}"
        );
        assert!(body["error"]["message"].is_string(), "{shown}: {body}");
    }
    assert_eq!(
        send(&host, &request("GET", "/ping", "")),
        (200, "pong".to_owned())
    );
    assert!(host.stop().success());
}
