//! Bodies of frames, byte by byte: numbers in little-endian order, texts behind their lengths, and the payload last.
//!
//! Enters: values, or bytes of a peer. Leaves: bytes, or values. Guarantees: no length is believed before that many bytes are
//! there, and the payload is a slice of what was received.

use super::frame::FrameError;
use bytes::Bytes;

/// Writes the front of a body.
#[derive(Default)]
pub(super) struct Writer(Vec<u8>);

impl Writer {
    pub(super) fn with_capacity(bytes: usize) -> Writer {
        Writer(Vec::with_capacity(bytes))
    }

    pub(super) fn byte(&mut self, byte: u8) {
        self.0.push(byte);
    }

    pub(super) fn number(&mut self, number: u64) {
        self.0.extend_from_slice(&number.to_le_bytes());
    }

    pub(super) fn small(&mut self, number: u32) {
        self.0.extend_from_slice(&number.to_le_bytes());
    }

    /// A text that is longer than a number can say is cut, and refused by its reader.
    pub(super) fn text(&mut self, text: &str) {
        let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
        self.small(length);
        self.0.extend_from_slice(&text.as_bytes()[..length as usize]);
    }

    pub(super) fn finish(self) -> Bytes {
        self.0.into()
    }
}

/// Reads a body from its front.
pub(super) struct Reader<'a> {
    whole: &'a Bytes,
    rest: &'a [u8],
    most: usize,
}

impl<'a> Reader<'a> {
    /// No text may be longer than `most` bytes.
    pub(super) fn new(whole: &'a Bytes, most: usize) -> Reader<'a> {
        Reader {
            whole,
            rest: whole,
            most,
        }
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], FrameError> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(FrameError::Short)?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const LENGTH: usize>(&mut self) -> Result<[u8; LENGTH], FrameError> {
        let taken = self.take(LENGTH)?;
        taken.try_into().map_err(|_| FrameError::Short)
    }

    pub(super) fn byte(&mut self) -> Result<u8, FrameError> {
        self.array().map(|[byte]| byte)
    }

    pub(super) fn number(&mut self) -> Result<u64, FrameError> {
        self.array().map(u64::from_le_bytes)
    }

    pub(super) fn small(&mut self) -> Result<u32, FrameError> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn text(&mut self, what: &'static str) -> Result<&'a str, FrameError> {
        let length = self.small()? as usize;
        if length > self.most {
            return Err(FrameError::TooLong(what, length));
        }
        std::str::from_utf8(self.take(length)?).map_err(|_| FrameError::NoText(what))
    }

    /// All that is left.
    pub(super) fn payload(self) -> Bytes {
        self.whole.slice(self.whole.len() - self.rest.len()..)
    }

    /// Nothing may be left.
    pub(super) fn end(self) -> Result<(), FrameError> {
        match self.rest.len() {
            0 => Ok(()),
            more => Err(FrameError::Surplus(more)),
        }
    }
}
