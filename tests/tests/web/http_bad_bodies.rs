//! Bodies of REST requests that cannot be read, or only just: what is wrong is said, and nothing is called with a guess.
//!
//! Enters: bodies of all kinds, encodings, sizes and depths. Leaves: their answers. Guarantees: see the names of the
//! tests.

use mesh_tests::host::{Host, repository};
use mesh_tests::http::{Answer, ask, get, send};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

const ADD: &str = "/rest/method/calc/add";
const ECHO: &str = "/rest/method/calc/echo";
const JSON: &str = "Content-Type: application/json";

fn conformance() -> Host {
    Host::start(&repository().join("tests/conformance/mesh.toml"), &[])
}

/// Fails unless an answer is a failure as JSON that says this.
fn says(shown: &str, answer: &Answer, status: u16, problem: &str) {
    assert_eq!(answer.status, status, "{shown}: {}", answer.text());
    let body = answer.json();
    assert!(
        body["message"].is_string() && body["data"].is_null(),
        "{shown}: {body}"
    );
    let found = body["error"]["message"].as_str().unwrap_or_default();
    assert!(found.contains(problem), "{shown}: {body}");
}

#[test]
fn a_body_that_is_not_json_is_refused() {
    let host = conformance();
    let gzip = b"\x1f\x8b\x08\x00garbage";
    let utf16: Vec<u8> = "{\"parameters\":[1,2]}"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    for (headers, body, status, problem) in [
        (&[][..], &b"{}"[..], 415, "Content-Type"),
        (&["Content-Type: text/plain"], b"{}", 415, "application/json"),
        (
            &["Content-Type: application/x-www-form-urlencoded"],
            b"a=1&b=2",
            415,
            "application/json",
        ),
        (
            &["Content-Type: multipart/form-data; boundary=x"],
            b"--x--",
            415,
            "application/json",
        ),
        (&[JSON, "Content-Encoding: gzip"], gzip, 400, "gzip"),
        (&[JSON, "Content-Encoding: deflate"], b"{}", 415, "deflate"),
        (&[JSON, "Content-Encoding: br"], b"{}", 415, "br"),
        (
            &[JSON, "Content-Encoding: deflate, gzip"],
            gzip,
            415,
            "deflate, gzip",
        ),
        (&[JSON], gzip, 400, "UTF-8"),
        (&[JSON], b"{\"parameters\":{\"a\":\"\xff\"}}", 400, "UTF-8"),
        (&[JSON], &utf16, 400, "line 1"),
        (
            &[JSON],
            b"{\"parameters\":{\"a\":\"\0\"}}",
            400,
            "control character",
        ),
        (&[JSON], b"{", 400, "EOF"),
        (&[JSON], b"[1,]", 400, "line 1 column 4"),
        (&[JSON], b"[1]]", 400, "trailing characters"),
        (&[JSON], b"{'a':1}", 400, "key must be a string"),
        (&[JSON], b"[NaN]", 400, "line 1"),
        (&[JSON], b"\"text\"", 400, "object or array"),
        (&[JSON], b"null", 400, "object or array"),
        (&[JSON], b"17", 400, "object or array"),
        (&[JSON], b"{\"parameters\":\"text\"}", 400, "`parameters`"),
        (&[JSON], b"{\"parameters\":[1e999,1]}", 400, "`a`"),
    ] {
        let shown = format!("{headers:?} {}", String::from_utf8_lossy(body));
        let answer = ask(host.addr(), "POST", ADD, headers, body);
        says(&shown, &answer, status, problem);
    }
    let half = b"{\"parameters\":{\"path\":\"\\ud800\"}}";
    let answer = ask(host.addr(), "POST", "/rest/method/store/getData", &[JSON], half);
    says("half a surrogate pair", &answer, 400, "`path`");
    assert!(host.stop().success());
}

#[test]
fn odd_but_valid_json_is_accepted() {
    let host = conformance();
    for (headers, body) in [
        (&["Content-Type: application/json; charset=utf-8"][..], "[1,2]"),
        (&["content-type: Application/JSON"], "[1,2]"),
        (&["Content-Type: application/vnd.api+json"], "[1,2]"),
        (&[JSON, "Content-Encoding: identity"], "[1,2]"),
        (&[JSON], "\u{feff}[1,2]"),
        (&[JSON], " \r\n\t[1 , 2]\n"),
        (&[JSON], "[1,2,3,4]"),
        // Of several with one name the last one counts, as everywhere.
        (
            &[JSON],
            r#"{"parameters":{"a":9},"parameters":{"a":7,"b":2,"a":1}}"#,
        ),
        (&[JSON], r#"{"parameters":{"\u0061":1,"b":2,"c":3},"more":{}}"#),
    ] {
        let answer = ask(host.addr(), "POST", ADD, headers, body.as_bytes());
        assert_eq!(
            (answer.status, &answer.json()["data"]),
            (200, &json!(3)),
            "{headers:?} {body}"
        );
    }
    assert!(host.stop().success());
}

#[test]
fn bodies_have_a_limit_however_they_come() {
    let host = conformance();
    let too_large = "larger than 102400 bytes";
    let spaces = vec![b' '; 102_401];
    says(
        "one byte too many",
        &ask(host.addr(), "POST", ADD, &[JSON], &spaces),
        413,
        too_large,
    );
    let mut largest = b"[1,2]".to_vec();
    largest.resize(102_400, b' ');
    assert_eq!(ask(host.addr(), "POST", ADD, &[JSON], &largest).json()["data"], 3);
    let announced = ask(host.addr(), "POST", ADD, &[JSON, "Content-Length: 99999999"], b"");
    says("announced", &announced, 413, too_large);

    let head = format!(
        "POST {ADD} HTTP/1.1\r\nHost: mesh\r\nConnection: close\r\n{JSON}\r\nTransfer-Encoding: chunked\r\n\r\n"
    );
    let chunk = format!("8000\r\n{}\r\n", " ".repeat(0x8000));
    for chunks in [4, 40, 400] {
        let request = format!("{head}{}0\r\n\r\n", chunk.repeat(chunks));
        let answer = send(host.addr(), request.as_bytes());
        says(&format!("{chunks} chunks"), &answer, 413, too_large);
    }
    let chunked = format!("{head}3\r\n[1,\r\n2\r\n2]\r\n0\r\n\r\n");
    assert_eq!(send(host.addr(), chunked.as_bytes()).json()["data"], 3);
    let broken = format!("{head}zz\r\n");
    says(
        "a chunk without a size",
        &send(host.addr(), broken.as_bytes()),
        400,
        "ended early",
    );
    for length in ["x", "-1", "18446744073709551616", "1, 2", ""] {
        let header = format!("Content-Length: {length}");
        let answer = ask(host.addr(), "POST", ADD, &[JSON, &header], b"");
        // An empty one is a body of nothing for some, and a mistake for others.
        assert!(
            answer.status == 400 || length.is_empty(),
            "{header}: {}",
            answer.text()
        );
        assert!(answer.json()["message"].is_string(), "{header}");
    }
    assert_eq!(get(host.addr(), "/ping").text(), "pong");
    assert!(host.stop().success());
}

#[test]
fn deep_bodies_harm_nobody() {
    let host = conformance();
    let address = host.addr();
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    let open = "[".repeat(100_000);
    says(
        "100000 open brackets",
        &ask(address, "POST", ADD, &[JSON], open.as_bytes()),
        400,
        "EOF",
    );
    let objects = "{\"a\":".repeat(20_000);
    says(
        "20000 open objects",
        &ask(address, "POST", ADD, &[JSON], objects.as_bytes()),
        400,
        "EOF",
    );
    let value = nested(50_000);
    says(
        "a value that a component looks into",
        &ask(address, "POST", ADD, &[JSON], value.as_bytes()),
        400,
        "`a`",
    );
    // A handler that reads nothing is harmed by nothing.
    let body = format!("{{\"parameters\":{{\"value\":{}}}}}", nested(40_000));
    let answer = ask(address, "POST", ECHO, &[JSON], body.as_bytes());
    assert_eq!(answer.status, 200);
    assert!(answer.text().contains(&nested(40_000)));
    let body = format!("{{\"parameters\":{}}}", nested(40_000));
    assert_eq!(ask(address, "POST", ECHO, &[JSON], body.as_bytes()).status, 200);
    let credentials = format!("{{\"username\":{},\"password\":1}}", nested(40_000));
    says(
        "deep credentials",
        &ask(address, "POST", "/rest/login", &[JSON], credentials.as_bytes()),
        400,
        "`username`",
    );
    // Stored documents are read by others, and removed.
    let body = format!("{{\"parameters\":[\"deep\",{}]}}", nested(20_000));
    for (method, body) in [
        ("setData", body.as_str()),
        ("removeData", "{\"parameters\":[\"deep\"]}"),
    ] {
        let path = format!("/rest/method/store/{method}");
        let answer = ask(address, "POST", &path, &[JSON], body.as_bytes());
        assert_eq!(answer.status, 200, "{method}: {}", answer.text());
    }
    assert_eq!(get(address, "/ping").text(), "pong");
    assert!(host.stop().success());
}

#[test]
fn queries_are_checked_as_bodies_are() {
    let host = conformance();
    let add = |query: &str| get(host.addr(), &format!("{ADD}?{query}"));
    for query in [
        "encoded_parameters=%7B",
        "encoded_parameters=5",
        "encoded_parameters=%ff",
        "encoded_parameters=%257B",
        "encoded_parameters={\"parameters\":5}",
    ] {
        let answer = add(query);
        assert_eq!(answer.status, 400, "{query}: {}", answer.text());
        assert!(answer.json()["error"]["message"].is_string(), "{query}");
    }
    assert_eq!(add("a=1&b=2").json()["data"], "12", "they are texts");
    assert_eq!(add("encoded_parameters=%5B1,2%5D").json()["data"], 3);
    for query in ["=", "&&&", "%", "%zz=%zz", "a[]=1", "__proto__=1", "a=%00"] {
        let answer = add(query);
        assert_eq!(answer.status, 200, "{query}: {}", answer.text());
        assert_ne!(answer.json(), Value::Null, "{query}");
    }
    assert!(host.stop().success());
}

/// `{"parameters":[1,2]}`, packed with gzip.
const PACKED: &[u8] = &[
    31, 139, 8, 0, 0, 0, 0, 0, 2, 3, 171, 86, 42, 72, 44, 74, 204, 77, 45, 73, 45, 42, 86, 178, 138, 54, 212,
    49, 138, 173, 5, 0, 242, 110, 57, 138, 20, 0, 0, 0,
];

#[test]
fn a_body_may_be_packed_with_gzip() {
    let host = conformance();
    let gzip = [JSON, "Content-Encoding: gzip"];
    let answer = ask(host.addr(), "POST", ADD, &gzip, PACKED);
    assert_eq!(answer.json()["data"], 3, "{}", answer.text());
    for damaged in [
        &PACKED[..PACKED.len() - 1],
        &PACKED[..12],
        b"{\"parameters\":[1,2]}",
    ] {
        let answer = ask(host.addr(), "POST", ADD, &gzip, damaged);
        says("damaged", &answer, 400, "gzip");
    }
    // A component gets what was sent, and knows how to read it.
    let route = ask(host.addr(), "POST", "/web/hello", &gzip, PACKED);
    assert_eq!(route.status, 200, "{}", route.text());
    assert!(host.stop().success());
}

/// Sends a head and all of a body before anything is read. Returns the status.
fn status_behind_all(address: SocketAddr, head: &str, block: &[u8], blocks: usize) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    stream.write_all(head.as_bytes()).unwrap();
    for number in 0..blocks {
        let sent = stream.write_all(block);
        sent.unwrap_or_else(|error| panic!("{head}: block {number}: {error}"));
    }
    let mut answer = Vec::new();
    let read = stream.read_to_end(&mut answer);
    read.unwrap_or_else(|error| panic!("{head}: {error}"));
    let text = String::from_utf8_lossy(&answer);
    text.split(' ').nth(1).unwrap_or_default().to_owned()
}

#[test]
fn the_status_for_a_refused_body_can_be_read() {
    let host = conformance();
    let (plain, chunk) = (
        vec![b' '; 0x10000],
        format!("10000\r\n{}\r\n", " ".repeat(0x10000)),
    );
    for (path, status) in [
        (ADD, "413"),
        ("/web/hello", "413"),
        ("/nothing", "404"),
        ("/ping", "405"),
    ] {
        for connection in ["", "Connection: close\r\n"] {
            let head = format!("POST {path} HTTP/1.1\r\nHost: mesh\r\n{JSON}\r\n{connection}");
            // Two of each at the same time.
            let sending: Vec<_> = [false, true, false, true]
                .into_iter()
                .map(|is_chunked| {
                    let (address, plain, chunk) = (host.addr(), plain.clone(), chunk.clone());
                    let (end, block) = match is_chunked {
                        true => (
                            "Transfer-Encoding: chunked\r\n\r\n".to_owned(),
                            chunk.into_bytes(),
                        ),
                        false => (format!("Content-Length: {}\r\n\r\n", 0x10000 * 100), plain),
                    };
                    let head = head.clone() + &end;
                    std::thread::spawn(move || {
                        let blocks = 100;
                        status_behind_all(address, &head, &block, blocks)
                    })
                })
                .collect();
            for one in sending {
                assert_eq!(one.join().unwrap(), status, "{head}");
            }
        }
    }
    assert!(host.stop().success());
}

#[test]
fn a_body_that_is_refused_is_not_asked_for() {
    let host = conformance();
    let expects = |path: &str, length: usize| {
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: mesh\r\n{JSON}\r\nExpect: 100-continue\r\nContent-Length: {length}\r\n\r\n"
        );
        send(host.addr(), head.as_bytes())
    };
    for (path, status) in [("/nothing", 404), ("/ping", 405), (ADD, 413), ("/web/hello", 413)] {
        let answer = expects(path, 30_000_000);
        assert_eq!(answer.status, status, "{path}");
        assert_eq!(answer.header("connection"), Some("close"), "{path}");
    }
    let odd = ask(host.addr(), "POST", ADD, &[JSON, "Expect: miracles"], b"[1,2]");
    says("another expectation", &odd, 417, "100-continue");
    assert!(host.stop().success());
}

#[test]
fn a_body_has_one_end() {
    let host = conformance();
    let (length, chunked) = ("Content-Length: 5", "Transfer-Encoding: chunked");
    for (headers, status) in [
        ([length, chunked], 400),
        ([chunked, length], 400),
        ([length, "Content-Length: 6"], 400),
        ([length, "Content-Length: 5, 6"], 400),
        ([chunked, "Transfer-Encoding: gzip"], 400),
        (["Transfer-Encoding: gzip", chunked], 501),
        (["Transfer-Encoding: gzip, chunked", "X: y"], 501),
        (["Transfer-Encoding: chunked, gzip", "X: y"], 400),
        (["Transfer-Encoding : chunked", "X: y"], 400),
        (["Transfer-Encoding: xchunked", "X: y"], 400),
    ] {
        let head = format!(
            "POST {ADD} HTTP/1.1\r\nHost: mesh\r\n{JSON}\r\n{}\r\n\r\n",
            headers.join("\r\n")
        );
        // Behind it stands what somebody would like to be taken for a request of its own.
        let smuggled = format!("{head}0\r\n\r\nGET /version HTTP/1.1\r\nHost: mesh\r\n\r\n");
        let answer = send(host.addr(), smuggled.as_bytes());
        assert_eq!(answer.status, status, "{headers:?}: {}", answer.text());
        assert!(
            !answer.text().contains("version"),
            "{headers:?}: {}",
            answer.text()
        );
    }
    let chunked =
        format!("POST {ADD} HTTP/1.1\r\nHost: mesh\r\n{JSON}\r\n{chunked}\r\nConnection: close\r\n\r\n");
    let extension = format!("{chunked}1;{}\r\n \r\n0\r\n\r\n", "x".repeat(4_000_000));
    says(
        "a long extension",
        &send(host.addr(), extension.as_bytes()),
        400,
        "ended early",
    );
    let trailers = format!("{chunked}5\r\n[1,2]\r\n0\r\n{}\r\n", "X: y\r\n".repeat(500_000));
    says(
        "long trailers",
        &send(host.addr(), trailers.as_bytes()),
        400,
        "ended early",
    );
    let few = format!("{chunked}5\r\n[1,2]\r\n0\r\nX: y\r\n\r\n");
    assert_eq!(send(host.addr(), few.as_bytes()).json()["data"], 3);
    assert!(host.stop().success());
}
