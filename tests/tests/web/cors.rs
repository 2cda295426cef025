//! Pages of other origins: what browsers are told about them, and what they are let do (`[rest]` in mesh.toml).
//!
//! Enters: requests as browsers send them, and configurations with and without mistakes. Leaves: the headers that browsers
//! look at, and whether a method was called. Guarantees: see the names of the tests.

use mesh_tests::host::{Finished, Folder, Host, library, mesh};
use mesh_tests::http::{Answer, ask};
use serde_json::json;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

const APP: &str = "https://app.example";
const ADD: &str = "/rest/method/calc/add";
const TICK: &str = "/rest/method/calc/tick";
const JSON: &str = "Content-Type: application/json";
const EVERY_VERB: &str = "GET, POST, PUT, PATCH, DELETE, OPTIONS";

/// A configuration with the component `calc`; `rest` is what stands in `[rest]`, `more` what stands besides.
fn config(rest: &str, more: &str) -> String {
    format!(
        "name = \"T\"\n{more}\n[rest]\n{rest}\n\n[[components]]\nname = \"calc\"\nlibrary = \"{}\"\n",
        library("calc").display()
    )
}

fn host(folder: &Folder, rest: &str, more: &str) -> Host {
    Host::start(&folder.write("mesh.toml", &config(rest, more)), &[])
}

/// The values of what browsers look at, but for `Vary`.
fn told(answer: &Answer) -> Vec<(&str, &str)> {
    let headers = answer.headers.iter();
    let mut told: Vec<(&str, &str)> = headers
        .filter_map(|(name, value)| Some((name.strip_prefix("access-control-")?, value.as_str())))
        .collect();
    told.sort_unstable();
    told
}

fn varies(answer: &Answer) -> bool {
    answer.header("vary").is_some_and(|vary| vary.contains("Origin"))
}

/// The preflight request of a browser before a page may send JSON.
fn preflight(address: SocketAddr, path: &str, origin: &str) -> Answer {
    let origin = format!("Origin: {origin}");
    let headers = [
        origin.as_str(),
        "Access-Control-Request-Method: POST",
        "Access-Control-Request-Headers: content-type,authorization",
    ];
    ask(address, "OPTIONS", path, &headers, b"")
}

/// A request of a page's script.
fn add(address: SocketAddr, origin: &str) -> Answer {
    let origin = format!("Origin: {origin}");
    ask(address, "POST", ADD, &[JSON, &origin], br#"{"parameters":[1,2]}"#)
}

#[test]
fn without_a_list_pages_of_other_origins_are_not_allowed() {
    let folder = Folder::new("cors-none");
    let host = host(&folder, "", "");
    let address = host.addr();
    let asked = preflight(address, ADD, APP);
    assert_eq!((asked.status, told(&asked)), (204, vec![]));
    assert_eq!(asked.header("allow"), Some(EVERY_VERB));
    // As with happner: any sender is answered, and a browser does not hand the answer on.
    let sent = add(address, APP);
    assert_eq!((sent.status, told(&sent)), (200, vec![]));
    assert!(!varies(&sent), "the answer is the same for everybody");
    assert!(host.stop().success());
}

#[test]
fn only_listed_origins_are_allowed() {
    let folder = Folder::new("cors-listed");
    let host = host(
        &folder,
        "cors_origins = [\"https://app.example\", \"http://localhost:5173\"]",
        "",
    );
    let address = host.addr();
    for origin in [APP, "http://localhost:5173"] {
        let asked = preflight(address, ADD, origin);
        let expected = vec![
            ("allow-headers", "content-type,authorization"),
            ("allow-methods", EVERY_VERB),
            ("allow-origin", origin),
            ("max-age", "600"),
        ];
        assert_eq!((asked.status, told(&asked)), (204, expected), "{origin}");
        assert!(varies(&asked), "a cache must not tell it to another origin");
        let sent = add(address, origin);
        assert_eq!(
            (sent.status, told(&sent)),
            (200, vec![("allow-origin", origin)]),
            "{origin}"
        );
        assert!(varies(&sent));
    }
    for origin in [
        "https://evil.example",
        "http://app.example",
        "https://app.example:8443",
        "https://app.example.evil.example",
        "https://APP.example",
        "null",
        "*",
    ] {
        let asked = preflight(address, ADD, origin);
        assert_eq!((asked.status, told(&asked)), (204, vec![]), "{origin}");
        assert!(varies(&asked), "{origin}");
        assert_eq!(told(&add(address, origin)), [], "{origin}");
    }
    // Programs send no origin, and are answered as ever.
    let answer = ask(address, "POST", ADD, &[JSON], br#"{"parameters":[1,2]}"#);
    assert_eq!((answer.json()["data"].clone(), told(&answer)), (json!(3), vec![]));
    assert!(host.stop().success());
}

#[test]
fn pages_can_read_errors_too() {
    let folder = Folder::new("cors-failures");
    let host = host(&folder, &format!("cors_origins = [\"{APP}\"]"), "");
    let origin = format!("Origin: {APP}");
    for (verb, path, kind, body, status) in [
        ("POST", ADD, JSON, &b"{"[..], 400),
        ("POST", ADD, "Content-Type: text/plain", b"{}", 415),
        ("POST", "/rest/method/calc/nope", JSON, b"{}", 404),
        ("PUT", "/rest/openapi.json", JSON, b"{}", 405),
        ("GET", "/rest/openapi.json", JSON, b"", 200),
        ("GET", "/rest/describe", JSON, b"", 200),
        ("GET", "/T/rest/describe", JSON, b"", 200),
    ] {
        let answer = ask(host.addr(), verb, path, &[kind, &origin], body);
        assert_eq!(answer.status, status, "{verb} {path}");
        assert_eq!(told(&answer), [("allow-origin", APP)], "{verb} {path}");
    }
    let asked = preflight(host.addr(), "/rest/openapi.json", APP);
    assert!(
        told(&asked).contains(&("allow-methods", "GET, OPTIONS")),
        "{asked:?}"
    );
    // Paths outside REST are not for other origins.
    for path in ["/metrics", "/version", "/nothing"] {
        assert_eq!(
            told(&ask(host.addr(), "GET", path, &[&origin], b"")),
            [],
            "{path}"
        );
    }
    assert!(host.stop().success());
}

#[test]
fn a_star_allows_all_origins_alike() {
    let folder = Folder::new("cors-any");
    let host = host(&folder, "cors_origins = [\"*\"]", "");
    for origin in [APP, "https://evil.example", "null"] {
        let asked = preflight(host.addr(), ADD, origin);
        assert!(told(&asked).contains(&("allow-origin", "*")), "{asked:?}");
        let sent = add(host.addr(), origin);
        assert_eq!(told(&sent), [("allow-origin", "*")], "{origin}");
        assert!(!varies(&sent), "nothing in it depends on the origin");
    }
    assert!(host.stop().success());
}

/// The request of a browser for a page of an origin, with the user's cookie.
fn with_cookie(address: SocketAddr, origin: &str, token: &str) -> Answer {
    let headers = [
        JSON.to_owned(),
        format!("Origin: {origin}"),
        "Sec-Fetch-Site: cross-site".to_owned(),
        format!("Cookie: happn_token={token}"),
    ];
    ask(
        address,
        "POST",
        TICK,
        &headers.each_ref().map(String::as_str),
        b"{}",
    )
}

fn administrators_token(address: SocketAddr) -> String {
    let body = json!({"username": "_ADMIN", "password": "happn"}).to_string();
    let login = ask(address, "POST", "/rest/login", &[JSON], body.as_bytes());
    login.json()["data"]["token"]
        .as_str()
        .unwrap_or_else(|| panic!("{}", login.text()))
        .to_owned()
}

const SECURE: &str = "[happn]\nsecure = true\n[security]\nadmin_password = \"happn\"";

#[test]
fn a_cookie_counts_for_trusted_origins_only() {
    let folder = Folder::new("cors-cookie");
    let trusting = format!("cors_origins = [\"{APP}\"]\ncors_credentials = true");
    let host = host(&folder, &trusting, SECURE);
    let address = host.addr();
    let token = administrators_token(address);

    // Browsers ask without any token, and that is not what is refused.
    let asked = preflight(address, TICK, APP);
    assert_eq!(asked.status, 204);
    assert!(told(&asked).contains(&("allow-credentials", "true")), "{asked:?}");
    let sent = with_cookie(address, APP, &token);
    assert_eq!((sent.status, sent.json()["data"].clone()), (200, json!(1)));
    assert_eq!(
        told(&sent),
        [("allow-credentials", "true"), ("allow-origin", APP)]
    );

    let forged = with_cookie(address, "https://evil.example", &token);
    assert_eq!((forged.status, told(&forged)), (403, vec![]));
    let own = format!("Authorization: Bearer {token}");
    let counted = ask(address, "POST", TICK, &[JSON, &own], b"{}");
    assert_eq!(counted.json()["data"], 2, "the refused request called nothing");

    // An unknown user gets a refusal that the page can read.
    let answer = ask(
        address,
        "GET",
        "/rest/openapi.json",
        &[&format!("Origin: {APP}")],
        b"",
    );
    assert_eq!(answer.status, 401);
    assert!(told(&answer).contains(&("allow-origin", APP)), "{answer:?}");
    assert!(host.stop().success());
}

#[test]
fn a_listed_origin_is_not_a_trusted_one() {
    let folder = Folder::new("cors-untrusted");
    let host = host(&folder, &format!("cors_origins = [\"{APP}\"]"), SECURE);
    let address = host.addr();
    let token = administrators_token(address);
    let forged = with_cookie(address, APP, &token);
    assert_eq!(forged.status, 403);
    assert_eq!(
        told(&forged),
        [("allow-origin", APP)],
        "the page may read why, and gets no credentials"
    );
    let said = forged.json()["error"]["message"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    assert!(
        said.contains("send the token in the header Authorization"),
        "{said}"
    );
    let headers = [
        JSON.to_owned(),
        format!("Origin: {APP}"),
        format!("Authorization: Bearer {token}"),
    ];
    let sent = ask(
        address,
        "POST",
        TICK,
        &headers.each_ref().map(String::as_str),
        b"{}",
    );
    assert_eq!(
        (sent.status, sent.json()["data"].clone()),
        (200, json!(1)),
        "a token that the page has itself counts"
    );
    assert!(host.stop().success());
}

/// Waits until an origin is invited, or is not any more.
fn wait_until_invited(host: &Host, origin: &str, expected: bool) {
    let until = Instant::now() + Duration::from_secs(30);
    while told(&add(host.addr(), origin)).contains(&("allow-origin", origin)) != expected {
        assert!(Instant::now() < until, "{}", host.log());
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn saving_the_file_changes_the_allowed_origins() {
    let folder = Folder::new("cors-saved");
    let host = host(&folder, "", "");
    let pid = host.pid();
    let save = |rest: &str| folder.write("mesh.toml", &config(rest, ""));
    wait_until_invited(&host, APP, false);
    save(&format!("cors_origins = [\"{APP}\"]"));
    wait_until_invited(&host, APP, true);
    save("cors_origins = [\"https://other.example\"]");
    wait_until_invited(&host, "https://other.example", true);
    wait_until_invited(&host, APP, false);

    // A mistake changes nothing.
    let broken = "cors_origins = [\"https://app.example/\"]";
    save(broken);
    let until = Instant::now() + Duration::from_secs(30);
    while !host.log().contains("cors_origins") {
        assert!(Instant::now() < until, "{}", host.log());
        std::thread::sleep(Duration::from_millis(20));
    }
    wait_until_invited(&host, "https://other.example", true);
    save("");
    wait_until_invited(&host, "https://other.example", false);
    assert_eq!(host.pid(), pid);
    assert!(host.stop().success());
}

#[test]
fn mistakes_are_named_with_the_right_form() {
    let folder = Folder::new("cors-mistakes");
    let check = |rest: &str| -> Finished {
        let path = folder.write("mesh.toml", &config(rest, ""));
        mesh(&["check", "--config", &path.display().to_string()])
    };
    for (rest, said) in [
        (
            "cors_origins = [\"app.example\"]",
            "write the scheme and the host",
        ),
        ("cors_origins = [\"https://\"]", "write the scheme and the host"),
        (
            "cors_origins = [\"https://app.example/\"]",
            "`https://app.example`",
        ),
        (
            "cors_origins = [\"https://app.example/a?b#c\"]",
            "`https://app.example`",
        ),
        (
            "cors_origins = [\"https://u:p@app.example\"]",
            "`https://app.example`",
        ),
        (
            "cors_origins = [\"https://App.example\"]",
            "`https://app.example`",
        ),
        (
            "cors_origins = [\"https://app.example:443\"]",
            "`https://app.example`",
        ),
        (
            "cors_origins = [\"http://app.example:80\"]",
            "`http://app.example`",
        ),
        (
            "cors_origins = [\"https://*.example\"]",
            "write each origin in full",
        ),
        ("cors_origins = [\"https://přílad.example\"]", "`xn--`"),
        ("cors_origins = [\"null\"]", "files and sandboxes"),
        ("cors_origins = [\"\"]", "write the scheme and the host"),
        ("cors_origins = [\"*\", \"https://app.example\"]", "without `*`"),
        ("cors_origins = \"https://app.example\"", "array"),
        ("cors_origins = [5]", "cors_origins"),
        (
            "cors_origins = [\"*\"]\ncors_credentials = true",
            "cannot stand together",
        ),
        ("cors_credentials = true", "needs `cors_origins`"),
        ("cors_credentials = \"yes\"", "cors_credentials"),
        ("cors_origin = [\"https://app.example\"]", "cors_origins"),
    ] {
        let checked = check(rest);
        assert_eq!(checked.code, 78, "{rest}\n{checked:?}");
        assert!(checked.err.contains(said), "{rest}\n{}", checked.err);
        assert!(
            checked.err.contains("mesh.toml"),
            "the place is named: {}",
            checked.err
        );
    }
    for rest in [
        "cors_origins = []",
        "cors_origins = [\"*\"]",
        "cors_origins = [\"http://localhost:5173\", \"http://[::1]:8080\", \"capacitor://localhost\"]",
        "cors_origins = [\"https://app.example\"]\ncors_credentials = true",
        "cors_credentials = false",
    ] {
        let checked = check(rest);
        assert_eq!(checked.code, 0, "{rest}\n{}", checked.err);
    }
}
