//! One call of a method, from its arguments to its answer.
//!
//! Guarantees: a call is answered exactly once. When the component's code cannot answer any more, because it panicked
//! or its future was dropped, the answer is an error; only a call that nobody waits for is left alone.

use crate::Error;
use crate::answer::IntoAnswer;
use crate::arguments::{self, Parameters};
use crate::context::Context;
use crate::guard::{guarded, panic_error};
use crate::origin::Origin;
use crate::work::WorkItem;
use mesh_plugin_abi::Token;
use std::any::Any;
use std::future::Future;

/// A call on its way through the code that `#[component]` writes.
pub struct Call<'a> {
    context: &'a Context,
    item: WorkItem<'a>,
    method: &'a str,
    answered: bool,
}

impl<'a> Call<'a> {
    pub(crate) fn new(context: &'a Context, item: WorkItem<'a>, method: Option<&'a str>) -> Call<'a> {
        let method = method
            .or_else(|| std::str::from_utf8(item.target).ok())
            .unwrap_or_default();
        Call {
            context,
            item,
            method,
            answered: false,
        }
    }

    /// The component's access to the mesh.
    pub fn context(&self) -> &'a Context {
        self.context
    }

    /// The caller.
    pub fn origin(&self) -> Origin {
        Origin::read(self.item.origin)
    }

    /// Reads the arguments. After `None` the call was answered with an error.
    pub fn arguments<P: Parameters<'a>>(&mut self, names: &[&str]) -> Option<P> {
        match arguments::read(self.item.payload, self.context.component(), self.method, names) {
            Ok(parameters) => Some(parameters),
            Err(error) => {
                self.finish(Err::<(), Error>(error));
                None
            }
        }
    }

    /// Answers the call.
    pub fn finish<Kind>(&mut self, answer: impl IntoAnswer<Kind>) {
        if !self.answered {
            complete(self.context, self.item.token, answer);
            // Not before: writing the answer runs code of the component, which may panic.
            self.answered = true;
        }
    }

    /// Answers the call with what comes of a future.
    pub fn spawn<F, Kind>(&mut self, future: F)
    where
        F: Future<Output: IntoAnswer<Kind>> + Send + 'static,
    {
        if std::mem::replace(&mut self.answered, true) {
            return;
        }
        let responder = Responder {
            context: self.context.clone(),
            token: self.item.token,
            method: Method::new(self.method),
        };
        self.context.lane().start(
            self.item.token,
            Box::pin(async move {
                match guarded(future).await {
                    Ok(answer) => responder.answer(answer),
                    Err(panic) => responder.panicked(&*panic),
                }
            }),
        );
    }

    /// Answers a call whose code ended without an answer.
    pub(crate) fn ended(&mut self, outcome: Result<(), Box<dyn Any + Send>>) {
        let error = match outcome {
            Err(panic) => panic_error(&*panic, self.context.component(), self.method),
            Ok(()) if self.answered => return,
            Ok(()) => Error::new(format!(
                "{}.{} gave no answer",
                self.context.component(),
                self.method
            )),
        };
        self.finish(Err::<(), Error>(error));
    }
}

/// A method's name, kept for messages.
struct Method(Box<str>);

impl Method {
    fn new(name: &str) -> Method {
        Method(name.into())
    }
}

/// The duty to answer a call.
struct Responder {
    context: Context,
    /// 0 when the call was answered.
    token: Token,
    method: Method,
}

impl Responder {
    fn answer<Kind>(mut self, answer: impl IntoAnswer<Kind>) {
        complete(&self.context, self.token, answer);
        self.token = 0;
    }

    fn panicked(self, panic: &(dyn Any + Send)) {
        let error = panic_error(panic, self.context.component(), &self.method.0);
        self.answer(Err::<(), Error>(error));
    }
}

impl Drop for Responder {
    fn drop(&mut self) {
        let token = std::mem::take(&mut self.token);
        if token == 0 || self.context.lane().executor.is_cancelled(token) {
            return;
        }
        let error = Error::new(format!(
            "{}.{} ended without an answer",
            self.context.component(),
            self.method.0
        ));
        complete(&self.context, token, Err::<(), Error>(error));
    }
}

fn complete<Kind>(context: &Context, token: Token, answer: impl IntoAnswer<Kind>) {
    let mut payload = Vec::with_capacity(64);
    let status = answer.write(&mut payload);
    context.lane().host.complete(token, status, &payload);
}
