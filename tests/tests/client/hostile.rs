//! Clients that send garbage, too much, or do not read: an error or a closed connection for them, nothing for others.

use futures_util::{SinkExt, StreamExt};
use mesh_tests::host::{Folder, Host, mesh, repository};
use mesh_tests::session;
use mesh_tests::swapping::answer_to;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

const PATIENCE: Duration = Duration::from_secs(10);

struct Raw(WebSocketStream<TcpStream>);

impl Raw {
    async fn open(address: SocketAddr) -> Raw {
        let stream = TcpStream::connect(address).await.unwrap();
        let config = WebSocketConfig::default()
            .max_message_size(None)
            .max_frame_size(None);
        let url = format!("ws://{address}/primus?_primuscb=1");
        Raw(
            tokio_tungstenite::client_async_with_config(url, stream, Some(config))
                .await
                .unwrap()
                .0,
        )
    }

    async fn session(address: SocketAddr, protocol: &str) -> Raw {
        let mut raw = Raw::open(address).await;
        let answer = raw
            .request(json!({"action": "configure-session", "eventId": 1, "data": {"protocol": protocol}}))
            .await;
        assert_eq!(answer["_meta"]["status"], "ok");
        raw
    }

    async fn text(&mut self, text: impl Into<String>) {
        self.0.send(Message::text(text.into())).await.unwrap();
    }

    async fn next(&mut self) -> Option<Message> {
        tokio::time::timeout(PATIENCE, self.0.next())
            .await
            .expect("an answer in time")?
            .ok()
    }

    /// Sends a request and returns the next frame.
    async fn request(&mut self, request: Value) -> Value {
        self.text(request.to_string()).await;
        match self.next().await {
            Some(Message::Text(text)) => serde_json::from_str(&text).unwrap(),
            other => panic!("{request} was answered with {other:?}"),
        }
    }
}

fn host(overrides: &[&str]) -> (Host, Folder) {
    let folder = Folder::new("hostile");
    let file = folder.write("mesh.toml", "name = \"A\"\n");
    (Host::start(&file, overrides), folder)
}

#[tokio::test]
async fn every_field_of_every_action_with_a_wrong_value_is_answered() {
    let (host, _folder) = host(&[]);
    let deep = format!("{}1{}", "[".repeat(10_000), "]".repeat(10_000));
    let long = format!("\"{}\"", "x".repeat(100_000));
    let values = [
        "null",
        "true",
        "0",
        "-1.5e300",
        "\"\"",
        "\"*\"",
        "\"/SET@/_exchange/responses/*\"",
        "[]",
        "{}",
        "{\"a\":{\"b\":[]}}",
        &long,
        &deep,
    ];
    let actions = [
        "configure-session",
        "describe",
        "login",
        "get",
        "set",
        "on",
        "off",
        "remove",
        "disconnect",
        "ack",
        "count",
        "nonsense",
    ];
    let mut event_id = 10;
    for protocol in ["happn_1.3.0", "happn_2", "happn_3", "happn_4"] {
        let mut raw = Raw::session(host.addr(), protocol).await;
        for action in actions {
            for field in [
                "path",
                "data",
                "options",
                "sessionId",
                "data.protocol",
                "options.meta",
                "options.depth",
                "options.refCount",
                "options.targetClients",
                "options.consistency",
                "options.criteria",
                "options.fields",
                "options.increment",
                "options.initialCallback",
                "options.initialEmit",
                "options.merge",
                "options.noPublish",
                "options.noStore",
                "options.nullValue",
                "options.options",
                "options.path_only",
                "options.publishResults",
                "options.referenceId",
                "options.set_type",
                "options.sort",
                "options.tag",
                "options.upsertType",
            ] {
                for value in values {
                    event_id += 1;
                    let good = if action == "on" || action == "off" {
                        "/SET@/some/path"
                    } else {
                        "/some/path"
                    };
                    let path = if field == "path" {
                        value.to_owned()
                    } else {
                        format!("\"{good}\"")
                    };
                    let text = match field.split_once('.') {
                        None if field == "path" => {
                            format!(r#"{{"action":"{action}","eventId":{event_id},"path":{path}}}"#)
                        }
                        None => format!(
                            r#"{{"action":"{action}","eventId":{event_id},"path":{path},"{field}":{value}}}"#
                        ),
                        Some((outer, inner)) => {
                            format!(
                                r#"{{"action":"{action}","eventId":{event_id},"path":{path},"{outer}":{{"{inner}":{value}}}}}"#
                            )
                        }
                    };
                    // A subscription would add frames of its own to those that are expected.
                    raw.text(text.clone()).await;
                    loop {
                        let Some(Message::Text(answer)) = raw.next().await else {
                            panic!("closed by {text}")
                        };
                        // Answers echo what was sent, at any depth; only the end is looked at.
                        if answer.contains(&format!("\"eventId\":{event_id}"))
                            && !answer.contains("\"type\":\"data\"")
                        {
                            break;
                        }
                    }
                }
            }
        }
        // The last configuration may be anything: begin anew, and work.
        let answer = raw
            .request(json!({"action": "configure-session", "eventId": 1, "data": {"protocol": protocol}}))
            .await;
        assert_eq!(answer["_meta"]["status"], "ok");
    }
    let mut fresh = Raw::session(host.addr(), "happn_4").await;
    let answer = fresh
        .request(json!({"action": "set", "eventId": 2, "path": "/after", "data": {"a": 1}}))
        .await;
    assert_eq!(answer["data"], json!({"a": 1}));
    assert!(!host.log().contains("panicked"), "{}", host.log());
}

#[tokio::test]
async fn frames_that_are_no_request_are_ignored() {
    let (host, _folder) = host(&[]);
    let mut raw = Raw::session(host.addr(), "happn_4").await;
    for text in [
        "",
        "{",
        "}}}",
        "not json",
        "42",
        "\"text\"",
        "true",
        "null",
        "[1,2,3]",
        "primus::ping::1",
        "{\"action\":",
    ] {
        raw.text(text).await;
    }
    raw.0.send(Message::binary(vec![0, 255, 1, 254])).await.unwrap();
    raw.text("\"primus::ping::12345\"").await;
    assert_eq!(
        raw.next().await.unwrap().to_text().unwrap(),
        "\"primus::pong::12345\""
    );
}

#[tokio::test]
async fn a_message_over_the_limit_closes_only_its_own_connection() {
    let (host, _folder) = host(&["happn.max_frame_bytes=100000"]);
    let mut large = Raw::session(host.addr(), "happn_4").await;
    let mut other = Raw::session(host.addr(), "happn_4").await;
    large
        .text(format!(
            r#"{{"action":"set","eventId":2,"path":"/a","data":{{"a":"{}"}}}}"#,
            "x".repeat(100_000)
        ))
        .await;
    let Some(Message::Close(Some(frame))) = large.next().await else {
        panic!("a close")
    };
    assert_eq!(u16::from(frame.code), 1009);
    let answer = other
        .request(json!({"action": "get", "eventId": 2, "path": "/a"}))
        .await;
    assert_eq!(answer["data"], Value::Null);
}

#[tokio::test]
async fn a_client_that_does_not_read_is_closed_and_counted() {
    let (host, folder) = host(&["happn.outbound_queue_bytes=65536"]);
    let mut stalled = Raw::session(host.addr(), "happn_4").await;
    let mut reader = Raw::session(host.addr(), "happn_4").await;
    for raw in [&mut stalled, &mut reader] {
        let answer = raw
            .request(json!({"action": "on", "eventId": 2, "path": "/SET@/news/*"}))
            .await;
        assert_eq!(answer["_meta"]["status"], "ok");
    }
    let mut publisher = Raw::session(host.addr(), "happn_4").await;
    let news = "n".repeat(8 * 1024);
    let counted = || {
        let status = mesh(&[
            "status",
            "--json",
            "--config",
            folder.path().join("mesh.toml").to_str().unwrap(),
        ]);
        // A machine with too much to do may not answer in time.
        status.code == 0 && !status.out.contains("\"slow_consumers\":0")
    };
    let mut published = 0;
    while published < 10_000 && (published % 100 > 0 || !counted()) {
        published += 1;
        let request = json!({"action": "set", "eventId": published + 10, "path": "/news/1", "data": {"n": published, "text": news}, "options": {"noStore": true}});
        let answer = publisher.request(request).await;
        assert_eq!(answer["_meta"]["published"], true);
        let heard: Value = serde_json::from_str(reader.next().await.unwrap().to_text().unwrap()).unwrap();
        assert_eq!(heard["data"]["n"], published, "who reads misses nothing");
    }
    assert!(counted(), "{published} publications, {}", host.log());
    // The line may still be on its way.
    while !host.log().contains("reads too slowly") {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_stop_tells_clients_to_come_back() {
    let (host, _folder) = host(&[]);
    let mut first = Raw::session(host.addr(), "happn_1.3.0").await;
    let mut last = Raw::session(host.addr(), "happn_4").await;
    let stopped = tokio::task::spawn_blocking(move || host.stop());
    let notice: Value = serde_json::from_str(first.next().await.unwrap().to_text().unwrap()).unwrap();
    assert_eq!(notice["eventKey"], "server-side-disconnect");
    for raw in [&mut first, &mut last] {
        assert!(
            matches!(raw.next().await, Some(Message::Close(_))),
            "and no word that they must not come back"
        );
    }
    assert_eq!(stopped.await.unwrap().code(), Some(0));
}

/// A host with all test components. One caller may have fifty calls pending.
fn host_with_components() -> Host {
    let conformance = repository().join("tests/conformance/mesh.toml");
    let overrides = ["calls.max_pending_per_session=50", "components.calc.lanes=2"];
    Host::start(&conformance, &overrides)
}

/// Somebody calls, and is answered.
async fn is_served(host: &Host) {
    let (mut sender, mut receiver) = session::open(host.addr()).await;
    for number in 0..3 {
        sender.call("TestNode/calc/add", number, json!([number, 1])).await;
        let answer = answer_to(&mut receiver, number).await;
        assert_eq!(answer, json!({"status": "ok", "args": [null, number + 1]}));
    }
}

#[tokio::test]
async fn calls_that_are_never_answered_fill_the_share_of_their_session_only() {
    let host = host_with_components();
    let mut hostile = Vec::new();
    for _ in 0..4 {
        let (mut sender, mut receiver) = session::open(host.addr()).await;
        for number in 0..60 {
            sender.call("TestNode/calc/never", number, json!([])).await;
        }
        for number in 50..60 {
            let answer = answer_to(&mut receiver, number).await;
            assert_eq!(answer["status"], "failed", "{answer}");
            let message = answer["args"][0]["message"].as_str().unwrap_or_default();
            assert!(message.contains("too many calls of this caller"), "{answer}");
        }
        // Its other calls are refused as well, those of others are not.
        sender.call("TestNode/calc/add", 60, json!([1, 2])).await;
        let answer = answer_to(&mut receiver, 60).await;
        assert_eq!(answer["status"], "failed", "{answer}");
        is_served(&host).await;
        // Two of them stay, two come again.
        if hostile.len() < 2 {
            hostile.push((sender, receiver));
        }
    }
}

#[tokio::test]
async fn calls_over_http_that_are_never_answered_fill_the_share_of_their_address_only() {
    let host = host_with_components();
    let (told, mut answers) = tokio::sync::mpsc::unbounded_channel();
    let mut waiting = Vec::new();
    for _ in 0..60 {
        let (told, address) = (told.clone(), host.addr());
        waiting.push(tokio::spawn(async move {
            let mut stream = TcpStream::connect(address).await.unwrap();
            let request = "GET /rest/method/calc/never HTTP/1.1\r\nHost: mesh\r\n\r\n";
            stream.write_all(request.as_bytes()).await.unwrap();
            let mut text = vec![0; 4096];
            let length = stream.read(&mut text).await.unwrap_or_default();
            let _ = told.send(String::from_utf8_lossy(&text[..length]).into_owned());
        }));
    }
    for _ in 0..10 {
        let answer = tokio::time::timeout(PATIENCE, answers.recv()).await;
        let answer = answer.expect("ten are refused").unwrap();
        assert!(answer.contains("too many calls of this caller"), "{answer}");
    }
    is_served(&host).await;
    assert!(answers.try_recv().is_err(), "fifty wait");
    // A client that goes gives the place back.
    waiting.iter().for_each(|one| one.abort());
    let mut turns = 0;
    loop {
        let sum = mesh_tests::http::get(host.addr(), "/rest/method/calc/add?a=1&b=2");
        if !sum.text().contains("too many calls of this caller") {
            assert_eq!(sum.json()["data"], json!("12"), "{}", sum.text());
            break;
        }
        turns += 1;
        assert!(turns < 100, "{}", sum.text());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
