//! One shard with its sockets, its writer and its reader: a turn, as the runtime takes it.

use super::desk::Desk;
use super::freeze::Frost;
use super::indexes::{Chore, IndexDone, Job, Jobs};
use super::{Haste, World};

use madang_shards::log::{
    Answer, Durability, QueryFault, QueryOutcome, ReadRequest, SegmentNumber, Step, StoredFile, StoredQuery,
};
use madang_shards::shard::{Ended, LookupId, Portion, Shard, Storage};
use madang_shards::store::{CommitError, Done, Work};
use madang_shards::types::ConnectionId;
use std::collections::{BTreeMap, VecDeque};

use super::super::disk::Disk;
use super::super::mutation::mutated;
use super::super::network::{Input, Line, Readiness};
use super::super::words::Words;

/// As in the runtime.
const QUERIES_MAX: usize = 32;
const ACCEPTS_PER_TURN: usize = 64;
const SEGMENTS_PER_SNAPSHOT: u64 = 16;
const CLOSING_TICKS_MAX: u8 = 2;

/// A step in the life of the server.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Phase {
    Running,
    Still,
    Frozen,
    Draining,
    Closing,
}

/// One shard and what is around it.
pub struct Cell {
    pub shard: Shard<Words>,
    pub(super) desk: Desk,
    durability: Durability,
    stalled: Option<madang_shards::log::Batch>,
    has_failed: bool,
    is_sync_due: bool,
    /// Connections that were told farewell and closed since this was looked at, and whose they were.
    pub parted: Vec<(ConnectionId, usize)>,
    /// Connections that wait to be accepted.
    pub backlog: VecDeque<Line>,
    /// What the sockets report next.
    pub ready: Vec<Readiness>,
    readable: VecDeque<ConnectionId>,
    /// The same of those who are coming in: some of them are read, then some of the others.
    newcomers: VecDeque<ConnectionId>,
    pub lines: BTreeMap<ConnectionId, Line>,
    queries: Vec<(LookupId, StoredQuery)>,
    found: Vec<(LookupId, Result<QueryOutcome, QueryFault>)>,
    pub index_done: VecDeque<IndexDone>,
    pub(super) jobs_under_way: usize,
    pub has_ticked: bool,
    pub(super) phase: Phase,
    pub(super) frost: Frost,
    /// What came and was not read when everything was given away.
    pub came: BTreeMap<ConnectionId, Vec<u8>>,
    /// What another process has given, until the first turn.
    pub(super) given: Option<Portion<Line>>,
    /// Whether nothing was left to do in the last turn, while standing still.
    pub(super) is_idle_seen: bool,
    /// Entries sent to other shards, and received.
    pub(super) entries: (u64, u64),
    closing_ticks: u8,
    is_sealing: bool,
    pub(super) is_snapshot_due: bool,
    is_snapshot_under_way: bool,
    is_finished: bool,
    /// What the operator would read.
    pub notes: Vec<String>,
    /// The largest outbox that was left after a write to a socket that took all it could.
    pub outbox_bytes_max: usize,
    /// Rooms that were let go of, and queries begun.
    pub rooms_left: u64,
    pub lookups: u64,
}

impl Cell {
    pub fn new(shard: Shard<Words>, desk: Desk, durability: Durability) -> Cell {
        Cell {
            shard,
            desk,
            durability,
            stalled: None,
            has_failed: false,
            is_sync_due: false,
            parted: Vec::new(),
            backlog: VecDeque::new(),
            ready: Vec::new(),
            readable: VecDeque::new(),
            newcomers: VecDeque::new(),
            lines: BTreeMap::new(),
            queries: Vec::new(),
            found: Vec::new(),
            index_done: VecDeque::new(),
            jobs_under_way: 0,
            has_ticked: false,
            phase: Phase::Running,
            frost: Frost::None,
            came: BTreeMap::new(),
            given: None,
            is_idle_seen: false,
            entries: (0, 0),
            closing_ticks: 0,
            is_sealing: false,
            is_snapshot_due: false,
            is_snapshot_under_way: false,
            is_finished: false,
            notes: Vec::new(),
            outbox_bytes_max: 0,
            rooms_left: 0,
            lookups: 0,
        }
    }

    /// Hears what queries found, and that the disk is done with a commit.
    pub fn take_finished(&mut self) -> bool {
        let mut has_done = !self.found.is_empty();
        for (lookup, found) in std::mem::take(&mut self.found) {
            match found {
                Err(fault) if self.shard.archive().may_mend(lookup, &fault) => {
                    self.index_done.push_back(IndexDone::Wanted { fault, lookup });
                }
                found => {
                    if let Err(fault) = &found {
                        self.notes.push(format!("a lookup fails: {fault}"));
                    }
                    self.shard.query_done(lookup, found);
                }
            }
        }
        let Some(Done { work, result }) = self.desk.take_done() else { return has_done };
        has_done = true;
        let (batch, synced) = match work {
            Work::Commit { batch, sync_to } => (batch, sync_to),
            Work::Finish { sealed, .. } => {
                if let Some(sealed) = sealed {
                    self.shard.archive().leave(&sealed, sealed.number.next());
                }
                self.is_snapshot_due = true;
                self.is_finished = true;
                return has_done;
            }
        };
        if let Err(error) = result {
            match (batch, error) {
                (None, _) => self.shard.log.sync_failed(),
                (Some(batch), error) => {
                    self.has_failed = true;
                    self.shard.set_storage(Storage::Failing("the disk reports errors"));
                    match error {
                        CommitError::Prepare(_) => self.stalled = Some(batch),
                        CommitError::File { .. } => self.shard.log.failed(batch),
                    }
                }
            }
            return has_done;
        }
        if let Some(position) = synced {
            self.shard.log.synced(position);
        }
        if let Some(batch) = batch {
            if matches!(self.shard.storage(), Storage::Failing(_)) {
                self.shard.set_storage(Storage::Preparing);
            }
            self.shard.committed(batch);
        }
        has_done
    }

    pub fn look_after_storage(&mut self, world: &World<'_>) {
        if !matches!(self.shard.storage(), Storage::Failing(_))
            && let Some(storage) = self.desk.next_storage(world.disk, world.now.monotonic)
        {
            self.shard.set_storage(storage);
        }
    }

    /// Accepts and reads what is ready.
    pub fn take_input(&mut self, haste: Haste, world: &mut World<'_>) -> bool {
        let mut has_done = false;
        for readiness in std::mem::take(&mut self.ready) {
            has_done = true;
            match readiness {
                Readiness::Read(line) => {
                    world.sockets[line].id.into_iter().for_each(|id| self.may_be_read(id));
                }
                Readiness::Write(line) => {
                    if let Some(id) = world.sockets[line].id {
                        self.shard.writable(id);
                    }
                }
            }
        }
        if self.phase == Phase::Running {
            has_done |= self.accept(world);
        }
        let mut resumed = Vec::new();
        self.shard.take_resumed(&mut resumed);
        for id in resumed {
            let line = self.lines.get(&id);
            if line.is_some_and(|line| world.sockets[*line].is_readable()) {
                self.may_be_read(id);
            }
        }
        if self.phase == Phase::Running {
            for are_coming_in in [true, false] {
                has_done |= self.read_some(are_coming_in, haste, world);
            }
        }
        has_done
    }

    fn read_some(&mut self, are_coming_in: bool, haste: Haste, world: &mut World<'_>) -> bool {
        let mut left = self.queue(are_coming_in).len();
        if haste == Haste::Some && left > 1 {
            left = world.chance.between(1, left);
        }
        let mut has_done = false;
        for _ in 0..left {
            if !self.shard.accepts_input() {
                break;
            }
            let Some(id) = self.queue(are_coming_in).pop_front() else { break };
            has_done |= self.read(id, world);
        }
        has_done
    }

    fn may_be_read(&mut self, id: ConnectionId) {
        let is_coming_in = self.shard.is_coming_in(id);
        self.queue(is_coming_in).push_back(id);
    }

    fn queue(&mut self, is_coming_in: bool) -> &mut VecDeque<ConnectionId> {
        if is_coming_in { &mut self.newcomers } else { &mut self.readable }
    }

    fn accept(&mut self, world: &mut World<'_>) -> bool {
        let mut has_done = false;
        for _ in 0..ACCEPTS_PER_TURN {
            let Some(line) = self.backlog.pop_front() else { break };
            let id = self.shard.accepted(None);
            self.lines.insert(id, line);
            if world.sockets[line].accept(self.shard.id().index(), id) {
                self.may_be_read(id);
            }
            has_done = true;
        }
        has_done
    }

    fn read(&mut self, id: ConnectionId, world: &mut World<'_>) -> bool {
        let Some(line) = self.lines.get(&id).copied() else { return false };
        if !self.shard.wants_input(id) {
            return false;
        }
        match world.sockets[line].read(world.chance) {
            Input::Bytes { bytes, is_more } => {
                self.shard.received(id, &bytes);
                if is_more {
                    self.may_be_read(id);
                }
            }
            Input::Nothing => {}
            Input::End => self.shard.input_ended(id),
            Input::Broken => self.shard.lost(id),
        }
        true
    }

    pub fn take_tick(&mut self) -> bool {
        if !std::mem::take(&mut self.has_ticked) {
            return false;
        }
        // While the shard stands still, no time passes for those who are here.
        if self.phase != Phase::Still {
            let rooms = self.shard.room_count();
            self.shard.tick();
            self.rooms_left += rooms.saturating_sub(self.shard.room_count()) as u64;
        }
        self.has_failed = false;
        if !self.is_sealing {
            self.desk.tick();
        }
        if matches!(self.durability, Durability::Interval(_)) {
            self.is_sync_due = self.desk.has_unsynced();
        }
        if self.phase == Phase::Closing {
            self.closing_ticks += 1;
        }
        true
    }

    pub fn enter_phase(&mut self, phase: Phase) -> bool {
        let was = self.phase;
        if phase == Phase::Still && self.phase == Phase::Running {
            self.shard.stand_still();
            self.phase = Phase::Still;
        }
        let is_over =
            phase == Phase::Running || !mutated!(StayStill) && !matches!(phase, Phase::Still | Phase::Frozen);
        if is_over && self.phase == Phase::Still {
            self.phase = Phase::Running;
            self.shard.go_on();
        }
        if phase >= Phase::Draining && self.phase == Phase::Running {
            self.readable.clear();
            self.newcomers.clear();
            self.shard.begin_drain();
            self.phase = Phase::Draining;
        }
        if phase == Phase::Closing && self.phase == Phase::Draining {
            self.shard.finish_drain();
            self.phase = Phase::Closing;
        }
        was != self.phase
    }

    pub fn start_commit(&mut self) -> bool {
        if self.desk.is_busy() || self.has_failed || self.is_sealing {
            return false;
        }
        let batch = self.stalled.take().or_else(|| self.shard.log.take_batch());
        if batch.is_none() && !self.is_sync_due {
            return false;
        }
        if batch.as_ref().is_some_and(|batch| batch.seals.is_some()) {
            self.shard.next_segment_used();
        }
        let synced = std::mem::take(&mut self.is_sync_due).then(|| self.shard.log.written());
        self.desk.begin(Work::Commit { sync_to: synced, batch });
        true
    }

    pub fn start_queries(&mut self, jobs: &mut Jobs) -> bool {
        let mut has_done = false;
        while let Some(done) = self.index_done.pop_front() {
            has_done = true;
            self.index_done(done, jobs);
        }
        has_done |= self.write_indexes(jobs);
        has_done |= self.start_snapshot(jobs);
        while self.queries.len() < QUERIES_MAX
            && let Some(query) = self.shard.next_query()
        {
            self.queries.push(query);
            self.lookups += 1;
            has_done = true;
        }
        has_done
    }

    pub(super) fn write_indexes(&mut self, jobs: &mut Jobs) -> bool {
        let indexes = self.shard.archive().take_indexes();
        let has_any = !indexes.is_empty();
        for index in indexes {
            self.is_snapshot_due |= index.segment().0.is_multiple_of(SEGMENTS_PER_SNAPSHOT);
            self.order(Job::Write(index), jobs);
        }
        has_any
    }

    pub(super) fn start_snapshot(&mut self, jobs: &mut Jobs) -> bool {
        let archive = self.shard.archive();
        self.is_snapshot_due |= archive.has_unindexed();
        if !self.is_snapshot_due || self.is_snapshot_under_way || archive.index_jobs() > 0 {
            return false;
        }
        (self.is_snapshot_due, self.is_snapshot_under_way) = (false, true);
        let unindexed = archive.take_unindexed();
        self.order(Job::Chore(Chore::Snapshot { unindexed }), jobs);
        true
    }

    pub(super) fn order(&mut self, job: Job, jobs: &mut Jobs) {
        self.jobs_under_way += 1;
        jobs.order(self.shard.id(), job);
    }

    pub(super) fn index_done(&mut self, done: IndexDone, jobs: &mut Jobs) {
        if let IndexDone::Wanted { fault, lookup } = done {
            return self.order(Job::Chore(Chore::Rebuild { fault, lookup }), jobs);
        }
        self.jobs_under_way -= 1;
        match done {
            IndexDone::Written => self.shard.archive().index_written(),
            IndexDone::Snapshot(scope) => {
                self.is_snapshot_under_way = false;
                scope.into_iter().for_each(|scope| self.shard.snapshot_renewed(scope));
            }
            IndexDone::Wanted { .. } => {}
            IndexDone::Rebuilt { lookup, is_there: true, .. } => self.shard.archive().ask_again(lookup),
            IndexDone::Rebuilt { fault, lookup, is_there: false } => {
                self.shard.query_done(lookup, Err(fault));
            }
        }
    }

    /// One round of reads for one of the queries under way, whichever.
    pub fn query_step(&mut self, world: &mut World<'_>) -> bool {
        if self.queries.is_empty() {
            return false;
        }
        let index = world.chance.below(self.queries.len());
        let (lookup, query) = &mut self.queries[index];
        match query.step() {
            Step::Done(found) => {
                self.found.push((*lookup, found));
                self.queries.swap_remove(index);
            }
            Step::Read(requests) => {
                let read: Vec<Option<Vec<u8>>> =
                    requests.iter().map(|request| read(world.disk, request)).collect();
                let answer = |bytes: &Option<Vec<u8>>| -> bool { bytes.is_some() };
                let answers: Vec<Answer<'_>> = read
                    .iter()
                    .map(|bytes| {
                        if answer(bytes) {
                            Answer::Bytes(bytes.as_deref().unwrap_or(&[]))
                        } else {
                            Answer::NoFile
                        }
                    })
                    .collect();
                query.supply(&answers);
            }
        }
        true
    }

    pub fn prepare(&mut self, world: &mut World<'_>) -> bool {
        self.desk.prepare(world.disk, world.now.wall)
    }

    pub fn commit_step(&mut self, world: &mut World<'_>) -> bool {
        self.desk.step(world.disk)
    }

    /// Writes each connection that has something to send, once, and lets go of those that ended.
    pub fn flush_sockets(&mut self, world: &mut World<'_>) -> bool {
        let mut dirty = Vec::new();
        self.shard.take_dirty(&mut dirty);
        self.write(dirty, world)
    }

    /// The same, but for those who can wait.
    pub fn flush_hurried(&mut self, world: &mut World<'_>) -> bool {
        let mut dirty = Vec::new();
        self.shard.take_hurried(&mut dirty);
        self.write(dirty, world)
    }

    fn write(&mut self, dirty: Vec<ConnectionId>, world: &mut World<'_>) -> bool {
        let mut has_done = false;
        let mut written = Vec::with_capacity(dirty.len());
        for id in dirty {
            let (Some(line), Some(outbox)) = (self.lines.get(&id).copied(), self.shard.outbox(id)) else {
                continue;
            };
            let socket = &mut world.sockets[line];
            let had_news = socket.has_news();
            let count = socket.write(outbox, world.step, world.chance);
            if count.is_some() && socket.has_news() && !had_news {
                world.news.push(socket.client);
            }
            written.push((id, count));
        }
        // As the runtime does: all are written before the shard hears of any.
        for (id, count) in written {
            match count {
                Some(count) => {
                    has_done |= count > 0;
                    self.shard.sent(id, count, 0);
                    let left = self.shard.outbox(id).map_or(0, <[u8]>::len);
                    self.outbox_bytes_max = self.outbox_bytes_max.max(left);
                }
                None => self.shard.lost(id),
            }
        }
        let mut ended = Vec::new();
        self.shard.take_ended(&mut ended);
        for Ended { connection, is_orderly } in ended {
            let Some(line) = self.lines.remove(&connection) else { continue };
            let socket = &mut world.sockets[line];
            if is_orderly {
                self.parted.push((connection, socket.client));
            }
            let had_news = socket.has_news();
            socket.close(is_orderly);
            if !is_orderly && world.chance.one_in(2) {
                socket.lose_unread();
            }
            if !had_news {
                world.news.push(socket.client);
            }
            has_done = true;
        }
        has_done
    }

    /// In the closing phase, once everything is said: the log is sealed.
    pub fn finish(&mut self) -> bool {
        let has_said_all = self.shard.connection_count() == 0 || self.closing_ticks > CLOSING_TICKS_MAX;
        let may_end = self.phase == Phase::Closing && has_said_all && !self.is_sealing;
        if !may_end || self.desk.is_busy() {
            return false;
        }
        self.is_sealing = true;
        let sealed = self.shard.log.finish();
        self.desk.begin(Work::Finish { sealed, leaves_nothing_unused: self.shard.log.can_finish() });
        true
    }

    pub fn is_finished(&self) -> bool {
        self.is_finished && !self.is_snapshot_due && self.index_done.is_empty()
    }

    /// Whether something could be done at once, as the runtime asks before it rests.
    pub(super) fn is_busy(&self, has_mail: bool) -> bool {
        let can_commit = !self.desk.is_busy() && !self.has_failed && !self.shard.log.is_idle();
        has_mail && self.shard.accepts_mesh() || self.shard.has_work() || can_commit
    }

    /// Whether nothing waits for the disk.
    pub(super) fn awaits_nothing(&self) -> bool {
        !self.desk.is_busy() && self.queries.is_empty() && self.found.is_empty()
    }

    pub fn is_idle(&self) -> bool {
        !self.desk.is_busy()
            && self.queries.is_empty()
            && self.found.is_empty()
            && self.index_done.is_empty()
            && self.ready.is_empty()
            && !self.shard.has_outbound()
            && self.shard.log.is_idle()
    }
}

/// A read as the runtime's reader does it; `None` when there is no such file.
fn read(disk: &Disk, request: &ReadRequest) -> Option<Vec<u8>> {
    if request.file == StoredFile::SnapshotEnd {
        return disk.read_end((request.directory, StoredFile::Snapshot, false), request.bytes);
    }
    let name = (request.directory, request.file, false);
    let found = disk.read(name, request.offset_bytes, request.bytes);
    if found.is_some() {
        return found;
    }
    // A segment that is missing while the one before it is there was not removed by retention.
    let StoredFile::Segment(SegmentNumber(number @ 2..)) = request.file else { return None };
    let before = (request.directory, StoredFile::Segment(SegmentNumber(number - 1)), false);
    disk.read(before, 0, 0).map(|_| Vec::new())
}
