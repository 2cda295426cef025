//! HTTP as it goes over the wire, so that a test can send what no library would.
//!
//! Enters: a request, well formed or not. Leaves: status, headers and body of the answer. Guarantees: each request
//! has a connection of its own; an answer that does not come fails the test.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// How long an answer may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// Names in small letters, and values.
    pub headers: Vec<(String, String)>,
    /// The body, put together where it came in chunks.
    pub body: Vec<u8>,
}

impl Answer {
    /// The first header of a name in small letters.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(other, _)| other == name)?;
        Some(&found.1)
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON; null when it is none.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

/// Gets a path.
///
/// # Panics
///
/// When no answer comes.
pub fn get(address: SocketAddr, path: &str) -> Answer {
    ask(address, "GET", path, &[], b"")
}

/// Sends a request with these headers and a body, which is announced where there is one.
///
/// # Panics
///
/// When no answer comes.
pub fn ask(address: SocketAddr, verb: &str, path: &str, headers: &[&str], body: &[u8]) -> Answer {
    let mut request = format!("{verb} {path} HTTP/1.1\r\nHost: mesh\r\nConnection: close\r\n");
    for header in headers {
        request += &format!("{header}\r\n");
    }
    if !body.is_empty() {
        request += &format!("Content-Length: {}\r\n", body.len());
    }
    send(address, &[request.as_bytes(), b"\r\n", body].concat())
}

/// Sends any bytes.
///
/// # Panics
///
/// When no answer comes.
pub fn send(address: SocketAddr, bytes: &[u8]) -> Answer {
    let mut stream = TcpStream::connect(address).expect("the host listens");
    stream
        .set_read_timeout(Some(PATIENCE))
        .expect("a socket has options");
    // The host may answer before it has read all, and close then.
    let _ = stream.write_all(bytes);
    let mut whole = Vec::new();
    // A connection may be reset behind an answer to what was not read to its end.
    let _ = stream.read_to_end(&mut whole);
    read(&whole).unwrap_or_else(|| panic!("no answer: {}", String::from_utf8_lossy(&whole)))
}

fn read(whole: &[u8]) -> Option<Answer> {
    let end = whole.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&whole[..end]).ok()?;
    let mut lines = head.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let is_chunked = headers
        .iter()
        .any(|(name, value)| name == "transfer-encoding" && value == "chunked");
    let body = &whole[end + 4..];
    Some(Answer {
        status,
        headers,
        body: if is_chunked { join(body)? } else { body.to_vec() },
    })
}

/// A body without the lines between its chunks.
fn join(mut chunks: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let end = chunks.windows(2).position(|window| window == b"\r\n")?;
        let length = usize::from_str_radix(std::str::from_utf8(&chunks[..end]).ok()?.trim(), 16).ok()?;
        if length == 0 {
            return Some(body);
        }
        let start = end + 2;
        body.extend_from_slice(chunks.get(start..start + length)?);
        chunks = chunks.get(start + length + 2..)?;
    }
}
