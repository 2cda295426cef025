//! The body of an answer, and its compression.
//!
//! Enters: bytes, or a file that is still being read. Leaves: the same, packed with gzip where the client takes that.
//! The answer must be neither too short nor too long, and of a kind that gets shorter. Guarantees: an answer that was
//! packed says so and tells caches what it depends on. Its tag does not claim to be that of the same bytes.

use crate::web::FileBody;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::Response;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use hyper::header::{self, HeaderMap, HeaderValue};
use std::convert::Infallible;
use std::error::Error;
use std::future::{Ready, ready};
use std::pin::Pin;
use std::task::{Context, Poll};
use tower_http::compression::Compression;
use tower_http::compression::predicate::{DefaultPredicate, Predicate, SizeAbove};
use tower_service::Service;

/// Shorter answers than this, in bytes, fit into one packet anyway.
const SHORTEST: u64 = 1024;

/// Longer answers than this are sent as they are.
const LONGEST: u64 = 1024 * 1024;

/// The body of an answer.
#[derive(Debug)]
pub(super) enum Body {
    /// All of it is there.
    Whole(Full<Bytes>),
    /// It comes bit by bit.
    Streamed(FileBody),
}

impl Default for Body {
    fn default() -> Body {
        Body::Whole(Full::default())
    }
}

impl<T: Into<Bytes>> From<T> for Body {
    fn from(bytes: T) -> Body {
        Body::Whole(Full::new(bytes.into()))
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = Box<dyn Error + Send + Sync>;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        match self.get_mut() {
            Body::Whole(body) => Pin::new(body).poll_frame(context).map_err(|never| match never {}),
            Body::Streamed(body) => Pin::new(body).poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Body::Whole(body) => body.is_end_stream(),
            Body::Streamed(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Body::Whole(body) => body.size_hint(),
            Body::Streamed(body) => body.size_hint(),
        }
    }
}

/// The same answer, packed where that makes sense for a request with these headers.
pub(super) async fn packed(wanted: &HeaderMap, answer: Response<Body>) -> Response<Body> {
    if !wanted.contains_key(header::ACCEPT_ENCODING) {
        return answer;
    }
    let mut request = hyper::Request::new(());
    if let Some(encodings) = wanted.get(header::ACCEPT_ENCODING) {
        request
            .headers_mut()
            .insert(header::ACCEPT_ENCODING, encodings.clone());
    }
    // Longer ones would keep a thread of the runtime from everybody else for too long.
    let length = answer.headers().get(header::CONTENT_LENGTH);
    let length = length.and_then(|length| length.to_str().ok()?.parse().ok());
    let longest: Option<u64> = length.or_else(|| answer.body().size_hint().upper());
    if longest.is_none_or(|length| length > LONGEST) {
        return answer;
    }
    let worthwhile = DefaultPredicate::new().and(SizeAbove::new(SHORTEST));
    let mut service = Compression::new(Given(Some(answer))).compress_when(worthwhile);
    let answer = match service.call(request).await {
        Ok(answer) => answer,
        Err(never) => match never {},
    };
    if !answer.headers().contains_key(header::CONTENT_ENCODING) {
        return answer.map(|body| body.into_inner());
    }
    let mut answer = answer.map(|body| Body::Streamed(body.map_err(Into::into).boxed_unsync()));
    let tag = answer
        .headers()
        .get(header::ETAG)
        .and_then(|tag| tag.to_str().ok());
    let weak = tag
        .filter(|tag| tag.starts_with('"'))
        .and_then(|tag| HeaderValue::from_str(&format!("W/{tag}")).ok());
    if let Some(weak) = weak {
        answer.headers_mut().insert(header::ETAG, weak);
    }
    answer
}

/// A service that gives one answer, for the layer that packs.
struct Given(Option<Response<Body>>);

impl Service<hyper::Request<()>> for Given {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: hyper::Request<()>) -> Self::Future {
        ready(Ok(self.0.take().unwrap_or_default()))
    }
}
