//! Failures that end a benchmark.

use crate::ClientError;
use std::io;

/// Why a benchmark has no result.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// The server cannot be reached, or does not let us in.
    #[error("{url}: {source}")]
    Connect {
        /// The server.
        url: String,
        /// The cause.
        #[source]
        source: ClientError,
    },
    /// A connection of the load generator broke before the measurement began.
    #[error("{url}: connection lost")]
    Link {
        /// The server.
        url: String,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// The server refused something that the measurement needs.
    #[error("{url}: {request}: {answer}")]
    Refused {
        /// The server.
        url: String,
        /// The request.
        request: String,
        /// Its message.
        answer: String,
    },
    /// The generator's own thread could not run.
    #[error("the load generator could not start")]
    Generator(#[source] io::Error),
}
