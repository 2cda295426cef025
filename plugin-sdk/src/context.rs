//! A component's access to the mesh.
//!
//! Enters: requests in the component's own types. Leaves: JSON for the host, and futures for its replies. Guarantees:
//! nothing here blocks. A reply arrives on the lane whose context asked. Where authority delegation is on, the
//! context of a call asks with the rights of the caller.

use crate::event::{EmitOptions, Event, Subscription};
use crate::exchange::CallRequest;
use crate::executor::BoxFuture;
use crate::guard::guarded;
use crate::lane::{Handler, Lane, ReplyFuture};
use crate::{Data, Error, javascript};
use mesh_plugin_abi::{Level, Token};
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
    /// The call with whose caller's rights it asks; 0 for the component's own rights.
    call: Token,
}

impl Context {
    pub(crate) fn new(lane: Lane) -> Context {
        Context {
            lane: Arc::new(lane),
            call: 0,
        }
    }

    pub(crate) fn lane(&self) -> &Arc<Lane> {
        &self.lane
    }

    /// The context of a call, where that is another one than the lane's.
    pub(crate) fn for_call(&self, call: Token) -> Option<Context> {
        self.lane.host.delegates().then(|| Context {
            lane: self.lane.clone(),
            call,
        })
    }

    /// The same with the rights of the component itself.
    ///
    /// In a secure mesh with authority delegation the context of a call asks for everything with the rights of the
    /// caller. Once the call is answered, it asks for nothing any more. Work of the component on its own account, such
    /// as counting calls or going on in the background, it does with this context. Elsewhere both are the same.
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
        Context {
            lane: self.lane.clone(),
            call: 0,
        }
    }

    /// Asks the host for something, with the rights that this context has.
    pub(crate) fn request(&self, what: &'static str, send: impl FnOnce(Token) -> bool) -> ReplyFuture {
        self.lane
            .request(what, |token| self.lane.host.act_for(self.call, || send(token)))
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
        let problem = match javascript::write(&mut json, data) {
            Ok(()) => {
                let options = options.write();
                let host = self.lane.host;
                if host.act_for(self.call, || host.emit(key, &json, &options)) {
                    return;
                }
                "this host does not offer events".to_owned()
            }
            Err(error) => error.to_string(),
        };
        self.lane.host.log(
            Level::ERROR,
            "sdk",
            &format!("event {key} was not emitted: {problem}"),
        );
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
    /// When the host does not offer events.
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
        let subscribe = || self.lane.subscribe(component, key, range, handler);
        let token = self.lane.host.act_for(self.call, subscribe)?;
        Ok(Subscription {
            context: self.clone(),
            token,
        })
    }

    /// Waits without a thread. Other calls go on meanwhile.
    pub async fn sleep(&self, duration: Duration) {
        // The host counts whole milliseconds; nobody shall wait too short.
        let milliseconds = u64::try_from(duration.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX);
        let (host, lane) = (self.lane.host, self.lane.number);
        if let Err(error) = self
            .lane
            .request("timers", |token| host.after(lane, token, milliseconds))
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
