//! Bodies that a client has packed with gzip.
//!
//! Enters: the bytes of a body as they arrive. Leaves: the body that the client packed. Guarantees: unpacking ends
//! where the limit is passed, whatever a few bytes would become; a body that is damaged or cut short is refused.

use super::body::Unreadable;
use bytes::Bytes;
use flate2::write::MultiGzDecoder;
use std::io::{self, Write};

/// A body that is being unpacked.
#[derive(Debug)]
pub(super) struct Unpacking {
    decoder: MultiGzDecoder<Limited>,
}

/// An unpacked body.
#[derive(Debug)]
struct Limited {
    bytes: Vec<u8>,
    limit: usize,
    is_passed: bool,
}

impl Write for Limited {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + bytes.len() > self.limit {
            self.is_passed = true;
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Unpacking {
    /// Of at most `limit` bytes.
    pub(super) fn new(limit: usize) -> Unpacking {
        let limited = Limited {
            bytes: Vec::new(),
            limit,
            is_passed: false,
        };
        Unpacking {
            decoder: MultiGzDecoder::new(limited),
        }
    }

    /// Takes the next bytes of the body.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Result<(), Unreadable> {
        let taken = self.decoder.write_all(bytes);
        taken.map_err(|error| self.refusal(&error))
    }

    /// The body, when all of it was read.
    pub(super) fn end(mut self) -> Result<Bytes, Unreadable> {
        if let Err(error) = self.decoder.try_finish() {
            return Err(self.refusal(&error));
        }
        Ok(std::mem::take(&mut self.decoder.get_mut().bytes).into())
    }

    fn refusal(&self, error: &io::Error) -> Unreadable {
        let limited = self.decoder.get_ref();
        match limited.is_passed {
            true => Unreadable::TooLarge(limited.limit),
            false => Unreadable::Damaged(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;

    fn packed(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn unpacked(packed: &[u8], limit: usize, size: usize) -> Result<Bytes, Unreadable> {
        let mut unpacking = Unpacking::new(limit);
        packed.chunks(size).try_for_each(|chunk| unpacking.take(chunk))?;
        unpacking.end()
    }

    #[test]
    fn a_body_is_what_the_client_packed_however_it_arrives() {
        let body: Vec<u8> = (0..50_000_u32).flat_map(u32::to_le_bytes).collect();
        let two = [packed(&body), packed(b"more")].concat();
        for size in [1, 7, 4096, usize::MAX] {
            assert_eq!(
                unpacked(&packed(&body), body.len(), size).unwrap(),
                body,
                "{size}"
            );
            assert_eq!(
                unpacked(&two, 1_000_000, size).unwrap(),
                [&body[..], b"more"].concat()
            );
        }
        assert_eq!(unpacked(&packed(b""), 0, 1).unwrap(), "");
    }

    #[test]
    fn a_body_that_would_become_larger_than_the_limit_is_not_unpacked_further() {
        let bomb = packed(&vec![0; 50_000_000]);
        assert!(bomb.len() < 100_000);
        let mut unpacking = Unpacking::new(100_000);
        let refused = bomb.chunks(512).find_map(|chunk| unpacking.take(chunk).err());
        assert_eq!(refused, Some(Unreadable::TooLarge(100_000)));
        assert!(unpacking.decoder.get_ref().bytes.len() <= 100_000);
    }

    #[test]
    fn a_damaged_body_is_refused() {
        let good = packed(b"{\"first\": 1}");
        let mut wrong_sum = good.clone();
        let at = wrong_sum.len() - 6;
        wrong_sum[at] ^= 1;
        let trailing = [&good[..], b"{}"].concat();
        for bad in [
            &good[..good.len() - 1],
            &good[..5],
            &wrong_sum,
            &trailing,
            b"{\"first\": 1}",
        ] {
            for size in [1, 1000] {
                let refused = unpacked(bad, 1000, size);
                assert!(
                    matches!(refused, Err(Unreadable::Damaged(_))),
                    "{bad:?} {refused:?}"
                );
            }
        }
    }
}
