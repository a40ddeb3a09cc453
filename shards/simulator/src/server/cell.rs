//! One shard, and what is around it that the runtime has threads, sockets and rings for.

use super::StepContext;
use super::desk::Desk;
use super::indexes::JobsDone;
use madang_engine::shard::{LookupId, Portion};
use madang_engine::turn::{Found, Turn};
use madang_log::{ReadAnswer, ReadRequest, SegmentNumber, Step, StoredFile, StoredQuery};
use madang_model::{ConnectionId, Moment};
use std::collections::{BTreeMap, VecDeque};

use super::super::disk::VirtualDisk;
use super::super::network::{Line, SocketNews};
use super::super::words::Words;

/// One shard.
pub struct Cell {
    pub turn: Turn<Words>,
    pub around: Around,
}

/// What is around it.
pub struct Around {
    pub desk: Desk,
    /// When a sync is due, under `interval`.
    pub sync_at: Option<Moment>,
    /// Queries under way, and those that are done.
    pub queries: Vec<(LookupId, StoredQuery)>,
    pub found: VecDeque<Found>,
    pub jobs_done: JobsDone,
    /// Connections that wait to be accepted.
    pub backlog: VecDeque<Line>,
    /// What the sockets report next.
    pub ready: Vec<SocketNews>,
    pub lines: BTreeMap<ConnectionId, Line>,
    /// Whether connections that wait are reported.
    pub is_listening: bool,
    /// Whether it is reported that a socket can be read.
    pub is_hearing: bool,
    /// What came and was not read when everything was given away.
    pub came: BTreeMap<ConnectionId, Vec<u8>>,
    /// What another process has given, until the first turn.
    pub given: Option<Portion<Line>>,
    /// Whether everything is given away, and whether it is back.
    pub has_given: bool,
    pub is_returned: bool,
    pub has_ticked: bool,
    /// Whether nothing was left to do in the last turn, where that is asked.
    pub is_idle_seen: bool,
    /// Entries sent to other shards, and received.
    pub entries: (u64, u64),
    pub has_ended: bool,
    /// Connections that were sent a farewell and closed since this was looked at, and whose they were.
    pub parted: Vec<(ConnectionId, usize)>,
    /// What the operator would read.
    pub notes: Vec<String>,
    /// The largest outbox that was left after a write to a socket that took all it could.
    pub outbox_bytes_max: usize,
    /// Rooms that were evicted, queries begun, and rounds of reads in which runs were asked.
    pub rooms_left: u64,
    pub lookups: u64,
    pub run_rounds: u64,
    /// How many rooms there were before the tick.
    pub rooms_before: usize,
}

impl Cell {
    pub fn new(turn: Turn<Words>, desk: Desk) -> Cell {
        let around = Around {
            desk,
            sync_at: None,
            queries: Vec::new(),
            found: VecDeque::new(),
            jobs_done: VecDeque::new(),
            backlog: VecDeque::new(),
            ready: Vec::new(),
            lines: BTreeMap::new(),
            is_listening: true,
            is_hearing: true,
            came: BTreeMap::new(),
            given: None,
            has_given: false,
            is_returned: false,
            has_ticked: false,
            is_idle_seen: false,
            entries: (0, 0),
            has_ended: false,
            parted: Vec::new(),
            notes: Vec::new(),
            outbox_bytes_max: 0,
            rooms_left: 0,
            lookups: 0,
            run_rounds: 0,
            rooms_before: 0,
        };
        Cell { turn, around }
    }

    /// Whether nothing waits for it, and it waits for nothing.
    pub fn is_idle(&self) -> bool {
        let Around { desk, queries, found, jobs_done, ready, .. } = &self.around;
        !desk.is_busy()
            && queries.is_empty()
            && found.is_empty()
            && jobs_done.is_empty()
            && ready.is_empty()
            && !self.turn.shard.has_outbound()
            && self.turn.shard.log.is_idle()
    }
}

impl Around {
    /// Makes the next segment ready, if that is ordered. Whether it was.
    pub fn prepare(&mut self, world: &StepContext<'_>) -> bool {
        self.desk.prepare(world.disk, world.now.wall)
    }

    /// One operation of the writer. Whether there was one.
    pub fn write_step(&mut self, world: &StepContext<'_>) -> bool {
        self.desk.step(world.disk)
    }

    /// One round of reads for one of the queries under way, whichever.
    pub fn query_step(&mut self, world: &mut StepContext<'_>) -> bool {
        if self.queries.is_empty() {
            return false;
        }
        let index = world.chance.below(self.queries.len());
        let (lookup, query) = &mut self.queries[index];
        match query.step() {
            Step::Done(found) => {
                self.found.push_back((*lookup, found));
                self.queries.swap_remove(index);
            }
            Step::Read(requests) => {
                let asks_runs = requests.iter().any(|read| matches!(read.file, StoredFile::Run(_)));
                self.run_rounds += u64::from(asks_runs);
                let read: Vec<Option<Vec<u8>>> =
                    requests.iter().map(|request| read(world.disk, request)).collect();
                let answers: Vec<ReadAnswer<'_>> = read
                    .iter()
                    .map(|bytes| bytes.as_deref().map_or(ReadAnswer::NoFile, ReadAnswer::Bytes))
                    .collect();
                query.supply(&answers);
            }
        }
        true
    }
}

/// A read as the runtime's reader does it; `None` when there is no such file.
fn read(disk: &VirtualDisk, request: &ReadRequest) -> Option<Vec<u8>> {
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
