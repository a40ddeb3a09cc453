//! Writing a snapshot from start to end.

use super::block::{BlockSide, SNAPSHOT_BLOCK_BYTES, SnapshotInfo, SnapshotScope};
use super::room::SnapshotRoom;
use crate::index::bytes::{SNAPSHOT_VERSION, TableWriter, bucket_bits};
use std::io::{self, Write};

/// Writes a snapshot to a sink that need not be read or gone back in. Holds a byte a room (its
/// slots) and one bucket. The caller syncs the file and puts it in the place of the old one.
#[derive(Debug)]
pub struct SnapshotWriter<W> {
    sink: W,
    table: TableWriter,
    info: SnapshotInfo,
}

impl<W: Write> SnapshotWriter<W> {
    /// Begins one for about `rooms_expected` rooms: a wrong guess costs speed, nothing else.
    ///
    /// # Errors
    /// What the sink says.
    pub fn new(mut sink: W, scope: SnapshotScope, rooms_expected: u64) -> io::Result<SnapshotWriter<W>> {
        let bucket_bits = bucket_bits(rooms_expected);
        let info = SnapshotInfo { scope, rooms: 0, version: SNAPSHOT_VERSION, slots_at: 0, bucket_bits };
        sink.write_all(&info.encode_block(BlockSide::Start))?;
        let table = TableWriter::new(info.identity(), bucket_bits, SNAPSHOT_BLOCK_BYTES as u64);
        Ok(SnapshotWriter { sink, table, info })
    }

    /// Adds a room.
    ///
    /// # Errors
    /// What the sink says.
    ///
    /// # Panics
    /// When its key is not above the last one's.
    pub fn push(&mut self, room: &SnapshotRoom) -> io::Result<()> {
        self.info.rooms += 1;
        self.table.push(room.key, |out| room.encode(out), &mut self.sink)
    }

    /// Writes the end.
    ///
    /// # Errors
    /// What the sink says.
    pub fn finish(self) -> io::Result<(W, SnapshotInfo)> {
        let SnapshotWriter { mut sink, table, mut info } = self;
        let (slots, slots_at) = table.finish(None, &mut sink)?;
        info.slots_at = slots_at;
        sink.write_all(&slots)?;
        sink.write_all(&info.encode_block(BlockSide::End))?;
        sink.flush()?;
        Ok((sink, info))
    }
}
