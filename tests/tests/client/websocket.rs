//! Websockets from their upgrade to their end: what they may cost before a login, and how they are closed.
//!
//! Enters: frames that no client library would send, connections that never log in, and clients beside them that do.
//! Leaves: close codes, and what the host counts. Guarantees: see the names of the tests; no time is asserted.

use mesh_tests::host::{Folder, Host};
use mesh_tests::http;
use mesh_tests::secure::{ADMIN, Client, PASSWORD, error, host as secure_host, is_ok};
use mesh_tests::websocket::{Arrived, CLOSE, CONTINUATION, PING, Raw, TEXT, frame, head};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

const KIB: usize = 1024;

/// A host without security.
fn open_host(overrides: &[&str]) -> (Host, Folder) {
    let folder = Folder::new("websocket");
    let file = folder.write("mesh.toml", "name = \"A\"\n");
    (Host::start(&file, overrides), folder)
}

/// A number of `/metrics`.
async fn metric(host: &Host, name: &str) -> u64 {
    let mut raw = Raw::open(host.addr(), "").await;
    let login = json!({"action": "login", "eventId": 1, "data": {"username": ADMIN, "password": PASSWORD}});
    let answer = raw.request(login).await;
    let token = answer["data"]["token"].as_str().expect("a token");
    let answer = http::get(host.addr(), &format!("/metrics?happn_token={token}")).text();
    let line = answer.lines().find(|line| line.starts_with(&format!("{name} ")));
    let number = line.and_then(|line| line.rsplit(' ').next()?.parse().ok());
    number.unwrap_or_else(|| panic!("{name} is missing: {answer}"))
}

#[tokio::test]
async fn before_a_login_a_message_has_64_kib_and_fragments_count_while_they_arrive() {
    let host = secure_host(&[]);
    let (open, _folder) = open_host(&[]);
    for address in [host.addr(), open.addr()] {
        // The head of a frame that announces too much is enough.
        let mut announcing = Raw::open(address, "").await;
        let too_much = head(0x80 | TEXT, 64 * KIB as u64 + 1);
        announcing.bytes(&[too_much, vec![0; 4]].concat()).await;
        assert_eq!(announcing.close_code().await, Some(1009));
        // Two fragments that are too much together, and the message is not at its end.
        let mut fragments = Raw::open(address, "").await;
        assert!(fragments.bytes(&frame(TEXT, &[b' '; 40 * KIB])).await);
        assert!(fragments.bytes(&frame(0x80 | PING, b"still there")).await);
        let pong = fragments.next().await.expect("a pong");
        assert_eq!(pong.payload, b"still there");
        fragments.bytes(&frame(CONTINUATION, &[b' '; 40 * KIB])).await;
        assert_eq!(fragments.close_code().await, Some(1009));
        // Many small ones.
        let mut crumbs = Raw::open(address, "").await;
        crumbs.bytes(&frame(TEXT, b" ")).await;
        let crumb = frame(CONTINUATION, &[b' '; KIB]);
        let mut sent = 0;
        while sent < 128 && crumbs.bytes(&crumb).await {
            sent += 1;
        }
        assert_eq!(crumbs.close_code().await, Some(1009));
    }
    // Allowed messages are answered, and after a login there is room for more.
    let mut client = Raw::open(host.addr(), "").await;
    let long = client
        .request(json!({"action": "get", "eventId": 1, "path": "x".repeat(60_000)}))
        .await;
    assert!(!is_ok(&long), "{long}");
    let login = json!({"action": "login", "eventId": 2, "data": {"username": ADMIN, "password": PASSWORD}});
    assert!(is_ok(&client.request(login).await));
    let value = json!({"text": "v".repeat(1 << 20)});
    let set = json!({"action": "set", "eventId": 3, "path": "/large", "data": value});
    assert!(is_ok(&client.request(set).await));
}

#[tokio::test]
async fn a_login_that_fails_changes_nothing_for_a_session_that_is_logged_in() {
    let host = secure_host(&["happn.login_timeout_ms=1000"]);
    let mut client = Client::admin(&host).await;
    let wrong = client.login(ADMIN, "wrong").await;
    assert_eq!(error(&wrong)["message"], "Invalid credentials");
    tokio::time::sleep(Duration::from_secs(3)).await;
    let value = json!({"text": "v".repeat(200 * KIB)});
    assert!(is_ok(&client.set("/mine", value).await));
}

#[tokio::test]
async fn a_connection_without_a_login_is_closed_whatever_else_it_sends() {
    let host = secure_host(&["happn.login_timeout_ms=1000"]);
    let mut client = Client::admin(&host).await;
    let mut silent = Raw::open(host.addr(), "").await;
    let mut talking = Raw::open(host.addr(), "").await;
    let chatter = tokio::spawn(async move {
        let mut number = 0;
        loop {
            number += 1;
            let describe = json!({"action": "describe", "eventId": number}).to_string();
            let sent = talking.text(&describe).await
                && talking.text("\"primus::ping::1\"").await
                && talking.bytes(&frame(0x80 | PING, b"p")).await;
            if !sent {
                return;
            }
            while let Ok(arrived) = tokio::time::timeout(Duration::from_millis(50), talking.next()).await {
                match arrived {
                    None => return,
                    Some(arrived) if arrived.opcode() == CLOSE => {
                        assert_eq!(arrived.close_code(), Some(1008));
                        return;
                    }
                    Some(_) => {}
                }
            }
        }
    });
    assert_eq!(silent.close_code().await, Some(1008));
    silent.ended().await;
    chatter.await.expect("it is closed");
    assert_eq!(metric(&host, "mesh_login_timeouts_total").await, 2);
    assert!(is_ok(&client.get("/anything").await), "who has logged in stays");
}

#[tokio::test]
async fn without_security_the_first_request_is_the_login() {
    let (host, _folder) = open_host(&["happn.login_timeout_ms=1000"]);
    let mut pinging = Raw::open(host.addr(), "").await;
    let mut asking = Raw::open(host.addr(), "").await;
    let configure = json!({"action": "configure-session", "eventId": 1, "data": {"protocol": "happn_4"}});
    assert!(is_ok(&asking.request(configure).await));
    pinging.text("\"primus::ping::1\"").await;
    assert_eq!(pinging.close_code().await, Some(1008));
    let set = json!({"action": "set", "eventId": 2, "path": "/a", "data": {"text": "v".repeat(200 * KIB)}});
    assert!(is_ok(&asking.request(set).await));
}

#[tokio::test]
async fn answers_that_nobody_reads_before_a_login_are_few() {
    let host = secure_host(&[]);
    let line = frame(
        0x80 | TEXT,
        json!({"action": "get", "path": "/x", "eventId": "e".repeat(60_000)})
            .to_string()
            .as_bytes(),
    );
    let mut crowd = Vec::new();
    for _ in 0..2 {
        let mut raw = Raw::open(host.addr(), "").await;
        // As long as the host takes anything: it reads no more once answers wait.
        while let Ok(true) = tokio::time::timeout(Duration::from_millis(500), raw.bytes(&line)).await {}
        crowd.push(raw);
    }
    let mut admin = Client::admin(&host).await;
    assert!(is_ok(&admin.get("/anything").await));
    let queued = metric(&host, "mesh_session_queue_bytes").await;
    assert!(queued <= 2 * 256 * KIB as u64, "{queued} bytes wait");
}

#[tokio::test]
async fn connections_without_a_login_are_bounded_for_each_address_and_refused_with_a_word() {
    let host = secure_host(&["happn.max_connections_before_login_per_address=3"]);
    let mut admin = Client::admin(&host).await;
    // Half an HTTP head, nothing at all, and a websocket: all of them count.
    let mut half = TcpStream::connect(host.addr()).await.expect("a connection");
    half.write_all(b"GET /ver").await.expect("half a head");
    let silent = TcpStream::connect(host.addr()).await.expect("a connection");
    let mut websocket = Raw::open(host.addr(), "").await;
    assert_eq!(websocket.status(), 101);
    let refused = Raw::open(host.addr(), "").await;
    assert_eq!(refused.status(), 503, "{}", refused.head);
    assert_eq!(refused.header("Retry-After"), Some("5"));
    // Other addresses have places of their own.
    let socket = TcpSocket::new_v4().expect("a socket");
    socket
        .bind("127.0.0.2:0".parse().unwrap())
        .expect("another address");
    let mut other = socket.connect(host.addr()).await.expect("a connection");
    other
        .write_all(b"GET /version HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        .await
        .expect("a request");
    let mut text = String::new();
    other.read_to_string(&mut text).await.expect("an answer");
    assert!(text.starts_with("HTTP/1.1 200"), "{text}");
    // A login makes room, and so does who leaves.
    let login = json!({"action": "login", "eventId": 1, "data": {"username": ADMIN, "password": PASSWORD}});
    assert!(is_ok(&websocket.request(login).await));
    drop((half, silent));
    let mut later = Raw::open(host.addr(), "").await;
    while later.status() == 503 {
        later = Raw::open(host.addr(), "").await;
    }
    assert_eq!(later.status(), 101);
    assert!(metric(&host, "mesh_connections_refused_total").await >= 1);
    assert!(is_ok(&admin.get("/anything").await));
    // The log says it once a second at most.
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert!(host.log().contains("refused"), "{}", host.log());
}

#[tokio::test]
async fn more_sessions_than_may_be_without_a_login_can_be_logged_in() {
    let host = secure_host(&["happn.max_connections_before_login=4"]);
    let mut clients = Vec::new();
    for _ in 0..20 {
        clients.push(Client::admin(&host).await);
    }
    for client in &mut clients {
        assert!(is_ok(&client.get("/anything").await));
    }
}

#[tokio::test]
async fn a_fault_closes_the_connection_with_its_code() {
    let host = secure_host(&[]);
    let unmasked = b"\x81\x02{}".to_vec();
    let faults: [(&str, Vec<u8>, u16); 9] = [
        ("a frame that is not masked", unmasked, 1002),
        ("a reserved bit", frame(0xc0 | TEXT, b"{}"), 1002),
        ("an unknown opcode", frame(0x83, b"{}"), 1002),
        ("a fragmented ping", frame(PING, b"p"), 1002),
        ("a long ping", frame(0x80 | PING, &[b'p'; 126]), 1002),
        ("nothing to continue", frame(0x80 | CONTINUATION, b"{}"), 1002),
        ("a close of one byte", frame(0x80 | CLOSE, b"\x03"), 1002),
        (
            "text that is not UTF-8",
            frame(0x80 | TEXT, b"\"\xff\xfe\""),
            1007,
        ),
        (
            "a reason that is not UTF-8",
            frame(0x80 | CLOSE, b"\x03\xe8\xff"),
            1007,
        ),
    ];
    for (name, bytes, code) in faults {
        let mut raw = Raw::open(host.addr(), "").await;
        // More is on its way: that must not take the close frame back.
        raw.bytes(&[bytes, vec![0x55; 30_000]].concat()).await;
        assert_eq!(raw.close_code().await, Some(code), "{name}");
        raw.ended().await;
    }
}

#[tokio::test]
async fn the_close_of_a_client_is_answered_with_its_code() {
    let host = secure_host(&[]);
    for (sent, answered) in [
        (&b""[..], &b""[..]),
        (b"\x03\xe8", b"\x03\xe8"),
        (b"\x0f\xa0bye", b"\x0f\xa0bye"),
        (b"\x03\xe9going away", b"\x03\xe9going away"),
    ] {
        let mut raw = Raw::open(host.addr(), "").await;
        raw.bytes(&frame(0x80 | CLOSE, sent)).await;
        let expected = Arrived {
            first: 0x80 | CLOSE,
            payload: answered.to_vec(),
        };
        assert_eq!(raw.next().await, Some(expected));
        raw.ended().await;
    }
    // Codes that must not be sent are faults themselves.
    for sent in [b"\x03\xed", b"\x03\xee", b"\x00\x01"] {
        let mut raw = Raw::open(host.addr(), "").await;
        raw.bytes(&frame(0x80 | CLOSE, sent)).await;
        assert_eq!(raw.close_code().await, Some(1002), "{sent:?}");
    }
}

#[tokio::test]
async fn after_both_have_said_close_the_host_ends_the_connection() {
    let (host, _folder) = open_host(&[]);
    let mut raw = Raw::open(host.addr(), "").await;
    let configure = json!({"action": "configure-session", "eventId": 1, "data": {"protocol": "happn_4"}});
    assert!(is_ok(&raw.request(configure).await));
    let stopped = tokio::task::spawn_blocking(move || host.stop());
    let close = raw.next().await.expect("a close");
    assert_eq!(close.close_code(), Some(1000));
    // Frames in between are not lost on the way to the client's close.
    raw.text("{}").await;
    raw.bytes(&frame(0x80 | CLOSE, b"\x03\xe8")).await;
    // The client waits, as browsers and Node do: the host closes first.
    raw.ended().await;
    assert_eq!(stopped.await.expect("the host stops").code(), Some(0));
}

#[tokio::test]
async fn the_first_of_several_subprotocols_is_chosen() {
    let (host, _folder) = open_host(&[]);
    let name = "Sec-WebSocket-Protocol";
    for (offered, chosen) in [
        (String::new(), None),
        (format!("{name}: one\r\n"), Some("one")),
        (format!("{name}: one, two\r\n"), Some("one")),
        (format!("{name}:  , two ,three\r\n"), Some("two")),
        (format!("{name}: one\r\n{name}: two\r\n"), Some("one")),
    ] {
        let raw = Raw::open(host.addr(), &offered).await;
        assert_eq!(raw.status(), 101, "{offered}");
        assert_eq!(raw.header(name), chosen, "{offered}");
    }
}

#[tokio::test]
async fn the_interval_of_pings_is_configured() {
    let (host, _folder) = open_host(&["happn.ping_interval_ms=200"]);
    let spec = http::get(host.addr(), "/primus/spec").text();
    assert!(spec.contains("\"pingInterval\":200,"), "{spec}");
    let mut last = Raw::open(host.addr(), "").await;
    let mut first = Raw::open(host.addr(), "").await;
    for (raw, protocol) in [(&mut last, "happn_4"), (&mut first, "happn_1.3.0")] {
        let configure = json!({"action": "configure-session", "eventId": 1, "data": {"protocol": protocol}});
        assert!(is_ok(&raw.request(configure).await));
    }
    for _ in 0..3 {
        let ping = last.next().await.expect("a ping");
        let text = String::from_utf8(ping.payload).expect("text");
        assert!(text.starts_with("\"primus::ping::"), "{text}");
        last.text(&text.replace("ping", "pong")).await;
    }
    // Without an answer it is given up; clients of other dialects hear no ping, and stay.
    last.ended().await;
    let get = json!({"action": "get", "eventId": 2, "path": "/a"});
    assert!(is_ok(&first.request(get).await));
}

#[tokio::test]
async fn a_client_with_much_to_read_is_not_given_up_while_it_reads() {
    // A ping waits behind all of this, and takes longer to arrive than two and a half intervals.
    const PUBLICATIONS: u64 = 380;
    let (host, _folder) = open_host(&["happn.ping_interval_ms=2000"]);
    let mut reader = Raw::open(host.addr(), "").await;
    let configure = json!({"action": "configure-session", "eventId": 1, "data": {"protocol": "happn_4"}});
    assert!(is_ok(&reader.request(configure).await));
    let subscribe = json!({"action": "on", "eventId": 2, "path": "/SET@/news/*"});
    assert!(is_ok(&reader.request(subscribe).await));
    let mut publisher = Raw::open(host.addr(), "").await;
    // The first request is its login, and is a small one.
    let get = json!({"action": "get", "eventId": 0, "path": "/a"});
    assert!(is_ok(&publisher.request(get).await));
    let news = "n".repeat(64 * KIB);
    let publishing = tokio::spawn(async move {
        for number in 0..PUBLICATIONS {
            let options = json!({"noStore": true, "noDataResponse": true});
            let data = json!({"number": number, "text": news});
            let set = json!({"action": "set", "eventId": number + 1, "path": "/news/1", "data": data, "options": options});
            assert!(is_ok(&publisher.request(set).await));
        }
    });
    let mut heard = 0;
    while heard < PUBLICATIONS {
        let frame = reader.next().await;
        let frame = frame.unwrap_or_else(|| panic!("closed after {heard} publications\n{}", host.log()));
        let text: Value = serde_json::from_slice(&frame.payload).expect("text is JSON");
        // A ping is no object.
        if text.is_object() {
            assert_eq!(text["data"]["number"], heard);
            heard += 1;
            if heard % 4 == 0 {
                tokio::time::sleep(Duration::from_millis(80)).await;
            }
        }
    }
    publishing.await.expect("it publishes");
}

/// The example of RFC 7692: `Hello`.
const COMPRESSED_HELLO: &[u8] = &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];

#[tokio::test]
async fn compression_is_agreed_on_only_where_it_is_configured_and_offered() {
    let (plain, _folder) = open_host(&[]);
    let (host, _other) = open_host(&["happn.compression=true"]);
    let (name, offer) = (
        "Sec-WebSocket-Extensions",
        "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n",
    );
    let mut refused = Raw::open(plain.addr(), offer).await;
    assert_eq!(refused.header(name), None);
    let mut unasked = Raw::open(host.addr(), "").await;
    assert_eq!(unasked.header(name), None);
    for raw in [&mut refused, &mut unasked] {
        raw.bytes(&frame(0xc0 | TEXT, COMPRESSED_HELLO)).await;
        assert_eq!(raw.close_code().await, Some(1002));
    }
    let agreed = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
    let mut sender = Raw::open(host.addr(), offer).await;
    let mut listener = Raw::open(host.addr(), offer).await;
    let mut other = Raw::open(host.addr(), "").await;
    assert_eq!(sender.header(name), Some(agreed));
    let configure = json!({"action": "configure-session", "eventId": 1, "data": {"protocol": "happn_4"}});
    assert!(is_ok(&sender.request(configure).await));
    for raw in [&mut listener, &mut other] {
        let on = json!({"action": "on", "eventId": 1, "path": "/SET@/news"});
        assert!(is_ok(&raw.request(on).await));
    }
    // A compressed message that is no request is read, and ignored as any other.
    sender.bytes(&frame(0xc0 | TEXT, COMPRESSED_HELLO)).await;
    let set = json!({"action": "set", "eventId": 2, "path": "/news", "data": {"text": "v".repeat(100_000)}, "options": {"noDataResponse": true}});
    assert!(is_ok(&sender.request(set).await));
    let (packed, whole) = (listener.next().await, other.next().await);
    let (packed, whole) = (packed.expect("an event"), whole.expect("an event"));
    assert_eq!((packed.first, whole.first), (0xc1, 0x81));
    assert!(packed.payload.len() < 2000 && whole.payload.len() > 100_000);
    // Bad data, a control frame that says that it is compressed, and a message inside of another.
    let faults = [
        (frame(0xc0 | TEXT, b"\xff\xff\xff\xff"), 1007),
        (frame(0xc0 | PING, b""), 1002),
        (
            [
                frame(0x40 | TEXT, &COMPRESSED_HELLO[..3]),
                frame(0x80 | TEXT, b"{}"),
            ]
            .concat(),
            1002,
        ),
    ];
    for (bytes, code) in faults {
        let mut raw = Raw::open(host.addr(), offer).await;
        raw.bytes(&bytes).await;
        assert_eq!(raw.close_code().await, Some(code));
    }
}
