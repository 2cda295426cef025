//! Faults in the frames of a client, found below the websocket library.
//!
//! Enters: a fault and its close code. Leaves: an error of a byte stream that carries both through the library.
//! Guarantees: [`Fault::of`] finds in an error what was put into it.

use std::io;
use thiserror::Error;
use tokio_tungstenite::tungstenite::Error as WebSocketError;
use tokio_tungstenite::tungstenite::error::CapacityError;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

/// A fault of a client.
#[derive(Debug, Error)]
#[error("{what}")]
pub(super) struct Fault {
    /// The text for the client.
    pub(super) code: CloseCode,
    what: String,
}

impl Fault {
    /// The client does not keep to the protocol.
    pub(super) fn protocol(what: &str) -> io::Error {
        Fault::error(CloseCode::Protocol, what.to_owned())
    }

    /// A message does not hold what it should.
    pub(super) fn data(what: &str) -> io::Error {
        Fault::error(CloseCode::Invalid, what.to_owned())
    }

    /// A message is too large.
    pub(super) fn too_large(size: usize, max_size: usize) -> io::Error {
        let error = CapacityError::MessageTooLong { size, max_size };
        Fault::error(CloseCode::Size, error.to_string())
    }

    fn error(code: CloseCode, what: String) -> io::Error {
        io::Error::other(Fault { code, what })
    }

    /// The fault that an error is about, if it is.
    pub(super) fn of(error: &WebSocketError) -> Option<&Fault> {
        match error {
            WebSocketError::Io(error) => error.get_ref()?.downcast_ref(),
            _ => None,
        }
    }
}
