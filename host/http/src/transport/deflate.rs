//! Compression of messages: permessage-deflate (RFC 7692), without context from one message to the next.
//!
//! Enters: a client's offer; the bytes of its frames; frames on their way out. Leaves: the answer to the offer; the
//! same frames as the websocket library reads them, inflated; compressed frames where that makes them smaller.
//! Guarantees: a session holds nothing between two messages. An inflated message obeys the limit of any other, and is
//! given up while it grows. A frame that many sessions get is compressed once while it is fresh. Small ones are left
//! alone.

use super::fault::Fault;
use bytes::{Buf, Bytes, BytesMut};
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};
use hyper::header::{HeaderMap, HeaderValue, SEC_WEBSOCKET_EXTENSIONS};
use mesh_wire::protocol::Frame;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::sync::{Mutex, PoisonError};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::Frame as WebSocketFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};

const NAME: &str = "permessage-deflate";
/// Frames with fewer bytes are not worth the work.
const SMALLEST: usize = 1024;
/// The end of every compressed message, which is left out on the wire.
const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];
/// Bytes inflated at once.
const CHUNK: usize = 8 * 1024;
/// Bytes of the longest head of a frame.
const LONGEST_HEAD: usize = 14;

const FINAL: u8 = 0x80;
const COMPRESSED: u8 = 0x40;
const OTHER_RESERVED: u8 = 0x30;
const MASKED: u8 = 0x80;
const CONTINUATION: u8 = 0;
const FIRST_CONTROL: u8 = 8;

/// The answer to what a client offers, if it is accepted.
pub(super) fn accept(headers: &HeaderMap) -> Option<HeaderValue> {
    let values = headers.get_all(SEC_WEBSOCKET_EXTENSIONS).iter();
    let mut offers = values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','));
    offers.find_map(accept_offer).map(HeaderValue::from_static)
}

fn accept_offer(offer: &str) -> Option<&'static str> {
    let mut parts = offer.split(';').map(str::trim);
    if !parts.next()?.eq_ignore_ascii_case(NAME) {
        return None;
    }
    let mut seen: Vec<&str> = Vec::new();
    let mut names_window = false;
    for part in parts {
        let (name, value) = match part.split_once('=') {
            Some((name, value)) => (name.trim(), Some(value.trim().trim_matches('"'))),
            None => (part, None),
        };
        if seen.contains(&name) {
            return None;
        }
        seen.push(name);
        let bits = value.map(|value| match value.as_bytes() {
            [b'8' | b'9'] | [b'1', b'0'..=b'5'] => value.parse().unwrap_or(0),
            _ => 0_u8,
        });
        match (name, bits) {
            ("server_no_context_takeover" | "client_no_context_takeover", None) => {}
            // The client's own window does not matter when the host inflates with the largest.
            ("client_max_window_bits", None | Some(8..=15)) => {}
            // A smaller window than the largest is not offered by clients that are in use, and declined.
            ("server_max_window_bits", Some(15)) => names_window = true,
            _ => return None,
        }
    }
    Some(match names_window {
        false => "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
        true => {
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=15"
        }
    })
}

/// A frame as it goes to a client that understands compression.
pub(super) fn outgoing(frame: &Frame) -> Message {
    if frame.len() < SMALLEST {
        return Message::Text(frame.clone());
    }
    let compressed = match FRESH.find(frame) {
        Some(known) => known,
        None => {
            let compressed = compress(frame.as_bytes()).map(Bytes::from);
            FRESH.keep(frame, compressed.clone());
            compressed
        }
    };
    let Some(compressed) = compressed else {
        return Message::Text(frame.clone());
    };
    let mut frame = WebSocketFrame::message(compressed, OpCode::Data(Data::Text), true);
    frame.header_mut().rsv1 = true;
    Message::Frame(frame)
}

/// The bytes compressed; `None` where that does not make them fewer.
fn compress(bytes: &[u8]) -> Option<Vec<u8>> {
    thread_local! {
        static COMPRESS: RefCell<Compress> = RefCell::new(Compress::new(Compression::fast(), false));
    }
    COMPRESS.with_borrow_mut(|compress| {
        compress.reset();
        let mut out = Vec::with_capacity(bytes.len());
        let mut rest = bytes;
        // There is room for what is worth sending, and no more.
        while !rest.is_empty() && out.len() < out.capacity() {
            let before = compress.total_in();
            let flush = FlushCompress::Sync;
            compress.compress_vec(rest, &mut out, flush).ok()?;
            let count = usize::try_from(compress.total_in() - before).unwrap_or(0);
            rest = rest.get(count..)?;
        }
        let is_whole = rest.is_empty() && out.len() < out.capacity() && out.ends_with(&TAIL);
        is_whole.then(|| {
            out.truncate(out.len() - TAIL.len());
            out.shrink_to_fit();
            out
        })
    })
}

/// Frames compressed last: what is published goes to many sessions one after the other.
struct Fresh(Mutex<VecDeque<(Frame, Option<Bytes>)>>);

static FRESH: Fresh = Fresh(Mutex::new(VecDeque::new()));
/// So many are remembered.
const MOST_FRESH: usize = 8;
/// Longer ones are compressed for each session.
const LONGEST_FRESH: usize = 256 * 1024;

impl Fresh {
    /// The frame compressed, or that it is not worth it; nothing when it is not known.
    fn find(&self, frame: &Frame) -> Option<Option<Bytes>> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // One that is kept is not freed, so that another cannot be at its place.
        let found = known
            .iter()
            .find(|(other, _)| other.as_ptr() == frame.as_ptr() && other.len() == frame.len())?;
        Some(found.1.clone())
    }

    fn keep(&self, frame: &Frame, compressed: Option<Bytes>) {
        if frame.len() > LONGEST_FRESH {
            return;
        }
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.truncate(MOST_FRESH - 1);
        known.push_front((frame.clone(), compressed));
    }
}

/// Turns the bytes of a client's frames into those that it would have sent without compression.
#[derive(Debug)]
pub(super) struct Inflater {
    state: State,
    /// The compressed message that is not whole.
    message: Option<Box<Inflating>>,
    /// Bytes that an inflated message may have.
    longest: usize,
    /// For the websocket library.
    out: Bytes,
}

#[derive(Debug)]
enum State {
    /// The head of a frame is next.
    Head,
    /// So many bytes are passed on as they are.
    Pass(u64),
    /// A piece of the compressed message.
    Piece(Piece),
}

#[derive(Debug)]
struct Piece {
    left: u64,
    key: [u8; 4],
    /// Where in the key the next byte is.
    turn: usize,
    is_last: bool,
}

#[derive(Debug)]
struct Inflating {
    opcode: u8,
    decompress: Decompress,
    /// Compressed bytes so far.
    taken: usize,
    text: Vec<u8>,
}

impl Inflater {
    /// For a connection that has not said anything yet.
    pub(super) fn new(longest: usize) -> Inflater {
        Inflater {
            state: State::Head,
            message: None,
            longest,
            out: Bytes::new(),
        }
    }

    /// Lets messages have so many bytes from now on.
    pub(super) fn set_longest(&mut self, longest: usize) {
        self.longest = longest;
    }

    /// Bytes of the message that is not whole.
    pub(super) fn held(&self) -> usize {
        self.message.as_ref().map_or(0, |message| message.text.len())
    }

    /// Bytes that are ready for the websocket library.
    pub(super) fn ready(&mut self) -> &mut Bytes {
        &mut self.out
    }

    /// Works off what has arrived, up to something that is ready. Returns false when more has to arrive before.
    ///
    /// # Errors
    ///
    /// A [`Fault`] of the client.
    pub(super) fn advance(&mut self, bytes: &mut BytesMut) -> io::Result<bool> {
        match &mut self.state {
            State::Head => return self.begin_frame(bytes),
            State::Pass(left) => {
                if bytes.is_empty() {
                    return Ok(false);
                }
                let count = bytes.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                *left -= count as u64;
                self.out = bytes.split_to(count).freeze();
                if *left == 0 {
                    self.state = State::Head;
                }
            }
            State::Piece(piece) => {
                if piece.left > 0 && bytes.is_empty() {
                    return Ok(false);
                }
                let count = bytes
                    .len()
                    .min(CHUNK)
                    .min(usize::try_from(piece.left).unwrap_or(usize::MAX));
                let mut plain = bytes.split_to(count);
                for byte in plain.iter_mut() {
                    *byte ^= piece.key[piece.turn];
                    piece.turn = (piece.turn + 1) % 4;
                }
                piece.left -= count as u64;
                let (is_whole, is_last) = (piece.left == 0, piece.is_last);
                self.inflate(&plain)?;
                if is_whole {
                    self.state = State::Head;
                }
                if is_whole && is_last {
                    self.inflate(&TAIL)?;
                    self.end_message();
                }
            }
        }
        Ok(true)
    }

    fn begin_frame(&mut self, bytes: &mut BytesMut) -> io::Result<bool> {
        let (first, second) = match bytes[..] {
            [first, second, ..] => (first, second),
            _ => return Ok(false),
        };
        let extended = match second & !MASKED {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let is_masked = second & MASKED != 0;
        let size = 2 + extended + if is_masked { 4 } else { 0 };
        if bytes.len() < size {
            return Ok(false);
        }
        let length = match &bytes[2..2 + extended] {
            [] => u64::from(second & !MASKED),
            more => more.iter().fold(0, |length, byte| length << 8 | u64::from(*byte)),
        };
        let opcode = first & 0x0f;
        let is_compressed = match (&self.message, opcode) {
            (_, FIRST_CONTROL..) => false,
            (Some(_), CONTINUATION) => first & (COMPRESSED | OTHER_RESERVED) == 0 && is_masked,
            // A message inside of another.
            (Some(_), _) => return Err(Fault::protocol("a message began before the one before it ended")),
            // Only the first frame of a message says that it is compressed.
            (None, CONTINUATION) => false,
            (None, _) => first & (COMPRESSED | OTHER_RESERVED) == COMPRESSED && is_masked,
        };
        if !is_compressed {
            if self.message.is_some() && opcode < FIRST_CONTROL {
                return Err(Fault::protocol("a frame of a compressed message is not valid"));
            }
            self.out = bytes.split_to(size).freeze();
            self.state = match length {
                0 => State::Head,
                length => State::Pass(length),
            };
            return Ok(true);
        }
        let mut key = [0; 4];
        key.copy_from_slice(&bytes[size - 4..size]);
        bytes.advance(size);
        let message = self.message.get_or_insert_with(|| {
            Box::new(Inflating {
                opcode,
                decompress: Decompress::new(false),
                taken: 0,
                text: Vec::new(),
            })
        });
        // A message that cannot be compressed becomes a little longer.
        let most = self.longest + self.longest / 8 + 1024;
        message.taken = usize::try_from(length)
            .unwrap_or(usize::MAX)
            .saturating_add(message.taken);
        if message.taken > most {
            return Err(Fault::too_large(message.taken, self.longest));
        }
        self.state = State::Piece(Piece {
            left: length,
            key,
            turn: 0,
            is_last: first & FINAL != 0,
        });
        Ok(true)
    }

    fn inflate(&mut self, mut compressed: &[u8]) -> io::Result<()> {
        let Some(message) = &mut self.message else {
            return Ok(());
        };
        let Inflating { decompress, text, .. } = &mut **message;
        let mut chunk = [0; CHUNK];
        loop {
            let (taken, given) = (decompress.total_in(), decompress.total_out());
            let status = decompress
                .decompress(compressed, &mut chunk, FlushDecompress::Sync)
                .map_err(|_| Fault::data("a compressed message cannot be inflated"))?;
            let taken = usize::try_from(decompress.total_in() - taken).unwrap_or(0);
            let given = usize::try_from(decompress.total_out() - given).unwrap_or(0);
            compressed = &compressed[taken..];
            if text.len() + given > self.longest {
                return Err(Fault::too_large(text.len() + given, self.longest));
            }
            text.extend_from_slice(&chunk[..given]);
            if status == Status::StreamEnd {
                // A last block may be followed by more (RFC 7692, section 7.2.3.4).
                decompress.reset(false);
            }
            if given < CHUNK && (compressed.is_empty() || taken + given == 0) {
                return Ok(());
            }
        }
    }

    /// Hands the message on as one frame without compression.
    fn end_message(&mut self) {
        let Some(message) = self.message.take() else {
            return;
        };
        let length = message.text.len();
        let mut out = BytesMut::with_capacity(length + LONGEST_HEAD);
        out.extend_from_slice(&[FINAL | message.opcode]);
        match length {
            0..126 => out.extend_from_slice(&[MASKED | length as u8]),
            126..65536 => {
                out.extend_from_slice(&[MASKED | 126]);
                out.extend_from_slice(&(length as u16).to_be_bytes());
            }
            _ => {
                out.extend_from_slice(&[MASKED | 127]);
                out.extend_from_slice(&(length as u64).to_be_bytes());
            }
        }
        // The key that changes nothing.
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&message.text);
        self.out = out.freeze();
    }
}

#[cfg(test)]
#[path = "deflate_tests.rs"]
mod tests;
