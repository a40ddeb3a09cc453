//! Where a server listens: at sockets that it has inherited, or at its own.

use super::error::EngineError;
use crate::serve::checks::listen_error;
use crate::serve::plan::Plan;
use crate::server::InheritedListeners;
use madang_config::EntranceKey;
use madang_engine::runtime::{Listeners, TlsAcceptor};
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
    let mut passed = inherited.clients;
    if !passed.is_empty() {
        passed.sort_by_key(|(kind, _)| EntranceKey::place(*kind));
        let adopted = Listeners::adopt(passed, plan.shards)?.with_tls(acceptor);
        return if adopted.entrances.is_empty() { Err(EngineError::NoEntrance) } else { Ok(adopted) };
    }
    let started = Instant::now();
    let mut all = Listeners::none(plan.shards);
    for (key, entrance) in plan.config.entrances() {
        let bound = loop {
            let bound = Listeners::bind(entrance, plan.shards);
            match bound.map_err(|error| listen_error(key.name, error.address, error.source)) {
                // The kernel tears the rings of a process down after its end, and its listeners with them.
                Err(error)
                    if error.is_in_use() && follows_another && started.elapsed() < ADDRESS_TIME_MAX =>
                {
                    std::thread::sleep(LOOK);
                }
                bound => break bound?,
            }
        };
        all = all.and(bound);
    }
    Ok(all.with_tls(acceptor))
}
