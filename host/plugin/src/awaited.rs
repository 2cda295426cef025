//! Awaited for what a component gives.
//!
//! Enters: a completion, or that there will be none. Leaves: the result, in the form that the receiver wants.
//! Guarantees: nobody waits longer than the limit; who does not wait any more is seen by the lane, which gives the
//! call up.

use super::Status;
use super::job::{Abandoned, Answer, NOT_ASKED_FOR, Response, Unserved};
use mesh_session::Share;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;

/// A result that somebody waits for.
pub trait Given: Sized + Send + 'static {
    /// From a status and the bytes that the component gave, unchecked.
    fn completed(status: i32, payload: &[u8]) -> Self;

    /// From the error of a call that no component has taken.
    fn unserved(unserved: Unserved<'_>) -> Self {
        Self::completed(Status::ERROR, unserved.arguments.as_bytes())
    }

    /// From the response to a web request, unchecked. To who waits for something else it is an error.
    fn responded(_: Response<'_>) -> Self {
        Self::completed(Status::ERROR, NOT_ASKED_FOR)
    }
}

/// The side of the component.
pub struct Awaited<T> {
    sender: oneshot::Sender<Result<T, Abandoned>>,
    share: Option<Arc<Share>>,
}

/// The side of who waits.
pub struct Outcome<T>(oneshot::Receiver<Result<T, Abandoned>>);

impl<T: Given> Awaited<T> {
    /// Both sides.
    pub fn new() -> (Awaited<T>, Outcome<T>) {
        let (sender, receiver) = oneshot::channel();
        let share = None;
        (Awaited { sender, share }, Outcome(receiver))
    }

    /// The same, counted in the share of who asks.
    pub fn counted_in(self, share: Arc<Share>) -> Awaited<T> {
        Awaited {
            share: Some(share),
            ..self
        }
    }
}

impl<T> Outcome<T> {
    /// Waits for what is given.
    ///
    /// # Errors
    ///
    /// Why nothing will be.
    pub async fn wait(self, limit: Duration) -> Result<T, Abandoned> {
        match tokio::time::timeout(limit, self.0).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => Err(Abandoned::Stopped),
            Err(_) => Err(Abandoned::TimedOut),
        }
    }
}

// The client may have gone: then nobody wants to know.
impl<T: Given> Answer for Awaited<T> {
    fn answer(self: Box<Self>, status: i32, payload: &[u8]) {
        let _ = self.sender.send(Ok(T::completed(status, payload)));
    }

    fn unserved(self: Box<Self>, unserved: Unserved<'_>) {
        let _ = self.sender.send(Ok(T::unserved(unserved)));
    }

    fn respond(self: Box<Self>, response: Response<'_>) {
        let _ = self.sender.send(Ok(T::responded(response)));
    }

    fn is_unwanted(&self) -> bool {
        self.sender.is_closed()
    }

    fn share(&self) -> Option<&Share> {
        self.share.as_deref()
    }

    fn abandon(self: Box<Self>, why: Abandoned) {
        let _ = self.sender.send(Err(why));
    }
}
