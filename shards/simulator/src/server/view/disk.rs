//! What a turn orders of the disk.

use super::View;
use madang_engine::shard::{LookupId, Storage};
use madang_engine::store::{Done, IndexDone, IndexJob, Work};
use madang_engine::turn::{Disk, Found};
use madang_log::{SegmentNumber, StoredFile, StoredQuery};
use madang_model::{Moment, ShardId};
use std::time::Duration;

impl Disk for View<'_, '_> {
    fn is_writing(&self) -> bool {
        self.around.desk.is_busy()
    }

    fn begin(&mut self, work: Work) {
        self.around.desk.begin(work);
        self.has_done = true;
    }

    fn take_done(&mut self) -> Option<Done> {
        let done = self.around.desk.take_done();
        self.has_done |= done.is_some();
        done
    }

    fn next_storage(&mut self, now: Moment) -> Option<Storage> {
        self.around.desk.next_storage(self.world.disk, now)
    }

    fn begin_again(&mut self, first: SegmentNumber, capacity_bytes: u64) {
        self.around.desk.begin_again(self.world.disk, first, capacity_bytes);
    }

    fn has_unsynced(&self) -> bool {
        self.around.desk.has_unsynced()
    }

    fn remind_of_sync(&mut self, after: Duration) {
        self.around.sync_at.get_or_insert(self.world.now.monotonic.after(after));
    }

    fn take_sync_due(&mut self) -> bool {
        let now = self.world.now.monotonic;
        self.around.sync_at.take_if(|at| *at <= now).is_some()
    }

    fn tick(&mut self) {
        self.around.desk.tick();
    }

    fn queries_under_way(&self) -> usize {
        self.around.queries.len()
    }

    fn begin_query(&mut self, id: LookupId, query: StoredQuery) {
        self.around.queries.push((id, query));
        self.around.lookups += 1;
        self.has_done = true;
    }

    fn take_found(&mut self) -> Option<Found> {
        let (lookup, found) = self.around.found.pop_front()?;
        self.has_done = true;
        if let Err(fault) = &found {
            self.around.notes.push(format!("a lookup fails: {fault}"));
        }
        Some((lookup, found))
    }

    fn forget(&mut self, _: ShardId, _: StoredFile) {}

    fn order(&mut self, job: IndexJob) {
        self.jobs.order(ShardId(self.index as u16), job);
        self.has_done = true;
    }

    fn take_index_done(&mut self) -> Option<IndexDone> {
        let done = self.around.jobs_done.pop_front();
        self.has_done |= done.is_some();
        done
    }
}
