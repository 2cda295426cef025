//! The cluster's connection to a NATS server.
//!
//! Enters: [`Settings`], messages to publish, subjects to listen to. Leaves: the events of [`mesh_cluster::wire`], and the reason in words
//! when no server takes the connection. Guarantees, beside those of [`Wire`](mesh_cluster::wire::Wire):
//! - [`Nats::connect`] fails for wrong settings only. Where no server answers, it is tried again and again in the background.
//! - A payload is never copied on its way between the caller and the library that writes it to the socket.
//! - A server that says nothing is noticed after three times [`Settings::ping_interval`].
//! - No password and no key is in an error, in a log line or in the output of `Debug`.
//!
//! Core NATS only: any server from 2.9 does, with the defaults `headers` and `no_responders`. This crate knows `mesh-cluster` and no other
//! crate of the host.

#![forbid(unsafe_code)]

mod error;
mod files;
mod nats;
mod news;
mod options;
mod server;
mod settings;
mod tls;

pub use error::{SettingsError, SettingsErrorKind};
pub use nats::{Nats, Observer};
pub use server::Server;
pub use settings::{Credentials, Identity, PING_INTERVAL, Settings};
