//! Whether the TLS certificate and its key can be used.

use crate::server::SocketActivation;
use madang_config::{Config, ENTRANCES, EntranceKey};
use madang_engine::runtime::{TlsError, TlsIdentity, Validity};
use std::fmt;
use std::os::unix::fs::MetadataExt;

/// The bits of a file's mode that let every user of the machine read or write it.
const OTHERS: u32 = 0o006;

/// What needs a certificate.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wanted {
    /// A key of the configuration.
    Key(&'static str),
    /// A socket of this name that systemd has opened.
    Socket(&'static str),
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Wanted::Key(key) => f.write_str(key),
            Wanted::Socket(name) => write!(f, "the socket {name}"),
        }
    }
}

/// Why TLS connections cannot be served.
#[derive(thiserror::Error, Debug)]
pub enum TlsFilesError {
    /// A file is not named.
    #[error(
        "{wanted} needs tls.certificate and tls.key, and {missing} is not set; name two PEM files, or leave \
         out {wanted}"
    )]
    Missing {
        /// What needs them.
        wanted: Wanted,
        /// Which one is missing.
        missing: &'static str,
    },
    /// A file cannot be used.
    #[error(transparent)]
    Unusable(#[from] TlsError),
}

impl TlsFilesError {
    /// The key of the configuration that the error concerns, if any.
    pub fn key(&self) -> Option<&'static str> {
        match self {
            TlsFilesError::Missing { wanted: Wanted::Key(key), .. } => Some(key),
            TlsFilesError::Missing { wanted: Wanted::Socket(_), .. } => None,
            TlsFilesError::Unusable(TlsError::Key { .. } | TlsError::UnusableKey { .. }) => Some("tls.key"),
            TlsFilesError::Unusable(_) => Some("tls.certificate"),
        }
    }
}

/// Reads the certificate and its key, if there is a TLS listener.
///
/// # Errors
/// [`TlsFilesError`] names the key of the configuration or the file.
pub fn identity(
    config: &Config,
    activation: &SocketActivation,
) -> Result<Option<TlsIdentity>, TlsFilesError> {
    let with_tls = || ENTRANCES.iter().filter(|key| key.kind.has_tls);
    let is_opened = |key: &&EntranceKey| activation.kinds.contains(&key.kind);
    let is_configured = |key: &&EntranceKey| key.address(config).is_some();
    let socket = with_tls().find(is_opened).map(|key| Wanted::Socket(key.short_name()));
    let https = || config.http_listeners().into_iter().find(|(key, _)| key.has_tls);
    let line = socket.or_else(|| with_tls().find(is_configured).map(|key| Wanted::Key(key.name)));
    let Some(wanted) = line.or_else(|| https().map(|(key, _)| Wanted::Key(key.name))) else {
        return Ok(None);
    };
    let missing = |missing| TlsFilesError::Missing { wanted, missing };
    let certificate = config.tls.certificate.0.as_ref().ok_or_else(|| missing("tls.certificate"))?;
    let key = config.tls.key.0.as_ref().ok_or_else(|| missing("tls.key"))?;
    Ok(Some(TlsIdentity::load(certificate, key)?))
}

/// Warnings for the operator, one sentence each.
pub fn warnings(config: &Config, identity: &TlsIdentity) -> Vec<String> {
    let (Some(certificate), Some(key)) = (&config.tls.certificate.0, &config.tls.key.0) else {
        return Vec::new();
    };
    let mut warnings = Vec::new();
    let mode = std::fs::metadata(key).map_or(0, |metadata| metadata.mode() & 0o7777);
    if mode & OTHERS != 0 {
        let key = key.display();
        warnings.push(format!(
            "the key '{key}' is open to every user of this machine (mode {mode:04o}), who can impersonate this \
             server with it; close it with `chmod o= {key}`, so that only the user who runs madang, or its group, reads it"
        ));
    }
    // If the clock is out of range, the certificate's dates cannot be checked.
    let now = jiff::Timestamp::try_from(std::time::SystemTime::now()).ok();
    if let Some((validity, now)) = identity.validity.as_ref().zip(now) {
        warnings.extend(dated(&certificate.display().to_string(), validity, now));
    }
    warnings
}

/// What is wrong with the dates of a certificate.
fn dated(certificate: &str, validity: &Validity, now: jiff::Timestamp) -> Option<String> {
    let now = now.strftime("%Y%m%d%H%M%S").to_string();
    let day = |digits: &str| format!("{}-{}-{}", &digits[..4], &digits[4..6], &digits[6..8]);
    if now > validity.until {
        Some(format!(
            "the certificate '{certificate}' expired on {}, and clients refuse it; renew it and reload",
            day(&validity.until)
        ))
    } else if now < validity.from {
        Some(format!(
            "the certificate '{certificate}' is not valid before {}, and clients refuse it; is the clock right?",
            day(&validity.from)
        ))
    } else {
        None
    }
}
