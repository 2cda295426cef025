//! Catching panics of component code: one panic is one failed call.

use crate::Error;
use std::any::Any;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;

/// The error for a panic, named `Panic`.
pub(crate) fn panic_error(panic: &(dyn Any + Send), component: &str, method: &str) -> Error {
    let message = panic_message(panic);
    Error::new(format!("{component}.{method} panicked: {message}")).name("Panic")
}

/// The text that a panic was raised with.
pub(crate) fn panic_message(panic: &dyn Any) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message")
}

/// Waits for a future of the component. A panic inside it is the error.
pub(crate) async fn guarded<F: Future>(future: F) -> Result<F::Output, Box<dyn Any + Send>> {
    let mut future = pin!(future);
    poll_fn(
        |context| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context))) {
            Ok(poll) => poll.map(Ok),
            Err(panic) => std::task::Poll::Ready(Err(panic)),
        },
    )
    .await
}
