//! Web requests and their responses as the payloads of calls.
//!
//! Enters: the parts of a request or of a response. Leaves: one payload, or the parts. Guarantees: the body is not looked into.

use bytes::{Buf, BufMut, Bytes, BytesMut};

/// A request for a route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebRequest {
    /// The head, as JSON.
    pub head: Bytes,
    /// Any bytes.
    pub body: Bytes,
}

impl WebRequest {
    /// The payload: the length of the head, the head, the body.
    pub fn write(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(4 + self.head.len() + self.body.len());
        put(&mut out, &self.head);
        out.put_slice(&self.body);
        out.freeze()
    }

    /// Reads a payload; none where it ends too early.
    pub fn read(mut payload: Bytes) -> Option<WebRequest> {
        Some(WebRequest {
            head: take(&mut payload)?,
            body: payload,
        })
    }
}

/// The response of a route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebResponse {
    /// The value that should be a status of HTTP.
    pub status: u32,
    /// The text that should be a JSON object of headers, or nothing.
    pub headers: Bytes,
    /// The body.
    pub body: Bytes,
}

impl WebResponse {
    /// The payload: the status, the length of the headers, the headers, the body.
    pub fn write(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(8 + self.headers.len() + self.body.len());
        out.put_u32(self.status);
        put(&mut out, &self.headers);
        out.put_slice(&self.body);
        out.freeze()
    }

    /// Reads a payload; none where it ends too early.
    pub fn read(mut payload: Bytes) -> Option<WebResponse> {
        let status = payload.try_get_u32().ok()?;
        Some(WebResponse {
            status,
            headers: take(&mut payload)?,
            body: payload,
        })
    }
}

/// Writes bytes behind their length. No payload is longer than what fits.
fn put(out: &mut BytesMut, bytes: &Bytes) {
    out.put_u32(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
    out.put_slice(bytes);
}

/// Reads bytes behind their length.
fn take(payload: &mut Bytes) -> Option<Bytes> {
    let length = payload.try_get_u32().ok()? as usize;
    (length <= payload.len()).then(|| payload.split_to(length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_and_responses_are_read_as_they_were_written() {
        let request = WebRequest {
            head: Bytes::from_static(b"{\"method\":\"GET\"}"),
            body: Bytes::from_static(b"\x00any bytes\xff"),
        };
        assert_eq!(WebRequest::read(request.write()), Some(request));
        let response = WebResponse {
            status: 418,
            headers: Bytes::new(),
            body: Bytes::from_static(b"tea"),
        };
        assert_eq!(WebResponse::read(response.write()), Some(response));
    }

    #[test]
    fn a_payload_that_ends_too_early_is_none() {
        let written = WebResponse {
            status: 200,
            headers: Bytes::from_static(b"{}"),
            body: Bytes::new(),
        }
        .write();
        for end in 0..written.len() {
            assert_eq!(WebResponse::read(written.slice(..end)), None, "{end}");
        }
        let lies = Bytes::from_static(b"\xff\xff\xff\xffbody");
        assert_eq!(WebRequest::read(lies), None);
    }
}
