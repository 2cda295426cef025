//! Whose certificates a client believes.
//!
//! Enters: the system's authorities, or a file of one's own. Leaves: the configuration of a TLS handshake.
//! Guarantees: TLS 1.2 and 1.3 only. Everything is checked unless [`Trust::Anyone`] says otherwise, and then at least
//! that the server has the key of the certificate it shows.

use super::{ClientError, ErrorKind};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Whose certificates are believed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Trust {
    /// Those of the authorities that this system trusts.
    #[default]
    System,
    /// Those of the authorities in this PEM file, and of nobody else. A certificate that signed itself is its own
    /// authority.
    Authorities(PathBuf),
    /// Anybody's: a machine in between can read and change everything. For development only.
    Anyone,
}

impl Trust {
    /// The configuration of handshakes.
    pub(super) fn configuration(&self) -> Result<Arc<ClientConfig>, ClientError> {
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&[&TLS13, &TLS12])
            .map_err(|error| ClientError::caused(ErrorKind::Certificate, "TLS cannot be used here", error))?;
        let mut configuration = match self {
            Trust::System => builder.with_root_certificates(system()?).with_no_client_auth(),
            Trust::Authorities(file) => builder
                .with_root_certificates(authorities(file)?)
                .with_no_client_auth(),
            Trust::Anyone => builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(Unchecked(provider)))
                .with_no_client_auth(),
        };
        configuration.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Arc::new(configuration))
    }
}

fn system() -> Result<RootCertStore, ClientError> {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    // Among a system's authorities there may be old ones that nothing can be done with.
    let (usable, _) = roots.add_parsable_certificates(found.certs);
    if usable == 0 {
        let message = "this system has no list of authorities to trust";
        return Err(ClientError::new(ErrorKind::Certificate, message));
    }
    Ok(roots)
}

fn authorities(file: &Path) -> Result<RootCertStore, ClientError> {
    let failed = |source: Box<dyn std::error::Error + Send + Sync>| {
        let message = format!("cannot read authorities to trust from {}", file.display());
        ClientError::caused(ErrorKind::Certificate, message, source)
    };
    let text = std::fs::read(file).map_err(|error| failed(error.into()))?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&text) {
        let certificate = certificate.map_err(|error| failed(error.into()))?;
        roots.add(certificate).map_err(|error| failed(error.into()))?;
    }
    if roots.is_empty() {
        return Err(failed("there is no certificate in PEM form in it".into()));
    }
    Ok(roots)
}

/// Believes every certificate, and still checks that the server can sign with its key.
#[derive(Debug)]
struct Unchecked(Arc<CryptoProvider>);

impl ServerCertVerifier for Unchecked {
    fn verify_server_cert(
        &self,
        _certificate: &CertificateDer<'_>,
        _chain: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _revocation: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_authorities_is_named() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
        for (file, cause) in [
            (file, "no certificate"),
            (PathBuf::from("/nonexistent.pem"), "No such file"),
        ] {
            let error = Trust::Authorities(file.clone()).configuration().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Certificate);
            assert!(error.to_string().contains(&file.display().to_string()), "{error}");
            let source = std::error::Error::source(&error).unwrap().to_string();
            assert!(source.contains(cause), "{source}");
        }
    }
}
