//! Pausing the old process and snapshotting its shards. One handover at a time.

use crate::server::Stops;
use madang_engine::runtime::{HandOver, Snapshotted, Stop};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How long the shards may take until they are snapshotted.
const SNAPSHOT_TIME_MAX: Duration = Duration::from_secs(8);

static UNDER_WAY: AtomicBool = AtomicBool::new(false);

/// Calls `act` unless a handover is under way; no handover begins meanwhile.
pub fn exclusively<T>(act: impl FnOnce() -> T) -> Option<T> {
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

/// Pauses the shards and takes their whole state; the sender gives it back to them.
///
/// # Errors
/// Why the shards continue unchanged.
pub fn snapshot_shards(stops: &Stops) -> Result<(Snapshotted, flume::Sender<Snapshotted>), String> {
    let (sender, receiver) = flume::bounded(1);
    let (give_back, given_back) = flume::bounded(1);
    if !stops.ask_to_hand_over(Stop::HandOver(HandOver { snapshotted: sender, given_back })) {
        return Err("the running server is being stopped".to_owned());
    }
    match receiver.recv_timeout(SNAPSHOT_TIME_MAX) {
        Ok(snapshotted) => Ok((snapshotted?, give_back)),
        Err(_) => Err("the running server is stopping, or cannot pause".to_owned()),
    }
}
