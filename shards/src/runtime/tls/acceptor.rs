//! Who we are towards TLS peers: a certificate chain and its key, which can be replaced while
//! connections go on.

use super::session::TlsSession;
use rustls::ServerConfig;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

/// Why a certificate and its key cannot be used. Each names the file and the remedy.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The chain cannot be read.
    #[error("cannot read the certificate '{}': {why}; it is a PEM file, the server's certificate first", path.display())]
    Certificate {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// The key cannot be read.
    #[error("cannot read the key '{}': {why}; it is a PEM file (PKCS#8, SEC1 or PKCS#1) without a passphrase", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// They do not belong together, or cannot be used.
    #[error("the certificate '{}' and the key '{}' cannot be used together: {why}", certificate.display(), key.display())]
    Mismatch {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// What is wrong.
        why: String,
    },
}

/// A certificate chain with its key, checked.
#[derive(Clone, Debug)]
pub struct TlsIdentity(Arc<ServerConfig>);

impl TlsIdentity {
    /// Reads two PEM files.
    ///
    /// # Errors
    /// [`TlsError`] when one cannot be read, or they do not belong together.
    pub fn load(certificate: &Path, key: &Path) -> Result<TlsIdentity, TlsError> {
        let bad_certificate = |why: String| TlsError::Certificate { path: certificate.to_owned(), why };
        let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(certificate)
            .and_then(Iterator::collect)
            .map_err(|error| bad_certificate(describe(&error)))?;
        if chain.is_empty() {
            return Err(bad_certificate("there is no certificate in it".to_owned()));
        }
        let secret = PrivateKeyDer::from_pem_file(key)
            .map_err(|error| TlsError::Key { path: key.to_owned(), why: describe(&error) })?;
        let unusable = |error: rustls::Error| TlsError::Mismatch {
            certificate: certificate.to_owned(),
            key: key.to_owned(),
            why: error.to_string(),
        };
        let provider = provider();
        // TLS 1.3, and 1.2 with forward secrecy and authenticated encryption only: rustls has no other.
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, secret))
            .map_err(unusable)?;
        // Who comes back resumes without a signature of ours, and we remember nothing of who left.
        config.ticketer = ring::Ticketer::new().map_err(unusable)?;
        config.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
        Ok(TlsIdentity(Arc::new(config)))
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

fn describe(error: &pem::Error) -> String {
    match error {
        pem::Error::NoItemsFound => "there is none in it".to_owned(),
        pem::Error::Io(error) => error.to_string(),
        other => other.to_string(),
    }
}

/// Accepts TLS connections on all shards, by the identity of the moment.
#[derive(Debug)]
pub struct TlsAcceptor {
    /// Locked for the time of a clone: once a connection, and once a reload.
    identity: RwLock<TlsIdentity>,
}

impl TlsAcceptor {
    /// An acceptor that begins with this identity.
    pub fn new(identity: TlsIdentity) -> TlsAcceptor {
        TlsAcceptor { identity: RwLock::new(identity) }
    }

    /// Who connects from now on is shown this identity; who is connected keeps what it has.
    pub fn replace(&self, identity: TlsIdentity) {
        *self.identity.write().unwrap_or_else(PoisonError::into_inner) = identity;
    }

    /// The server's side of a new connection.
    ///
    /// # Errors
    /// When there is no randomness to be had.
    pub(in crate::runtime) fn accept(&self) -> Result<TlsSession, rustls::Error> {
        let TlsIdentity(config) = self.identity.read().unwrap_or_else(PoisonError::into_inner).clone();
        TlsSession::new(config)
    }
}
