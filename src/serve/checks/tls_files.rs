//! Whether there is a certificate to show to those who speak TLS.

use crate::config::Config;
use madang_shards::runtime::{TlsError, TlsIdentity};

/// Why nobody can come in by TLS.
#[derive(thiserror::Error, Debug)]
pub enum TlsFilesError {
    /// A file is not named.
    #[error(
        "{wanted} needs tls.certificate and tls.key, and {missing} is not set; name two PEM files, or leave \
         out {wanted}"
    )]
    Missing {
        /// What wants them.
        wanted: &'static str,
        /// Which is not there.
        missing: &'static str,
    },
    /// A file cannot be used.
    #[error(transparent)]
    Unusable(#[from] TlsError),
}

/// Reads the certificate and its key, where anyone can come in by TLS.
///
/// # Errors
/// [`TlsFilesError`] names the key of the configuration or the file.
pub fn identity(config: &Config, is_socket_passed: bool) -> Result<Option<TlsIdentity>, TlsFilesError> {
    let wanted = match (config.listen.line_tls.0, is_socket_passed) {
        (None, false) => return Ok(None),
        (_, true) => "the socket line_tls",
        (Some(_), false) => "listen.line_tls",
    };
    let missing = |missing| TlsFilesError::Missing { wanted, missing };
    let certificate = config.tls.certificate.0.as_ref().ok_or_else(|| missing("tls.certificate"))?;
    let key = config.tls.key.0.as_ref().ok_or_else(|| missing("tls.key"))?;
    Ok(Some(TlsIdentity::load(certificate, key)?))
}
