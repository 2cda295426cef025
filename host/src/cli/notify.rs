//! Telling the service manager how it goes: the protocol of `sd_notify`.
//!
//! Enters: states. Leaves: datagrams to the socket that `NOTIFY_SOCKET` names. Guarantees: without that variable,
//! or where the socket does not take anything, nothing happens and nothing fails.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// The messages for the service manager.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// The mesh serves.
    Ready,
    /// The mesh stops, and calls are finished.
    Stopping,
}

/// Tells it.
pub fn notify(state: State) {
    let Some(socket) = std::env::var_os("NOTIFY_SOCKET") else {
        return;
    };
    let text = match state {
        State::Ready => "READY=1\nSTATUS=serving\n",
        State::Stopping => "STOPPING=1\nSTATUS=finishing calls\n",
    };
    let socket = socket.to_string_lossy().into_owned();
    let address = match socket.strip_prefix('@') {
        Some(name) => SocketAddr::from_abstract_name(name),
        None => SocketAddr::from_pathname(&socket),
    };
    let sent = address.and_then(|address| {
        let datagram = UnixDatagram::unbound()?;
        datagram.send_to_addr(text.as_bytes(), &address)
    });
    if let Err(error) = sent {
        tracing::debug!("the service manager was not told: {error}");
    }
}
