//! Where a server listens: at sockets that it has inherited, or at its own.

use super::error::EngineError;
use crate::serve::checks::{ListenError, listen_error};
use crate::serve::patience::{ADDRESS_TIME_MAX, patiently};
use crate::serve::plan::Plan;
use crate::server::InheritedListeners;
use madang_config::EntranceKey;
use madang_engine::runtime::{Listeners, TlsAcceptor};
use std::sync::Arc;
use std::time::Duration;

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
    let mut passed = inherited.clients;
    if !passed.is_empty() {
        passed.sort_by_key(|(kind, _)| EntranceKey::place(*kind));
        let adopted = Listeners::adopt(passed, plan.shards)?.with_tls(acceptor);
        return if adopted.entrances.is_empty() { Err(EngineError::NoEntrance) } else { Ok(adopted) };
    }
    // The kernel tears the rings of a process down after its end, and its listeners with them.
    let time_max = |error: &ListenError| {
        if follows_another && error.is_in_use() { ADDRESS_TIME_MAX } else { Duration::ZERO }
    };
    let mut all = Listeners::none(plan.shards);
    for (key, entrance) in plan.config.entrances() {
        let bind = || {
            let bound = Listeners::bind(entrance, plan.shards);
            bound.map_err(|error| listen_error(key.name, error.address, error.source))
        };
        all = all.and(patiently(time_max, bind)?);
    }
    Ok(all.with_tls(acceptor))
}
