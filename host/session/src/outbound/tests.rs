//! A queue as its session and its connection see it.

use super::*;
use std::task::Wake;

#[test]
fn frames_leave_in_order() {
    let outbound = Outbound::new(100);
    outbound.push("a".into());
    outbound.push("b".into());
    let mut batch = Batch::default();
    outbound.take(&mut batch);
    assert_eq!(batch.texts(), ["a", "b"]);
    assert_eq!(outbound.queued_bytes(), 2, "handed over is not yet written");
    outbound.written(2);
    assert!(outbound.leave(Waker::noop(), None));
    assert_eq!(outbound.queued_bytes(), 0);
}

#[test]
fn a_full_queue_closes_the_session_and_frees_its_memory() {
    let outbound = Outbound::new(10);
    outbound.push("123456789".into());
    outbound.push("12".into());
    outbound.push("1".into());
    let mut batch = Batch::default();
    outbound.take(&mut batch);
    assert_eq!(batch.closing, Some(Closing::SlowConsumer));
    assert!(batch.texts().is_empty());
}

#[test]
fn a_queue_takes_more_once_its_limit_is_raised() {
    let outbound = Outbound::new(10);
    outbound.push("123456789".into());
    outbound.set_limit(20);
    outbound.push("123456789".into());
    assert!(!outbound.is_closing());
    outbound.set_limit(10);
    assert_eq!(outbound.queued_bytes(), 18, "what is queued stays");
    outbound.push("1".into());
    assert!(outbound.is_closing());
}

#[test]
fn one_frame_may_be_larger_than_the_queue() {
    let outbound = Outbound::new(2);
    outbound.push("12345".into());
    let mut batch = Batch::default();
    outbound.take(&mut batch);
    assert_eq!((batch.texts().len(), batch.closing), (1, None));
}

/// A connected pair: what the host writes with, and the client's end.
async fn sockets() -> (Arc<OwnedWriteHalf>, std::net::TcpStream) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let client = std::net::TcpStream::connect(address).unwrap();
    let (reader, writer) = listener.accept().await.unwrap().0.into_split();
    // The client closes; nothing is read from it here.
    drop(reader);
    writer.writable().await.unwrap();
    (Arc::new(writer), client)
}

#[tokio::test]
async fn a_push_writes_through_a_lent_socket() {
    let (writer, mut client) = sockets().await;
    let outbound = Outbound::new(1000);
    outbound.attend();
    outbound.push("acknowledged".into());
    assert!(outbound.lend(Waker::noop(), 1, Some(&writer)));
    outbound.push("answer".into());
    assert_eq!(outbound.queued_bytes(), 0);
    let mut received = [0; 22];
    std::io::Read::read_exact(&mut client, &mut received).unwrap();
    assert_eq!(&received[..], b"\x81\x0cacknowledged\x81\x06answer");
    outbound.push("later".into());
    assert_eq!(outbound.queued_bytes(), 5, "it is lent for one push");
}

struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn a_push_without_a_socket_wakes_the_connection() {
    let woken = Arc::new(Woken(AtomicBool::new(false)));
    let outbound = Outbound::new(1000);
    outbound.attend();
    outbound.push("acknowledged".into());
    assert!(outbound.lend(&woken.clone().into(), 1, None));
    assert!(!woken.0.load(Ordering::Relaxed));
    outbound.push("answer".into());
    assert!(woken.0.load(Ordering::Relaxed));
    let mut batch = Batch::default();
    outbound.take(&mut batch);
    assert_eq!(batch.texts().len(), 2);
}

#[tokio::test]
async fn a_sleeping_connection_is_written_for_and_not_woken() {
    let (writer, mut client) = sockets().await;
    let woken = Arc::new(Woken(AtomicBool::new(false)));
    let outbound = Outbound::new(1000);
    outbound.attend();
    assert!(outbound.leave(&woken.clone().into(), Some(&writer)));
    let (first, second) = (InFlight::default(), InFlight::default());
    let after = [first.after(), second.after()];
    assert!(outbound.defer_publication("one".into(), first));
    assert!(
        !outbound.defer_publication("two".into(), second),
        "it is deferred already"
    );
    assert!(!after[0].is_over());
    outbound.write_deferred();
    assert!(after.iter().all(After::is_over));
    assert!(!woken.0.load(Ordering::Relaxed));
    assert_eq!(outbound.queued_bytes(), 0);
    let mut received = [0; 10];
    std::io::Read::read_exact(&mut client, &mut received).unwrap();
    assert_eq!(&received[..], b"\x81\x03one\x81\x03two");
    assert!(outbound.defer_publication("three".into(), InFlight::default()));
    outbound.push("four".into());
    assert!(
        woken.0.load(Ordering::Relaxed),
        "what is not deferred wakes as ever"
    );
}

#[tokio::test]
async fn a_connection_that_wakes_before_writes_itself() {
    let (writer, _client) = sockets().await;
    let outbound = Outbound::new(1000);
    outbound.attend();
    assert!(outbound.leave(Waker::noop(), Some(&writer)));
    assert!(outbound.defer_publication("one".into(), InFlight::default()));
    outbound.attend();
    outbound.write_deferred();
    let mut batch = Batch::default();
    outbound.take(&mut batch);
    assert_eq!(batch.texts(), ["one"]);
    assert!(!outbound.defer_publication("two".into(), InFlight::default()));
}

#[tokio::test]
async fn frames_that_wait_are_not_written_for_a_sleeping_connection() {
    let (writer, _client) = sockets().await;
    let woken = Arc::new(Woken(AtomicBool::new(false)));
    let outbound = Outbound::new(1000);
    outbound.attend();
    assert!(outbound.leave(&woken.clone().into(), Some(&writer)));
    let other = InFlight::default();
    assert!(outbound.defer_publication("one".into(), InFlight::default()));
    outbound.push_after("answer".into(), Some(other.after()));
    outbound.write_deferred();
    assert!(woken.0.load(Ordering::Relaxed));
    let mut batch = Batch::default();
    outbound.take(&mut batch);
    assert_eq!(batch.texts(), ["one", "answer"]);
}

#[tokio::test]
async fn a_socket_is_not_lent_when_there_is_something_else_to_write() {
    let (writer, _client) = sockets().await;
    let outbound = Outbound::new(1000);
    outbound.attend();
    outbound.push("acknowledged".into());
    outbound.push("answer".into());
    assert!(!outbound.lend(Waker::noop(), 1, Some(&writer)));
    assert_eq!(outbound.queued_bytes(), 18);
}

#[tokio::test]
async fn bytes_that_a_lent_socket_does_not_take_are_left_to_the_connection() {
    let (writer, _client) = sockets().await;
    let outbound = Outbound::new(1 << 30);
    outbound.attend();
    assert!(outbound.lend(Waker::noop(), 0, Some(&writer)));
    let frame = "x".repeat(64 << 20);
    outbound.push(frame.as_str().into());
    let mut batch = Batch::default();
    outbound.take(&mut batch);
    assert!(batch.texts().is_empty());
    assert!(!batch.rest.is_empty() && batch.rest.len() < frame.len());
    assert_eq!(outbound.queued_bytes(), batch.rest.len());
}
