//! The mesh itself: the gate of each session, components, calls, events, data.

#![forbid(unsafe_code)]

pub mod gate;
pub mod mesh;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
