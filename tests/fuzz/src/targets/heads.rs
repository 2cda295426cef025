//! The bytes that clients send over HTTP before anybody knows them.
//!
//! Enters: a kind and the size of pieces (a byte each), and the bytes of a client. Checked:
//! - It makes no difference in which pieces bytes arrive.
//! - Each answer is HTTP/1.1, and its head holds no line that nobody wrote.
//! - The two looks at the first request see what a plain reading of its head sees.
//! - Unpacking gives what gzip gives, up to the limit, and never more. An inflated message obeys its limit.
//! - A query that is written with escapes is read as it was.

use crate::{Input, Target};
use flate2::read::MultiGzDecoder;
use mesh_core::testing::World;
use mesh_http::system;
use mesh_http::transport::testing::{
    Unpacked, decode, has_two_ends, inflated, pairs, served, unpacked, with_version,
};
use std::io::Read;

/// The bytes that clients send over HTTP.
pub const HEADS: Target = Target {
    name: "heads",
    run,
    inputs: 400,
    longest: 8_192,
};

/// Bytes that a body or a message may have here.
const LIMIT: usize = 4096;

fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let (kind, piece) = (input.byte() % 6, usize::from(input.byte() % 32) + 1);
    let rest = input.rest();
    match kind {
        0 | 1 => whole(rest, piece),
        2 => looks(rest, piece),
        3 => gzip(rest, piece),
        4 => frames(rest, piece),
        _ => queries(rest),
    }
}

/// Requests as the host answers them.
fn whole(bytes: &[u8], piece: usize) {
    let world = World::new(1);
    world.block_on(async {
        if let Err(error) = system::register(world.mesh(), system::Wanted::default(), |_| false) {
            panic!("{error}");
        }
    });
    let answered = |piece| world.block_on(served(world.mesh(), bytes, piece));
    let at_once = answered(bytes.len());
    let text = String::from_utf8_lossy(&at_once);
    if let Some(head) = text.split("\r\n\r\n").next().filter(|head| !head.is_empty()) {
        let mut lines = head.split("\r\n");
        let status = lines.next().unwrap_or_default();
        let code = status
            .strip_prefix("HTTP/1.1 ")
            .or_else(|| status.strip_prefix("HTTP/1.0 "));
        let code = code
            .and_then(|rest| rest.get(..3))
            .and_then(|code| code.parse::<u16>().ok());
        assert!(code.is_some_and(|code| (100..600).contains(&code)), "{status:?}");
        for line in lines {
            let name = line.split_once(':').map(|(name, _)| name);
            let is_name = |name: &str| {
                !name.is_empty()
                    && name
                        .bytes()
                        .all(|byte| byte.is_ascii_lowercase() || byte == b'-' || byte.is_ascii_digit())
            };
            assert!(
                name.is_some_and(is_name) && !line.contains(['\n', '\r']),
                "{line:?}"
            );
        }
    }
    let (at_once, in_pieces) = (comparable(&at_once), comparable(&answered(piece)));
    let missing = at_once
        .strip_prefix(&in_pieces)
        .or_else(|| at_once.strip_prefix(in_pieces.trim_end()));
    // A head that cannot be read is refused at its end, if it has not arrived at once.
    let is_same =
        missing.is_some_and(|missing| missing.is_empty() || missing.starts_with("HTTP/#.# # Bad Request\n"));
    assert!(
        is_same,
        "in pieces of {piece} bytes: {in_pieces:?}\nat once: {at_once:?}"
    );
}

/// An answer without what differs each time: the date, figures, and numbers made by chance.
fn comparable(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let lines = text.lines().filter(|line| !line.starts_with("date:"));
    let mut comparable = String::new();
    for line in lines {
        let mut was_number = false;
        for letter in line.chars() {
            let is_number = letter.is_ascii_digit();
            if !is_number {
                comparable.push(letter);
            } else if !was_number {
                comparable.push('#');
            }
            was_number = is_number;
        }
        comparable.push('\n');
    }
    comparable
}

/// The two looks at the first request that the HTTP library does not take.
fn looks(bytes: &[u8], piece: usize) {
    let expected = reads_two_ends(bytes);
    assert_eq!(has_two_ends(bytes, bytes.len()), expected);
    assert_eq!(has_two_ends(bytes, piece), expected);
    let (line, was_changed) = with_version(bytes, bytes.len());
    assert_eq!(with_version(bytes, piece), (line.clone(), was_changed));
    let end = bytes
        .iter()
        .position(|byte| matches!(byte, b'\r' | b'\n'))
        .unwrap_or(bytes.len());
    assert_eq!(line[end..], bytes[end..], "only the first line is changed");
    let differs = line.iter().zip(bytes).filter(|(one, other)| one != other).count();
    assert_eq!(differs, usize::from(was_changed));
    if was_changed {
        assert!(line.starts_with(b"GET /primus"));
        assert!(line[..end].windows(9).any(|part| part == b" HTTP/1.1"));
    }
}

/// Whether a plain reading of the head finds both headers.
fn reads_two_ends(bytes: &[u8]) -> bool {
    // Carriage returns count for nothing, wherever they are.
    let text: Vec<u8> = bytes.iter().copied().filter(|byte| *byte != b'\r').collect();
    let lines = text.split(|byte| *byte == b'\n');
    let head = lines
        .skip_while(|line| line.is_empty())
        .take_while(|line| !line.is_empty());
    let (mut has_length, mut has_coding) = (false, false);
    for line in head {
        let mut parts = line.splitn(2, |byte| *byte == b':');
        let name = parts.next().unwrap_or_default();
        let is_header = parts.next().is_some();
        has_length |= is_header && name.eq_ignore_ascii_case(b"content-length");
        has_coding |= is_header && name.eq_ignore_ascii_case(b"transfer-encoding");
    }
    has_length && has_coding
}

fn gzip(bytes: &[u8], piece: usize) {
    let at_once = unpacked(bytes, bytes.len(), LIMIT);
    assert_eq!(
        unpacked(bytes, piece, LIMIT),
        at_once,
        "in pieces of {piece} bytes"
    );
    let mut plain = Vec::new();
    let read = MultiGzDecoder::new(bytes)
        .take(LIMIT as u64 + 1)
        .read_to_end(&mut plain);
    match (&at_once, read) {
        (Ok(body), read) => {
            assert!(body.len() <= LIMIT);
            assert!(read.is_ok() || bytes.is_empty(), "{read:?}");
            assert_eq!(body[..], plain[..]);
        }
        (Err(Unpacked::TooLarge), _) => assert!(plain.len() > LIMIT, "{} bytes", plain.len()),
        (Err(Unpacked::Damaged), Ok(_)) => assert!(plain.len() > LIMIT, "what gzip reads is refused"),
        (Err(Unpacked::Damaged), Err(_)) => {}
    }
}

fn frames(bytes: &[u8], piece: usize) {
    let (at_once, goes_on) = inflated(bytes, bytes.len(), LIMIT);
    let (in_pieces, goes_on_in_pieces) = inflated(bytes, piece, LIMIT);
    assert_eq!(goes_on, goes_on_in_pieces);
    assert_eq!(at_once, in_pieces);
}

fn queries(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let escaped: String = text.bytes().map(|byte| format!("%{byte:02X}")).collect();
    assert_eq!(decode(&escaped), text);
    let read = pairs(&format!("{escaped}={escaped}&&{escaped}"));
    let both = (text.to_owned(), text.to_owned());
    let alone = (text.to_owned(), String::new());
    let expected = match text.is_empty() {
        true => vec![(String::new(), String::new())],
        false => vec![both, alone],
    };
    assert_eq!(read, expected);
    let given = pairs(text);
    assert!(given.len() <= text.split('&').count());
    if !text.contains(['%', '+', '&', '=']) && !text.is_empty() {
        assert_eq!(given, [(text.to_owned(), String::new())]);
    }
}
