//! Websocket upgrades that a proxy sends as HTTP/1.0.
//!
//! Enters: the first bytes of a connection. Leaves: the same, but for the version of a `GET /primus…`, which becomes
//! HTTP/1.1. Guarantees: nothing behind the first line is touched, and the caller learns that a version was changed.
//! An upgrade is then answered as real servers answer it, and everything else as to a client of HTTP/1.0.

/// How the first line of an upgrade begins.
const BEGIN: &[u8] = b"GET /primus";
/// How it ends. No other part of the line can have a space.
const END: &[u8] = b" HTTP/1.0";

/// How much of the first line was seen.
#[derive(Debug)]
pub(super) enum FirstLine {
    /// So many bytes of its beginning.
    Begin(usize),
    /// So many bytes of what may be its end.
    End(usize),
    /// All that matters.
    Seen,
}

impl FirstLine {
    /// Takes the next bytes of the connection. Returns whether they now say HTTP/1.1 where the client said HTTP/1.0.
    pub(super) fn take(&mut self, bytes: &mut [u8]) -> bool {
        for byte in bytes {
            *self = match *self {
                FirstLine::Seen => return false,
                FirstLine::Begin(seen) if *byte != BEGIN[seen] => FirstLine::Seen,
                FirstLine::Begin(seen) if seen + 1 == BEGIN.len() => FirstLine::End(0),
                FirstLine::Begin(seen) => FirstLine::Begin(seen + 1),
                FirstLine::End(_) if matches!(*byte, b'\r' | b'\n') => FirstLine::Seen,
                FirstLine::End(seen) if *byte != END[seen] => FirstLine::End(usize::from(*byte == END[0])),
                FirstLine::End(seen) if seen + 1 == END.len() => {
                    *byte = b'1';
                    *self = FirstLine::Seen;
                    return true;
                }
                FirstLine::End(seen) => FirstLine::End(seen + 1),
            };
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "GET /primus?_primuscb=1 HTTP/1.0\r\nHost: HTTP/1.0\r\n\r\n";

    fn taken(text: &str, size: usize) -> (String, bool) {
        let (mut line, mut out, mut changed) = (FirstLine::Begin(0), Vec::new(), false);
        for chunk in text.as_bytes().chunks(size) {
            let mut chunk = chunk.to_vec();
            changed |= line.take(&mut chunk);
            out.extend(chunk);
        }
        (String::from_utf8(out).unwrap(), changed)
    }

    #[test]
    fn only_the_version_in_the_first_line_is_changed_however_it_arrives() {
        for size in 1..HEAD.len() {
            let expected = HEAD.replacen("HTTP/1.0", "HTTP/1.1", 1);
            assert_eq!(taken(HEAD, size), (expected, true), "{size}");
        }
    }

    #[test]
    fn other_requests_stay_as_they_are() {
        for text in [
            "GET /primus HTTP/1.1\r\nX: HTTP/1.0\r\n\r\n",
            "GET /ping HTTP/1.0\r\n\r\n",
            "POST /primus HTTP/1.0\r\n\r\n",
            "GET /primus\r\nX: a HTTP/1.0\r\n\r\n",
            "\r\nGET /primus HTTP/1.0\r\n",
            "GET /pri",
            "",
        ] {
            for size in [1, 2, 100] {
                assert_eq!(taken(text, size), (text.to_owned(), false), "{text:?}");
            }
        }
    }
}
