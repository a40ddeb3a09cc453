//! Where HTTP is served: at sockets of the old process, or at new ones.

use super::error::EngineError;
use crate::serve::checks::{ListenError, listen_error};
use crate::serve::patience::{ADDRESS_TIME_MAX, patiently};
use crate::server::HttpSocket;
use madang_config::{Config, HttpKey, is_at};
use rustix::fd::OwnedFd;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

/// The sockets of HTTP: those of the old process where they are at the configured addresses, and new ones. They are
/// taken out of `inherited`; what is not used is closed. Where there `may_be_another` process, which has ended or is
/// about to, an address may be in use for a moment.
///
/// # Errors
/// An address cannot be had.
pub fn http_sockets(
    config: &Config,
    inherited: &mut Vec<(String, OwnedFd)>,
    may_be_another: bool,
) -> Result<Vec<HttpSocket>, EngineError> {
    let is_http = |(name, _): &mut (String, OwnedFd)| HttpKey::named(name).is_some();
    let mut inherited: Vec<_> =
        inherited.extract_if(.., is_http).map(|(name, socket)| (name, TcpListener::from(socket))).collect();
    let time_max = |error: &ListenError| {
        if may_be_another && error.is_in_use() { ADDRESS_TIME_MAX } else { Duration::ZERO }
    };
    let socket = |(key, address): (&'static HttpKey, SocketAddr)| {
        let is_it = |(name, socket): &(String, TcpListener)| {
            key.short_name() == name && socket.local_addr().is_ok_and(|there| is_at(there, address))
        };
        let failed = |source| listen_error(key.name, address, source);
        match inherited.iter().position(is_it) {
            Some(place) => HttpSocket::inherited(key, inherited.swap_remove(place).1).map_err(failed),
            None => patiently(time_max, || HttpSocket::bind(key, address).map_err(failed)),
        }
    };
    Ok(config.http_listeners().into_iter().map(socket).collect::<Result<_, ListenError>>()?)
}
