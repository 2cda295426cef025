//! Requests whose body has two ends.
//!
//! Enters: the first bytes of a connection. Leaves: whether the head of its first request has both `Content-Length`
//! and `Transfer-Encoding`. Guarantees: nothing is looked at behind the empty line that ends the head. The HTTP
//! library reads such a request by its chunks and ends the connection behind it (RFC 9112, section 6.3). That holds
//! for later ones on a connection, too. It tells nobody, so that the first one could not be refused without this.

const LENGTH: &[u8] = b"content-length";
const CODING: &[u8] = b"transfer-encoding";

/// The part of the head that was seen.
#[derive(Debug, Default)]
pub(super) struct Framing {
    /// How the line at hand begins, in small letters.
    begin: [u8; CODING.len()],
    /// Bytes of that line.
    size: usize,
    has_line: bool,
    has_length: bool,
    has_coding: bool,
    is_over: bool,
}

impl Framing {
    /// Takes the next bytes of the connection. Returns whether both headers were seen.
    pub(super) fn take(&mut self, bytes: &[u8]) -> bool {
        for byte in bytes {
            if self.is_over {
                break;
            }
            match *byte {
                b'\n' => {
                    self.is_over = self.size == 0 && self.has_line;
                    self.has_line |= self.size > 0;
                    self.size = 0;
                }
                b'\r' => {}
                byte => {
                    match &self.begin[..self.size.min(CODING.len())] {
                        name if byte == b':' && name == LENGTH => self.has_length = true,
                        name if byte == b':' && name == CODING && self.size == CODING.len() => {
                            self.has_coding = true;
                        }
                        _ => {}
                    }
                    if let Some(place) = self.begin.get_mut(self.size) {
                        *place = byte.to_ascii_lowercase();
                    }
                    self.size += 1;
                }
            }
        }
        self.has_length && self.has_coding
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_headers_are_seen_however_they_arrive_and_nothing_behind_the_head() {
        for (text, expected) in [
            (
                "POST / HTTP/1.1\r\nContent-Length: 1\r\nTRANSFER-ENCODING: chunked\r\n\r\n",
                true,
            ),
            (
                "\r\nPOST / HTTP/1.1\nTransfer-Encoding:chunked\nX: y\nContent-length:1\n\n",
                true,
            ),
            (
                "POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
                false,
            ),
            (
                "POST / HTTP/1.1\r\nContent-Length: 1\r\nX: Transfer-Encoding: chunked\r\n\r\n",
                false,
            ),
            (
                "POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding-X: chunked\r\n\r\n",
                false,
            ),
            (
                "POST / HTTP/1.1\r\nContent-Length: 1\r\nX-Transfer-Encoding: chunked\r\n\r\n",
                false,
            ),
            (
                "POST / HTTP/1.1\r\nContent-Length: 30\r\n\r\nTransfer-Encoding: chunked\r\n\r\n",
                false,
            ),
            ("", false),
        ] {
            for size in [1, 3, 1000] {
                let mut framing = Framing::default();
                let found = text
                    .as_bytes()
                    .chunks(size)
                    .fold(false, |_, chunk| framing.take(chunk));
                assert_eq!(found, expected, "{text:?}");
            }
        }
    }
}
