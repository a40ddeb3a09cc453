//! Where a server listens: at sockets that it has inherited, or at its own.

use super::error::EngineError;
use crate::serve::checks::listen_error;
use crate::serve::plan::Plan;
use crate::server::InheritedListeners;
use madang_engine::runtime::{Listeners, TlsAcceptor};
use rustix::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long an address may be that of the process before, which has ended.
const ADDRESS_TIME_MAX: Duration = Duration::from_secs(5);
const LOOK: Duration = Duration::from_millis(10);

/// The sockets that were inherited, or our own. Where this process `follows_another` that has ended, an address of its
/// own may be in use for a moment.
///
/// # Errors
/// When an inherited socket is no listener, or an address cannot be had.
pub fn listeners(
    plan: &Plan,
    inherited: InheritedListeners,
    acceptor: Option<&Arc<TlsAcceptor>>,
    follows_another: bool,
) -> Result<Listeners, EngineError> {
    let (plain, tls) = if inherited.count() > 0 {
        let adopt = |sockets: Vec<OwnedFd>| {
            (!sockets.is_empty()).then(|| Listeners::adopt(sockets, plan.shards)).transpose()
        };
        (adopt(inherited.plain)?, adopt(inherited.tls)?)
    } else {
        let started = Instant::now();
        let bind = |address| loop {
            let bound = Listeners::bind(address, plan.shards);
            match bound.map_err(|error| listen_error(error.address, error.source)) {
                // The kernel tears the rings of a process down after its end, and its listeners with them.
                Err(error)
                    if error.is_in_use() && follows_another && started.elapsed() < ADDRESS_TIME_MAX =>
                {
                    std::thread::sleep(LOOK);
                }
                bound => return bound,
            }
        };
        let listen = &plan.config.listen;
        (Some(bind(listen.line.0)?), listen.line_tls.0.map(bind).transpose()?)
    };
    let tls = tls.zip(acceptor).map(|(listeners, acceptor)| listeners.with_tls(acceptor));
    let all = plain.into_iter().chain(tls).reduce(Listeners::and);
    Ok(all.unwrap_or_else(|| unreachable!("there is an address to listen at, or a socket was inherited")))
}
