//! The certificate that clients are shown, as it is now.
//!
//! Enters: the two files of `[happn.tls]`. Leaves: an acceptor for each new connection, made from the newest files
//! that could be used. Guarantees: TLS 1.2 and 1.3 only. Files that cannot be used, or do not belong together,
//! replace nothing. Each change of them is reported once. Connections that are open keep what they began with.

mod error;
mod identity;
mod validity;
mod watch;

pub use error::{TlsError, TlsErrorKind};
pub use identity::Identity;
pub use validity::{Moment, Validity};
pub use watch::watch;

use arc_swap::ArcSwap;
use mesh_wire::stamp::Stamp;
use rustls::ServerConfig;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;
use tokio_rustls::TlsAcceptor;

/// The files of a certificate and what they held last.
pub struct Certificates {
    cert: PathBuf,
    key: PathBuf,
    current: ArcSwap<ServerConfig>,
    /// The state of the files.
    state: Mutex<State>,
}

struct State {
    /// The files' outer state before they were last read.
    stamps: Stamps,
    validity: Validity,
}

/// The outer state of the two files.
type Stamps = [Option<Stamp>; 2];

impl Certificates {
    /// Reads the files and logs how long the certificate is valid.
    ///
    /// # Errors
    ///
    /// When they cannot be read, hold something else, or do not belong together.
    pub fn open(cert: PathBuf, key: PathBuf) -> Result<Certificates, TlsError> {
        let stamps = [Stamp::of(&cert), Stamp::of(&key)];
        let identity = Identity::read(&cert, &key)?;
        let (config, validity) = identity.into_parts();
        let certificates = Certificates {
            cert,
            key,
            current: ArcSwap::new(config),
            state: Mutex::new(State { stamps, validity }),
        };
        tracing::info!("certificate {}: {validity}", certificates.cert.display());
        certificates.warn_in_time();
        Ok(certificates)
    }

    /// The data for the handshake of the next connection.
    pub fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.current.load_full())
    }

    /// Reads the files again and uses them from the next connection on; what cannot be used leaves all as it was.
    /// The log says which.
    pub fn reload(&self) {
        let stamps = self.stamps();
        let read = Identity::read(&self.cert, &self.key);
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.stamps = stamps;
        match read {
            Ok(identity) => {
                let (config, validity) = identity.into_parts();
                self.current.store(config);
                state.validity = validity;
                drop(state);
                tracing::info!(
                    "new connections get the certificate {}: {validity}",
                    self.cert.display()
                );
                self.warn_in_time();
            }
            Err(error) => {
                drop(state);
                tracing::warn!("the certificate stays as it was: {error}");
            }
        }
    }

    /// Logs a warning when the certificate is of no use, or soon will be.
    fn warn_in_time(&self) {
        let validity = self.state.lock().unwrap_or_else(PoisonError::into_inner).validity;
        if let Some(warning) = validity.warning(SystemTime::now()) {
            tracing::warn!("certificate {}: {warning}", self.cert.display());
        }
    }

    fn stamps(&self) -> Stamps {
        [Stamp::of(&self.cert), Stamp::of(&self.key)]
    }

    /// The files' outer state when they were last read.
    fn stamps_read(&self) -> Stamps {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).stamps
    }
}
