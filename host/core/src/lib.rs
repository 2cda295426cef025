//! The mesh itself: what a session's request means, and everything that it may reach.
//!
//! Enters: text frames of one connection, through [`gate`]; what components and the host's own parts ask for, through
//! [`mesh`]. Leaves: answers and publications in the queues of sessions, jobs for the lanes of components, and changes
//! of the store.
//!
//! Guarantees:
//! - Each request of a session is answered, and requests are worked off in the order in which they arrived.
//! - Nothing below the gate waits for a socket, a disk or a component.
//! - Identity comes from the session, never from what a request says.
//! - A call goes to the highest version inside its range, and is answered once, to its caller alone.
//!
//! ```text
//! frame ─▶ gate ─▶ ┌ documents, subscriptions ┐ ─▶ queues of sessions
//!                  └ mesh: registry, exchange ┴─▶ lane of a component
//! ```

#![forbid(unsafe_code)]

pub mod gate;
pub mod mesh;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
