//! Order of answers and events: the publications of a request have been sent to everybody before its answer.
//!
//! The clients read their sockets themselves, without waiting, so that it is the kernel which says what has arrived when an
//! answer is there.

use mesh_tests::host::{Folder, Host, build_folder};
use serde_json::{Value, json};
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;
use tokio_tungstenite::tungstenite::{self, Message, WebSocket};

/// One protocol of each generation.
const PROTOCOLS: [&str; 2] = ["1.3.0", NEWEST];
const NEWEST: &str = "happn_4";
/// Requests of each kind.
const ROUNDS: usize = 200;
/// How many of them the kernel may bring over late: it takes its time for two sockets on its own.
const FEW: usize = ROUNDS / 20;

/// A client that reads only when it is told to.
struct Client {
    socket: WebSocket<TcpStream>,
    id: String,
    number: u64,
    events: usize,
}

impl Client {
    fn open(address: SocketAddr, protocol: &str, info: Value) -> Client {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let url = format!("ws://{address}/primus?_primuscb=1");
        let (socket, _) = tungstenite::client(url, stream).unwrap();
        let mut client = Client {
            socket,
            id: String::new(),
            number: 0,
            events: 0,
        };
        let announced = json!({"protocol": protocol, "version": "13.0.0"});
        client.request(json!({"action": "configure-session", "data": announced}));
        let login = json!({"action": "login", "data": {"protocol": protocol, "info": info}});
        client.id = client.request(login)["data"]["id"].as_str().unwrap().to_owned();
        client
    }

    fn send(&mut self, mut request: Value) -> u64 {
        self.number += 1;
        request["eventId"] = self.number.into();
        self.socket.send(Message::text(request.to_string())).unwrap();
        self.number
    }

    /// The next frame, of which events are counted.
    fn next(&mut self) -> Result<Value, tungstenite::Error> {
        loop {
            if let Message::Text(text) = self.socket.read()?
                && let Ok(frame @ Value::Object(_)) = serde_json::from_str::<Value>(&text)
            {
                self.events += usize::from(frame["_meta"]["type"] == "data");
                return Ok(frame);
            }
        }
    }

    fn answer(&mut self, number: u64) -> Value {
        loop {
            let frame = self.next().unwrap();
            if frame["_meta"]["eventId"] == number || frame["eventId"] == number {
                return frame;
            }
        }
    }

    fn request(&mut self, request: Value) -> Value {
        let number = self.send(request);
        self.answer(number)
    }

    fn on(&mut self, channel: &str) {
        let answer = self.request(json!({"action": "on", "path": channel, "options": {}}));
        assert_eq!(answer["_meta"]["status"], "ok", "{answer}");
    }

    fn set(&mut self, path: &str, options: Value) -> Value {
        self.request(json!({"action": "set", "path": path, "data": {"a": 1}, "options": options}))
    }

    /// How many events have arrived so far.
    fn arrived(&mut self) -> usize {
        self.socket.get_ref().set_nonblocking(true).unwrap();
        loop {
            match self.next() {
                Ok(_) => {}
                Err(tungstenite::Error::Io(error)) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => panic!("{error}"),
            }
        }
        self.socket.get_ref().set_nonblocking(false).unwrap();
        self.events
    }

    /// Waits until so many events have arrived.
    fn await_events(&mut self, count: usize) {
        while self.events < count {
            self.next().unwrap();
        }
    }
}

fn host() -> (Host, Folder) {
    let folder = Folder::new("order");
    let plugins = build_folder();
    let file = folder.write(
        "mesh.toml",
        &format!(
            "name = \"TestNode\"\n[plugins]\ndir = {:?}\n[[components]]\nname = \"emitter\"\nlibrary = \"emitter\"\n",
            plugins.display().to_string()
        ),
    );
    (Host::start(&file, &[]), folder)
}

#[test]
fn an_answer_comes_after_the_events_of_its_request_on_every_connection() {
    let (host, _folder) = host();
    let open = |number: usize| Client::open(host.addr(), PROTOCOLS[number % 2], json!({}));
    let mut listeners: Vec<Client> = (0..5).map(open).collect();
    listeners
        .iter_mut()
        .for_each(|listener| listener.on("/ALL@/late/*"));
    let mut publishers: Vec<Client> = (0..2).map(open).collect();
    // They hear each other, too.
    publishers
        .iter_mut()
        .for_each(|publisher| publisher.on("/ALL@/late/*"));
    let mut told = 0;
    for (action, options) in [
        ("set", json!({})),
        ("remove", json!({})),
        ("set", json!({"noStore": true})),
        ("set", json!({"consistency": 2})),
    ] {
        let mut late = 0;
        for round in 0..ROUNDS {
            let path = format!("/late/{round}");
            let publisher = &mut publishers[round % 2];
            publisher.request(json!({"action": action, "path": path, "data": {"a": 1}, "options": options}));
            told += 1;
            late += listeners
                .iter_mut()
                .map(|listener| usize::from(listener.arrived() < told))
                .sum::<usize>();
            listeners
                .iter_mut()
                .for_each(|listener| listener.await_events(told));
        }
        assert!(
            late <= FEW,
            "{action} {options}: {late} of {} were late",
            ROUNDS * 5
        );
    }
}

#[test]
fn answers_of_requests_sent_in_one_go_come_after_their_events_too() {
    let (host, _folder) = host();
    let mut listener = Client::open(host.addr(), NEWEST, json!({}));
    listener.on("/ALL@/late/*");
    let mut publisher = Client::open(host.addr(), NEWEST, json!({}));
    let (mut late, mut told) = (0, 0);
    for _ in 0..ROUNDS / 20 {
        let numbers: Vec<u64> = (0..20)
            .map(|_| {
                publisher.send(json!({"action": "set", "path": "/late/1", "data": {"a": 1}, "options": {}}))
            })
            .collect();
        for number in numbers {
            publisher.answer(number);
            told += 1;
            late += usize::from(listener.arrived() < told);
        }
        listener.await_events(told);
    }
    assert!(late <= FEW, "{late} of {told} were late");
}

#[test]
fn a_component_answers_after_the_events_that_it_has_emitted() {
    let (host, _folder) = host();
    let mut listener = Client::open(host.addr(), NEWEST, json!({}));
    listener.on("/SET@/_events/TestNode/emitter/*");
    let mut caller = Client::open(host.addr(), NEWEST, json!({}));
    let responses = format!("/_exchange/responses/{}", caller.id);
    caller.on(&format!("/SET@{responses}/*"));
    let (mut late, mut told) = (0, 0);
    for round in 0..ROUNDS {
        let data = json!({"callbackAddress": format!("{responses}/{round}"), "args": ["many", 3]});
        let path = "/_exchange/requests/TestNode/emitter/emitMany";
        caller.send(json!({"action": "set", "path": path, "data": data, "options": {"noStore": true}}));
        caller.await_events(round + 1);
        told += 3;
        late += usize::from(listener.arrived() < told);
        listener.await_events(told);
    }
    assert!(late <= FEW, "{late} of {ROUNDS} were late");
}

#[test]
fn nobody_waits_for_a_client_that_does_not_read() {
    let (host, _folder) = host();
    let mut slow = Client::open(host.addr(), NEWEST, json!({}));
    slow.on("/ALL@/late/*");
    let mut reading = Client::open(host.addr(), NEWEST, json!({}));
    reading.on("/ALL@/late/*");
    let mut publisher = Client::open(host.addr(), NEWEST, json!({}));
    let text = "x".repeat(100_000);
    for round in 1..=100 {
        let data = json!({"text": text});
        let answer = publisher
            .request(json!({"action": "set", "path": "/late/1", "data": data, "options": {"noStore": true}}));
        assert_eq!(answer["_meta"]["status"], "ok");
        reading.await_events(round);
    }
}

#[test]
fn no_cluster_keeps_a_publication_from_other_nodes() {
    let (host, _folder) = host();
    let mut member = Client::open(host.addr(), NEWEST, json!({"clusterName": "C"}));
    let mut client = Client::open(host.addr(), NEWEST, json!({"clusterName": ""}));
    for listener in [&mut member, &mut client] {
        listener.on("/ALL@/late/*");
    }
    let mut publisher = Client::open(host.addr(), NEWEST, json!({}));
    publisher.set("/late/1", json!({"noCluster": true}));
    publisher.set("/late/2", json!({"noCluster": false}));
    client.await_events(2);
    member.await_events(1);
    // Any later frame would come before this.
    member.request(json!({"action": "get", "path": "/late/none"}));
    assert_eq!((member.events, client.events), (1, 2));
}

#[test]
fn a_set_without_data_stores_a_document_without_fields() {
    let (host, _folder) = host();
    let mut client = Client::open(host.addr(), NEWEST, json!({}));
    let answer = client.request(json!({"action": "set", "path": "/none", "options": {}}));
    assert_eq!(answer["data"], json!({}));
    let answer = client.request(json!({"action": "get", "path": "/none", "options": {}}));
    assert_eq!(answer["data"], json!({}));
    let answer = client.request(json!({"action": "set", "path": "/none", "data": null, "options": {}}));
    assert_eq!(answer["data"], json!({"value": null}));
    let collation = json!({"options": {"collation": {"locale": "en"}}});
    let answer = client.request(json!({"action": "count", "path": "/none", "options": collation}));
    assert_eq!(answer["data"]["value"], 1, "{answer}");
}
