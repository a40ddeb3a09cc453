//! The configuration as the edge has it.

use super::error::EdgeError;
use madang_config::Config;
use madang_edge::EdgeLimits;
use madang_edge::bounds::{CONNECTIONS_MAX, OTHER_FILES};
use madang_engine::runtime::TlsIdentity;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What operators decide about connections.
///
/// # Errors
/// A certificate is needed and cannot be had.
pub fn limits(config: &Config) -> Result<EdgeLimits, EdgeError> {
    let needs_tls = config.http_listeners().iter().any(|(key, _)| key.has_tls);
    let tls = match (&config.tls.certificate.0, &config.tls.key.0) {
        _ if !needs_tls => None,
        (Some(certificate), Some(key)) => Some(TlsIdentity::load(certificate, key)?.server_config()),
        _ => return Err(EdgeError::NoCertificate),
    };
    // The ranges of both keys are smaller.
    let per_address = u32::try_from(config.limits.connections_per_address.number()).unwrap_or(u32::MAX);
    let ipv6_prefix = u8::try_from(config.limits.ipv6_prefix.number()).unwrap_or(128);
    Ok(EdgeLimits {
        connections_per_address: per_address,
        ipv6_prefix,
        proxy_from: config.listen.proxy_from.clone(),
        forwarded_from: config.http.forwarded_from.clone(),
        tls,
    })
}

/// Connections that the open-file limit allows, which is raised as far as it goes.
pub fn connections_max() -> usize {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let wanted = (CONNECTIONS_MAX + OTHER_FILES) as u64;
    let raised = maximum.unwrap_or(u64::MAX).min(wanted);
    let is_low = current.is_some_and(|current| current < raised);
    if is_low {
        // It stays as it is.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: Some(raised), maximum });
    }
    let files = getrlimit(Resource::Nofile).current.unwrap_or(wanted);
    usize::try_from(files).unwrap_or(usize::MAX).saturating_sub(OTHER_FILES).clamp(1, CONNECTIONS_MAX)
}
