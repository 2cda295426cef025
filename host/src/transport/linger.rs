//! Reading on after the last answer (RFC 9112, section 9.6).
//!
//! What enters: a connection on which nothing more is written, and what its client still sends. What leaves: nothing; it is
//! thrown away. Guarantees: a client that sends a body which nobody wants can read why, since a socket that is closed with bytes
//! unread takes back the answer; bytes, time and silence have a limit.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

/// Bytes that are thrown away at most.
const BYTES: usize = 64 * 1024 * 1024;
/// How long a client may go on to send.
const TIME: Duration = Duration::from_secs(60);
/// How long it may send nothing.
const SILENCE: Duration = Duration::from_secs(5);
/// Bytes that are read at once.
const CHUNK: usize = 16 * 1024;

/// What is left of the limits.
#[derive(Debug)]
pub(super) struct Linger {
    bytes: usize,
    end: Instant,
    alarm: Pin<Box<Sleep>>,
}

impl Linger {
    /// From now on.
    pub(super) fn new() -> Linger {
        let now = Instant::now();
        Linger {
            bytes: BYTES,
            end: now + TIME,
            alarm: Box::pin(sleep_until(now + SILENCE)),
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
            let next = (Instant::now() + SILENCE).min(self.end);
            self.alarm.as_mut().reset(next);
            if Instant::now() >= self.end {
                return Poll::Ready(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;
    use tokio::io::{AsyncWriteExt, duplex};

    async fn linger(stream: &mut (impl AsyncRead + Unpin)) -> Duration {
        let (mut linger, began) = (Linger::new(), Instant::now());
        poll_fn(|context| linger.poll(stream, context)).await;
        began.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_closes_is_not_waited_for() {
        let (mut client, mut host) = duplex(1024);
        let sent = tokio::spawn(async move { client.write_all(&[0; 100_000]).await });
        assert_eq!(linger(&mut host).await, Duration::ZERO);
        assert!(sent.await.unwrap().is_ok(), "all that was sent was taken");
    }

    #[tokio::test(start_paused = true)]
    async fn silence_time_and_bytes_have_a_limit() {
        let (silent, mut host) = duplex(1024);
        assert_eq!(linger(&mut host).await.as_secs(), SILENCE.as_secs());
        drop(silent);

        let (mut slow, mut host) = duplex(1024);
        let sending = tokio::spawn(async move {
            while slow.write_all(b"x").await.is_ok() {
                tokio::time::sleep(SILENCE / 2).await;
            }
        });
        assert_eq!(linger(&mut host).await.as_secs(), TIME.as_secs());
        drop(host);
        sending.await.unwrap();

        let mut endless = tokio::io::repeat(0);
        assert_eq!(linger(&mut endless).await, Duration::ZERO);
    }
}
