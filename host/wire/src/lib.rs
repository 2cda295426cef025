//! The happn protocol as text: frames, versions, queries. Pure: no sockets, no clock, no runtime.

#![forbid(unsafe_code)]

pub mod address;
pub mod network;
pub mod protocol;
pub mod query;
pub mod stamp;
pub mod versions;
