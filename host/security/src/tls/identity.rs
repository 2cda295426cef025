//! A certificate and its private key, from their files to what a handshake needs.
//!
//! Enters: the paths of two PEM files. Leaves: an [`Identity`], or which file is wrong and why. Guarantees: the
//! key is the certificate's; no part of the key is in an error.

use super::validity::is_version_1;
use super::{TlsError, TlsErrorKind, Validity};
use rustls::crypto::ring;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::version::{TLS12, TLS13};
use rustls::{InconsistentKeys, ServerConfig};
use std::path::Path;
use std::sync::Arc;

/// The protocol inside: websockets begin as HTTP/1.1.
const PROTOCOLS: [&[u8]; 1] = [b"http/1.1"];

/// Why a certificate of version 1 is not used, and how to get one that is.
const VERSION_1: &str = "the certificate is one of X.509 version 1, which clients of TLS refuse; \
    make one of version 3: `openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 365 \
    -keyout key.pem -out cert.pem -subj /CN=localhost -addext subjectAltName=DNS:localhost`";

/// A certificate with its key, ready for handshakes.
#[derive(Debug)]
pub struct Identity {
    config: Arc<ServerConfig>,
    validity: Validity,
}

impl Identity {
    /// Reads the two files.
    ///
    /// # Errors
    ///
    /// When one cannot be read or holds something else, or when they do not belong together.
    pub fn read(cert: &Path, key: &Path) -> Result<Identity, TlsError> {
        let chain = read_chain(cert)?;
        let wrong = |kind, file, wrong: String| TlsError::about(kind, file, wrong);
        let validity = chain.first().and_then(|first| Validity::of(first));
        let validity = validity.ok_or_else(|| {
            let message = "its first certificate has no period of validity";
            wrong(TlsErrorKind::Certificate, cert, message.to_owned())
        })?;
        let der = read_key(key)?;
        let provider = Arc::new(ring::default_provider());
        let signing = provider.key_provider.load_private_key(der).map_err(|error| {
            let message = format!("the private key cannot be used: {error}");
            wrong(TlsErrorKind::Key, key, message)
        })?;
        if chain.first().is_some_and(|first| is_version_1(first)) {
            return Err(wrong(TlsErrorKind::Certificate, cert, VERSION_1.to_owned()));
        }
        let certified = CertifiedKey::new(chain, signing);
        match certified.keys_match() {
            // The kind of key does not tell its public half; the first handshake would.
            Ok(()) | Err(rustls::Error::InconsistentKeys(InconsistentKeys::Unknown)) => {}
            Err(rustls::Error::InconsistentKeys(_)) => {
                let message = format!("it is not the key of the certificate {}", cert.display());
                return Err(wrong(TlsErrorKind::Mismatch, key, message));
            }
            Err(error) => {
                let message = format!("the certificate cannot be used: {error}");
                return Err(wrong(TlsErrorKind::Certificate, cert, message));
            }
        }
        let unusable = |error: rustls::Error| TlsError::new(TlsErrorKind::Certificate, error.to_string());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&TLS13, &TLS12])
            .map_err(unusable)?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
        config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).to_vec();
        // Clients that all come back at once resume their sessions, which spares the host a signature each.
        config.ticketer = ring::Ticketer::new().map_err(unusable)?;
        Ok(Identity {
            config: Arc::new(config),
            validity,
        })
    }

    /// When the certificate may be used.
    pub fn validity(&self) -> Validity {
        self.validity
    }

    /// The data for handshakes, and the time in which the certificate is valid.
    pub(super) fn into_parts(self) -> (Arc<ServerConfig>, Validity) {
        (self.config, self.validity)
    }
}

fn read_chain(file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let wrong = |wrong: String| TlsError::about(TlsErrorKind::Certificate, file, wrong);
    let text = std::fs::read(file).map_err(|error| wrong(error.to_string()))?;
    let chain: Result<Vec<_>, pem::Error> = CertificateDer::pem_slice_iter(&text).collect();
    let chain = chain.map_err(|error| wrong(format!("this is not a PEM file: {error}")))?;
    if chain.is_empty() {
        let message =
            "there is no certificate in this file; it must be PEM, with a line `-----BEGIN CERTIFICATE-----`";
        return Err(wrong(message.to_owned()));
    }
    Ok(chain)
}

fn read_key(file: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let wrong = |wrong: String| TlsError::about(TlsErrorKind::Key, file, wrong);
    let text = std::fs::read(file).map_err(|error| wrong(error.to_string()))?;
    PrivateKeyDer::from_pem_slice(&text).map_err(|error| match error {
        pem::Error::NoItemsFound if has_line(&text, b"-----BEGIN ENCRYPTED PRIVATE KEY-----") => wrong(
            "the private key has a passphrase; write it without, as `openssl pkey -in FILE -out FILE` does"
                .to_owned(),
        ),
        pem::Error::NoItemsFound => wrong(
            "there is no private key in this file; it must be PEM, with a line `-----BEGIN PRIVATE KEY-----`"
                .to_owned(),
        ),
        error => wrong(format!("this is not a PEM file: {error}")),
    })
}

fn has_line(text: &[u8], line: &[u8]) -> bool {
    memchr::memmem::find(text, line).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, KeyPair};
    use std::path::PathBuf;
    use std::time::SystemTime;

    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Folder {
            let path = std::env::temp_dir().join(format!("mesh-tls-{name}-{}", std::process::id()));
            std::fs::create_dir_all(&path).unwrap();
            Folder(path)
        }

        fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
            let path = self.0.join(name);
            std::fs::write(&path, text).unwrap();
            path
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    fn pair() -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let parameters = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        (parameters.self_signed(&key).unwrap().pem(), key.serialize_pem())
    }

    #[test]
    fn a_matching_pair_is_accepted_and_halves_of_two_pairs_are_refused() {
        let folder = Folder::new("pairs");
        let ((cert, key), (_, other)) = (pair(), pair());
        let cert = folder.write("cert.pem", cert);
        let identity = Identity::read(&cert, &folder.write("key.pem", key)).unwrap();
        assert_eq!(identity.validity().warning(SystemTime::now()), None);
        let error = Identity::read(&cert, &folder.write("other.pem", other)).unwrap_err();
        assert_eq!(error.kind(), TlsErrorKind::Mismatch);
        assert!(error.to_string().contains("cert.pem"), "{error}");
    }

    /// Made with `openssl x509 -req -signkey`, which adds no extensions.
    const OF_VERSION_1: &str = "\
        -----BEGIN CERTIFICATE-----\n\
        MIIBJTCBywIUK28umZR+EEJkVytGRysMYPzkzj8wCgYIKoZIzj0EAwIwFDESMBAG\n\
        A1UEAwwJbG9jYWxob3N0MCAXDTI2MTEzMDA5NDIyNFoYDzIxMjYxMTA2MDk0MjI0\n\
        WjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNC\n\
        AARumyzoPJWV3ygoiNss/Xz1cC5XnJpTZ6sQnVqn5+A/tAC/fQH3z3Lf3mOROgD1\n\
        mE05m4mgptreNwqSyJbuOIuHMAoGCCqGSM49BAMCA0kAMEYCIQDobDZCuhsNJ5x8\n\
        n/6DgfEarzkASgYue3BeKmW2RBvebwIhALZWgP9rLcDJ6I+KiCgDvrNi2Dl1OOvs\n\
        rE6zL70FPelw\n\
        -----END CERTIFICATE-----\n\
";

    #[test]
    fn a_certificate_of_version_1_is_refused_with_the_command_for_a_right_one() {
        let folder = Folder::new("version");
        let (right, key) = pair();
        let (cert, key) = (
            folder.write("old.pem", OF_VERSION_1),
            folder.write("key.pem", key),
        );
        let error = Identity::read(&cert, &key).unwrap_err();
        assert_eq!(error.kind(), TlsErrorKind::Certificate);
        assert!(
            error
                .to_string()
                .contains("old.pem: the certificate is one of X.509 version 1"),
            "{error}"
        );
        assert!(error.to_string().contains("openssl req -x509"), "{error}");
        Identity::read(&folder.write("right.pem", right), &key).unwrap();
    }

    #[test]
    fn an_error_names_the_file_that_is_no_certificate_or_no_key() {
        let folder = Folder::new("wrong");
        let (cert_text, key_text) = pair();
        let (cert, key) = (
            folder.write("c.pem", &cert_text),
            folder.write("k.pem", &key_text),
        );
        let nothing = folder.0.join("nothing.pem");
        let words = folder.write("words.pem", "these are words\n");
        let half = folder.write("half.pem", &cert_text[..cert_text.len() / 2]);
        let half_key = folder.write("half-key.pem", &key_text[..key_text.len() / 2]);
        let damaged = folder.write(
            "damaged.pem",
            "-----BEGIN CERTIFICATE-----\nMAMCAQE=\n-----END CERTIFICATE-----\n",
        );
        let locked = folder.write(
            "locked.pem",
            "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMAMCAQE=\n-----END ENCRYPTED PRIVATE KEY-----\n",
        );
        for (cert, key, kind, said) in [
            (
                &nothing,
                &key,
                TlsErrorKind::Certificate,
                "nothing.pem: No such file",
            ),
            (&words, &key, TlsErrorKind::Certificate, "no certificate"),
            (&half, &key, TlsErrorKind::Certificate, "half.pem"),
            (&damaged, &key, TlsErrorKind::Certificate, "validity"),
            (&key, &key, TlsErrorKind::Certificate, "no certificate"),
            (&cert, &nothing, TlsErrorKind::Key, "nothing.pem: No such file"),
            (&cert, &cert, TlsErrorKind::Key, "no private key"),
            (&cert, &half_key, TlsErrorKind::Key, "half-key.pem"),
            (&cert, &locked, TlsErrorKind::Key, "passphrase"),
        ] {
            let error = Identity::read(cert, key).unwrap_err();
            assert_eq!(error.kind(), kind, "{error}");
            assert!(error.to_string().contains(said), "{error}");
            assert!(!error.to_string().contains(key_text.lines().nth(1).unwrap()));
        }
    }
}
