//! A small happn client, used by the commands and by the tests, and the benchmark behind `mesh bench` ([`mod@bench`]).
//!
//! Enters: an address and, if the server wants them, credentials ([`Options`]). Leaves: a [`Client`] whose requests, calls
//! and subscriptions share one websocket, and which can be cloned and used from many tasks.
//!
//! Guarantees:
//! - One background task per connection. It answers heartbeats in the direction of the announced protocol and notices
//!   a silent server.
//! - Frames that it sends are those of the published clients of that protocol. Frames that arrive may be in any order
//!   and may hold unknown fields; a frame that cannot be understood is dropped, the connection goes on.
//! - Every request ends: with its answer, with an error that names the request after the configured time, or with the
//!   connection. Nothing is repeated and nothing is queued across a lost connection; there is no reconnecting.
//! - Payloads stay raw JSON.

#![forbid(unsafe_code)]

pub mod bench;
mod call;
mod channels;
mod connect;
mod connection;
mod description;
mod error;
mod frame;
mod handle;
mod options;
mod pending;
mod session;
mod stream;
mod subscription;
#[cfg(test)]
mod tests;
mod trust;

pub(crate) use call::{Answered, Called, ResponseLayout};
pub use call::{CallError, CallErrorKind};
pub use description::{Component, Description, Event, Method, Parameter, Route};
pub use error::{ClientError, ErrorKind, RemoteError};
pub use frame::Publication;
pub use handle::{Client, Request, Response};
pub use options::{Address, Credentials, Options, Protocol};
pub(crate) use stream::{Connector, Stream};
pub use subscription::{Subscription, SubscriptionOptions};
pub use trust::Trust;
