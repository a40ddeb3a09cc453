//! A new snapshot from an old one and the rooms that have changed.

use super::block::{SnapshotFault, SnapshotInfo};
use super::room::SnapshotRoom;
use super::writer::SnapshotWriter;
use std::io::Write;

/// Writes `old` and `changed` as one snapshot. Both come in the order of their keys; of a room in
/// both, the tail with the higher head is kept, and apart from that the later facts.
///
/// # Errors
/// [`SnapshotFault`] when the old one is damaged or the new one cannot be written: the caller drops
/// what was written, and keeps the old one.
pub fn merge_snapshots<W: Write>(
    old: impl Iterator<Item = Result<SnapshotRoom, SnapshotFault>>,
    changed: impl Iterator<Item = SnapshotRoom>,
    mut writer: SnapshotWriter<W>,
) -> Result<(W, SnapshotInfo), SnapshotFault> {
    let mut old = old.peekable();
    let mut changed = changed.peekable();
    loop {
        let old_key = match old.peek() {
            Some(Ok(room)) => Some(room.key),
            // Taken below: an error goes to the caller at once.
            Some(Err(_)) => Some(0),
            None => None,
        };
        let changed_key = changed.peek().map(|room| room.key);
        let takes_old = old_key.is_some_and(|old| changed_key.is_none_or(|changed| old <= changed));
        let takes_changed = changed_key.is_some_and(|changed| old_key.is_none_or(|old| changed <= old));
        let from_old = if takes_old { old.next().transpose()? } else { None };
        let from_changed = if takes_changed { changed.next() } else { None };
        let room = match (from_old, from_changed) {
            (Some(old), Some(changed)) => changed.or_newer(old),
            (Some(room), None) | (None, Some(room)) => room,
            (None, None) => return Ok(writer.finish()?),
        };
        writer.push(&room)?;
    }
}
