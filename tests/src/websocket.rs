//! A websocket by hand, for tests that must send what no library would.
//!
//! Enters: bytes and frames. Leaves: the head of the answer to the upgrade, and frames as they came. Guarantees: nothing
//! is sent that the test did not ask for, not even the answer to a ping or a close.

use serde_json::Value;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// How long something may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// Opcode of text.
pub const TEXT: u8 = 1;
/// Opcode of what goes on.
pub const CONTINUATION: u8 = 0;
/// Opcode of a close.
pub const CLOSE: u8 = 8;
/// Opcode of a ping.
pub const PING: u8 = 9;

/// A frame that arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrived {
    /// Its first byte: whether it is the last, the reserved bits, the opcode.
    pub first: u8,
    /// Its content.
    pub payload: Vec<u8>,
}

impl Arrived {
    /// The kind of frame.
    pub fn opcode(&self) -> u8 {
        self.first & 15
    }

    /// The code of a close; `None` for other frames, and for a close without one.
    pub fn close_code(&self) -> Option<u16> {
        let code = (self.opcode() == CLOSE).then(|| self.payload.first_chunk())?;
        code.map(|code| u16::from_be_bytes(*code))
    }
}

/// A connection.
#[derive(Debug)]
pub struct Raw {
    /// The connection below.
    pub stream: TcpStream,
    /// The answer to the upgrade.
    pub head: String,
}

/// A masked frame; `first` is its first byte.
pub fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = head(first, payload.len() as u64);
    let key = [7, 31, 130, 200];
    bytes.extend(key);
    bytes.extend(
        payload
            .iter()
            .zip(key.iter().cycle())
            .map(|(byte, key)| byte ^ key),
    );
    bytes
}

/// The head of a masked frame up to its key.
pub fn head(first: u8, length: u64) -> Vec<u8> {
    let mut bytes = vec![first];
    match length {
        0..126 => bytes.push(0x80 | length as u8),
        126..65536 => {
            bytes.push(0x80 | 126);
            bytes.extend((length as u16).to_be_bytes());
        }
        _ => {
            bytes.push(0x80 | 127);
            bytes.extend(length.to_be_bytes());
        }
    }
    bytes
}

impl Raw {
    /// Connects and asks for a websocket.
    ///
    /// # Panics
    ///
    /// When the host does not accept the connection.
    pub async fn open(address: SocketAddr, headers: &str) -> Raw {
        let stream = TcpStream::connect(address).await.expect("the host accepts");
        let mut raw = Raw {
            stream,
            head: String::new(),
        };
        let request = format!(
            "GET /primus?_primuscb=1 HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{headers}\r\n"
        );
        // It may have been refused already.
        let _ = raw.stream.write_all(request.as_bytes()).await;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            match tokio::time::timeout(PATIENCE, raw.stream.read_u8()).await {
                Ok(Ok(byte)) => head.push(byte),
                _ => break,
            }
        }
        raw.head = String::from_utf8_lossy(&head).into_owned();
        raw
    }

    /// The status of the answer to the upgrade; 0 where there was none.
    pub fn status(&self) -> u16 {
        let status = self.head.split(' ').nth(1);
        status.and_then(|status| status.parse().ok()).unwrap_or(0)
    }

    /// A header of the answer to the upgrade.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (own, value) = line.split_once(':')?;
            own.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    /// Sends bytes as they are. Returns whether the connection took them.
    pub async fn bytes(&mut self, bytes: &[u8]) -> bool {
        let written = tokio::time::timeout(PATIENCE, self.stream.write_all(bytes)).await;
        matches!(written, Ok(Ok(())))
    }

    /// Sends a whole text.
    pub async fn text(&mut self, text: &str) -> bool {
        self.bytes(&frame(0x80 | TEXT, text.as_bytes())).await
    }

    /// The next frame; `None` when the connection has ended.
    ///
    /// # Panics
    ///
    /// When nothing comes for a long time.
    pub async fn next(&mut self) -> Option<Arrived> {
        let next = tokio::time::timeout(PATIENCE, self.read_frame()).await;
        next.expect("a frame, or the end, in time").ok()
    }

    /// The close code that the connection ends with, whatever comes before; `None` where it ends without one.
    pub async fn close_code(&mut self) -> Option<u16> {
        while let Some(arrived) = self.next().await {
            if arrived.opcode() == CLOSE {
                return arrived.close_code();
            }
        }
        None
    }

    /// Waits for the end of the connection, without sending anything.
    pub async fn ended(&mut self) {
        while self.next().await.is_some() {}
    }

    /// Sends a request and returns the next text.
    ///
    /// # Panics
    ///
    /// When the next frame is none.
    pub async fn request(&mut self, request: Value) -> Value {
        self.text(&request.to_string()).await;
        let answer = self.next().await.expect("an answer");
        serde_json::from_slice(&answer.payload).unwrap_or_else(|_| panic!("{request} got {answer:?}"))
    }

    async fn read_frame(&mut self) -> std::io::Result<Arrived> {
        let first = self.stream.read_u8().await?;
        let length = match self.stream.read_u8().await? {
            126 => u64::from(self.stream.read_u16().await?),
            127 => self.stream.read_u64().await?,
            length => u64::from(length),
        };
        let mut payload = vec![0; length as usize];
        self.stream.read_exact(&mut payload).await?;
        Ok(Arrived { first, payload })
    }
}
