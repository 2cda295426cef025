//! Why a certificate cannot be used.

use std::path::Path;

/// The fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsErrorKind {
    /// The file of the certificate: it cannot be read, or holds something else.
    Certificate,
    /// The file of the private key, likewise.
    Key,
    /// The key is not that of the certificate.
    Mismatch,
}

/// Files that cannot be used; it names the one that is wrong.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct TlsError {
    kind: TlsErrorKind,
    message: String,
}

impl TlsError {
    pub(super) fn new(kind: TlsErrorKind, message: impl Into<String>) -> TlsError {
        TlsError {
            kind,
            message: message.into(),
        }
    }

    /// About one file: its name, and what is wrong with it.
    pub(super) fn about(kind: TlsErrorKind, file: &Path, wrong: impl std::fmt::Display) -> TlsError {
        TlsError::new(kind, format!("{}: {wrong}", file.display()))
    }

    /// The fault.
    pub fn kind(&self) -> TlsErrorKind {
        self.kind
    }
}
