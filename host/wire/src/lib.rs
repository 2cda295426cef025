//! The happn protocol as text: requests, answers, publications, versions and queries.
//!
//! Enters: the text of one frame, of one version range, or of one query with the documents it asks about.
//! Leaves: borrowed requests, finished frames as [`protocol::Frame`], and answers such as "this version is in that range".
//!
//! Guarantees:
//! - The protocol needs no socket, no clock and no runtime. Only [`stamp`] looks at a file, at its time and length.
//! - No input panics, however it is nested or cut off. Its cost grows with its length.
//! - Payloads stay raw JSON. They are parsed only where a query asks for a field.
//! - Each difference between the four dialects is an answer in `protocol/dialect`, which other code asks for.
//!
//! This crate knows no other crate of the host.

#![forbid(unsafe_code)]

pub mod address;
pub mod network;
pub mod origin;
pub mod pattern;
pub mod protocol;
pub mod query;
pub mod stamp;
pub mod traceparent;
pub mod versions;
