//! The components that are part of the host: `security`, `api`, `system` and `rest`, as clients of websockets and of
//! plain HTTP find them.

use futures_util::{SinkExt, StreamExt};
use mesh_tests::host::{Folder, Host, build_folder, repository};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

const JSON: &str = "Content-Type: application/json\r\n";

fn host(overrides: &[&str]) -> Host {
    Host::start(&repository().join("tests/conformance/mesh.toml"), overrides)
}

/// An answer over HTTP.
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    /// Checks that it is a failure in the one form that failures have, and returns the message of its error.
    fn failure(&self) -> (u16, String) {
        assert!(
            self.head
                .to_ascii_lowercase()
                .contains("content-type: application/json")
        );
        let body = self.json();
        assert!(
            body["message"].is_string() && body["data"].is_null(),
            "{}",
            self.body
        );
        let message = body["error"]["message"].as_str().expect("an error has a message");
        (self.status, message.to_owned())
    }
}

fn ask(host: &Host, verb: &str, path: &str, headers: &str, body: &str) -> Answer {
    let mut stream = TcpStream::connect(host.addr()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    write!(
        stream,
        "{verb} {path} HTTP/1.1\r\nHost: mesh\r\nConnection: close\r\nContent-Length: {}\r\n{headers}\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").expect("a head");
    Answer {
        status: head
            .split(' ')
            .nth(1)
            .and_then(|code| code.parse().ok())
            .expect("a status"),
        head: head.to_owned(),
        body: body.to_owned(),
    }
}

fn get(host: &Host, path: &str) -> Answer {
    ask(host, "GET", path, "", "")
}

fn post(host: &Host, path: &str, body: &str) -> Answer {
    ask(host, "POST", path, JSON, body)
}

/// A session that calls methods as clients of the first generation do.
struct Caller {
    socket: WebSocketStream<tokio::net::TcpStream>,
    session: String,
    sent: u32,
}

impl Caller {
    async fn new(host: &Host) -> Caller {
        let stream = tokio::net::TcpStream::connect(host.addr()).await.unwrap();
        let url = format!("ws://{}/primus", host.addr());
        let (socket, _) = tokio_tungstenite::client_async(url, stream).await.unwrap();
        let mut caller = Caller {
            socket,
            session: String::new(),
            sent: 0,
        };
        let login = json!({"action": "login", "data": {"info": {}}});
        let answer = caller.request(login).await;
        caller.session = answer["data"]["id"].as_str().expect("a session id").to_owned();
        let all = format!("/ALL@/_exchange/responses/{}/*", caller.session);
        caller
            .request(json!({"action": "on", "path": all, "data": {}, "options": {}}))
            .await;
        caller
    }

    async fn request(&mut self, mut request: Value) -> Value {
        self.sent += 1;
        let number = self.sent;
        request["eventId"] = number.into();
        request["sessionId"] = self.session.clone().into();
        self.socket
            .send(Message::text(request.to_string()))
            .await
            .unwrap();
        self.next(|frame| frame["eventId"] == number || frame["_meta"]["eventId"] == number)
            .await
    }

    /// The next frame that is looked for; others are passed over.
    async fn next(&mut self, is_it: impl Fn(&Value) -> bool) -> Value {
        let found = tokio::time::timeout(Duration::from_secs(10), async {
            loop {
                let message = self.socket.next().await.expect("an open connection").unwrap();
                let frame: Value =
                    serde_json::from_str(message.to_text().unwrap_or("null")).unwrap_or_default();
                if is_it(&frame) {
                    return frame;
                }
            }
        });
        found.await.expect("a frame in time")
    }

    /// How many frames arrive within a time.
    async fn count(&mut self, within: Duration) -> usize {
        let until = tokio::time::Instant::now() + within;
        let mut arrived = 0;
        while let Ok(Some(Ok(_))) = tokio::time::timeout_at(until, self.socket.next()).await {
            arrived += 1;
        }
        arrived
    }

    /// Calls a method; the response document.
    async fn call(&mut self, component: &str, method: &str, arguments: Value) -> Value {
        self.sent += 1;
        let number = self.sent;
        let address = format!(
            "/_exchange/responses/{}/TestNode/{component}/{method}/{number}",
            self.session
        );
        let request = json!({
            "action": "set",
            "path": format!("/_exchange/requests/TestNode/{component}/{method}"),
            "data": {"callbackAddress": address, "args": arguments, "origin": self.session},
            "options": {"noStore": true},
            "eventId": number,
            "sessionId": self.session,
        });
        self.socket
            .send(Message::text(request.to_string()))
            .await
            .unwrap();
        let answer = self.next(|frame| frame["_meta"]["path"] == address).await;
        answer["data"].clone()
    }
}

#[tokio::test]
async fn clients_are_told_how_long_to_wait_for_an_answer() {
    for (overrides, timeout) in [(&[][..], 10_000), (&["calls.client_timeout_ms=15000"], 15_000)] {
        let host = host(overrides);
        let mut caller = Caller::new(&host).await;
        for (path, pointer) in [
            ("/mesh/schema/description", "/data/setOptions"),
            ("/mesh/schema/config", "/data/happn/setOptions"),
        ] {
            let answer = caller.request(json!({"action": "get", "path": path})).await;
            let options = answer.pointer(pointer);
            assert_eq!(
                options,
                Some(&json!({"timeout": timeout, "noStore": true})),
                "{answer}"
            );
        }
    }
}

#[tokio::test]
async fn clients_find_and_call_the_components_of_the_host() {
    let host = host(&[]);
    let mut caller = Caller::new(&host).await;
    let described = caller
        .request(json!({"action": "get", "path": "/mesh/schema/description"}))
        .await;
    let components = described["data"]["components"].as_object().unwrap();
    let first: Vec<&String> = components.keys().take(4).collect();
    assert_eq!(first, ["security", "api", "system", "rest"]);
    assert_eq!(components["rest"]["routes"]["/rest/login"]["type"], "mware");
    assert_eq!(components["api"]["routes"], json!({}));

    let tested = caller.call("api", "test", json!(["it"])).await;
    assert_eq!(tested, json!({"status": "ok", "args": [null, "it tested ok"]}));

    // All methods that the description lists are answered.
    for method in components["security"]["methods"].as_object().unwrap().keys() {
        let answer = caller.call("security", method, json!([{"name": "x"}])).await;
        assert_eq!(
            answer,
            json!({"status": "error", "args": [{
                "message": "security module not initialized, is your happn configured to be secure?",
                "name": "Error"
            }]}),
            "{method}"
        );
    }
    for method in components["system"]["methods"].as_object().unwrap().keys() {
        let answer = caller.call("system", method, json!([])).await;
        assert_eq!(answer["status"], "ok", "{method}");
    }
    let statistics = caller.call("system", "getStats", json!([true])).await["args"][1].clone();
    assert_eq!(statistics["system"]["meshName"], "TestNode");
    assert_eq!(statistics["component"]["api"]["calls"], 1);
    for number in [
        &statistics["totalCalls"],
        &statistics["timestamp"],
        &statistics["usage"]["memory"],
        &statistics["system"]["totalmem"],
        &statistics["system"]["cpus"][0]["times"]["idle"],
    ] {
        assert!(number.as_f64() > Some(0.0), "{statistics}");
    }
    assert_eq!(host.stop().code(), Some(0));
}

#[tokio::test]
async fn statistics_come_as_events_until_they_are_ended() {
    let host = host(&[]);
    let mut caller = Caller::new(&host).await;
    let path = "/_events/TestNode/system/stats/system";
    caller
        .request(json!({"action": "on", "path": format!("/SET@{path}"), "data": {}, "options": {}}))
        .await;
    let refused = caller.call("system", "activateStatistics", json!([1])).await;
    assert_eq!(refused["args"][0]["name"], "TypeError");
    for _ in 0..2 {
        // The second one takes the place of the first.
        let answer = caller.call("system", "activateStatistics", json!([100])).await;
        assert_eq!(answer["status"], "ok");
    }
    let event = caller.next(|frame| frame["_meta"]["path"] == path).await;
    assert_eq!(event["data"]["system"]["meshName"], "TestNode");
    assert!(event["data"]["callsPerSec"].is_number(), "{event}");
    let events = caller.count(Duration::from_millis(650)).await;
    assert!(
        (2..=8).contains(&events),
        "one timer runs, not two: {events} events"
    );
    caller.call("system", "deactivateStatistics", json!([])).await;
    // One may have been on its way.
    caller.count(Duration::from_millis(150)).await;
    assert_eq!(caller.count(Duration::from_millis(350)).await, 0);
    assert_eq!(host.stop().code(), Some(0));
}

#[test]
fn rest_calls_take_parameters_in_every_form() {
    let host = host(&[]);
    let data = |answer: Answer| {
        assert_eq!(answer.status, 200, "{}", answer.body);
        let body = answer.json();
        assert_eq!(body["message"], "Call successful");
        assert!(body["error"].is_null());
        body["data"].clone()
    };
    let add = "/rest/method/calc/add";
    assert_eq!(data(post(&host, add, r#"{"parameters":{"b":2,"a":1}}"#)), 3);
    assert_eq!(data(post(&host, add, r#"{"parameters":[1,2]}"#)), 3);
    assert_eq!(data(post(&host, add, "[1,2]")), 3);
    assert_eq!(
        data(ask(&host, "PUT", add, JSON, r#"{"parameters":{"a":1,"b":2}}"#)),
        3
    );
    assert_eq!(data(post(&host, "/rest/method/TestNode/calc/add", "[10,20]")), 30);
    assert_eq!(data(post(&host, "/TestNode/rest/method/calc/add", "[10,20]")), 30);
    assert_eq!(data(get(&host, &format!("{add}?a=5&b=6&happn_token=x"))), "56");
    let encoded = "%7B%22parameters%22%3A%7B%22a%22%3A3%2C%22b%22%3A4%7D%7D";
    assert_eq!(
        data(get(&host, &format!("{add}?encoded_parameters={encoded}"))),
        7
    );
    let deep = json!({"parameters": {"value": {"deep": [1, "ü", {"x": null}]}}});
    assert_eq!(
        data(post(&host, "/rest/method/calc/echo", &deep.to_string())),
        deep["parameters"]["value"]
    );
    assert_eq!(data(post(&host, "/rest/method/calc/multi", "")), "first");
    assert_eq!(data(post(&host, "/rest/method/calc/nothing", "")), Value::Null);
    assert_eq!(
        data(get(&host, "/rest/method/api/test?message=it")),
        "it tested ok"
    );
    assert_eq!(host.stop().code(), Some(0));
}

#[test]
fn rest_failures_are_json_and_say_what_is_wrong() {
    let host = host(&["calls.timeout_ms=1000"]);
    let add = "/rest/method/calc/add";
    for (path, body, status, message) in [
        (add, "{broken", 400, "key must be a string"),
        (add, "5", 400, "must be a JSON object or array"),
        (add, r#"{"parameters":5}"#, 400, "`parameters` must be"),
        ("/rest/method/a/b/c/d/e", "{}", 400, "more than 4 segments"),
        ("/rest/method/calc", "{}", 404, "method is missing"),
        (
            "/rest/method/calc/",
            "{}",
            404,
            "a call path is /rest/method/<component>/<method>, here the method is missing",
        ),
        (
            "/rest/method/calc/nope",
            "{}",
            404,
            "method nope does not exist on component calc",
        ),
        (
            "/rest/method/nope/add",
            "{}",
            404,
            "component nope does not exist on mesh",
        ),
        (
            "/rest/method/Other/calc/add",
            "{}",
            403,
            "attempt to access remote mesh: Other",
        ),
        (
            "/rest/method/security/listUsers",
            "{}",
            403,
            "attempt to access security component",
        ),
        ("/rest/method/calc/divide", "[1,0]", 500, "division by zero"),
        (
            "/rest/method/calc/never",
            "{}",
            504,
            "calc.never did not answer within 1000 ms",
        ),
        ("/rest/login", "{}", 401, "no username"),
        (
            "/rest/login",
            r#"{"parameters":{"username":"a"}}"#,
            401,
            "no password",
        ),
    ] {
        let (found, said) = post(&host, path, body).failure();
        assert_eq!(found, status, "{path} {body}: {said}");
        assert!(said.contains(message), "{path} {body}: {said}");
    }
    let error = post(&host, "/rest/method/calc/divide", "[1,0]").json();
    assert_eq!(error["error"]["code"], 4220);
    assert_eq!(error["error"]["name"], "DivisionError");

    let large = format!(r#"{{"parameters":{{"value":"{}"}}}}"#, "x".repeat(110 * 1024));
    assert_eq!(post(&host, "/rest/method/calc/echo", &large).failure().0, 413);
    let nearly = format!(r#"{{"parameters":{{"value":"{}"}}}}"#, "x".repeat(90 * 1024));
    assert_eq!(post(&host, "/rest/method/calc/echo", &nearly).status, 200);
    // A request that a page of another origin can send without asking is not taken for a call.
    let plain = "Content-Type: text/plain\r\n";
    assert_eq!(ask(&host, "POST", add, plain, "[1,2]").failure().0, 415);

    // Verbs that only look call nothing.
    let tick = "/rest/method/calc/tick";
    let options = ask(&host, "OPTIONS", tick, "", "");
    assert_eq!((options.status, &*options.body), (204, ""));
    assert!(options.head.to_ascii_lowercase().contains("allow: get, post"));
    assert_eq!(ask(&host, "HEAD", tick, "", "").status, 405);
    assert_eq!(ask(&host, "PROPFIND", tick, "", "").failure().0, 405);
    assert_eq!(
        post(&host, tick, "").json()["data"],
        1,
        "it was never called before"
    );
    assert_eq!(get(&host, "/rest").status, 404);
    assert_eq!(get(&host, "/restful/describe").status, 404);
    assert_eq!(host.stop().code(), Some(0));
}

#[test]
fn rest_describes_and_lets_clients_log_in() {
    let host = host(&[]);
    let described = get(&host, "/rest/describe").json();
    assert_eq!(described["message"], "TestNode description");
    assert_eq!(
        described["data"]["/calc/add"],
        json!({"uri": "/calc/add", "parameters": {"a": "{{a}}", "b": "{{b}}"}})
    );
    assert!(described["data"]["/system/getStats"].is_object());
    let names = described["data"].as_object().unwrap().keys();
    assert_eq!(names.filter(|name| name.starts_with("/security/")).count(), 0);

    let logged_in = post(&host, "/rest/login", r#"{"username":"_ADMIN","password":"any"}"#);
    assert_eq!(logged_in.status, 200);
    let body = logged_in.json();
    assert_eq!(body["message"], "Logged in ok");
    assert!(body["data"]["notice"].as_str().unwrap().contains("not secured"));
    let token = body["data"]["token"].as_str().unwrap();
    let call = post(
        &host,
        &format!("/rest/method/calc/add?happn_token={token}"),
        "[1,2]",
    );
    assert_eq!(call.json()["data"], 3);
    assert_eq!(host.stop().code(), Some(0));
}

#[test]
fn a_configured_component_takes_the_place_of_one_of_the_host() {
    let folder = Folder::new("in-place");
    let mut text = format!(
        "name = \"A\"\n[plugins]\ndir = {:?}\n",
        build_folder().display().to_string()
    );
    for name in ["api", "rest"] {
        text.push_str(&format!(
            "[[components]]\nname = \"{name}\"\nlibrary = \"calc\"\nversion = \"^1.0.0\"\n"
        ));
    }
    let host = Host::start(&folder.write("mesh.toml", &text), &[]);
    assert_eq!(get(&host, "/rest/describe").status, 404);
    assert_eq!(host.log().matches("takes the place").count(), 2, "{}", host.log());
    assert_eq!(host.stop().code(), Some(0));
}
