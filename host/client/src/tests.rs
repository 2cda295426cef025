//! The client against a server that does what a test tells it to.

use super::*;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, accept_async};

/// The server's side of one connection, logged in.
struct Peer(WebSocketStream<TcpStream>);

impl Peer {
    /// The next frame of the client.
    async fn receive(&mut self) -> Option<Value> {
        loop {
            if let Message::Text(text) = self.0.next().await?.ok()? {
                return serde_json::from_str(&text).ok();
            }
        }
    }

    async fn send(&mut self, frame: Value) {
        self.0
            .send(Message::text(frame.to_string()))
            .await
            .expect("the client reads");
    }

    async fn answer(&mut self, request: &Value, data: Value) {
        let meta = json!({ "type": "response", "status": "ok", "eventId": request["eventId"] });
        self.send(json!({ "data": data, "_meta": meta })).await;
    }
}

/// A client and its server, after login.
async fn session(change: impl FnOnce(Options) -> Options) -> (Client, Peer) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    let server = async {
        let (stream, _) = listener.accept().await.expect("a client");
        let mut peer = Peer(accept_async(stream).await.expect("a websocket"));
        for data in [
            Value::Null,
            json!({ "name": "N", "secure": false }),
            json!({ "id": "S", "happn": {} }),
        ] {
            let request = peer.receive().await.expect("a request");
            peer.answer(&request, data).await;
        }
        peer
    };
    let options = change(Options::new(address.to_string()).timeout(Duration::from_secs(60)));
    let (client, peer) = tokio::join!(Client::connect(options), server);
    (client.expect("logged in"), peer)
}

#[tokio::test]
async fn answers_may_come_in_any_order() {
    let (client, mut peer) = session(|options| options).await;
    let server = async {
        let first = peer.receive().await.expect("a request");
        let second = peer.receive().await.expect("a request");
        peer.send(json!("not a frame of the protocol")).await;
        peer.answer(&second, json!({ "path": second["path"] })).await;
        peer.answer(&first, json!({ "path": first["path"] })).await;
        assert_eq!(
            (&first["action"], &first["sessionId"]),
            (&json!("get"), &json!("S"))
        );
    };
    let (one, two, ()) = tokio::join!(client.get("/1"), client.get("/2"), server);
    assert_eq!(one.expect("answered").data.get(), r#"{"path":"/1"}"#);
    assert_eq!(two.expect("answered").data.get(), r#"{"path":"/2"}"#);
}

#[tokio::test]
async fn a_lost_connection_fails_everything() {
    let (client, mut peer) = session(|options| options).await;
    let server = async move {
        let request = peer.receive().await.expect("a request");
        assert_eq!(request["path"], "/1");
        let reason =
            json!({ "_meta": { "type": "system" }, "eventKey": "server-side-disconnect", "data": "enough" });
        peer.send(reason).await;
    };
    let (result, ()) = tokio::join!(client.get("/1"), server);
    let error = result.expect_err("nobody answers");
    assert_eq!(error.kind(), ErrorKind::Closed);
    assert!(
        error.to_string().contains("get /1") && error.to_string().contains("enough"),
        "{error}"
    );
    assert_eq!(
        client.get("/2").await.expect_err("closed").kind(),
        ErrorKind::Closed
    );
    assert_eq!(client.closed().await.kind(), ErrorKind::Closed);
}

#[tokio::test]
async fn a_request_without_answer_is_named() {
    let (client, _peer) = session(|options| options).await;
    let request = Request::new("set").path("/a").timeout(Duration::from_millis(20));
    let error = client.request(request).await.expect_err("nobody answers");
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert_eq!(error.to_string(), "set /a (request 4): no answer within 20ms");
}

#[tokio::test]
async fn heartbeats_of_the_server_are_answered() {
    let (_client, mut peer) = session(|options| options).await;
    peer.send(json!("primus::ping::17")).await;
    assert_eq!(peer.receive().await, Some(json!("primus::pong::17")));
}

#[tokio::test]
async fn a_slow_reader_is_ended_and_told() {
    let (client, mut peer) = session(|mut options| {
        options.backlog = 1;
        options
    })
    .await;
    let server = async {
        let request = peer.receive().await.expect("on");
        for number in 0..2 {
            let meta = json!({ "type": "data", "channel": request["path"], "path": "/a/1" });
            peer.send(json!({ "data": { "n": number }, "_meta": meta })).await;
        }
        peer.answer(&request, json!({ "id": "r" })).await;
    };
    let (subscription, ()) = tokio::join!(
        client.subscribe("/SET@/a/*", SubscriptionOptions::default()),
        server
    );
    let mut subscription = subscription.expect("subscribed");
    assert_eq!(
        subscription.next().await.expect("the first").data.get(),
        r#"{"n":0}"#
    );
    assert!(subscription.next().await.is_none());
    assert_eq!(
        subscription.failure().expect("a reason").kind(),
        ErrorKind::Overflow
    );
    drop(subscription);
    let off = peer.receive().await.expect("off");
    assert_eq!(
        (&off["action"], &off["options"]["referenceId"]),
        (&json!("off"), &json!("r"))
    );
}

#[tokio::test]
async fn the_connection_ends_with_its_last_handle() {
    let (client, mut peer) = session(|options| options).await;
    let clone = client.clone();
    drop(client);
    drop(clone);
    assert_eq!(peer.receive().await, None);
}
