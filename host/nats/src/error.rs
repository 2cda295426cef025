//! Settings that no connection can be made with.
//!
//! Enters: faults of addresses and files. Leaves: [`SettingsError`], matched by its kind and readable by people. Guarantees: the text names
//! the address or file, says what would be right, and holds no password, key or content of a file.

use std::io;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// A setting that is wrong.
#[derive(Debug, Error)]
#[error("{input}: {kind}")]
pub struct SettingsError {
    input: String,
    kind: SettingsErrorKind,
}

impl SettingsError {
    pub(crate) fn new(input: impl Into<String>, kind: SettingsErrorKind) -> SettingsError {
        SettingsError {
            input: input.into(),
            kind,
        }
    }

    pub(crate) fn about(file: &Path, kind: SettingsErrorKind) -> SettingsError {
        SettingsError::new(file.display().to_string(), kind)
    }

    /// The address or file that is wrong.
    pub fn input(&self) -> &str {
        &self.input
    }

    /// The fault.
    pub fn kind(&self) -> &SettingsErrorKind {
        &self.kind
    }
}

/// The ways in which settings are wrong.
#[derive(Debug, Error)]
pub enum SettingsErrorKind {
    /// No server is named.
    #[error("no server is named; at least one is needed, such as `nats://127.0.0.1:4222`")]
    NoServer,
    /// An address is none of a server.
    #[error("this is no address of a NATS server; write `nats://HOST:PORT` or `tls://HOST:PORT`")]
    Address,
    /// An address holds a user.
    #[error("an address may not hold a user or a password; they are credentials, beside the addresses")]
    UserInAddress,
    /// A file cannot be read.
    #[error("the file cannot be read: {0}; it must be there, and this user must be allowed to read it")]
    Unreadable(#[source] io::Error),
    /// A credentials file is none.
    #[error(
        "there are no credentials in this file; it must hold a JWT and a seed, as `nsc generate creds` writes it"
    )]
    Credentials,
    /// The file of an nkey holds the public half.
    #[error("this is the public half of an nkey; the file must hold the seed, which begins with `SU`")]
    PublicNkey,
    /// The file of an nkey holds no seed of a user.
    #[error(
        "there is no seed of a user's nkey in this file; it must be one line that begins with `SU`, as `nk -gen user` writes it"
    )]
    Nkey,
    /// A file holds no certificate.
    #[error(
        "there is no certificate in this file; it must be PEM, with a line `-----BEGIN CERTIFICATE-----`"
    )]
    NoCertificate,
    /// A certificate cannot be used.
    #[error("its certificates cannot be used: {0}; they must be X.509 certificates in PEM form")]
    Certificate(String),
    /// A file holds no private key.
    #[error(
        "there is no private key without a passphrase in this file; it must be PEM, with a line `-----BEGIN PRIVATE KEY-----`"
    )]
    NoKey,
    /// A private key does not belong to the certificate.
    #[error(
        "this key cannot be used with the certificate {certificate}: {fault}; it must be the key of that certificate"
    )]
    Key {
        /// The file of the certificate.
        certificate: PathBuf,
        /// The fault.
        fault: String,
    },
    /// The system trusts nobody.
    #[error("this system has no list of authorities to trust; name a file with those of the servers")]
    NoAuthorities,
}
