//! Lanes that are tokio runtimes: `#[component(runtime = "tokio")]`.
//!
//! Enters: work fetched from the host when the lane's descriptor becomes readable. Leaves: completions. Guarantees:
//! the runtime waits for the host's descriptor itself, so that no waker of the library ever runs on a thread of the
//! host. The runtime has ended, blocking tasks included, when the lane's function returns.

use crate::component::Component;
use crate::executor::{BoxFuture, lock};
use crate::ffi::LaneDescriptor;
use crate::instance::Instance;
use mesh_plugin_abi::{Level, Token};
use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use tokio::runtime::{Builder, Handle};
use tokio::task::{AbortHandle, LocalSet};

/// A lane's runtime, while it runs, and the tasks that answer calls.
#[derive(Default)]
pub(crate) struct RuntimeSlot {
    handle: Mutex<Option<Handle>>,
    calls: Arc<Mutex<HashMap<Token, AbortHandle>>>,
}

impl RuntimeSlot {
    /// Starts a task that answers `call`, or no call when that is 0. Gives the future back where no runtime runs.
    pub(crate) fn spawn(&self, call: Token, future: BoxFuture) -> Option<BoxFuture> {
        let Some(handle) = lock(&self.handle).clone() else {
            return Some(future);
        };
        if call == 0 {
            handle.spawn(future);
            return None;
        }
        // The task cannot end before it is in the table: it runs on this thread, later.
        let task = handle.spawn(Forgetting {
            call,
            calls: self.calls.clone(),
            future,
        });
        lock(&self.calls).insert(call, task.abort_handle());
        None
    }

    /// Drops the task that answers this call.
    pub(crate) fn cancel(&self, call: Token) {
        let task = lock(&self.calls).remove(&call);
        if let Some(task) = task {
            task.abort();
        }
    }

    /// Lets tasks go to this runtime from now on, or to none.
    pub(crate) fn set(&self, handle: Option<Handle>) {
        *lock(&self.handle) = handle;
    }
}

/// A task that leaves the table of calls when it ends.
struct Forgetting {
    call: Token,
    calls: Arc<Mutex<HashMap<Token, AbortHandle>>>,
    future: BoxFuture,
}

impl Future for Forgetting {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        self.future.as_mut().poll(context)
    }
}

impl Drop for Forgetting {
    fn drop(&mut self) {
        let task = lock(&self.calls).remove(&self.call);
        drop(task);
    }
}

/// Runs a lane until the host closes it.
pub(crate) fn run<C: Component>(instance: &Instance<C>, lane: u32) {
    let host = instance.host();
    host.enter(|| {
        if let Err(error) = drive(instance, lane) {
            host.log(Level::ERROR, "sdk", &format!("lane {lane} ended: {error}"));
        }
    });
}

fn drive<C: Component>(instance: &Instance<C>, lane: u32) -> io::Result<()> {
    let host = instance.host();
    let Some(context) = instance.lane(lane) else {
        return Ok(());
    };
    let Some(descriptor) = LaneDescriptor::borrow(&host, lane) else {
        return Err(io::Error::other("the host offers no descriptor for it"));
    };
    let runtime = Builder::new_current_thread().enable_io().enable_time().build()?;
    let local = LocalSet::new();
    context.lane().runtime.set(Some(runtime.handle().clone()));
    let outcome = local.block_on(&runtime, async {
        let descriptor = descriptor.register()?;
        loop {
            // Work may have been queued before anybody waited for the descriptor.
            descriptor.get_ref().read_empty();
            if !host.take(lane, |items| instance.work(lane, items)) {
                return Ok(());
            }
            descriptor.readable().await?.clear_ready();
        }
    });
    context.lane().runtime.set(None);
    drop(local);
    drop(runtime);
    outcome
}
