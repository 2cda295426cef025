//! One call of a method, from its arguments to its answer.
//!
//! Guarantees: a call is answered exactly once. When the component's code cannot answer any more, because it panicked
//! or its future was dropped, the answer is an error. Only a call that nobody waits for is left alone.

use crate::Error;
use crate::answer::{IntoAnswer, Panicked};
use crate::arguments::{self, Parameters};
use crate::context::Context;
use crate::guard::{guarded, panic_error};
use crate::http::{HttpRequest, HttpResponse, IntoHttpResponse};
use crate::origin::Origin;
use crate::work::WorkItem;
use mesh_plugin_abi::Token;
use serde::de::DeserializeOwned;
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

    /// The number of the schema of the state that came with the call.
    pub fn schema(&self) -> u32 {
        self.item.method
    }

    /// Reads the state that came with the call.
    ///
    /// # Errors
    ///
    /// When it is none of that type.
    pub fn state<T: DeserializeOwned>(&self) -> Result<T, Error> {
        serde_json::from_slice(self.item.payload).map_err(|error| {
            Error::type_error(format!(
                "{} cannot read this state of schema {}: {error}",
                self.context.component(),
                self.schema()
            ))
        })
    }

    /// The error for a state that the component has no way to read.
    pub fn unknown_schema(&self) -> Error {
        Error::type_error(format!(
            "{} cannot read states of schema {}",
            self.context.component(),
            self.schema()
        ))
    }

    /// The error of a component that has no state.
    pub(crate) fn stateless(&self) -> Error {
        Error::new(format!("{} has no state to hand over", self.context.component()))
    }

    /// The web request that this is.
    pub(crate) fn request(&self) -> Result<HttpRequest, Error> {
        HttpRequest::read(self.item.target, self.item.payload, self.item.origin)
    }

    /// Answers the call.
    pub fn finish<Kind>(&mut self, answer: impl IntoAnswer<Kind>) {
        self.finish_with(|| Written::answer(answer));
    }

    /// Answers a web request.
    pub fn respond(&mut self, response: impl IntoHttpResponse) {
        self.finish_with(|| Written::response(response));
    }

    fn finish_with(&mut self, write: impl FnOnce() -> Written) {
        if !self.answered {
            write().complete(self.context, self.item.token);
            // Not before: writing the answer runs code of the component, which may panic.
            self.answered = true;
        }
    }

    /// Answers the call with what comes of a future.
    pub fn spawn<F, Kind>(&mut self, future: F)
    where
        F: Future<Output: IntoAnswer<Kind>> + Send + 'static,
    {
        self.spawn_with(async { Written::answer(future.await) });
    }

    /// Answers a web request with what comes of a future.
    pub fn spawn_response<F>(&mut self, future: F)
    where
        F: Future<Output: IntoHttpResponse> + Send + 'static,
    {
        self.spawn_with(async { Written::response(future.await) });
    }

    fn spawn_with(&mut self, future: impl Future<Output = Written> + Send + 'static) {
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
                // Writing the answer runs code of the component, too.
                match guarded(future).await {
                    Ok(written) => responder.complete(&written),
                    Err(panic) => responder.panicked(&*panic),
                }
            }),
        );
    }

    /// Answers a call whose code ended without an answer.
    pub(crate) fn ended(&mut self, outcome: Result<(), Box<dyn Any + Send>>) {
        let component = self.context.component();
        match outcome {
            Err(panic) => self.finish(Panicked(panic_error(&*panic, component, self.method))),
            Ok(()) if self.answered => {}
            Ok(()) => {
                let error = Error::new(format!("{component}.{} gave no answer", self.method));
                self.finish(Err::<(), Error>(error));
            }
        }
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
    fn complete(mut self, written: &Written) {
        let token = std::mem::take(&mut self.token);
        written.complete(&self.context, token);
    }

    fn panicked(self, panic: &(dyn Any + Send)) {
        let error = panic_error(panic, self.context.component(), &self.method.0);
        self.complete(&Written::answer(Panicked(error)));
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
        Written::answer(Err::<(), Error>(error)).complete(&self.context, token);
    }
}

/// An answer as the host takes it.
enum Written {
    /// A status and a payload.
    Answer(i32, Vec<u8>),
    /// The response to a web request.
    Response(HttpResponse),
}

impl Written {
    fn answer<Kind>(answer: impl IntoAnswer<Kind>) -> Written {
        let mut payload = Vec::with_capacity(64);
        let status = answer.write(&mut payload);
        Written::Answer(status, payload)
    }

    fn response(response: impl IntoHttpResponse) -> Written {
        match response.into_response() {
            Ok(response) => Written::Response(response),
            Err(error) => Written::answer(Err::<(), Error>(error)),
        }
    }

    fn complete(&self, context: &Context, token: Token) {
        let host = context.lane().host;
        match self {
            Written::Answer(status, payload) => host.complete(token, *status, payload),
            Written::Response(response) => {
                let (status, headers) = (u32::from(response.status_code()), response.headers_json());
                host.respond(token, status, &headers, response.body());
            }
        }
    }
}
