//! The `#[component]` attribute of `mesh-plugin-sdk`, which re-exports it: use it from there.
//!
//! Enters: an `impl` block. Leaves: the same block, an implementation of the SDK's `Component` trait beside
//! it, and the library's entry function.

use proc_macro::TokenStream;
use syn::parse_macro_input;

mod attribute;
mod descriptor;
mod expand;
mod function;
#[cfg(test)]
mod messages;
mod names;
mod schema;
mod state;

/// Makes a component of a struct: the functions of the `impl` block become methods on the wire.
///
/// # On the block: `#[component(…)]`
///
/// | key | meaning | without it |
/// |---|---|---|
/// | `name = "calc"` | the component's name | the crate's name |
/// | `version = "1.2.3"` | its semantic version | the crate's version |
/// | `events("sums/total")` | events that it emits, for readers of its description | none |
/// | `state = 2` | it hands its state over to other versions, in this schema | no state |
/// | `runtime = "tokio"` | every lane is a tokio runtime (feature `tokio` of the SDK) | the SDK's own executor |
/// | `export = false` | no entry function: several components in one program | one component per library |
///
/// # On functions
///
/// A function with `&self` is a method. Its name and those of its parameters are written in camel case on the wire.
/// Parameters of type `&Context` and `&Origin` are given by the SDK and not part of the call. Functions without
/// `self` and those in other `impl` blocks are no methods.
///
/// | attribute | meaning |
/// |---|---|
/// | `#[method(name = "other")]` | another name on the wire |
/// | `#[method(idempotent)]` | may be executed twice for one call, where its node of a cluster is lost meanwhile |
/// | `#[parameter(name = "eventName")]` on a parameter | another name for it |
/// | `#[private]` | no method, although it takes `&self` |
/// | `#[route("page")] async fn page(&self, request: &HttpRequest) -> HttpResponse` | a web route, at `/<component>/page` and below; without a name it has that of the function. `Origin` and `Context` where it wants; may return a text, nothing, or a `Result` |
/// | `#[create] fn new(context: &Context, config: Config) -> Result<Self, Error>` | makes the component; both parameters are optional. Without it, `Default::default()` does |
/// | `#[start] async fn start(&self, context: &Context) -> Result<(), Error>` | gets ready, before the first call |
/// | `#[stop] async fn stop(&self, context: &Context)` | finishes, after the last call |
/// | `#[snapshot] fn save(&self) -> State` | gives the state, which implements `Serialize`; may return a `Result` |
/// | `#[restore] fn restore(&self, state: State)` | takes over a state of the component's own schema; may return a `Result` |
/// | `#[migrate(from = 1)] fn two(old: State1) -> State2` | turns a state of schema 1 into one of schema 2; no `self`, no `async`; may return a `Result` |
/// | `#[health] async fn healthy(&self) -> Result<(), Error>` | says whether it can serve |
/// | `#[quiesce] async fn pause(&self, context: &Context)` | pauses what it does by itself: another version has taken over |
/// | `#[resume] async fn go_on(&self, context: &Context)` | goes on: it serves again |
/// | `#[event(component = "emitter", key = "sums/*", range = "^2.0.0")] fn heard(&self, context: &Context, event: Event)` | hears events, from the start on; `range` is optional |
///
/// All may be `async` but where it says otherwise. A method's documentation is its description for `mesh inspect`.
#[proc_macro_attribute]
pub fn component(attribute: TokenStream, item: TokenStream) -> TokenStream {
    let attribute = parse_macro_input!(attribute as attribute::ComponentAttribute);
    let block = parse_macro_input!(item as syn::ItemImpl);
    expand::expand(&attribute, block).into()
}
