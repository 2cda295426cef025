//! Changes of the connection, for any order of the library's events.

use super::*;
use rustls::CertificateError;
use rustls::pki_types::{ServerName, UnixTime};
use std::time::Duration;

fn told(receiver: &mut mpsc::UnboundedReceiver<Connection>) -> Vec<Connection> {
    std::iter::from_fn(|| receiver.try_recv().ok()).collect()
}

#[test]
fn up_and_down_take_turns_also_where_events_are_lost() {
    use Connection::{Down, Up};
    let (news, mut receiver) = News::new();
    let failed = Event::ClientError(ClientError::Other("IO error".to_owned()));
    news.hear(&failed);
    news.hear(&Event::Connected);
    assert_eq!(told(&mut receiver), [Up]);
    news.hear(&Event::Connected);
    assert_eq!(
        told(&mut receiver),
        [Down, Up],
        "an event of the loss was dropped"
    );
    news.hear(&failed);
    news.hear(&Event::Disconnected);
    assert_eq!(told(&mut receiver), [Down]);
}

#[test]
fn a_connection_is_told_once_also_where_its_event_is_late() {
    use Connection::{Down, Up};
    let (news, mut receiver) = News::new();
    news.presume_up();
    news.presume_up();
    news.hear(&Event::Connected);
    assert_eq!(told(&mut receiver), [Up]);
    news.hear(&Event::Disconnected);
    news.presume_up();
    news.hear(&Event::Disconnected);
    news.hear(&Event::Connected);
    assert_eq!(told(&mut receiver), [Down, Up, Down, Up]);
}

#[test]
fn a_failure_is_forgotten_when_there_is_a_connection() {
    let (news, _receiver) = News::new();
    news.hear(&Event::ServerError(ServerError::Other(
        "Stale Connection".to_owned(),
    )));
    let last = "a server of the cluster says: Stale Connection";
    assert_eq!(news.last_failure().as_deref(), Some(last));
    news.hear(&Event::Connected);
    assert_eq!(news.last_failure(), None);
}

#[test]
fn messages_that_nobody_read_are_counted() {
    let (news, _receiver) = News::new();
    news.hear(&Event::SlowConsumer(1));
    news.hear(&Event::SlowConsumer(1));
    assert_eq!(news.unread(), 2);
    assert_eq!(news.failures().logged.len(), 1);
}

#[test]
fn errors_of_the_library_have_plain_words() {
    for (error, expected) in [
        (
            "authorization violation: nats: authorization violation",
            "it refuses the credentials",
        ),
        (
            "IO error: Connection refused (os error 111)",
            "nothing listens there",
        ),
        ("timed out", "it does not answer"),
        (
            "IO error: expected INFO, got nothing",
            "expected INFO, got nothing",
        ),
    ] {
        assert_eq!(plain(error), expected);
    }
    let time = |seconds| UnixTime::since_unix_epoch(Duration::from_secs(seconds));
    for (fault, expected) in [
        (
            CertificateError::UnknownIssuer,
            "its certificate is of an authority that is not trusted",
        ),
        (
            CertificateError::BadSignature,
            "its certificate is of an authority that is not trusted",
        ),
        (
            CertificateError::NotValidForNameContext {
                expected: ServerName::try_from("nats-1.example").expect("it is a name"),
                presented: vec!["nats-2.example".to_owned()],
            },
            "its certificate is for another name",
        ),
        (
            CertificateError::ExpiredContext {
                time: time(2),
                not_after: time(1),
            },
            "its certificate has expired",
        ),
    ] {
        let error = format!("IO error: {}", rustls::Error::InvalidCertificate(fault));
        assert_eq!(plain(&error), expected, "{error}");
    }
}
