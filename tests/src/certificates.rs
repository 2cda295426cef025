//! Certificates made for one test, and clients that look at what they are shown.
//!
//! Enters: nothing but a folder to write to. Leaves: PEM files, and TLS streams. Guarantees: keys are new each
//! time; the names are those of this machine's loopback.

use crate::host::Folder;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// The authority that signs certificates.
pub struct Authority {
    pem: String,
    der: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate and its key.
pub struct Pair {
    /// The certificate, and below it that of its authority.
    pub cert: String,
    /// The private key.
    pub key: String,
    /// The certificate as it is sent.
    pub der: CertificateDer<'static>,
}

impl Authority {
    /// A new one.
    ///
    /// # Panics
    ///
    /// When there are no random numbers.
    pub fn new() -> Authority {
        let key = KeyPair::generate().expect("a key can be made");
        let mut parameters = CertificateParams::new(Vec::new()).expect("no name is wrong");
        parameters
            .distinguished_name
            .push(DnType::CommonName, "Authority of one test");
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = parameters.self_signed(&key).expect("it signs itself");
        Authority {
            pem: certificate.pem(),
            der: certificate.der().clone(),
            issuer: Issuer::new(parameters, key),
        }
    }

    /// Writes its own certificate, for clients that are to trust it.
    pub fn write(&self, folder: &Folder) -> PathBuf {
        folder.write("authority.pem", &self.pem)
    }

    /// A certificate for this machine.
    pub fn issue(&self) -> Pair {
        self.issue_until(2096)
    }

    /// The same, valid to the beginning of a year.
    ///
    /// # Panics
    ///
    /// When it cannot be signed.
    pub fn issue_until(&self, year: i32) -> Pair {
        let key = KeyPair::generate().expect("a key can be made");
        let names = ["localhost", "127.0.0.1"].map(str::to_owned).to_vec();
        let mut parameters = CertificateParams::new(names).expect("the names are right");
        parameters
            .distinguished_name
            .push(DnType::CommonName, "mesh of one test");
        parameters.not_before = date_time_ymd(2020, 1, 1);
        parameters.not_after = date_time_ymd(year, 1, 1);
        let certificate = parameters.signed_by(&key, &self.issuer).expect("it is signed");
        Pair {
            cert: format!("{}{}", certificate.pem(), self.pem),
            key: key.serialize_pem(),
            der: certificate.der().clone(),
        }
    }

    /// Opens an encrypted stream to a host whose certificate it must have signed. Only these versions of TLS are offered.
    ///
    /// # Errors
    ///
    /// The fault of the host or its certificate.
    ///
    /// # Panics
    ///
    /// When the versions are none.
    pub async fn connect(
        &self,
        address: SocketAddr,
        versions: &[&'static SupportedProtocolVersion],
    ) -> std::io::Result<TlsStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        roots.add(self.der.clone()).expect("it is an authority");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .expect("the versions are there")
            .with_root_certificates(roots)
            .with_no_client_auth();
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        TlsConnector::from(Arc::new(config))
            .connect(ServerName::from(address.ip()), stream)
            .await
    }
}

impl Default for Authority {
    fn default() -> Authority {
        Authority::new()
    }
}

impl Pair {
    /// Writes both files, which are named `cert.pem` and `key.pem`. The key is for this user alone, as it should be.
    ///
    /// # Panics
    ///
    /// When a file cannot be written.
    pub fn write(&self, folder: &Folder) {
        folder.write("cert.pem", &self.cert);
        let key = folder.write("key.pem", &self.key);
        std::fs::set_permissions(key, std::fs::Permissions::from_mode(0o600))
            .expect("it is this test's file");
    }
}
