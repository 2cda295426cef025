//! A component as the SDK sees it. Implemented by the `#[component]` attribute.

use crate::Error;
use crate::call::Call;
use crate::context::Context;
use crate::event::Event;
use crate::executor::BoxFuture;
use crate::http::HttpRequest;
use std::future::Future;
use std::sync::Arc;

/// A component: implemented by [`#[component]`](macro@crate::component), and hardly ever by hand.
///
/// One instance answers all calls, on all lanes at the same time; hence `Send + Sync`, and `&self` everywhere.
pub trait Component: Send + Sync + Sized + 'static {
    /// Its name, such as `calc`.
    const NAME: &'static str;
    /// Its semantic version.
    const VERSION: &'static str;
    /// JSON object describing methods, events, routes and data.
    const DESCRIPTOR: &'static str;
    /// Names of its methods on the wire; a position here is a method's number.
    const METHODS: &'static [&'static str];
    /// Names of its web routes; a position here is a route's number.
    const ROUTES: &'static [&'static str] = &[];
    /// Events that it listens to from its start on; a position here is a handler's number.
    const EVENTS: &'static [Listen] = &[];
    /// Whether each lane is a tokio runtime.
    const TOKIO: bool = false;
    /// The number of the schema in which it writes its state; 0 when it has none to hand over.
    const STATE: u32 = 0;

    /// Makes the instance. `config` is the JSON object of mesh.toml.
    ///
    /// # Errors
    ///
    /// Why it cannot be made; the host shows it and does not start.
    fn create(context: &Context, config: &str) -> Result<Self, Error>;

    /// Gets ready. Calls arrive afterwards.
    fn start(self: Arc<Self>, _context: Context) -> impl Future<Output = Result<(), Error>> + Send {
        async { Ok(()) }
    }

    /// Finishes. No call arrives afterwards.
    fn stop(self: Arc<Self>, _context: Context) -> impl Future<Output = Result<(), Error>> + Send {
        async { Ok(()) }
    }

    /// Says whether it can serve.
    fn health(self: Arc<Self>, _context: Context) -> impl Future<Output = Result<(), Error>> + Send {
        async { Ok(()) }
    }

    /// Pauses what it does by itself: another version has taken over.
    fn quiesce(self: Arc<Self>, _context: Context) -> impl Future<Output = Result<(), Error>> + Send {
        async { Ok(()) }
    }

    /// Goes on with what it does by itself: it serves again.
    fn resume(self: Arc<Self>, _context: Context) -> impl Future<Output = Result<(), Error>> + Send {
        async { Ok(()) }
    }

    /// Answers with its state.
    fn snapshot(self: &Arc<Self>, call: &mut Call<'_>) {
        call.finish(Err::<(), Error>(call.stateless()));
    }

    /// Takes over the state that came with the call.
    fn restore(self: &Arc<Self>, call: &mut Call<'_>) {
        call.finish(Err::<(), Error>(call.stateless()));
    }

    /// Answers a call of the method with this number.
    fn call(self: &Arc<Self>, method: usize, call: &mut Call<'_>);

    /// Answers a request for the web route with this number.
    fn http(self: &Arc<Self>, _route: usize, _request: HttpRequest, _call: &mut Call<'_>) {}

    /// Hears an event with the handler of this number, and returns what is left to do.
    fn event(self: &Arc<Self>, _handler: usize, _context: &Context, _event: Event) -> Option<BoxFuture> {
        None
    }
}

/// Events that a component listens to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listen {
    /// Whose events.
    pub component: &'static str,
    /// Which ones: wildcards `*`, and `**` at the end.
    pub key: &'static str,
    /// Of which versions: an npm range, empty for all.
    pub range: &'static str,
}

/// The types that `#[create]` may return: the component, or a `Result` of it.
#[diagnostic::on_unimplemented(
    message = "`#[create]` cannot return `{Self}`",
    label = "not the component",
    note = "return `Self`, or a `Result<Self, Error>` with `mesh_plugin_sdk::Error`"
)]
pub trait IntoCreated<C> {
    /// The component.
    ///
    /// # Errors
    ///
    /// Why it cannot be made.
    fn into_created(self) -> Result<C, Error>;
}

impl<C: Component> IntoCreated<C> for C {
    fn into_created(self) -> Result<C, Error> {
        Ok(self)
    }
}

impl<C: Component, E: Into<Error>> IntoCreated<C> for Result<C, E> {
    fn into_created(self) -> Result<C, Error> {
        self.map_err(Into::into)
    }
}

/// Types of which an instance can be made from nothing.
///
/// Only there for the words of the error: who forgets `#[create]` has not heard of `Default` either.
#[diagnostic::on_unimplemented(
    message = "the host cannot make the component `{Self}`",
    label = "neither `#[create]` nor `Default`",
    note = "derive `Default` for the struct, or mark the function that makes it with `#[create]`: `#[create] fn new(config: Config) -> Self`"
)]
pub trait MadeFromNothing: Sized {
    /// The component.
    fn made_from_nothing() -> Self;
}

#[diagnostic::do_not_recommend]
impl<C: Default> MadeFromNothing for C {
    fn made_from_nothing() -> C {
        C::default()
    }
}

/// Reads a component's configuration.
///
/// # Errors
///
/// Its fault, in words.
pub fn read_config<T: serde::de::DeserializeOwned>(config: &str) -> Result<T, Error> {
    serde_json::from_str(if config.is_empty() { "{}" } else { config }).map_err(|error| {
        let error = error.to_string();
        let error = error.rfind(" at line ").map_or(&*error, |end| &error[..end]);
        Error::type_error(format!("wrong configuration: {error}"))
    })
}
