//! How a websocket ends (RFC 6455, section 7).
//!
//! Enters: a connection that is at its end, and why. Leaves: a close frame where one is due, then the end of the TCP
//! connection. Guarantees: the close of a client is answered with its own code. A client that closes after the host
//! is not waited for any longer than that takes. A client that breaks the protocol is told its code, and nothing more
//! of what it sends is looked at. Nobody is waited for longer than [`PATIENCE`].

use super::connection::Connection;
use super::fault::Fault;
use super::socket::Channel;
use bytes::BytesMut;
use mesh_session::Closing;
use mesh_wire::protocol::disconnect_notice;
use std::future::poll_fn;
use std::io;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio_tungstenite::tungstenite::error::{CapacityError, ProtocolError};
use tokio_tungstenite::tungstenite::protocol::frame::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message};

/// How long a client may take to answer a close.
const PATIENCE: Duration = Duration::from_secs(2);

/// Why a connection ends.
pub(super) enum End {
    /// The client has sent a close, which is answered with the next flush.
    ByClient,
    /// The host stops.
    HostStops,
    /// The session has lost its right to be there.
    Ended,
    /// The client reads too slowly.
    SlowConsumer,
    /// No heartbeat.
    Silent,
    /// Nobody has logged in.
    NoLogin,
    /// The client does not keep to the protocol, or sends too much.
    Broken(CloseCode, Error),
    /// The socket has failed, or the client is gone.
    Failed(Error),
}

impl End {
    /// The receivers of the close inside the host.
    pub(super) fn reason(&self) -> Option<Closing> {
        match self {
            End::SlowConsumer => Some(Closing::SlowConsumer),
            End::HostStops => Some(Closing::HostStops),
            End::Ended => Some(Closing::Ended),
            _ => None,
        }
    }

    /// The end that an error of the websocket is.
    pub(super) fn of(error: Error) -> End {
        if let Some(fault) = Fault::of(&error) {
            return End::Broken(fault.code, error);
        }
        let code = match &error {
            Error::ConnectionClosed | Error::AlreadyClosed => return End::ByClient,
            Error::Capacity(CapacityError::MessageTooLong { .. }) => CloseCode::Size,
            Error::Utf8(_) => CloseCode::Invalid,
            Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => return End::Failed(error),
            Error::Protocol(_) => CloseCode::Protocol,
            _ => return End::Failed(error),
        };
        End::Broken(code, error)
    }

    /// The close frame that the host sends first, if it does.
    fn close(&self) -> Option<CloseFrame> {
        let (code, reason) = match self {
            End::ByClient | End::Failed(_) => return None,
            End::Broken(code, _) => (*code, ""),
            End::NoLogin => (CloseCode::Policy, "nobody has logged in"),
            End::HostStops | End::Ended | End::Silent | End::SlowConsumer => (CloseCode::Normal, ""),
        };
        Some(CloseFrame {
            code,
            reason: reason.into(),
        })
    }
}

impl<C: Channel> Connection<C> {
    /// Sends what the end of this kind asks for, then closes the socket. Never waits for long.
    pub(super) async fn say_goodbye(&mut self, end: &End) {
        let _ = tokio::time::timeout(PATIENCE, self.shake_hands(end)).await;
        // Nobody has the socket any more but this connection.
        self.session.outbound().attend();
        let is_broken = matches!(end, End::Broken(..));
        let shutdown = async {
            poll_fn(|context| self.channel.poll_shutdown(context)).await?;
            if is_broken {
                // A socket that is closed with bytes unread loses the bytes that were written, the close frame too.
                let mut nothing = BytesMut::with_capacity(4096);
                while poll_fn(|context| self.channel.poll_read(context, &mut nothing)).await? > 0 {
                    nothing.clear();
                }
            }
            Ok::<(), io::Error>(())
        };
        let _ = tokio::time::timeout(PATIENCE, shutdown).await;
    }

    async fn shake_hands(&mut self, end: &End) -> Result<(), Error> {
        if matches!(end, End::HostStops) && self.session.dialect().announces_stop() {
            self.send(Message::Text(disconnect_notice())).await?;
        }
        let Some(close) = end.close() else {
            return poll_fn(|context| self.poll_flush(context)).await;
        };
        self.send(Message::Close(Some(close))).await?;
        if matches!(end, End::Broken(..)) {
            // There is no telling frames apart in what comes now.
            return Ok(());
        }
        // The client answers with a close of its own. Frames before that are of no interest, but must be read,
        // or it would never come to the close.
        poll_fn(|context| {
            loop {
                match self.websocket_read(context) {
                    Ok(Message::Close(_)) => return Poll::Ready(Ok(())),
                    Ok(_) => {}
                    Err(error) => return ready(Err(error)),
                }
            }
        })
        .await
    }

    async fn send(&mut self, message: Message) -> Result<(), Error> {
        let mut message = Some(message);
        poll_fn(|context| {
            if let Some(message) = message.take() {
                let written = self.websocket_write(context, message);
                // The frame was taken even where the socket takes no more for now.
                if !is_later(&written) {
                    written?;
                }
            }
            self.poll_flush(context)
        })
        .await
    }

    fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        ready(self.websocket_flush(context))
    }
}

fn is_later<T>(result: &Result<T, Error>) -> bool {
    matches!(result, Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock)
}

fn ready<T>(result: Result<T, Error>) -> Poll<Result<T, Error>> {
    match is_later(&result) {
        true => Poll::Pending,
        false => Poll::Ready(result),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_fault_of_a_client_has_its_code() {
        let code = |error| End::of(error).close().map(|close| u16::from(close.code));
        let too_long = CapacityError::MessageTooLong { size: 2, max_size: 1 };
        assert_eq!(code(Error::Capacity(too_long)), Some(1009));
        assert_eq!(code(Error::Utf8(String::new())), Some(1007));
        let unmasked = ProtocolError::UnmaskedFrameFromClient;
        assert_eq!(code(Error::Protocol(unmasked)), Some(1002));
        let gone = ProtocolError::ResetWithoutClosingHandshake;
        assert_eq!(code(Error::Protocol(gone)), None);
        assert_eq!(code(Error::ConnectionClosed), None);
        assert_eq!(code(Error::Io(io::ErrorKind::ConnectionReset.into())), None);
    }
}
