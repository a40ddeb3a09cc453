//! Segments as the writer uses them, on the virtual disk.

use super::{Handle, Name, VirtualDisk};
use madang_log::{SegmentFiles, SegmentNumber, StoredFile};
use madang_model::ShardId;
use std::io;

fn name(shard: ShardId, number: SegmentNumber, is_unfinished: bool) -> Name {
    (shard, StoredFile::Segment(number), is_unfinished)
}

impl SegmentFiles for VirtualDisk {
    type Segment = Handle;

    fn open(&self, shard: ShardId, number: SegmentNumber) -> io::Result<Handle> {
        VirtualDisk::open(self, name(shard, number, false))
    }

    fn write_at(&self, segment: &Handle, offset_bytes: u64, bytes: &[u8]) -> io::Result<()> {
        self.write(*segment, offset_bytes, bytes)?;
        if self.lock().notes_writes {
            self.note_written(*segment);
        }
        Ok(())
    }

    fn truncate(&self, segment: &Handle, length_bytes: u64) -> io::Result<()> {
        VirtualDisk::truncate(self, *segment, length_bytes)
    }

    fn give_back(&self, _: &Handle, _: u64) {
        // There is no end of this disk, and nobody may rely on it.
    }

    fn sync_contents(&self, segment: &Handle) -> io::Result<()> {
        VirtualDisk::sync(self, *segment)
    }

    fn sync(&self, segment: &Handle) -> io::Result<()> {
        VirtualDisk::sync(self, *segment)
    }

    fn make_directory(&self, shard: ShardId) -> io::Result<()> {
        if self.has_directory(shard) { Ok(()) } else { self.create_directory(shard, true) }
    }

    fn create(&self, shard: ShardId, number: SegmentNumber) -> io::Result<Handle> {
        VirtualDisk::create(self, name(shard, number, true))
    }

    fn free_bytes(&self, _: &Handle) -> io::Result<Option<u64>> {
        Ok(self.lock().weather.is_full.then_some(0))
    }

    fn put_in_place(&self, shard: ShardId, number: SegmentNumber) -> io::Result<()> {
        self.rename(name(shard, number, true), name(shard, number, false))
    }

    fn discard(&self, shard: ShardId, number: SegmentNumber) {
        let _ = self.unlink(name(shard, number, true));
    }

    fn sync_directory(&self, shard: ShardId) -> io::Result<()> {
        VirtualDisk::sync_directory(self, shard)
    }
}
