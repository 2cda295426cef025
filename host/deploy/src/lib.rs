//! Hot swap, what mesh.toml wants, and building while developing.

#![forbid(unsafe_code)]

pub mod deployment;
pub mod dev;
pub mod swap;
