//! One connection of the load generator: a websocket reduced to what a benchmark needs.
//!
//! Enters: text to send. Leaves: the text frames of the server. Guarantees: everything queued goes out in as few
//! writes as the socket takes. Reading never waits for writing. Heartbeats are answered, and sent when the protocol
//! wants them. Frames are masked with the key 0, which is valid and costs nothing here. For a server it is as much
//! work as any other key.

use crate::{Connector, Protocol, Stream};
use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::ops::Range;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};

/// How much is read at once.
const READ_SIZE: usize = 64 * 1024;
/// How often clients before happn_4 send a heartbeat.
const PING_INTERVAL: Duration = Duration::from_secs(25);

const TEXT: u8 = 1;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

/// A connection.
#[derive(Debug)]
pub(super) struct Link {
    stream: Stream,
    /// The received bytes; complete frames are taken from the front.
    input: Vec<u8>,
    /// How much of `input` is filled.
    filled: usize,
    /// The bytes to send.
    output: Vec<u8>,
    /// How much of `output` is sent.
    sent: usize,
    /// When the next heartbeat of ours is due.
    heartbeat: Option<Instant>,
}

impl Link {
    /// Connects and upgrades to a websocket.
    pub(super) async fn open(connector: &Connector, protocol: Protocol) -> io::Result<Link> {
        let mut stream = connector.connect().await?;
        let address = connector.address();
        let request = format!(
            "GET /primus?_primuscb=bench HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: bWVzaCBiZW5jaG1hcmtzIQ==\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await?;
        stream.flush().await?;
        let mut input = vec![0; READ_SIZE];
        let mut filled = 0;
        let end = loop {
            let count = stream.read(&mut input[filled..]).await?;
            filled += count;
            if let Some(end) = memchr::memmem::find(&input[..filled], b"\r\n\r\n") {
                break end + 4;
            }
            if count == 0 || filled == input.len() {
                return Err(io::Error::new(
                    ErrorKind::InvalidData,
                    "the server does not speak websocket",
                ));
            }
        };
        if !input.starts_with(b"HTTP/1.1 101") {
            return Err(io::Error::new(
                ErrorKind::InvalidData,
                "the server refused the websocket",
            ));
        }
        input.copy_within(end..filled, 0);
        let heartbeat = (!protocol.server_pings()).then(|| Instant::now() + PING_INTERVAL);
        Ok(Link {
            stream,
            input,
            filled: filled - end,
            output: Vec::new(),
            sent: 0,
            heartbeat,
        })
    }

    /// Queues a text frame.
    pub(super) fn push(&mut self, text: &[u8]) {
        self.push_frame(TEXT, text);
    }

    fn push_frame(&mut self, opcode: u8, payload: &[u8]) {
        self.output.push(0x80 | opcode);
        let length = payload.len();
        match (u8::try_from(length), u16::try_from(length)) {
            (Ok(short), _) if short < 126 => self.output.push(0x80 | short),
            (_, Ok(medium)) => {
                self.output.push(0x80 | 126);
                self.output.extend_from_slice(&medium.to_be_bytes());
            }
            _ => {
                self.output.push(0x80 | 127);
                self.output.extend_from_slice(&(length as u64).to_be_bytes());
            }
        }
        self.output.extend_from_slice(&[0; 4]);
        self.output.extend_from_slice(payload);
    }

    /// Sends what is queued and waits until something was received. May be dropped and repeated at any time.
    pub(super) async fn exchange(&mut self) -> io::Result<()> {
        poll_fn(|context| self.poll_exchange(context)).await
    }

    fn poll_exchange(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.sent < self.output.len() {
            match Pin::new(&mut self.stream).poll_write(context, &self.output[self.sent..]) {
                Poll::Ready(Ok(count)) => self.sent += count,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => break,
            }
        }
        // With TLS what was taken may not have left.
        if let Poll::Ready(Err(error)) = Pin::new(&mut self.stream).poll_flush(context) {
            return Poll::Ready(Err(error));
        }
        if self.sent == self.output.len() {
            self.output.clear();
            self.sent = 0;
        }
        if self.input.len() - self.filled < READ_SIZE / 2 {
            self.input.resize(self.input.len() * 2, 0);
        }
        let mut buffer = ReadBuf::new(&mut self.input[self.filled..]);
        ready!(Pin::new(&mut self.stream).poll_read(context, &mut buffer))?;
        match buffer.filled().len() {
            0 => Poll::Ready(Err(ErrorKind::UnexpectedEof.into())),
            count => {
                self.filled += count;
                Poll::Ready(Ok(()))
            }
        }
    }

    /// Hands all complete text frames to `visit`, except heartbeats, which are answered. `now` is the time at which
    /// they were received.
    pub(super) fn frames(&mut self, now: Instant, mut visit: impl FnMut(&[u8])) -> io::Result<()> {
        // Taken out so that answers can be queued meanwhile.
        let mut input = std::mem::take(&mut self.input);
        let mut position = 0;
        let result = loop {
            let Some(frame) = next_frame(&input[position..self.filled]) else {
                break Ok(());
            };
            let payload = &input[position..][frame.payload.clone()];
            position += frame.payload.end;
            match frame.opcode {
                TEXT if payload.starts_with(b"\"primus::") => self.answer_control(payload),
                TEXT => visit(payload),
                PING => {
                    let payload = payload.to_vec();
                    self.push_frame(PONG, &payload);
                }
                PONG => {}
                CLOSE => {
                    break Err(io::Error::new(
                        ErrorKind::ConnectionAborted,
                        "closed by the server",
                    ));
                }
                _ => {
                    break Err(io::Error::new(
                        ErrorKind::InvalidData,
                        "a kind of frame that happn does not use",
                    ));
                }
            }
        };
        input.copy_within(position..self.filled, 0);
        self.filled -= position;
        self.input = input;
        if self.heartbeat.is_some_and(|due| due <= now) {
            self.heartbeat = Some(now + PING_INTERVAL);
            self.push(b"\"primus::ping::1\"");
        }
        result
    }

    fn answer_control(&mut self, control: &[u8]) {
        if let Some(stamp) = control.strip_prefix(b"\"primus::ping::") {
            self.push(&[b"\"primus::pong::", stamp].concat());
        }
    }
}

/// A frame of the input.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Frame {
    /// 0 for each fragment.
    opcode: u8,
    /// Where its payload is; the frame ends there.
    payload: Range<usize>,
}

/// The first frame, if it is there as a whole.
fn next_frame(input: &[u8]) -> Option<Frame> {
    let (first, second) = (*input.first()?, *input.get(1)?);
    let opcode = if first & 0x80 == 0 { 0 } else { first & 0x0f };
    let (start, length): (usize, usize) = match second & 0x7f {
        126 => (
            4,
            usize::from(u16::from_be_bytes(input.get(2..4)?.try_into().ok()?)),
        ),
        127 => (
            10,
            usize::try_from(u64::from_be_bytes(input.get(2..10)?.try_into().ok()?)).ok()?,
        ),
        short => (2, usize::from(short)),
    };
    let end = start.checked_add(length)?;
    let payload = start..end;
    (end <= input.len()).then_some(Frame { opcode, payload })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_cut() {
        let frame = |opcode, payload| Some(Frame { opcode, payload });
        assert_eq!(next_frame(b"\x81\x02ab\x81"), frame(TEXT, 2..4));
        assert_eq!(next_frame(b"\x81\x03ab"), None);
        assert_eq!(next_frame(b"\x81\x7e\x00\x02ab"), frame(TEXT, 4..6));
        assert_eq!(
            next_frame(b"\x81\x7f\x00\x00\x00\x00\x00\x00\x00\x01a"),
            frame(TEXT, 10..11)
        );
        assert_eq!(next_frame(b"\x01\x01a"), frame(0, 2..3));
        assert_eq!(next_frame(b"\x81\x7f\xff\xff\xff\xff\xff\xff\xff\xff"), None);
        assert_eq!(next_frame(b""), None);
    }
}
