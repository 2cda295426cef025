//! Why the host closes a session.
//!
//! Enters: nothing. Leaves: the reasons, for queues, connections and counters.

/// Why a session is being closed by the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closing {
    /// The client read too slowly and its queue was full.
    SlowConsumer,
    /// The host is stopping; clients are expected to reconnect.
    HostStops,
    /// The session has lost its right to be there; what is queued says why.
    Ended,
}
