//! The body of a request.
//!
//! Enters: a body that a client is sending. Leaves: its bytes, or why they are not taken. Guarantees: no more than
//! the limit is kept, packed or unpacked, and a client that sends nothing is not waited for. A short body that nobody
//! read is read to its end. A long one is the last thing on its connection.

use super::progress::Progress;
use super::unpacking::Unpacking;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::StatusCode;
use hyper::body::{Body, Incoming};
use hyper::header::{self, HeaderMap};
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;

/// How long a client may take to send a body.
const LIMIT: Duration = Duration::from_secs(30);
/// Bytes of a body that nobody wants which are still read, so that the connection can be used again.
const SHORT: u64 = 64 * 1024;
/// How long these may take.
const PATIENCE: Duration = Duration::from_millis(500);

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
    /// It is packed, and cannot be unpacked.
    #[error("the body is no gzip: {0}")]
    Damaged(String),
}

impl Unreadable {
    /// The status that a client gets.
    pub(super) fn status(&self) -> StatusCode {
        match self {
            Unreadable::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Unreadable::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Unreadable::Broken(_) | Unreadable::Damaged(_) => StatusCode::BAD_REQUEST,
        }
    }
}

/// A body, as far as it was read.
#[derive(Debug)]
pub(super) struct RequestBody {
    incoming: Incoming,
    /// The client sends it when it is asked for.
    is_awaited: bool,
    is_whole: bool,
    progress: Arc<Progress>,
}

impl RequestBody {
    /// That of a request with these headers.
    pub(super) fn new(incoming: Incoming, headers: &HeaderMap, progress: Arc<Progress>) -> RequestBody {
        RequestBody {
            is_whole: incoming.is_end_stream(),
            is_awaited: headers.contains_key(header::EXPECT),
            incoming,
            progress,
        }
    }

    /// Whether there is none, or it was read.
    pub(super) fn is_whole(&self) -> bool {
        self.is_whole
    }

    /// The whole body, of at most `limit` bytes.
    pub(super) async fn read(&mut self, limit: usize) -> Result<Bytes, Unreadable> {
        self.within(limit, None).await
    }

    /// The whole body as it was before the client packed it with gzip, of at most `limit` bytes both packed and unpacked.
    pub(super) async fn read_unpacked(&mut self, limit: usize) -> Result<Bytes, Unreadable> {
        self.within(limit, Some(Unpacking::new(limit))).await
    }

    async fn within(&mut self, limit: usize, unpacking: Option<Unpacking>) -> Result<Bytes, Unreadable> {
        let announced = usize::try_from(self.incoming.size_hint().lower()).unwrap_or(usize::MAX);
        if announced > limit {
            return Err(Unreadable::TooLarge(limit));
        }
        let read = tokio::time::timeout(LIMIT, self.collect(limit, unpacking)).await;
        read.map_err(|_| Unreadable::TooSlow)?
    }

    async fn collect(&mut self, limit: usize, mut unpacking: Option<Unpacking>) -> Result<Bytes, Unreadable> {
        let (mut read, mut seen) = (BytesMut::new(), 0_usize);
        while let Some(data) = self.next().await? {
            seen = seen.saturating_add(data.len());
            if seen > limit {
                return Err(Unreadable::TooLarge(limit));
            }
            match &mut unpacking {
                None => read.extend_from_slice(&data),
                Some(unpacking) => unpacking.take(&data)?,
            }
        }
        match unpacking {
            None => Ok(read.freeze()),
            // Nothing at all is no body, however it is said to be packed.
            Some(_) if seen == 0 => Ok(Bytes::new()),
            Some(unpacking) => unpacking.end(),
        }
    }

    async fn next(&mut self) -> Result<Option<Bytes>, Unreadable> {
        while let Some(frame) = self.incoming.frame().await {
            let frame = frame.map_err(|error| Unreadable::Broken(error.to_string()))?;
            if let Ok(data) = frame.into_data() {
                return Ok(Some(data));
            }
        }
        self.is_whole = true;
        self.progress.note_whole();
        Ok(None)
    }

    /// Reads what nobody read, where it is short and on its way already. Returns whether the body is at its end.
    pub(super) async fn settle(&mut self) -> bool {
        let is_short = self
            .incoming
            .size_hint()
            .upper()
            .is_some_and(|size| size <= SHORT);
        if !self.is_whole && !self.is_awaited && is_short {
            let rest = async { while let Ok(Some(_)) = self.next().await {} };
            let _ = tokio::time::timeout(PATIENCE, rest).await;
        }
        self.progress.note_answer(self.is_whole);
        self.is_whole
    }
}
