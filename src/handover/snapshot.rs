//! The old process stands still. One handover at a time.

use crate::server::Stops;
use madang_engine::runtime::{Frozen, HandOver, Stop};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How long the shards may take to freeze.
const FREEZE_TIME_MAX: Duration = Duration::from_secs(8);

static UNDER_WAY: AtomicBool = AtomicBool::new(false);

/// Does something unless a handover is under way; and none begins meanwhile.
pub fn alone<T>(act: impl FnOnce() -> T) -> Option<T> {
    if UNDER_WAY.swap(true, Ordering::SeqCst) {
        return None;
    }
    let done = act();
    UNDER_WAY.store(false, Ordering::SeqCst);
    Some(done)
}

/// Whether a handover is under way.
pub fn is_under_way() -> bool {
    UNDER_WAY.load(Ordering::SeqCst)
}

/// Freezes the shards: all that they have, and the way back for it.
///
/// # Errors
/// Why they go on as they are.
pub fn freeze(stops: &Stops) -> Result<(Frozen, flume::Sender<Frozen>), String> {
    let (frozen, is_frozen) = flume::bounded(1);
    let (thaw, is_thawed) = flume::bounded(1);
    if !stops.ask_to_hand_over(Stop::HandOver(HandOver { frozen, thaw: is_thawed })) {
        return Err("the running server is being stopped".to_owned());
    }
    match is_frozen.recv_timeout(FREEZE_TIME_MAX) {
        Ok(frozen) => Ok((frozen?, thaw)),
        Err(_) => Err("the running server is stopping, or cannot pause".to_owned()),
    }
}
