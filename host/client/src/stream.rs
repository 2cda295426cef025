//! The byte stream of a client, with TLS or without.
//!
//! Enters: the address of a server and whom to trust. Leaves: connected streams. Guarantees: with `https` and `wss`
//! nothing is sent before the server has shown a certificate that is trusted. The authorities are read once, however
//! many streams are opened.

use super::{Address, ClientError, ErrorKind, Trust};
use rustls::pki_types::ServerName;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// How to reach one server.
#[derive(Clone)]
pub(crate) struct Connector {
    address: Address,
    tls: Option<(TlsConnector, ServerName<'static>)>,
}

impl Connector {
    /// Prepares connections to a URL; nothing is sent yet.
    pub(crate) fn new(url: &str, trust: &Trust) -> Result<Connector, ClientError> {
        let address = Address::parse(url)?;
        let tls = match address.encrypted {
            false => None,
            true => {
                let name = ServerName::try_from(address.host.clone()).map_err(|_| {
                    let message = format!("`{}` is not a name that a certificate can have", address.host);
                    ClientError::new(ErrorKind::Address, message)
                })?;
                Some((TlsConnector::from(trust.configuration()?), name))
            }
        };
        Ok(Connector { address, tls })
    }

    /// Where to.
    pub(crate) fn address(&self) -> &Address {
        &self.address
    }

    /// Opens a stream. A certificate that is not trusted is an error with a [`rustls::Error`] inside.
    pub(crate) async fn connect(&self) -> io::Result<Stream> {
        let stream = TcpStream::connect((self.address.host.as_str(), self.address.port)).await?;
        stream.set_nodelay(true)?;
        match &self.tls {
            None => Ok(Stream::Plain(stream)),
            Some((connector, name)) => {
                let stream = connector.connect(name.clone(), stream).await?;
                Ok(Stream::Encrypted(Box::new(stream)))
            }
        }
    }
}

impl std::fmt::Debug for Connector {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Connector")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

/// A connected stream.
#[derive(Debug)]
pub(crate) enum Stream {
    /// Without encryption.
    Plain(TcpStream),
    /// With TLS.
    Encrypted(Box<TlsStream<TcpStream>>),
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut *self {
            Stream::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Stream::Encrypted(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut *self {
            Stream::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Stream::Encrypted(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Stream::Plain(stream) => Pin::new(stream).poll_flush(context),
            Stream::Encrypted(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Stream::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Stream::Encrypted(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}
