//! Messages of a connection that is there.

use crate::connection::{connect, event, join, message, publish, ready, settings, until};
use bytes::Bytes;
use mesh_cluster::wire::{Connection, Event, Wire, WireError};
use mesh_tests::nats::{self, NatsServer};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Wake, Waker};

/// Counts how often it was woken.
#[derive(Default)]
struct Wakes(AtomicU64);

impl Wake for Wakes {
    fn wake(self: Arc<Wakes>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Wakes {
    fn count(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
}

#[tokio::test]
async fn messages_arrive_in_the_order_of_publishing_with_their_subjects() {
    if !nats::is_there() {
        return;
    }
    let server = NatsServer::start();
    let (mut one, mut other) = (join(&server.url()).await, join(&server.url()).await);
    other.subscribe("a.*").unwrap();
    other.subscribe("up").unwrap();
    publish(&mut other, "up", "").await;
    assert_eq!(message(&mut other).await.subject, "up");
    // Fewer than wait for a reader that is slow.
    for number in 0..900_u32 {
        let payload = Bytes::copy_from_slice(&number.to_be_bytes());
        match number % 2 {
            0 => one.publish("a.b", payload).unwrap(),
            _ => one.publish_with_reply("a.c", "d.1", payload).unwrap(),
        }
    }
    for number in 0..900_u32 {
        let message = message(&mut other).await;
        assert_eq!(message.payload.as_ref(), number.to_be_bytes());
        let (subject, reply) = match number % 2 {
            0 => ("a.b", None),
            _ => ("a.c", Some(Bytes::from("d.1"))),
        };
        assert_eq!(
            (message.subject.as_ref(), message.reply),
            (subject.as_bytes(), reply)
        );
    }
    assert_eq!((one.unread(), other.unread()), (0, 0));
}

#[tokio::test]
async fn a_connection_hears_its_own_messages() {
    if !nats::is_there() {
        return;
    }
    let server = NatsServer::start();
    for _ in 0..2 {
        let mut nats = join(&server.url()).await;
        nats.subscribe("beat.*").unwrap();
        nats.publish("beat.a", Bytes::from("1")).unwrap();
        let heard = message(&mut nats).await;
        assert_eq!(
            (heard.subject, heard.reply, heard.payload),
            ("beat.a".into(), None, "1".into())
        );
    }
}

#[tokio::test]
async fn a_message_to_a_subject_without_a_listener_comes_back() {
    if !nats::is_there() {
        return;
    }
    let server = NatsServer::start();
    let (mut one, mut other) = (join(&server.url()).await, join(&server.url()).await);
    one.subscribe("nr.one.>").unwrap();
    other.subscribe("nr.other.>").unwrap();
    other.subscribe("in.other").unwrap();
    publish(&mut other, "in.other", "").await;
    message(&mut other).await;
    one.publish_with_reply("in.nobody", "nr.one.1", Bytes::from("x"))
        .unwrap();
    one.publish_with_reply("in.other", "nr.one.2", Bytes::from("y"))
        .unwrap();
    one.publish_with_reply("in.nobody", "nr.one.3", Bytes::new())
        .unwrap();
    assert_eq!(event(&mut one).await, Event::Returned("nr.one.1".into()));
    assert_eq!(event(&mut one).await, Event::Returned("nr.one.3".into()));
    assert_eq!(message(&mut other).await.payload, "y");
    // An empty message of somebody is none that came back.
    other.publish("nr.one.4", Bytes::new()).unwrap();
    assert_eq!(message(&mut one).await.subject, "nr.one.4");
}

#[tokio::test]
async fn a_subscription_that_is_flooded_leaves_room_for_the_others() {
    if !nats::is_there() {
        return;
    }
    let server = NatsServer::start();
    let mut nats = join(&server.url()).await;
    nats.subscribe("flood").unwrap();
    nats.subscribe("beat").unwrap();
    for _ in 0..500 {
        publish(&mut nats, "flood", "").await;
    }
    publish(&mut nats, "beat", "").await;
    let mut before = 0;
    while message(&mut nats).await.subject != "beat" {
        before += 1;
    }
    // All may have been read before the beat arrived.
    assert!(before <= 500, "{before} messages came first");
}

#[tokio::test]
async fn messages_that_nobody_reads_are_dropped_and_counted() {
    if !nats::is_there() {
        return;
    }
    let server = NatsServer::start();
    let mut nats = join(&server.url()).await;
    nats.subscribe("a").unwrap();
    for _ in 0..5_000 {
        publish(&mut nats, "a", "x").await;
    }
    crate::connection::failure(&nats, "were dropped").await;
    assert!(nats.unread() > 0);
    let heard = ready(&mut nats).await.len();
    assert!((1..5_000).contains(&heard), "{heard} were heard");
}

#[tokio::test]
async fn a_message_that_is_too_large_is_refused_with_the_limit_of_the_server() {
    if !nats::is_there() {
        return;
    }
    let server = NatsServer::with("max_payload: 1024\n");
    let mut nats = join(&server.url()).await;
    nats.subscribe("a").unwrap();
    assert_eq!(nats.max_payload(), 1_024);
    let refused = WireError::TooLarge {
        bytes: 1_025,
        most: 1_024,
    };
    assert_eq!(nats.publish("a", Bytes::from(vec![0; 1_025])), Err(refused));
    assert_eq!(
        nats.publish_with_reply("a", "b", Bytes::from(vec![0; 1_025])),
        Err(refused)
    );
    nats.publish("a", Bytes::from(vec![1; 1_024])).unwrap();
    assert_eq!(message(&mut nats).await.payload.len(), 1_024);
    assert_eq!(nats.last_error(), None);
}

#[tokio::test]
async fn a_subject_that_would_break_the_protocol_is_refused() {
    if !nats::is_there() {
        return;
    }
    let server = NatsServer::start();
    let mut nats = join(&server.url()).await;
    nats.subscribe("a").unwrap();
    for wrong in ["", "a b", "a\r\nPUB a 0\r\n", "a\tb"] {
        assert_eq!(
            nats.publish(wrong, Bytes::new()),
            Err(WireError::Subject),
            "{wrong:?}"
        );
        assert_eq!(
            nats.publish_with_reply("a", wrong, Bytes::new()),
            Err(WireError::Subject),
            "{wrong:?}"
        );
        assert_eq!(nats.subscribe(wrong), Err(WireError::Subject), "{wrong:?}");
    }
    nats.publish("a", Bytes::from("still there")).unwrap();
    assert_eq!(message(&mut nats).await.payload, "still there");
    assert_eq!(nats.connects(), 1);
}

#[tokio::test]
async fn a_task_that_waits_is_woken_for_a_subscription_made_meanwhile() {
    if !nats::is_there() {
        return;
    }
    let server = NatsServer::start();
    let (mut one, mut other) = (join(&server.url()).await, join(&server.url()).await);
    let wakes = Arc::new(Wakes::default());
    let waker = Waker::from(wakes.clone());
    let mut context = Context::from_waker(&waker);
    assert_eq!(one.poll_event(&mut context), Poll::Pending);
    let before = wakes.count();
    one.subscribe("a").unwrap();
    assert!(wakes.count() > before, "nobody was woken");
    // The server has the subscription when it has answered what was sent behind it.
    one.subscribe("ready").unwrap();
    publish(&mut one, "ready", "").await;
    assert_eq!(message(&mut one).await.subject, "ready");
    assert_eq!(one.poll_event(&mut context), Poll::Pending);
    let before = wakes.count();
    other.publish("a", Bytes::from("x")).unwrap();
    let until = std::time::Instant::now() + crate::connection::PATIENCE;
    while wakes.count() == before {
        assert!(std::time::Instant::now() < until, "nobody was woken");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    assert_eq!(message(&mut one).await.payload, "x");
}

#[tokio::test]
async fn closing_sends_what_waits_and_then_says_so() {
    if !nats::is_there() {
        return;
    }
    let server = NatsServer::start();
    for _ in 0..2 {
        let (mut one, mut other) = (join(&server.url()).await, join(&server.url()).await);
        other.subscribe("a").unwrap();
        publish(&mut other, "a", "first").await;
        message(&mut other).await;
        one.subscribe("b").unwrap();
        for number in 0..900_u32 {
            one.publish("a", Bytes::copy_from_slice(&number.to_be_bytes()))
                .unwrap();
        }
        one.close();
        assert_eq!(one.state(), Connection::Closed);
        assert_eq!(one.publish("a", Bytes::new()), Err(WireError::Down));
        assert_eq!(one.subscribe("a"), Err(WireError::Down));
        until(&mut one, Connection::Closed).await;
        one.close();
        assert_eq!(ready(&mut one).await, []);
        for number in 0..900_u32 {
            assert_eq!(message(&mut other).await.payload.as_ref(), number.to_be_bytes());
        }
    }
}

#[tokio::test]
async fn the_server_is_named_with_its_version() {
    if !nats::is_there() {
        return;
    }
    let server = NatsServer::with("server_name: first\n");
    let nats = connect(settings(&server.url())).await;
    let said = nats.server().expect("there is a server");
    assert_eq!((said.name.as_str(), nats.connects()), ("first", 1));
    assert_eq!(said.address, format!("127.0.0.1:{}", server.port()));
    assert!(said.version.starts_with('2'), "{}", said.version);
}
