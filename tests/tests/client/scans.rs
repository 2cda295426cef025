//! Requests that look through many documents: others are answered meanwhile, and their own session keeps its order.
//!
//! Counted, not timed: how many answers somebody else gets while so many scans are answered.

use futures_util::{SinkExt, StreamExt};
use mesh_tests::host::{Folder, Host};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

const PATIENCE: Duration = Duration::from_secs(120);
const DOCUMENTS: usize = 6_000;

struct Client {
    socket: WebSocketStream<TcpStream>,
    last: u64,
}

impl Client {
    async fn open(address: SocketAddr, protocol: &str) -> Client {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let url = format!("ws://{address}/primus?_primuscb=1");
        let (socket, _) = tokio_tungstenite::client_async(url, stream).await.unwrap();
        let mut client = Client { socket, last: 0 };
        let configured = client
            .ask(json!({"action": "configure-session", "data": {"protocol": protocol}}))
            .await;
        assert_eq!(configured["_meta"]["status"], "ok");
        client
    }

    /// Sends a request. Returns its number.
    async fn send(&mut self, mut request: Value) -> u64 {
        self.last += 1;
        request["eventId"] = self.last.into();
        self.socket
            .feed(Message::text(request.to_string()))
            .await
            .unwrap();
        self.last
    }

    async fn flush(&mut self) {
        self.socket.flush().await.unwrap();
    }

    /// The next frame; heartbeats are left out.
    async fn next(&mut self) -> Value {
        loop {
            let message = tokio::time::timeout(PATIENCE, self.socket.next());
            match message.await.expect("a frame in time") {
                Some(Ok(Message::Text(text))) => match serde_json::from_str(&text).unwrap() {
                    Value::String(_) => {}
                    frame => return frame,
                },
                Some(Ok(_)) => {}
                other => panic!("the host ended the connection: {other:?}"),
            }
        }
    }

    async fn ask(&mut self, request: Value) -> Value {
        self.send(request).await;
        self.flush().await;
        self.next().await
    }

    /// Writes the documents `/big/00000` and so on.
    async fn fill(&mut self, count: usize) {
        for begin in (0..count).step_by(500) {
            let end = count.min(begin + 500);
            for number in begin..end {
                self.send(json!({
                    "action": "set", "path": format!("/big/{number:05}"),
                    "data": {"n": number, "rank": (number * 7919) % 10_007, "text": format!("text {number}")},
                    "options": {"noPublish": true, "noDataResponse": true}
                }))
                .await;
            }
            self.flush().await;
            for _ in begin..end {
                assert_eq!(self.next().await["_meta"]["status"], "ok");
            }
        }
    }
}

/// The number of the request that a frame answers, whether its form is an object or an array.
fn number_of(frame: &Value) -> u64 {
    let own = frame.as_array().and_then(|items| items.last()).unwrap_or(frame);
    let meta = own.get("_meta").unwrap_or(own);
    meta["eventId"].as_u64().unwrap_or_default()
}

fn host() -> (Host, Folder) {
    let folder = Folder::new("scans");
    let file = folder.write("mesh.toml", "name = \"A\"\n");
    (Host::start(&file, &[]), folder)
}

fn slow_count() -> Value {
    let criteria = json!({"text": {"$regex": "(t|e|x)+ [0-9]*7[0-9]*3$"}});
    json!({"action": "count", "path": "/big/*", "options": {"criteria": criteria}})
}

#[tokio::test(flavor = "multi_thread")]
async fn others_are_answered_while_many_sessions_scan() {
    let (host, _folder) = host();
    let address = host.addr();
    let mut beside = Client::open(address, "happn_4").await;
    beside.fill(DOCUMENTS).await;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let (sessions, each) = (cores.max(4) + 2, 4);
    let mut scanning = Vec::new();
    for _ in 0..sessions {
        let mut client = Client::open(address, "happn_4").await;
        scanning.push(tokio::spawn(async move {
            for _ in 0..each {
                client.send(slow_count()).await;
            }
            client.flush().await;
            let mut counts = Vec::new();
            for _ in 0..each {
                counts.push(client.next().await["data"]["value"].clone());
            }
            counts
        }));
    }
    let done = Arc::new(AtomicBool::new(false));
    let told = done.clone();
    let ended = tokio::spawn(async move {
        let mut counts = Vec::new();
        for one in scanning {
            counts.extend(one.await.unwrap());
        }
        told.store(true, Ordering::Release);
        counts
    });
    let mut answered = 0;
    while !done.load(Ordering::Acquire) {
        let path = format!("/big/{:05}", answered % DOCUMENTS);
        let found = beside.ask(json!({"action": "get", "path": path})).await;
        assert_eq!(found["data"]["n"], answered % DOCUMENTS);
        answered += 1;
    }
    let counts = ended.await.unwrap();
    assert!(counts.iter().all(|count| *count == counts[0]), "{counts:?}");
    // Each scan takes as long as thousands of these, so that one for each says that nobody waited for all scans.
    let scans = sessions * each;
    assert!(answered >= scans, "{answered} answers beside {scans} scans");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_gets_its_answers_in_order_whatever_takes_long() {
    let (host, _folder) = host();
    for protocol in ["happn_1.3.0", "happn_2", "happn_3", "happn_4"] {
        let mut client = Client::open(host.addr(), protocol).await;
        client.fill(DOCUMENTS).await;
        let first = client.last + 1;
        for _ in 0..3 {
            client.send(json!({"action": "get", "path": "/big/*"})).await;
            client.send(json!({"action": "get", "path": "/big/00001"})).await;
            client
                .send(json!({"action": "set", "path": "/other", "data": {}}))
                .await;
            client
                .send(json!({"action": "on", "path": "/ALL@/big/*", "options": {"initialCallback": true}}))
                .await;
        }
        client.send(json!({"action": "remove", "path": "/big/*"})).await;
        client.send(json!({"action": "get", "path": "/big/*"})).await;
        let last = client.last;
        client.flush().await;
        let mut answers = Vec::new();
        while answers.len() < (last + 1 - first) as usize {
            let frame = client.next().await;
            // The removal is published to this session, too.
            let kind = &frame["_meta"]["type"];
            if kind != "data" {
                answers.push(frame);
            }
        }
        let numbers: Vec<u64> = answers.iter().map(number_of).collect();
        assert!(
            numbers.iter().copied().eq(first..=last),
            "{protocol}: {numbers:?}"
        );
        let items = answers[0].as_array().unwrap();
        assert_eq!(items.len(), DOCUMENTS + 1, "{protocol}");
        let paths: Vec<&str> = items[..DOCUMENTS]
            .iter()
            .filter_map(|item| item["_meta"]["path"].as_str())
            .collect();
        assert!(paths.is_sorted() && paths.len() == DOCUMENTS, "{protocol}");
        assert_eq!(
            answers[3]["data"].as_array().unwrap().len(),
            DOCUMENTS,
            "{protocol}"
        );
        assert_eq!(answers[12]["data"]["removed"], DOCUMENTS, "{protocol}");
        assert_eq!(answers[13].as_array().unwrap().len(), 1, "{protocol}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn long_scans_are_sorted_and_limited_as_short_ones() {
    let (host, _folder) = host();
    let mut client = Client::open(host.addr(), "happn_4").await;
    client.fill(DOCUMENTS).await;
    let options =
        json!({"criteria": {"n": {"$gte": 100}}, "options": {"sort": {"rank": 1}, "skip": 5, "limit": 40}});
    let answer = client
        .ask(json!({"action": "get", "path": "/big/*", "options": options}))
        .await;
    let mut wanted: Vec<(usize, usize)> = (100..DOCUMENTS).map(|n| ((n * 7919) % 10_007, n)).collect();
    wanted.sort_unstable();
    let wanted: Vec<usize> = wanted[5..45].iter().map(|(_, number)| *number).collect();
    let items = answer.as_array().unwrap();
    let found: Vec<usize> = items[..items.len() - 1]
        .iter()
        .filter_map(|item| item["n"].as_u64().map(|number| number as usize))
        .collect();
    assert_eq!(found, wanted);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_removal_is_completed_and_published_once_though_its_client_has_gone() {
    let (host, _folder) = host();
    let mut listener = Client::open(host.addr(), "happn_4").await;
    listener.fill(DOCUMENTS).await;
    let subscribed = listener
        .ask(json!({"action": "on", "path": "/REMOVE@/big/*"}))
        .await;
    assert_eq!(subscribed["_meta"]["status"], "ok");
    let mut leaving = Client::open(host.addr(), "happn_4").await;
    leaving.send(json!({"action": "remove", "path": "/big/*"})).await;
    leaving.flush().await;
    drop(leaving);
    let publication = listener.next().await;
    assert_eq!(publication["data"]["removed"], DOCUMENTS, "{publication}");
    let left = listener.ask(json!({"action": "count", "path": "/big/*"})).await;
    assert_eq!(left["data"]["value"], 0, "{left}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scan_of_somebody_else_ends_beside_many_that_never_end() {
    let (host, _folder) = host();
    let address = host.addr();
    let mut honest = Client::open(address, "happn_4").await;
    honest.fill(DOCUMENTS).await;
    let mut endless = Vec::new();
    for _ in 0..20 {
        let mut client = Client::open(address, "happn_4").await;
        endless.push(tokio::spawn(async move {
            // One is always waiting behind the one under way.
            client.send(slow_count()).await;
            loop {
                client.send(slow_count()).await;
                client.flush().await;
                client.next().await;
            }
        }));
    }
    for _ in 0..2 {
        let counted = honest.ask(slow_count()).await;
        assert_eq!(counted["_meta"]["status"], "ok", "{counted}");
    }
    endless.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_change_of_a_large_document_that_is_answered_with_ok_is_kept() {
    let (host, _folder) = host();
    let address = host.addr();
    let mut client = Client::open(address, "happn_4").await;
    let large = json!({"text": "x".repeat(400_000)});
    client
        .ask(json!({"action": "set", "path": "/large", "data": large, "options": {"noDataResponse": true}}))
        .await;
    let mut writers = Vec::new();
    for writer in 0..4 {
        let mut client = Client::open(address, "happn_4").await;
        writers.push(tokio::spawn(async move {
            let mut kept = Vec::new();
            for number in 0..5 {
                let key = format!("{writer}-{number}");
                let options = json!({"merge": true, "noDataResponse": true, "noPublish": true});
                let mut data = json!({});
                data[&key] = number.into();
                let merged = client
                    .ask(json!({"action": "set", "path": "/large", "data": data, "options": options}))
                    .await;
                if merged["_meta"]["status"] == "ok" {
                    kept.push(key);
                }
            }
            kept
        }));
    }
    let mut kept = Vec::new();
    for writer in writers {
        kept.extend(writer.await.unwrap());
    }
    let found = client.ask(json!({"action": "get", "path": "/large"})).await;
    assert!(!kept.is_empty());
    for key in kept {
        assert!(found["data"][&key].is_u64(), "{key} was lost");
    }
}
