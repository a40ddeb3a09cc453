//! The server's identity towards TLS peers: a certificate chain and its key, which can be replaced while connections
//! continue.

use super::der::{self, Validity};
use super::session::TlsSession;
use rustls::ServerConfig;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

/// Why a certificate and its key cannot be used. Each names the file and the remedy.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The chain cannot be read.
    #[error("cannot read the certificate '{}': {why}", path.display())]
    Certificate {
        /// The file.
        path: PathBuf,
        /// What is wrong, and what to do.
        why: String,
    },
    /// The key cannot be read.
    #[error("cannot read the key '{}': {why}", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// What is wrong, and what to do.
        why: String,
    },
    /// The key can be read, and nothing can be signed with it.
    #[error("cannot use the key '{}': {why}", path.display())]
    UnusableKey {
        /// The file.
        path: PathBuf,
        /// What is wrong, and what to do.
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
pub struct TlsIdentity {
    config: Arc<ServerConfig>,
    /// When the server's certificate is valid, where it says so in a form that we can read.
    pub validity: Option<Validity>,
}

const CERTIFICATE_FORM: &str = "it must be a PEM file, the server's certificate first";
const KEY_FORM: &str = "it must be a PEM file (PKCS#8, SEC1 or PKCS#1) without a passphrase";

impl TlsIdentity {
    /// Reads two PEM files.
    ///
    /// # Errors
    /// [`TlsError`] when one cannot be read, or they do not belong together.
    pub fn load(certificate: &Path, key: &Path) -> Result<TlsIdentity, TlsError> {
        let bad_certificate = |why: String| TlsError::Certificate { path: certificate.to_owned(), why };
        let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(certificate)
            .and_then(Iterator::collect)
            .map_err(|error| bad_certificate(describe(&error, CERTIFICATE_FORM)))?;
        let Some(first) = chain.first() else {
            return Err(bad_certificate(format!("there is no certificate in it; {CERTIFICATE_FORM}")));
        };
        let validity = Validity::of(first);
        let secret = PrivateKeyDer::from_pem_file(key)
            .map_err(|error| TlsError::Key { path: key.to_owned(), why: describe(&error, KEY_FORM) })?;
        let unusable = |error: rustls::Error| TlsError::Mismatch {
            certificate: certificate.to_owned(),
            key: key.to_owned(),
            why: match error {
                rustls::Error::InconsistentKeys(_) => {
                    "the key belongs to another certificate; name a certificate and its own key".to_owned()
                }
                other => other.to_string(),
            },
        };
        let provider = provider();
        if provider.key_provider.load_private_key(secret.clone_key()).is_err() {
            return Err(TlsError::UnusableKey { path: key.to_owned(), why: weakness(&secret) });
        }
        // TLS 1.3, and 1.2 with forward secrecy and authenticated encryption only: rustls has no other.
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, secret))
            .map_err(unusable)?;
        // Returning clients resume without a signature of ours, and we keep no state of clients that left.
        config.ticketer = ring::Ticketer::new().map_err(unusable)?;
        config.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
        Ok(TlsIdentity { config: Arc::new(config), validity })
    }

    /// What TLS connections are accepted with, for whoever does so in another way than shards.
    pub fn server_config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config)
    }
}

/// Why nothing can be signed with a key that could be read.
fn weakness(key: &PrivateKeyDer<'_>) -> String {
    let remedy = "create a new key and get a certificate for it (`openssl genpkey -algorithm EC -pkeyopt \
                  ec_paramgen_curve:P-256`)";
    match der::rsa_bits(key) {
        Some(bits) if bits < 2048 => {
            format!("it is too weak: an RSA key of {bits} bits, at least 2048 are needed; {remedy}")
        }
        Some(bits) => format!("an RSA key of {bits} bits is not supported, only 2048 to 4096; {remedy}"),
        None => format!("it is neither RSA, nor ECDSA on P-256 or P-384, nor Ed25519; {remedy}"),
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

/// What is wrong with a file, and what to do; `form` is what it must be.
fn describe(error: &pem::Error, form: &str) -> String {
    match error {
        pem::Error::NoItemsFound => format!("it contains none; {form}"),
        pem::Error::Io(error) => {
            let remedy = match error.kind() {
                io::ErrorKind::NotFound => "create it, or name another file",
                io::ErrorKind::PermissionDenied => {
                    "let the user who runs madang read it and enter its directories (`namei -l FILE` shows them)"
                }
                io::ErrorKind::IsADirectory => "name a file in it",
                _ => form,
            };
            format!("{error}; {remedy}")
        }
        other => format!("{other}; {form}"),
    }
}

/// Accepts TLS connections on all shards, by the current identity.
#[derive(Debug)]
pub struct TlsAcceptor {
    /// Locked for the time of a clone: once per connection, and once per reload.
    identity: RwLock<TlsIdentity>,
}

impl TlsAcceptor {
    /// An acceptor that begins with this identity.
    pub fn new(identity: TlsIdentity) -> TlsAcceptor {
        TlsAcceptor { identity: RwLock::new(identity) }
    }

    /// New connections are shown this identity; existing ones keep theirs.
    pub fn replace(&self, identity: TlsIdentity) {
        *self.identity.write().unwrap_or_else(PoisonError::into_inner) = identity;
    }

    /// The server's side of a new connection.
    ///
    /// # Errors
    /// When there is no randomness to be had.
    pub(in crate::runtime) fn accept(&self) -> Result<TlsSession, rustls::Error> {
        let TlsIdentity { config, .. } = self.identity.read().unwrap_or_else(PoisonError::into_inner).clone();
        TlsSession::new(config)
    }
}
