//! Write components for the mesh host in Rust.
//!
//! A component is a struct and an `impl` block: its functions are the methods that clients call, from unmodified
//! JavaScript clients or from other components. Compiled as a `cdylib`, it is loaded by the host through a C ABI
//! ([`abi`]) that no version of Rust can break.
//!
//! ```
//! use mesh_plugin_sdk::prelude::*;
//!
//! #[derive(Default)]
//! struct Calc {
//!     ticks: AtomicU64,
//! }
//!
//! #[component(name = "calc", version = "1.2.3", export = false)]
//! impl Calc {
//!     /// The sum of two numbers.
//!     fn add(&self, a: f64, b: f64) -> f64 {
//!         a + b
//!     }
//!
//!     fn divide(&self, a: f64, b: f64) -> Result<f64, Error> {
//!         if b == 0.0 {
//!             return Err(Error::new("division by zero").name("DivisionError").field("code", 4220));
//!         }
//!         Ok(a / b)
//!     }
//!
//!     async fn slow(&self, context: &Context, milliseconds: u64) -> Value {
//!         context.sleep(Duration::from_millis(milliseconds)).await;
//!         json!({"slept": milliseconds})
//!     }
//!
//!     fn tick(&self) -> u64 {
//!         self.ticks.fetch_add(1, Ordering::Relaxed) + 1
//!     }
//! }
//!
//! // A component can be tried without a host:
//! use mesh_plugin_sdk::testing::Harness;
//!
//! # fn main() -> Result<(), Error> {
//! let harness = Harness::<Calc>::new(json!({}));
//! assert_eq!(harness.call("add", json!([1, 2]))?.one::<u32>()?, 3);
//! assert_eq!(harness.call("divide", json!([1, 0])).unwrap_err().type_name(), "DivisionError");
//! assert_eq!(harness.call("slow", json!([60_000]))?.one::<Value>()?, json!({"slept": 60_000}));
//! # Ok(())
//! # }
//! ```
//!
//! (`export = false` lets several components live in one program, as in these examples; a library leaves it out.)
//!
//! # Guarantees
//!
//! * A call is answered exactly once. A panic is that call's error; so is a future that ends without an answer.
//! * A component's code runs on its lanes only: threads that belong to its library and end before it is unloaded.
//! * A method that waits blocks nobody; one that blocks holds up only its own component.
//! * All `unsafe` code of the SDK is in one module.
//!
//! # Features
//!
//! * `log` (default): `log::info!` and its siblings write to the host's log.
//! * `tracing`: events of `tracing` go to the host's log.
//! * `tokio`: allows `#[component(runtime = "tokio")]`, a tokio runtime on every lane.

#![deny(unsafe_code)]

#[cfg(all(panic = "abort", not(doc)))]
compile_error!(
    "a component must be compiled with `panic = \"unwind\"`: with `abort`, a panic in one method would end the whole host. Remove `panic = \"abort\"` from the profile in Cargo.toml"
);

// Lets the code that `#[component]` writes name this crate from within it.
extern crate self as mesh_plugin_sdk;

mod answer;
mod arguments;
mod call;
mod component;
mod context;
mod data;
mod error;
mod event;
mod exchange;
mod executor;
#[allow(unsafe_code)]
mod ffi;
mod guard;
mod http;
mod instance;
pub mod javascript;
mod lane;
mod logging;
mod origin;
mod raw;
mod slab;
mod state;
pub mod testing;
#[cfg(feature = "tokio")]
mod tokio_lane;
#[cfg(feature = "tracing")]
mod tracing_bridge;
mod work;

pub use answer::{IntoAnswer, IntoOutcome, Many, NoError, Nothing, Results, Sequence};
pub use component::{Component, Listen};
pub use context::Context;
pub use data::Data;
pub use error::Error;
pub use event::{EmitOptions, Event, Subscription};
pub use exchange::CallRequest;
pub use http::{HttpRequest, HttpResponse, IntoHttpResponse};
pub use mesh_plugin_abi as abi;
pub use mesh_plugin_macros::component;
pub use origin::Origin;
pub use raw::{Raw, raw};

#[cfg(feature = "log")]
pub use log;
pub use serde_json;

/// Items for the code that `#[component]` writes. Not for people; may change with any version.
#[doc(hidden)]
pub mod generated {
    pub use crate::answer::{Fallible, IntoOutcome, OneResult, OwnResult};
    pub use crate::call::Call;
    pub use crate::component::{IntoCreated, MadeFromNothing, read_config};
    pub use crate::executor::BoxFuture;
    pub use crate::ffi::component as description;
    pub use crate::state::write_state;

    /// Says whether a parameter can be read from JSON.
    pub const fn argument<T: serde::de::DeserializeOwned>() {}

    /// Lets methods fail with any error that can become the SDK's.
    pub fn fallible<T, E: crate::error::IntoError>(result: Result<T, E>) -> Result<T, crate::Error> {
        result.map_err(E::into_error)
    }

    /// Exists only where the feature is on, to say so in an error message.
    #[cfg(feature = "tokio")]
    pub const RUNTIME_TOKIO_NEEDS_THE_FEATURE_TOKIO_OF_MESH_PLUGIN_SDK: bool = true;
}

/// The items that most components need: `use mesh_plugin_sdk::prelude::*;`.
pub mod prelude {
    pub use crate::{
        Context, EmitOptions, Error, Event, HttpRequest, HttpResponse, Many, NoError, Nothing, Origin, Raw,
        Results, component,
    };
    #[cfg(feature = "log")]
    pub use log;
    pub use serde_json::{Value, json};
    pub use std::sync::atomic::{AtomicU64, Ordering};
    pub use std::time::Duration;
}

/// The guide's examples are tests of this crate.
#[cfg(doctest)]
#[doc = include_str!("../../docs/plugins.md")]
struct Guide;

/// Code that does not compile, beside the refusals of `#[component]` itself (tests of the macro read those messages).
/// Each example differs in one line from one that compiles.
///
/// A method answers with something that can be written as JSON:
///
/// ```
/// # use mesh_plugin_sdk::prelude::*;
/// # #[derive(Default)]
/// # struct C;
/// #[component(name = "c", version = "1.0.0", export = false)]
/// impl C {
///     fn method(&self) -> Result<u32, Error> { Ok(1) }
/// }
/// ```
///
/// ```compile_fail,E0277
/// # use mesh_plugin_sdk::prelude::*;
/// # #[derive(Default)]
/// # struct C;
/// #[component(name = "c", version = "1.0.0", export = false)]
/// impl C {
///     fn method(&self) -> std::time::Instant { std::time::Instant::now() }
/// }
/// ```
///
/// It fails with an error, and a text is none:
///
/// ```compile_fail,E0277
/// # use mesh_plugin_sdk::prelude::*;
/// # #[derive(Default)]
/// # struct C;
/// #[component(name = "c", version = "1.0.0", export = false)]
/// impl C {
///     fn method(&self) -> Result<u32, String> { Ok(1) }
/// }
/// ```
///
/// An argument is read from JSON:
///
/// ```compile_fail,E0277
/// # use mesh_plugin_sdk::prelude::*;
/// # #[derive(Default)]
/// # struct C;
/// #[component(name = "c", version = "1.0.0", export = false)]
/// impl C {
///     fn method(&self, at: std::time::Instant) -> u32 { 1 }
/// }
/// ```
///
/// `#[start]` and its like say whether it went well:
///
/// ```compile_fail,E0277
/// # use mesh_plugin_sdk::prelude::*;
/// # #[derive(Default)]
/// # struct C;
/// #[component(name = "c", version = "1.0.0", export = false)]
/// impl C {
///     #[start]
///     async fn start(&self) -> u32 { 1 }
/// }
/// ```
///
/// A state can be written, and read again:
///
/// ```compile_fail,E0277
/// # use mesh_plugin_sdk::prelude::*;
/// # #[derive(Default)]
/// # struct C;
/// #[component(name = "c", version = "1.0.0", state = 1, export = false)]
/// impl C {
///     #[snapshot]
///     fn save(&self) -> std::time::Instant { std::time::Instant::now() }
///     #[restore]
///     fn restore(&self, state: u32) {}
/// }
/// ```
///
/// A migration leads to the state that `#[restore]`, or the next migration, takes:
///
/// ```compile_fail,E0308
/// # use mesh_plugin_sdk::prelude::*;
/// # #[derive(Default)]
/// # struct C;
/// #[component(name = "c", version = "1.0.0", state = 2, export = false)]
/// impl C {
///     #[migrate(from = 1)]
///     fn two(old: u32) -> String { old.to_string() }
///     #[snapshot]
///     fn save(&self) -> u64 { 1 }
///     #[restore]
///     fn restore(&self, state: u64) {}
/// }
/// ```
///
/// A component without `#[create]` is made by `Default`:
///
/// ```compile_fail,E0277
/// # use mesh_plugin_sdk::prelude::*;
/// struct C;
/// #[component(name = "c", version = "1.0.0", export = false)]
/// impl C {}
/// ```
///
/// Several lanes share it, so it is `Send` and `Sync`:
///
/// ```compile_fail,E0277
/// # use mesh_plugin_sdk::prelude::*;
/// #[derive(Default)]
/// struct C(std::cell::Cell<u32>);
/// #[component(name = "c", version = "1.0.0", export = false)]
/// impl C {}
/// ```
///
/// A future that waits may go on while others are called, so it is `Send`:
///
/// ```compile_fail
/// # use mesh_plugin_sdk::prelude::*;
/// # #[derive(Default)]
/// # struct C;
/// #[component(name = "c", version = "1.0.0", export = false)]
/// impl C {
///     async fn method(&self, context: &Context) -> u32 {
///         let shared = std::rc::Rc::new(1);
///         context.sleep(Duration::from_millis(1)).await;
///         *shared
///     }
/// }
/// ```
#[cfg(doctest)]
struct WhatDoesNotCompile;

/// A component on tokio. In `Cargo.toml` of the component: the SDK's feature `tokio`, and the crate itself.
///
/// ```
/// use mesh_plugin_sdk::prelude::*;
/// use mesh_plugin_sdk::testing::Harness;
///
/// #[derive(Default)]
/// struct Reader;
///
/// #[component(name = "reader", version = "1.0.0", runtime = "tokio", export = false)]
/// impl Reader {
///     async fn count(&self, text: String) -> Result<usize, Error> {
///         tokio::time::sleep(Duration::from_millis(1)).await;
///         // Work that blocks for long blocks a thread of its own.
///         Ok(tokio::task::spawn_blocking(move || text.len()).await?)
///     }
/// }
///
/// let reader = Harness::<Reader>::new(json!({}));
/// assert_eq!(reader.call("count", ["four"]).unwrap().one::<usize>().unwrap(), 4);
/// ```
#[cfg(all(doctest, feature = "tokio"))]
struct OnTokio;

#[cfg(all(doctest, not(feature = "tokio")))]
/// Without the feature there is no such runtime:
///
/// ```compile_fail
/// # use mesh_plugin_sdk::prelude::*;
/// # #[derive(Default)]
/// # struct C;
/// #[component(name = "c", version = "1.0.0", runtime = "tokio", export = false)]
/// impl C {}
/// ```
struct WithoutTokio;
