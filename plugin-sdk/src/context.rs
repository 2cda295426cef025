//! A component's access to the mesh.
//!
//! Enters: requests in the component's own types. Leaves: JSON for the host, and futures for its replies. Guarantees:
//! nothing here blocks. A reply arrives on the lane whose context asked. The context of a call names that call in each
//! request, on whatever thread; so it asks with the rights of the caller where authority delegation is on.

use crate::event::{EmitOptions, Event, Subscription};
use crate::exchange::CallRequest;
use crate::executor::BoxFuture;
use crate::ffi::{Asking, MadeFor, NotTaken, Taken};
use crate::guard::guarded;
use crate::lane::{Handler, Lane, ReplyFuture, not_taken};
use crate::{Data, Error, javascript};
use mesh_plugin_abi::Level;
use serde::Serialize;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

/// The mesh, as a component sees it. Asked for by a parameter of type `&Context`; cheap to clone, and usable on any
/// thread.
///
/// ```
/// use mesh_plugin_sdk::prelude::*;
///
/// #[derive(Default)]
/// struct Greeter;
///
/// #[component(name = "greeter", version = "1.0.0", export = false)]
/// impl Greeter {
///     fn greet(&self, context: &Context, name: String) -> String {
///         context.emit("greeted", &json!({"name": name}));
///         format!("Hello {name}, this is {} on {}", context.component(), context.mesh())
///     }
/// }
///
/// # use mesh_plugin_sdk::testing::Harness;
/// # fn main() -> Result<(), Error> {
/// # let harness = Harness::<Greeter>::new(json!({}));
/// # let text: String = harness.call("greet", json!(["Ada"]))?.one()?;
/// # assert_eq!(text, "Hello Ada, this is greeter on TestNode");
/// # assert_eq!(harness.events(), [("greeted".to_owned(), json!({"name": "Ada"}))]);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Context {
    lane: Arc<Lane>,
    /// For what it asks.
    made_for: MadeFor,
}

impl Context {
    pub(crate) fn new(lane: Lane) -> Context {
        Context {
            lane: Arc::new(lane),
            made_for: MadeFor::Component,
        }
    }

    pub(crate) fn lane(&self) -> &Arc<Lane> {
        &self.lane
    }

    /// The same, for something else.
    pub(crate) fn made_for(&self, made_for: MadeFor) -> Context {
        Context {
            lane: self.lane.clone(),
            made_for,
        }
    }

    /// The same for the component itself.
    ///
    /// The context of a call asks for everything on behalf of that call. In a secure mesh with authority delegation it does so
    /// with the rights of the caller. It asks for nothing any more once the call is answered, or once nobody waits for the
    /// answer. Work of the component on its own account, such as counting calls or going on in the background, it does with
    /// this context.
    ///
    /// ```
    /// use mesh_plugin_sdk::prelude::*;
    ///
    /// #[derive(Default)]
    /// struct Library;
    ///
    /// #[component(name = "library", version = "1.0.0", export = false)]
    /// impl Library {
    ///     async fn read(&self, context: &Context, title: &str) -> Result<Option<Value>, Error> {
    ///         // Only those who may read the book get it; that it was asked for is counted for everybody.
    ///         let book = context.data().get(&format!("books/{title}")).await?;
    ///         context.as_component().data().set(&format!("read/{title}"), &json!({})).await?;
    ///         Ok(book)
    ///     }
    /// }
    ///
    /// # use mesh_plugin_sdk::testing::Harness;
    /// # fn main() -> Result<(), Error> {
    /// # let harness = Harness::<Library>::new(json!({}));
    /// # harness.call_as(&json!({"id": "s", "username": "ada"}), "read", json!(["Emma"]))?;
    /// # let asked = [("get books/Emma".to_owned(), Some("ada".to_owned())), ("set read/Emma".to_owned(), None)];
    /// # assert_eq!(harness.requests(), asked);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn as_component(&self) -> Context {
        self.made_for(MadeFor::Component)
    }

    /// Asks the host for something, on behalf of what this context is for.
    pub(crate) fn request(
        &self,
        what: &'static str,
        send: impl FnOnce(Asking) -> Result<Taken, NotTaken>,
    ) -> ReplyFuture {
        self.lane.request(what, self.made_for, send)
    }

    /// The mesh's name.
    pub fn mesh(&self) -> &str {
        &self.lane.info.mesh
    }

    /// The mesh's domain.
    pub fn domain(&self) -> &str {
        &self.lane.info.domain
    }

    /// The name under which the component is registered, which need not be the one in its source.
    pub fn component(&self) -> &str {
        &self.lane.info.component
    }

    /// The component's version.
    pub fn version(&self) -> &str {
        &self.lane.info.version
    }

    /// Publishes an event of the component to all who subscribed.
    ///
    /// Events emitted on one thread arrive in that order, and before the answer of the call that emitted them.
    pub fn emit<T: Serialize + ?Sized>(&self, key: &str, data: &T) {
        self.emit_with(key, data, &EmitOptions::new());
    }

    /// As [`Context::emit`], stored or to chosen sessions.
    pub fn emit_with<T: Serialize + ?Sized>(&self, key: &str, data: &T, options: &EmitOptions) {
        let mut json = Vec::new();
        let emitted = javascript::write(&mut json, data)
            .map_err(Error::from)
            .and_then(|()| {
                let outcome = self.lane.host.emit(self.made_for, key, &json, &options.write());
                outcome.map_err(|why| not_taken(why, "events"))
            });
        if let Err(problem) = emitted {
            let message = format!("event {key} was not emitted: {problem}");
            self.lane.host.log(Level::ERROR, "sdk", &message);
        }
    }

    /// Calls a method of another component. The elements of `arguments`, a tuple or an array, are the arguments; `()`
    /// stands for none, and anything else for one.
    ///
    /// ```
    /// use mesh_plugin_sdk::prelude::*;
    ///
    /// #[derive(Default)]
    /// struct Average;
    ///
    /// #[component(name = "average", version = "1.0.0", export = false)]
    /// impl Average {
    ///     async fn of(&self, context: &Context, a: f64, b: f64) -> Result<f64, Error> {
    ///         let sum = context.call("calc", "add", (a, b)).range("^1.0.0").timeout(Duration::from_secs(2)).await?;
    ///         Ok(sum.one::<f64>()? / 2.0)
    ///     }
    /// }
    ///
    /// # use mesh_plugin_sdk::testing::Harness;
    /// # fn main() -> Result<(), Error> {
    /// # let harness = Harness::<Average>::new(json!({}));
    /// # harness.answer("calc", "add", |_| Ok(json!(5)));
    /// # assert_eq!(harness.call("of", json!([2, 3]))?.one::<f64>()?, 2.5);
    /// # Ok(())
    /// # }
    /// ```
    pub fn call<T: Serialize>(&self, component: &str, method: &str, arguments: T) -> CallRequest {
        CallRequest::new(self.clone(), component, method, &arguments)
    }

    /// The component's own data, kept by the host.
    pub fn data(&self) -> Data {
        Data::new(self.clone())
    }

    /// Subscribes to events `key` (wildcards `*`, and `**` at the end) of versions of `component` inside `range` (empty
    /// for all). For subscriptions that last as long as the component, `#[event]` is shorter.
    ///
    /// # Errors
    ///
    /// When the host does not offer events, the key is empty, the range is none, the caller of the call may not hear that, or the
    /// call is over.
    ///
    /// ```
    /// use mesh_plugin_sdk::prelude::*;
    /// use std::sync::{Arc, Mutex};
    ///
    /// #[derive(Default)]
    /// struct Listener { heard: Arc<Mutex<Vec<String>>> }
    ///
    /// #[component(name = "listener", version = "1.0.0", export = false)]
    /// impl Listener {
    ///     fn listen(&self, context: &Context, key: String) -> Result<(), Error> {
    ///         let heard = self.heard.clone();
    ///         context.subscribe("emitter", &key, "^2.0.0", move |_context, event| {
    ///             heard.lock().unwrap().push(event.key().to_owned());
    ///             async {}
    ///         })?;
    ///         Ok(())
    ///     }
    /// }
    ///
    /// # use mesh_plugin_sdk::testing::Harness;
    /// # fn main() -> Result<(), Error> {
    /// # let harness = Harness::<Listener>::new(json!({}));
    /// # harness.call("listen", json!(["sums/*"]))?;
    /// # harness.publish("emitter", "sums/total", json!({}));
    /// # assert_eq!(*harness.component().heard.lock().unwrap(), ["sums/total"]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn subscribe<F, H>(
        &self,
        component: &str,
        key: &str,
        range: &str,
        handler: H,
    ) -> Result<Subscription, Error>
    where
        H: Fn(Context, Event) -> F + Send + Sync + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let handler = move |context, event| -> BoxFuture { Box::pin(handler(context, event)) };
        let handler = Handler::Function(Arc::new(handler));
        let token = self
            .lane
            .subscribe(self.made_for, component, key, range, handler)?;
        Ok(Subscription {
            context: self.clone(),
            token,
        })
    }

    /// Waits without a thread. Other calls go on meanwhile.
    pub async fn sleep(&self, duration: Duration) {
        // The host counts whole milliseconds; nobody shall wait too short.
        let milliseconds = u64::try_from(duration.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX);
        let host = self.lane.host;
        // Waiting is nobody's right, so that it works when the call is over, too.
        if let Err(error) = self
            .lane
            .request("timers", MadeFor::Component, |asking| {
                host.after(asking, milliseconds)
            })
            .await
        {
            host.log(Level::ERROR, "sdk", &error.to_string());
        }
    }

    /// Runs a future beside the calls, on this context's lane. It is dropped when the component is destroyed.
    pub fn spawn<F: Future<Output = ()> + Send + 'static>(&self, future: F) {
        self.lane.spawn(Box::pin(async move {
            // The hook has told the host of a panic.
            let _ = guarded(future).await;
        }));
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Context")
            .field("info", &self.lane.info)
            .field("lane", &self.lane.number)
            .finish()
    }
}
