//! Checks of a configuration whose values are all valid: conflicting values, and files that cannot be used. The one
//! list of checks for a start, a rehearsal, a reload and `madang config check`.

use super::tls_files::{self, TlsFilesError};
use crate::server::SocketActivation;
use madang_config::{Config, ENTRANCES, Loaded, Written, overlap};
use madang_engine::runtime::TlsIdentity;
use madang_model::connection::Networks;
use std::fmt;

/// The result for a usable configuration.
#[derive(Debug)]
pub struct Approved {
    /// The server's TLS certificate and key, if there is a TLS listener.
    pub identity: Option<TlsIdentity>,
    /// Warnings, one sentence each.
    pub warnings: Vec<String>,
}

/// One fault, and where it was written.
#[derive(thiserror::Error, Debug)]
pub enum ConfigurationFault {
    /// A connection to one address could also reach the other listener.
    #[error(
        "{}: {later} overlaps {earlier} ({}); give each an address or a port of its own",
        later.origin, earlier.origin
    )]
    Overlap {
        /// The listener that is listed later.
        later: Written,
        /// The listener that is listed earlier.
        earlier: Written,
    },
    /// The TLS certificate cannot be used.
    #[error("{}{source}", at(written))]
    TlsFiles {
        /// The key that needs it; `None` for a socket from systemd.
        written: Option<Written>,
        /// Why not.
        source: TlsFilesError,
    },
}

/// Every fault that was found, at least one.
#[derive(Debug)]
pub struct ConfigurationFaults(pub Vec<ConfigurationFault>);

impl fmt::Display for ConfigurationFaults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let faults: Vec<_> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&faults.join("\n"))
    }
}

impl std::error::Error for ConfigurationFaults {}

/// Runs all checks. If systemd has opened the sockets, `listen` is ignored.
///
/// # Errors
/// All faults.
pub fn approve(loaded: &Loaded, activation: &SocketActivation) -> Result<Approved, ConfigurationFaults> {
    let mut faults = overlaps(loaded, activation);
    let identity = tls_files::identity(&loaded.config, activation).unwrap_or_else(|source| {
        let written = source.key().map(|key| loaded.written(key));
        faults.push(ConfigurationFault::TlsFiles { written, source });
        None
    });
    if faults.is_empty() {
        let about = |identity| tls_files::warnings(&loaded.config, identity);
        let mut warnings = identity.as_ref().map(about).unwrap_or_default();
        warnings.extend(trusts_everyone(loaded));
        Ok(Approved { identity, warnings })
    } else {
        Err(ConfigurationFaults(faults))
    }
}

/// Whether anybody may say whose connection or request it passes on.
fn trusts_everyone(loaded: &Loaded) -> Vec<String> {
    let Config { listen, http, .. } = &loaded.config;
    let keys = [("listen.proxy_from", &listen.proxy_from), ("http.forwarded_from", &http.forwarded_from)];
    let warning = |(key, networks): (&str, &Networks)| {
        let everything = networks.iter().find(|network| network.is_everything())?;
        let origin = loaded.written(key).origin;
        Some(format!(
            "{origin}: {key} has {everything}: whoever can connect says from which address; name the addresses of your \
             proxies alone, unless nobody else reaches this port"
        ))
    };
    keys.into_iter().filter_map(warning).collect()
}

fn overlaps(loaded: &Loaded, activation: &SocketActivation) -> Vec<ConfigurationFault> {
    let mut listeners = loaded.config.listeners();
    let is_entrance = |key: &str| ENTRANCES.iter().any(|entrance| entrance.name == key);
    listeners.retain(|(key, _)| !(activation.has_sockets() && is_entrance(key)));
    let mut faults = Vec::new();
    for (index, (later, address)) in listeners.iter().enumerate() {
        for (earlier, _) in listeners[..index].iter().filter(|(_, other)| overlap(*address, *other)) {
            let (later, earlier) = (loaded.written(later), loaded.written(earlier));
            faults.push(ConfigurationFault::Overlap { later, earlier });
        }
    }
    faults
}

fn at(written: &Option<Written>) -> String {
    written.as_ref().map(|written| format!("{}: ", written.origin)).unwrap_or_default()
}
