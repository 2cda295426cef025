//! Reading the body of a request.
//!
//! What enters: a body that a client is sending. What leaves: its bytes, or why they are not taken. Guarantees: no more than the
//! limit is kept, and a client that sends nothing is not waited for; a little more than the limit is still read, so that its
//! sender sees the answer.

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::StatusCode;
use hyper::body::{Body, Incoming};
use std::time::Duration;
use thiserror::Error;

/// Bytes beyond the limit which are still read.
const PATIENCE: usize = 1024 * 1024;
/// How long a client may take to send a body.
const LIMIT: Duration = Duration::from_secs(30);

/// Why a body is not taken.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(super) enum Unreadable {
    /// It has more bytes than this.
    #[error("the body is larger than {0} bytes")]
    TooLarge(usize),
    /// It did not arrive.
    #[error("the body did not arrive within {} s", LIMIT.as_secs())]
    TooSlow,
    /// The connection broke, or what came is no body.
    #[error("the body ended early: {0}")]
    Broken(String),
}

impl Unreadable {
    /// The status that a client gets.
    pub(super) fn status(&self) -> StatusCode {
        match self {
            Unreadable::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Unreadable::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Unreadable::Broken(_) => StatusCode::BAD_REQUEST,
        }
    }
}

/// The whole body, of at most `limit` bytes.
pub(super) async fn read(body: Incoming, limit: usize) -> Result<Bytes, Unreadable> {
    if body.is_end_stream() {
        return Ok(Bytes::new());
    }
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if announced > limit.saturating_add(PATIENCE) {
        return Err(Unreadable::TooLarge(limit));
    }
    let read = tokio::time::timeout(LIMIT, collect(body, limit)).await;
    read.map_err(|_| Unreadable::TooSlow)?
}

async fn collect(mut body: Incoming, limit: usize) -> Result<Bytes, Unreadable> {
    let (mut read, mut seen) = (Vec::new(), 0_usize);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Unreadable::Broken(error.to_string()))?;
        let Ok(data) = frame.into_data() else { continue };
        seen = seen.saturating_add(data.len());
        if seen <= limit {
            read.extend_from_slice(&data);
        } else if seen > limit.saturating_add(PATIENCE) {
            break;
        }
    }
    match seen > limit {
        true => Err(Unreadable::TooLarge(limit)),
        false => Ok(read.into()),
    }
}
