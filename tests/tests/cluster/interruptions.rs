//! Servers that are not there, end, or say nothing.

use crate::connection::{PATIENCE, connect, event, failure, join, message, publish, settings, until};
use bytes::Bytes;
use mesh_cluster::wire::{Connection, Event, Wire, WireError};
use mesh_nats::Nats;
use mesh_tests::nats::{self, NatsServer};
use std::future::poll_fn;
use std::time::{Duration, Instant};

/// Publishes again and again until the own message is heard. Connections may come and go meanwhile.
async fn until_heard(nats: &mut Nats, subject: &str) {
    let until = Instant::now() + PATIENCE;
    loop {
        let _ = nats.publish(subject, Bytes::from("again"));
        let next = poll_fn(|context| nats.poll_event(context));
        let next = tokio::time::timeout(Duration::from_millis(50), next).await;
        if let Ok(Event::Message(message)) = next
            && message.subject == subject
        {
            return;
        }
        assert!(
            Instant::now() < until,
            "nothing is heard: {:?}",
            nats.last_error()
        );
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_no_error_and_is_met_when_it_starts() {
    if !nats::is_there() {
        return;
    }
    let mut server = NatsServer::start();
    server.kill();
    let mut both = Vec::new();
    for _ in 0..2 {
        let mut nats = Nats::connect(settings(&server.url()))
            .await
            .expect("nothing is wrong");
        assert_eq!((nats.state(), nats.server()), (Connection::Down, None));
        nats.subscribe("a").unwrap();
        assert_eq!(nats.publish("a", Bytes::new()), Err(WireError::Down));
        assert_eq!(
            nats.publish_with_reply("a", "b", Bytes::new()),
            Err(WireError::Down)
        );
        let said = failure(&nats, "no connection to the cluster").await;
        let expected = format!("{}: nothing listens there", server.url());
        assert!(said.contains(&expected), "{said}");
        both.push(nats);
    }
    server.start_again(None);
    for nats in &mut both {
        assert_eq!(event(nats).await, Event::Connection(Connection::Up));
        assert_eq!((nats.last_error(), nats.connects()), (None, 1));
        publish(nats, "a", "x").await;
        assert_eq!(message(nats).await.payload, "x");
    }
}

#[tokio::test]
async fn somebody_can_wait_until_a_server_is_there() {
    if !nats::is_there() {
        return;
    }
    let mut server = NatsServer::start();
    server.kill();
    let mut nats = Nats::connect(settings(&server.url()))
        .await
        .expect("nothing is wrong");
    assert!(
        tokio::time::timeout(Duration::from_millis(20), nats.up())
            .await
            .is_err()
    );
    server.start_again(None);
    let up = tokio::time::timeout(PATIENCE, nats.up()).await;
    up.expect("the server is there");
    assert_eq!(nats.state(), Connection::Up);
    nats.subscribe("a").unwrap();
    publish(&mut nats, "a", "x").await;
    assert_eq!(message(&mut nats).await.payload, "x");
}

#[tokio::test]
async fn a_name_without_an_address_is_told() {
    let nats = Nats::connect(settings("nats://no-such-host.invalid:4222")).await;
    let nats = nats.expect("a name may have an address later");
    assert_eq!(nats.state(), Connection::Down);
    failure(&nats, "the name of a server has no address").await;
}

#[tokio::test]
async fn a_server_that_was_killed_is_met_again_with_all_subscriptions() {
    if !nats::is_there() {
        return;
    }
    let mut server = NatsServer::start();
    let (mut one, mut other) = (join(&server.url()).await, join(&server.url()).await);
    for nats in [&mut one, &mut other] {
        nats.subscribe("before.*").unwrap();
        nats.subscribe("nr.>").unwrap();
    }
    for round in 1..=2 {
        server.kill();
        for nats in [&mut one, &mut other] {
            until(nats, Connection::Down).await;
            assert_eq!(nats.publish("before.a", Bytes::new()), Err(WireError::Down));
            nats.subscribe("meanwhile").unwrap();
        }
        server.start_again(None);
        for nats in [&mut one, &mut other] {
            until(nats, Connection::Up).await;
            assert_eq!(nats.connects(), round + 1);
            // All of its subscriptions are there when it hears itself, since they were sent first.
            nats.subscribe("ready").unwrap();
            publish(nats, "ready", "").await;
            while message(nats).await.subject != "ready" {}
        }
        let (to_other, to_one) = (format!("to the other {round}"), format!("to one {round}"));
        publish(&mut one, "before.a", &to_other).await;
        publish(&mut other, "meanwhile", &to_one).await;
        while message(&mut other).await.payload != to_other {}
        while message(&mut one).await.payload != to_one {}
        one.publish_with_reply("nobody", "nr.1", Bytes::new()).unwrap();
        while event(&mut one).await != Event::Returned("nr.1".into()) {}
    }
}

#[tokio::test]
async fn of_two_servers_the_one_that_is_there_is_taken() {
    if !nats::is_there() {
        return;
    }
    let (mut gone, server) = (NatsServer::start(), NatsServer::start());
    gone.kill();
    for _ in 0..2 {
        let mut both = settings(&gone.url());
        both.servers.push(server.url());
        let nats = connect(both).await;
        let address = nats.server().expect("there is a server").address;
        assert_eq!(address, format!("127.0.0.1:{}", server.port()));
    }
}

#[tokio::test]
async fn a_server_that_says_nothing_is_given_up_and_met_again() {
    if !nats::is_there() {
        return;
    }
    let server = NatsServer::start();
    let mut settings = settings(&server.url());
    settings.ping_interval = Duration::from_millis(100);
    let mut both = [connect(settings.clone()).await, connect(settings).await];
    for nats in &mut both {
        nats.subscribe("a").unwrap();
        until_heard(nats, "a").await;
    }
    server.pause();
    for nats in &mut both {
        // On a busy machine the server may have been given up and met again before.
        while nats.state() != Connection::Down {
            event(nats).await;
        }
        let said = failure(nats, "does not answer").await;
        assert!(said.contains(&server.url()), "{said}");
    }
    server.go_on();
    for nats in &mut both {
        until_heard(nats, "a").await;
    }
}

#[tokio::test]
async fn closing_waits_neither_for_a_server_that_is_gone_nor_for_one_that_says_nothing() {
    if !nats::is_there() {
        return;
    }
    let mut server = NatsServer::start();
    let (mut one, mut other) = (join(&server.url()).await, join(&server.url()).await);
    server.pause();
    one.publish("a", Bytes::from("x")).unwrap();
    one.close();
    assert_eq!(event(&mut one).await, Event::Connection(Connection::Closed));
    server.go_on();
    server.kill();
    until(&mut other, Connection::Down).await;
    other.close();
    assert_eq!(event(&mut other).await, Event::Connection(Connection::Closed));
}

#[tokio::test]
async fn a_connection_that_is_dropped_leaves_its_server() {
    if !nats::is_there() {
        return;
    }
    let server = NatsServer::start();
    let mut watching = join(&server.url()).await;
    watching.subscribe("nr.>").unwrap();
    let mut dropped = join(&server.url()).await;
    dropped.subscribe("in.a").unwrap();
    dropped.publish("in.a", Bytes::new()).unwrap();
    message(&mut dropped).await;
    drop(dropped);
    let until = Instant::now() + PATIENCE;
    loop {
        watching.publish_with_reply("in.a", "nr.1", Bytes::new()).unwrap();
        let next = poll_fn(|context| watching.poll_event(context));
        if let Ok(event) = tokio::time::timeout(Duration::from_millis(50), next).await {
            assert_eq!(event, Event::Returned("nr.1".into()));
            return;
        }
        assert!(Instant::now() < until, "the server still has the subscription");
    }
}
