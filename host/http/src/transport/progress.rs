//! How far a connection is with the request at hand.
//!
//! Enters: notes of those who read a request, answer it and write the answer. Leaves: the facts that the byte stream
//! needs about that. Guarantees: a note is one store; each step follows from the one before it, since a connection
//! has one request at hand.

use super::outgoing::Body;
use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::task::{Context, Poll};

/// A step of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Step {
    /// Nothing is at hand.
    Reading,
    /// A request is at hand, and its body has not come to its end.
    Coming,
    /// All of it is there, and its answer is being made.
    Answering,
    /// The answer is being written.
    Writing,
    /// All of the answer was handed to the HTTP library, which may keep some of it.
    Written,
}

/// Facts that the head of a request does not show any more.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peculiar {
    /// It said HTTP/1.0, and was read as HTTP/1.1.
    pub(super) was_changed: bool,
    /// Its body ends at one place by its length, and at another by its chunks.
    pub(super) has_two_ends: bool,
}

/// The state that the stream shares with the handlers of its requests.
#[derive(Debug)]
pub(super) struct Progress {
    has_request: AtomicBool,
    was_changed: AtomicBool,
    has_two_ends: AtomicBool,
    is_behind: AtomicBool,
    step: AtomicU8,
}

impl Default for Progress {
    fn default() -> Progress {
        Progress {
            has_request: AtomicBool::new(false),
            was_changed: AtomicBool::new(false),
            has_two_ends: AtomicBool::new(false),
            is_behind: AtomicBool::new(false),
            step: AtomicU8::new(Step::Reading as u8),
        }
    }
}

impl Progress {
    /// Something came that is not answered yet.
    pub(super) fn note_bytes(&self) {
        self.is_behind.store(true, Ordering::Relaxed);
    }

    /// The request that is coming said HTTP/1.0, and is read as HTTP/1.1.
    pub(super) fn note_change(&self) {
        self.was_changed.store(true, Ordering::Relaxed);
    }

    /// The body of the request that is coming ends at one place by its length, and at another by its chunks.
    pub(super) fn note_two_ends(&self) {
        self.has_two_ends.store(true, Ordering::Relaxed);
    }

    /// The head of a request was read.
    pub(super) fn note_request(&self) -> Peculiar {
        self.has_request.store(true, Ordering::Relaxed);
        self.set(Step::Coming);
        Peculiar {
            was_changed: self.was_changed.swap(false, Ordering::Relaxed),
            has_two_ends: self.has_two_ends.swap(false, Ordering::Relaxed),
        }
    }

    /// The body of the request is at its end.
    pub(super) fn note_whole(&self) {
        self.set(Step::Answering);
    }

    /// The answer was made. `is_whole` says whether the body of the request was read to its end.
    pub(super) fn note_answer(&self, is_whole: bool) {
        if is_whole {
            self.is_behind.store(false, Ordering::Relaxed);
        }
        self.set(Step::Writing);
    }

    /// All that the HTTP library had was written. Returns whether that was the end of an answer.
    pub(super) fn note_flush(&self) -> bool {
        let ended = self.step() == Step::Written;
        if ended {
            self.set(Step::Reading);
        }
        ended
    }

    /// Whether a request was ever read: from then on what is written is the host's own.
    pub(super) fn has_request(&self) -> bool {
        self.has_request.load(Ordering::Relaxed)
    }

    /// Whether something came that is not answered, or a body that was not read to its end.
    pub(super) fn is_behind(&self) -> bool {
        self.is_behind.load(Ordering::Relaxed)
    }

    pub(super) fn step(&self) -> Step {
        const STEPS: [Step; 5] = [
            Step::Reading,
            Step::Coming,
            Step::Answering,
            Step::Writing,
            Step::Written,
        ];
        STEPS[usize::from(self.step.load(Ordering::Relaxed)) % STEPS.len()]
    }

    fn set(&self, step: Step) {
        self.step.store(step as u8, Ordering::Relaxed);
    }
}

/// The body of an answer, which notes that it was handed over.
#[derive(Debug)]
pub(super) struct Tracked {
    body: Body,
    progress: Arc<Progress>,
}

impl Tracked {
    pub(super) fn new(body: Body, progress: Arc<Progress>) -> Tracked {
        Tracked { body, progress }
    }
}

impl Drop for Tracked {
    fn drop(&mut self) {
        self.progress.set(Step::Written);
    }
}

impl HttpBody for Tracked {
    type Data = Bytes;
    type Error = <Body as HttpBody>::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
