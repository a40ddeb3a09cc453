//! The old process stands still. One handover at a time.

use madang_shards::runtime::{Frozen, HandOver, Stop};
use std::sync::Mutex;
use std::time::Duration;

/// How long the shards may take to freeze.
const FREEZE_TIME_MAX: Duration = Duration::from_secs(8);

static UNDER_WAY: Mutex<()> = Mutex::new(());

/// Does something unless a handover is under way; and none begins meanwhile.
pub fn alone<T>(act: impl FnOnce() -> T) -> Option<T> {
    UNDER_WAY.try_lock().ok().map(|_alone| act())
}

/// Whether a handover is under way.
pub fn is_under_way() -> bool {
    UNDER_WAY.try_lock().is_err()
}

/// Freezes the shards: all that they have, and the way back for it.
///
/// # Errors
/// Why they go on as they are.
pub fn freeze(stop: &flume::Sender<Stop>) -> Result<(Frozen, flume::Sender<Frozen>), String> {
    let (frozen, is_frozen) = flume::bounded(1);
    let (thaw, is_thawed) = flume::bounded(1);
    stop.try_send(Stop::HandOver(HandOver { frozen, thaw: is_thawed }))
        .map_err(|_| "the running server is being stopped".to_owned())?;
    match is_frozen.recv_timeout(FREEZE_TIME_MAX) {
        Ok(frozen) => Ok((frozen?, thaw)),
        Err(_) => Err("the running server stops, or does not come to rest".to_owned()),
    }
}
