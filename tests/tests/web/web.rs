//! Web routes of components, and folders of files, over plain HTTP.
//!
//! Enters: requests of all kinds, and components that answer rightly and wrongly (`fixtures/c/web.c`). Leaves: what
//! clients were answered. Guarantees: see the names of the tests.

use mesh_tests::c_library::{compile, fixture};
use mesh_tests::control;
use mesh_tests::host::{Folder, Host, mesh, repository};
use mesh_tests::http::{Answer, ask, get};
use serde_json::{Value, json};
use std::io::Write;
use std::net::TcpStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// A version of the fixture.
fn pages(folder: &Folder, version: &str, more: &[&str]) -> PathBuf {
    let library = folder.path().join(format!("pages-{version}-{}.so", more.len()));
    let version = format!("VERSION=\"{version}\"");
    let defines = [&[version.as_str()], more].concat();
    compile(&fixture("web.c"), &defines, &library).expect("it compiles");
    library
}

/// A host with the fixture; `more` is the rest of its mesh.toml.
fn host(folder: &Folder, more: &str) -> Host {
    let library = pages(folder, "1.0.0", &[]);
    let config = format!(
        "name = \"TestNode\"\n\n[[components]]\nname = \"pages\"\nlibrary = \"{}\"\n\n\
         [swap]\nwatch = false\nprobation_ms = 0\n\n{more}\n",
        library.display()
    );
    Host::start(&folder.write("mesh.toml", &config), &[])
}

fn conformance() -> Host {
    Host::start(&repository().join("tests/conformance/mesh.toml"), &[])
}

/// The component's view of a request.
fn head(answer: &Answer) -> Value {
    serde_json::from_str(answer.header("x-head").expect("the head comes back")).expect("it is JSON")
}

/// The host's status of a version of the fixture.
fn version(host: &Host, version: &str) -> Option<Value> {
    let status = control::status(host);
    let components = status["components"].as_array().into_iter().flatten();
    let mut pages = components.filter(|component| component["name"] == "pages");
    pages.find(|component| component["version"] == version).cloned()
}

#[test]
fn routes_are_found_as_real_servers_find_them() {
    let host = conformance();
    for (path, status) in [
        ("/web/hello", 200),
        ("/TestNode/web/hello", 200),
        ("/WEB/Hello", 200),
        ("/web/hello/", 200),
        ("/web/hello/more/of/it?x=1", 200),
        ("/web/hello.json", 200),
        ("/web/hellox", 404),
        ("/web", 404),
        ("/web/", 404),
        ("//web/hello", 404),
        ("/other/web/hello", 404),
        ("/testnode/web/hello", 404),
        ("/web/missing", 404),
    ] {
        assert_eq!(get(host.addr(), path).status, status, "{path}");
    }
    assert_eq!(get(host.addr(), "/web/missing").text(), "nothing here");
    for verb in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"] {
        let answer = ask(host.addr(), verb, "/web/hello", &[], b"");
        assert_eq!(answer.json(), json!({"hello": "world", "method": verb}));
    }
    let answer = ask(host.addr(), "HEAD", "/web/hello", &[], b"");
    assert_eq!((answer.status, answer.body.len()), (200, 0));
    assert!(host.stop().success());
}

#[test]
fn a_component_gets_the_whole_request_and_gives_the_whole_response() {
    let folder = Folder::new("web-whole");
    let host = host(&folder, "");
    let body: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    let headers = [
        "X-One: 1",
        "X-One: 2",
        "Cookie: a=1",
        "Cookie: b=\"2\"",
        "Content-Type: application/x-odd",
    ];
    let answer = ask(
        host.addr(),
        "PUT",
        "/TestNode/Pages/ECHO/deep%20er?q=%41&r",
        &headers,
        &body,
    );
    assert_eq!((answer.status, &answer.body), (200, &body));
    let head = head(&answer);
    assert_eq!(head["route"], "echo");
    assert_eq!(head["method"], "PUT");
    assert_eq!(head["url"], "/TestNode/Pages/ECHO/deep%20er?q=%41&r");
    assert_eq!(head["path"], "/deep%20er");
    assert_eq!(head["query"], "q=%41&r");
    assert_eq!(head["headers"]["x-one"], "1, 2");
    assert_eq!(head["headers"]["cookie"], "a=1; b=\"2\"");
    assert_eq!(head["address"], "127.0.0.1");
    let cookies = answer.headers.iter().filter(|(name, _)| name == "set-cookie");
    assert_eq!(cookies.count(), 2);
    assert_eq!(
        answer.header("content-length"),
        Some("100000"),
        "the length is the host's business"
    );
    assert_eq!(
        get(host.addr(), "/pages/who").json()["id"].as_str().map(str::len),
        Some(36)
    );
    assert!(host.stop().success());
}

#[test]
fn a_component_that_answers_wrongly_harms_that_request_only() {
    let folder = Folder::new("web-wrong");
    let host = host(&folder, "[calls]\ntimeout_ms = 700");
    let answers: Vec<(&str, u16, Value)> = ["plain", "fails", "panics", "twice", "status", "headers", "hang"]
        .into_iter()
        .map(|route| {
            let answer = get(host.addr(), &format!("/pages/{route}"));
            let said = match route {
                "twice" => json!(answer.text()),
                _ => answer.json(),
            };
            (route, answer.status, said)
        })
        .collect();
    let failed = |error: Value| json!({"message": "Web route failed", "data": null, "error": error});
    let said = |text: &str| failed(json!({ "message": text }));
    assert_eq!(
        answers,
        [
            ("plain", 200, json!({"plain": true})),
            (
                "fails",
                500,
                failed(json!({"name": "Broken", "message": "no paper"}))
            ),
            (
                "panics",
                500,
                failed(json!({"name": "Panic", "message": "on fire"}))
            ),
            ("twice", 200, json!("first")),
            (
                "status",
                500,
                said("pages/status gave no response that can be sent: 99 is no status")
            ),
            (
                "headers",
                500,
                said("pages/headers gave no response that can be sent: the name of header bad name")
            ),
            ("hang", 504, said("pages/hang did not answer within 700 ms")),
        ]
    );
    let late = version(&host, "1.0.0").map(|pages| pages["late_completions"].clone());
    assert_eq!(
        late,
        Some(json!(2)),
        "what came behind the first response was counted and ignored"
    );
    let called = ask(host.addr(), "POST", "/rest/method/pages/page", &[], b"").json();
    let error = &called["error"];
    assert_eq!(
        error["message"],
        "a web response was given where none was asked for"
    );
    assert_eq!(get(host.addr(), "/pages/plain").status, 200);
    assert!(host.stop().success());
}

#[test]
fn bodies_have_a_limit() {
    let folder = Folder::new("web-limit");
    let host = host(&folder, "[web]\nmax_body_bytes = 1000");
    assert_eq!(
        ask(host.addr(), "POST", "/pages/echo", &[], &[7; 1000]).status,
        200
    );
    let answer = ask(host.addr(), "POST", "/pages/echo", &[], &[7; 1001]);
    assert_eq!(answer.status, 413);
    assert_eq!(
        answer.json()["error"]["message"],
        "the body is larger than 1000 bytes"
    );
    let announced = ask(
        host.addr(),
        "POST",
        "/pages/echo",
        &["Content-Length: 99999999999"],
        b"",
    );
    assert_eq!(announced.status, 413);
    let chunked = ask(
        host.addr(),
        "POST",
        "/pages/echo",
        &["Transfer-Encoding: chunked", "\r\n1\r\na\r\nzz\r\n"],
        b"",
    );
    assert_eq!(chunked.status, 400, "{}", chunked.text());
    assert!(host.stop().success());
}

#[test]
fn a_client_that_goes_away_leaves_nothing_behind() {
    let folder = Folder::new("web-gone");
    let host = host(&folder, "");
    let gone: Vec<TcpStream> = (0..20)
        .map(|number| {
            let mut stream = TcpStream::connect(host.addr()).unwrap();
            let path = ["/pages/hang", "/rest/method/pages/hang"][number % 2];
            write!(stream, "GET {path} HTTP/1.1\r\nHost: mesh\r\n\r\n").unwrap();
            stream
        })
        .collect();
    wait_until(&host, |host| {
        version(host, "1.0.0").is_some_and(|pages| pages["pending"] == 20)
    });
    drop(gone);
    wait_until(&host, |host| {
        version(host, "1.0.0").is_some_and(|pages| pages["pending"] == 0)
    });
    let timeouts = version(&host, "1.0.0").map(|pages| pages["timeouts"].clone());
    assert_eq!(timeouts, Some(json!(0)), "nobody waited for so long");
    assert!(host.stop().success());
}

#[test]
fn requests_survive_a_swap_and_new_ones_reach_the_new_version() {
    let folder = Folder::new("web-swap");
    let host = host(&folder, "drain_timeout_ms = 2000");
    let address = host.addr();
    let ask_for = |path: &'static str| {
        let asking = (0..8).map(|_| std::thread::spawn(move || get(address, path)));
        asking.collect::<Vec<_>>()
    };
    let slow = ask_for("/pages/slow");
    let hanging = ask_for("/pages/hang");
    wait_until(&host, |host| {
        version(host, "1.0.0").is_some_and(|pages| pages["pending"] == 16)
    });
    let next = pages(&folder, "1.1.0", &[]);
    let replies = control::swap(&host, "pages", &next, false);
    wait_until(&host, |host| version(host, "1.1.0").is_some());
    assert_eq!(get(address, "/pages/slow").text(), "1.1.0");
    for answer in slow.into_iter().map(|slow| slow.join().expect("it is answered")) {
        assert_eq!((answer.status, answer.text().as_str()), (200, "1.0.0"));
    }
    for answer in hanging
        .into_iter()
        .map(|hanging| hanging.join().expect("it is answered"))
    {
        let said = "pages/hang was replaced by another version before it answered";
        assert_eq!(
            (answer.status, &answer.json()["error"]["message"]),
            (503, &json!(said))
        );
    }
    drop(replies);

    // A route that the next version does not have is gone with it.
    let without = pages(&folder, "1.2.0", &["WITHOUT_SLOW"]);
    control::swap(&host, "pages", &without, false);
    wait_until(&host, |host| version(host, "1.2.0").is_some());
    assert_eq!(get(address, "/pages/slow").status, 404);
    assert_eq!(get(address, "/pages/plain").status, 200);
    assert!(host.stop().success());
}

/// Waits until something is so.
fn wait_until(host: &Host, is_so: impl Fn(&Host) -> bool) {
    let until = Instant::now() + Duration::from_secs(30);
    while !is_so(host) {
        assert!(
            Instant::now() < until,
            "{}\n{}",
            control::status(host),
            host.log()
        );
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn mistakes_in_the_configuration_are_named() {
    let folder = Folder::new("web-mistakes");
    std::fs::create_dir(folder.path().join("public")).unwrap();
    let library = mesh_tests::host::library("web");
    let check = |more: &str| {
        let text = format!(
            "name = \"T\"\n[[components]]\nname = \"web\"\nlibrary = \"{}\"\n{more}\n",
            library.display()
        );
        let config = folder.write("mesh.toml", &text);
        mesh(&["check", "--config", &config.display().to_string()])
    };
    for (more, said) in [
        (
            "[[web.routes]]\npath = \"/\"\ntarget = \"web/helo\"",
            "component web has no web route helo",
        ),
        (
            "[[web.routes]]\npath = \"/\"\ntarget = \"wep/hello\"",
            "a component that is not in this file",
        ),
        (
            "[[web.routes]]\npath = \"/\"\ntarget = \"web\"",
            "must name a component and its route",
        ),
        (
            "[[web.routes]]\npath = \"x\"\ntarget = \"web/hello\"",
            "must begin with `/`",
        ),
        (
            "[[web.routes]]\npath = \"/a/../b\"\ntarget = \"web/hello\"",
            "must begin with `/`",
        ),
        (
            "[[web.folders]]\npath = \"/a\"\nfolder = \"nowhere\"",
            "nowhere is no folder",
        ),
        (
            "[[web.folders]]\npath = \"/a\"\nfolder = \"public\"\n[[web.routes]]\npath = \"/A/\"\ntarget = \"web/hello\"",
            "is served by another entry of [web] already",
        ),
        (
            "[web]\nopen = [\"a\"]",
            "each of `open` in [web] must begin with `/`",
        ),
        (
            "[[web.folders]]\npath = \"/Metrics\"\nfolder = \"public\"",
            "is answered by the host itself",
        ),
        ("[web.routes]\npath = \"/\"", "must be an array of tables"),
    ] {
        let checked = check(more);
        assert_eq!(checked.code, 78, "{more}\n{checked:?}");
        assert!(checked.err.contains(said), "{more}\n{}", checked.err);
    }
    assert_eq!(
        check("[[web.folders]]\npath = \"/\"\nfolder = \"public\"").code,
        0
    );
}
