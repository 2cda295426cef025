//! Reading on after the last answer (RFC 9112, section 9.6).
//!
//! Enters: a connection on which nothing more is written, and what its client still sends. Leaves: nothing; it is
//! thrown away. Guarantees: a client that sends a body which nobody wants can read why. A socket that is closed with
//! bytes unread would lose the answer. Bytes, time and silence have a limit.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

/// The reason why the reading ends.
#[derive(Clone, Copy, Debug)]
struct Limits {
    /// Bytes that are thrown away at most.
    bytes: usize,
    /// How long a client may go on to send.
    time: Duration,
    /// How long it may send nothing.
    silence: Duration,
}

const LIMITS: Limits = Limits {
    bytes: 64 * 1024 * 1024,
    time: Duration::from_secs(60),
    silence: Duration::from_secs(5),
};
/// Bytes that are read at once.
const CHUNK: usize = 16 * 1024;

/// The rest of the limits.
#[derive(Debug)]
pub(super) struct Linger {
    bytes: usize,
    silence: Duration,
    end: Instant,
    alarm: Pin<Box<Sleep>>,
}

impl Linger {
    /// From now on.
    pub(super) fn new() -> Linger {
        Linger::within(LIMITS)
    }

    fn within(limits: Limits) -> Linger {
        let now = Instant::now();
        Linger {
            bytes: limits.bytes,
            silence: limits.silence,
            end: now + limits.time,
            alarm: Box::pin(sleep_until(now + limits.silence)),
        }
    }

    /// Throws away what has arrived. Ready when the client has closed its side, or a limit is reached.
    pub(super) fn poll<S>(&mut self, stream: &mut S, context: &mut Context<'_>) -> Poll<()>
    where
        S: AsyncRead + Unpin,
    {
        let mut chunk = [0; CHUNK];
        loop {
            let mut buffer = ReadBuf::new(&mut chunk);
            let read = match Pin::new(&mut *stream).poll_read(context, &mut buffer) {
                Poll::Ready(Ok(())) => buffer.filled().len(),
                Poll::Ready(Err(_)) => 0,
                Poll::Pending => {
                    ready!(self.alarm.as_mut().poll(context));
                    0
                }
            };
            if read == 0 || read >= self.bytes {
                return Poll::Ready(());
            }
            self.bytes -= read;
            let now = Instant::now();
            if now >= self.end {
                return Poll::Ready(());
            }
            self.alarm.as_mut().reset((now + self.silence).min(self.end));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;
    use tokio::io::{AsyncWriteExt, duplex};

    const NEVER: Limits = Limits {
        bytes: usize::MAX,
        time: Duration::from_secs(3600),
        silence: Duration::from_secs(3600),
    };

    async fn linger(stream: &mut (impl AsyncRead + Unpin), limits: Limits) {
        let mut linger = Linger::within(limits);
        poll_fn(|context| linger.poll(stream, context)).await;
    }

    #[tokio::test]
    async fn all_is_read_until_the_client_closes() {
        let (mut client, mut host) = duplex(1024);
        let sent = tokio::spawn(async move { client.write_all(&[0; 100_000]).await });
        linger(&mut host, NEVER).await;
        assert!(sent.await.unwrap().is_ok());
    }

    #[tokio::test]
    async fn silence_time_and_bytes_have_a_limit() {
        let (silent, mut host) = duplex(1024);
        let silence = Duration::from_millis(10);
        linger(&mut host, Limits { silence, ..NEVER }).await;
        drop(silent);

        let (mut slow, mut host) = duplex(1024);
        let sending = tokio::spawn(async move {
            while slow.write_all(b"x").await.is_ok() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        });
        let time = Duration::from_millis(50);
        linger(&mut host, Limits { time, ..NEVER }).await;
        drop(host);
        sending.await.unwrap();

        let mut endless = tokio::io::repeat(0);
        let bytes = 1_000_000;
        linger(&mut endless, Limits { bytes, ..NEVER }).await;
    }
}
