//! Messages that clients compress, rightly and wrongly.

use super::*;
use crate::transport::closing::End;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::protocol::frame::FrameHeader;

fn accepted(offer: &str) -> Option<String> {
    let mut headers = HeaderMap::new();
    headers.insert(SEC_WEBSOCKET_EXTENSIONS, HeaderValue::from_str(offer).unwrap());
    accept(&headers).map(|value| value.to_str().unwrap().to_owned())
}

#[test]
fn an_offer_is_accepted_without_context() {
    let plain = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
    for offer in [
        "permessage-deflate",
        "permessage-deflate; client_max_window_bits",
        "permessage-deflate; client_max_window_bits=10; server_no_context_takeover",
        "x-webkit-deflate-frame, permessage-deflate",
        "permessage-deflate; server_max_window_bits=10, permessage-deflate",
        "permessage-deflate; unknown, Permessage-Deflate",
    ] {
        assert_eq!(accepted(offer).as_deref(), Some(plain), "{offer}");
    }
    let with_window = format!("{plain}; server_max_window_bits=15");
    let offer = "permessage-deflate; server_max_window_bits=\"15\"";
    assert_eq!(accepted(offer), Some(with_window));
    for offer in [
        "",
        "other",
        "permessage-deflate; server_max_window_bits",
        "permessage-deflate; server_max_window_bits=10",
        "permessage-deflate; client_max_window_bits=16",
        "permessage-deflate; client_max_window_bits=010",
        "permessage-deflate; server_no_context_takeover=1",
        "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
    ] {
        assert_eq!(accepted(offer), None, "{offer}");
    }
}

/// A masked frame; `first` is its first byte.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let has = |bit: u8| first & bit != 0;
    let header = FrameHeader {
        is_final: has(FINAL),
        rsv1: has(COMPRESSED),
        rsv2: has(0x20),
        rsv3: has(0x10),
        opcode: (first & 0x0f).into(),
        mask: Some([1, 2, 3, 4]),
    };
    let mut bytes = Vec::new();
    let frame = WebSocketFrame::from_payload(header, Bytes::copy_from_slice(payload));
    frame.format(&mut bytes).unwrap();
    bytes
}

/// The bytes that the websocket library gets when these arrive, `step` at once.
fn through(inflater: &mut Inflater, bytes: &[u8], step: usize) -> io::Result<Vec<u8>> {
    let (mut arrived, mut out) = (BytesMut::new(), Vec::new());
    for piece in bytes.chunks(step) {
        arrived.extend_from_slice(piece);
        while inflater.advance(&mut arrived)? {
            out.extend_from_slice(inflater.ready());
            inflater.ready().clear();
        }
    }
    Ok(out)
}

/// The payload of one frame with the key that changes nothing.
fn payload(frame: &[u8]) -> &[u8] {
    match frame[1] & !MASKED {
        126 => &frame[8..],
        127 => &frame[14..],
        _ => &frame[6..],
    }
}

#[test]
fn compressed_messages_come_out_as_they_were_however_they_arrive() {
    let text = "a text that says the same, ".repeat(5000);
    let compressed = compress(text.as_bytes()).unwrap();
    let (begin, end) = compressed.split_at(compressed.len() / 3);
    let ping = frame(0x89, b"ping");
    let fragments = [
        frame(COMPRESSED | 1, begin),
        ping.clone(),
        frame(FINAL, end),
        frame(0x81, b"plain"),
    ]
    .concat();
    for step in [1, 3, 1000, 100_000] {
        let mut inflater = Inflater::new(1 << 20);
        let whole = frame(FINAL | COMPRESSED | 1, &compressed);
        let out = through(&mut inflater, &whole, step).unwrap();
        assert_eq!((out[0], payload(&out)), (0x81, text.as_bytes()));
        let out = through(&mut inflater, &fragments, step).unwrap();
        let rest = out.strip_prefix(&ping[..]).expect("control frames go before");
        let rest = rest.strip_suffix(&frame(0x81, b"plain")[..]).unwrap();
        assert_eq!((rest[0], payload(rest)), (0x81, text.as_bytes()));
        assert!(inflater.message.is_none());
    }
}

#[test]
fn the_examples_of_the_standard_are_read() {
    for compressed in [
        &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00][..],
        // Without compression, with two blocks, and with a block that says that it is the last.
        &[0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00],
        &[
            0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00,
        ],
        &[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00],
    ] {
        let mut inflater = Inflater::new(100);
        let out = through(&mut inflater, &frame(0xc1, compressed), 1).unwrap();
        assert_eq!(payload(&out), b"Hello", "{compressed:x?}");
    }
}

/// The code that the client is told.
fn code(inflater: &mut Inflater, bytes: &[u8]) -> Option<u16> {
    let error = through(inflater, bytes, 500).err()?;
    match End::of(Error::Io(error)) {
        End::Broken(code, _) => Some(code.into()),
        _ => None,
    }
}

#[test]
fn a_message_that_inflates_to_too_much_is_given_up_while_it_grows() {
    let bomb = compress(&vec![b' '; 100 << 20]).unwrap();
    let mut inflater = Inflater::new(64 * 1024);
    assert_eq!(code(&mut inflater, &frame(0xc1, &bomb)), Some(1009));
    assert!(inflater.held() <= 64 * 1024 && inflater.message.unwrap().text.capacity() <= 256 * 1024);
    let just = compress(&[b' '; 5000]).unwrap();
    assert_eq!(code(&mut Inflater::new(5000), &frame(0xc1, &just)), None);
    assert_eq!(code(&mut Inflater::new(4999), &frame(0xc1, &just)), Some(1009));
    // A frame that announces too much is refused at its head.
    let head = &frame(0xc1, &vec![0; 1 << 20])[..14];
    assert_eq!(code(&mut Inflater::new(64 * 1024), head), Some(1009));
}

#[test]
fn damaged_data_and_frames_out_of_order_have_their_codes() {
    let hello = compress("Hello ".repeat(1000).as_bytes()).unwrap();
    let mut faults = vec![(frame(0xc1, b"\xff\xff\xff\xff"), 1007)];
    // Only the first frame of a message says that it is compressed, and a message does not begin inside of another.
    for second in [0xc0, 0x81, 0xc1, 0x90] {
        let bytes = [frame(0x41, &hello), frame(second, &hello)].concat();
        faults.push((bytes, 1002));
    }
    for (bytes, expected) in faults {
        let mut inflater = Inflater::new(1 << 20);
        assert_eq!(code(&mut inflater, &bytes), Some(expected), "{:x?}", &bytes[..2]);
    }
    // Frames that the websocket library refuses itself are left to it.
    for first in [0xc9, 0xc0, 0xe1, 0xd1] {
        let bytes = frame(first, b"p");
        let out = through(&mut Inflater::new(100), &bytes, 9).unwrap();
        assert_eq!(out, bytes);
    }
}

#[test]
fn small_frames_and_those_that_do_not_shrink_are_sent_uncompressed() {
    let small = Frame::from("x".repeat(SMALLEST - 1));
    assert!(matches!(outgoing(&small), Message::Text(_)));
    let random: String = (0..4000_u64)
        .map(|number| {
            let mixed = (number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            char::from_u32(0x4e00 + (mixed >> 40) as u32 % 20_000).unwrap()
        })
        .collect();
    let random = Frame::from(random);
    let Message::Frame(frame) = outgoing(&Frame::from("x".repeat(SMALLEST))) else {
        panic!("it shrinks")
    };
    assert!(frame.header().rsv1 && frame.payload().len() < 100);
    for _ in 0..2 {
        let size = match outgoing(&random) {
            Message::Frame(frame) => frame.payload().len(),
            message => message.len(),
        };
        assert!(size <= random.len());
    }
}

#[test]
fn a_frame_for_many_is_compressed_once() {
    let frame = Frame::from("shared ".repeat(1000));
    let payloads: Vec<Bytes> = (0..3)
        .map(|_| match outgoing(&frame.clone()) {
            Message::Frame(frame) => frame.into_payload(),
            message => panic!("{message}"),
        })
        .collect();
    assert!(
        payloads
            .iter()
            .all(|payload| payload.as_ptr() == payloads[0].as_ptr())
    );
}
