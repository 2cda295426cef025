//! The configuration of TLS with the servers.
//!
//! Enters: PEM files. Leaves: a configuration for handshakes, or which file is wrong. Guarantees: TLS 1.2 and 1.3 only, by rustls with
//! ring; a server's certificate is always checked.

use crate::error::{SettingsError, SettingsErrorKind};
use crate::files::read;
use crate::settings::{Identity, Settings};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, RootCertStore};
use std::path::Path;
use std::sync::Arc;

pub(crate) fn configuration(settings: &Settings) -> Result<ClientConfig, SettingsError> {
    let roots = match &settings.authorities {
        Some(file) => authorities(file)?,
        None => system()?,
    };
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&TLS13, &TLS12])
        .map_err(|error| SettingsError::new("TLS", SettingsErrorKind::Certificate(error.to_string())))?
        .with_root_certificates(roots);
    let Some(Identity { certificate, key }) = &settings.identity else {
        return Ok(builder.with_no_client_auth());
    };
    let chain = certificates(certificate)?;
    let secret = PrivateKeyDer::from_pem_slice(&read(key)?)
        .map_err(|_| SettingsError::about(key, SettingsErrorKind::NoKey))?;
    builder.with_client_auth_cert(chain, secret).map_err(|error| {
        let kind = SettingsErrorKind::Key {
            certificate: certificate.clone(),
            fault: error.to_string(),
        };
        SettingsError::about(key, kind)
    })
}

fn system() -> Result<RootCertStore, SettingsError> {
    let mut roots = RootCertStore::empty();
    // Among a system's authorities there may be old ones that nothing can be done with.
    let (usable, _) = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if usable == 0 {
        return Err(SettingsError::new("TLS", SettingsErrorKind::NoAuthorities));
    }
    Ok(roots)
}

fn authorities(file: &Path) -> Result<RootCertStore, SettingsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(file)? {
        roots
            .add(certificate)
            .map_err(|error| SettingsError::about(file, SettingsErrorKind::Certificate(error.to_string())))?;
    }
    Ok(roots)
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, SettingsError> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&read(file)?).collect();
    let found = found
        .map_err(|error| SettingsError::about(file, SettingsErrorKind::Certificate(error.to_string())))?;
    if found.is_empty() {
        return Err(SettingsError::about(file, SettingsErrorKind::NoCertificate));
    }
    Ok(found)
}
