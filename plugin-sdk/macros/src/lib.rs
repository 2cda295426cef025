//! The `#[component]` attribute of `mesh-plugin-sdk`, which re-exports it: use it from there.
//!
//! What enters: an `impl` block. What leaves: the same block, an implementation of the SDK's `Component` trait beside
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

/// Makes a component of a struct: the functions of the `impl` block become methods on the wire.
///
/// # On the block: `#[component(…)]`
///
/// | key | meaning | without it |
/// |---|---|---|
/// | `name = "calc"` | the component's name | the crate's name |
/// | `version = "1.2.3"` | its semantic version | the crate's version |
/// | `routes("hello", "page")` | web routes that it serves | none |
/// | `events("sums/total")` | events that it emits, for readers of its description | none |
/// | `runtime = "tokio"` | every lane is a tokio runtime (feature `tokio` of the SDK) | the SDK's own executor |
/// | `export = false` | no entry function: several components in one program | one component per library |
///
/// # On functions
///
/// A function with `&self` is a method. Its name and those of its parameters are written in camel case on the wire;
/// parameters of type `&Context` and `&Origin` are given by the SDK and not part of the call. Functions without `self`
/// and those in other `impl` blocks are no methods.
///
/// | attribute | meaning |
/// |---|---|
/// | `#[method(name = "other")]` | another name on the wire |
/// | `#[parameter(name = "eventName")]` on a parameter | another name for it |
/// | `#[private]` | no method, although it takes `&self` |
/// | `#[create] fn new(context: &Context, config: Config) -> Result<Self, Error>` | makes the component; both parameters are optional. Without it, `Default::default()` does |
/// | `#[start] async fn start(&self, context: &Context) -> Result<(), Error>` | gets ready, before the first call |
/// | `#[stop] async fn stop(&self, context: &Context)` | finishes, after the last call |
/// | `#[event(component = "emitter", key = "sums/*", range = "^2.0.0")] fn heard(&self, context: &Context, event: Event)` | hears events, from the start on; `range` is optional |
///
/// All of them may be `async`. A method's documentation is its description for `mesh inspect`.
#[proc_macro_attribute]
pub fn component(attribute: TokenStream, item: TokenStream) -> TokenStream {
    let attribute = parse_macro_input!(attribute as attribute::ComponentAttribute);
    let block = parse_macro_input!(item as syn::ItemImpl);
    expand::expand(&attribute, block).into()
}
