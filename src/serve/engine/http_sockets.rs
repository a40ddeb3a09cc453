//! Where HTTP is served: at sockets of the old process, or at new ones.

use super::error::EngineError;
use crate::serve::checks::{ListenError, listen_error};
use crate::serve::patience::{ADDRESS_TIME_MAX, patiently};
use crate::server::HttpSocket;
use madang_config::{Config, HttpKey, is_at};
use rustix::fd::OwnedFd;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

/// What a failure to listen means.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HttpFailure {
    /// This process ends: it serves nobody yet.
    Ends,
    /// This process ends, and the old one resumes: its addresses may be in use for a moment.
    EndsAfterWaiting,
    /// Others are served, who would be lost with this process or could not come back; the address is tried again.
    IsTriedAgain,
}

/// An address of HTTP at which nobody listens yet.
pub type MissingHttp = (&'static HttpKey, SocketAddr);

/// The sockets of HTTP: those of the old process where they are at the configured addresses, and new ones; and the
/// addresses that cannot be had yet. They are taken out of `inherited`; what is not used is closed.
///
/// # Errors
/// An address cannot be had, unless it is to be tried again.
pub fn http_sockets(
    config: &Config,
    inherited: &mut Vec<(String, OwnedFd)>,
    failure: HttpFailure,
) -> Result<(Vec<HttpSocket>, Vec<MissingHttp>), EngineError> {
    let is_http = |(name, _): &mut (String, OwnedFd)| HttpKey::named(name).is_some();
    let mut inherited: Vec<_> =
        inherited.extract_if(.., is_http).map(|(name, socket)| (name, TcpListener::from(socket))).collect();
    let time_max = |error: &ListenError| {
        let is_waiting = failure == HttpFailure::EndsAfterWaiting && error.is_in_use();
        if is_waiting { ADDRESS_TIME_MAX } else { Duration::ZERO }
    };
    let mut socket = |(key, address): (&'static HttpKey, SocketAddr)| {
        let is_it = |(name, socket): &(String, TcpListener)| {
            key.short_name() == name && socket.local_addr().is_ok_and(|there| is_at(there, address))
        };
        let failed = |source| listen_error(key.name, address, source);
        match inherited.iter().position(is_it) {
            Some(place) => HttpSocket::inherited(key, inherited.swap_remove(place).1).map_err(failed),
            None => patiently(time_max, || HttpSocket::bind(key, address).map_err(failed)),
        }
    };
    let (mut sockets, mut missing) = (Vec::new(), Vec::new());
    for wanted in config.http_listeners() {
        match socket(wanted) {
            Ok(socket) => sockets.push(socket),
            Err(error) if failure == HttpFailure::IsTriedAgain => {
                tracing::error!("{error}; everyone else is served, and it is tried again");
                missing.push(wanted);
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok((sockets, missing))
}
