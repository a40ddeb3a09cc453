//! Writes indexes and snapshots, rebuilds lost ones and removes what has expired, on two threads of their own:
//! encoding and syncing takes longer than a turn may.
//!
//! **Invariant:** lookups wait until the indexes of finished segments are on disk, so the thread that writes these
//! does nothing else. The other thread does all work on whole directories, one job at a time.

use super::bell::Bell;
use super::clock::Clock;
use super::operate::{Housekeeping, Space};
use super::preparer::step_back;
use crate::shard::{Archive, FactsReport};
use crate::store::{
    Chore, ChoreNotes, IndexDone, IndexJob, LooksReader, Outage, REBUILDS_MAX, Renewing, do_chore,
    remove_expired, write_index,
};
use madang_log::{IndexError, QueryFault, Removed, SegmentIndex, StdFiles};
use madang_model::{Moment, ShardId};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant, SystemTime};

/// The shard that ordered a job, and how to notify it.
struct Asker {
    shard: ShardId,
    reply: flume::Sender<IndexDone>,
    bell: Arc<Bell>,
}

/// Takes jobs, for all shards.
#[derive(Clone)]
pub struct Indexer {
    indexes: flume::Sender<(Asker, SegmentIndex)>,
    chores: flume::Sender<SnapshotWork>,
}

/// What the snapshot thread does next.
enum SnapshotWork {
    Chore(Asker, Chore),
    Looks(Asker),
    /// A shard waits for facts that it is to store once more, and says what it has.
    Facts(Asker, FactsReport),
    /// A segment is finished, and another may have expired.
    Expiry,
}

/// Rooms whose looks are read between two checks for other work: some 5 ms.
const LOOKS_PER_STEP: usize = 1_000;

/// How often expired segments are searched for, besides after each sealed segment.
const RETENTION_LOOK: Duration = Duration::from_secs(600);
/// How often the free space of the disk is checked, besides after each sealed segment.
const SPACE_LOOK: Duration = Duration::from_secs(30);
/// How often a warning repeats while the disk fills up.
const LOW_SPACE_SILENCE: Duration = Duration::from_secs(3600);

impl Indexer {
    /// Starts the threads. They end when the last `Indexer` is dropped.
    pub fn start(data: PathBuf, shard_count: u16, housekeeping: &Arc<Housekeeping>) -> io::Result<Indexer> {
        let shards = usize::from(shard_count);
        let (indexes, written) = flume::bounded(shards * Archive::INDEXES_MAX);
        // Per shard a snapshot, the looks of rooms, facts to be renewed and what its lookups miss; and one search for
        // expired segments.
        let (chores, chore) = flume::bounded(shards * (3 + REBUILDS_MAX) + 1);
        let look = Look { is_due: Arc::default(), chores: chores.clone() };
        // Shared: when both threads are to write the same index, one waits for the other.
        let files = StdFiles::new(data.clone());
        let (is_due, its_files, its_housekeeping) =
            (Arc::clone(&look.is_due), files.clone(), Arc::clone(housekeeping));
        std::thread::Builder::new().name("madang-snapshot".into()).spawn(move || {
            step_back();
            do_chores((&its_files, shard_count), &chore, &is_due, &its_housekeeping);
        })?;
        let housekeeping = Arc::clone(housekeeping);
        std::thread::Builder::new().name("madang-index".into()).spawn(move || {
            step_back();
            write_indexes(&files, &data, &written, &look, &housekeeping);
        })?;
        Ok(Indexer { indexes, chores })
    }

    /// Orders a job; `reply` is notified when it is done. Never waits: both queues hold what the shards may have
    /// under way.
    pub fn order(&self, shard: ShardId, job: IndexJob, reply: flume::Sender<IndexDone>, bell: Arc<Bell>) {
        let asker = Asker { shard, reply, bell };
        let is_taken = match job {
            IndexJob::Write(index) => self.indexes.try_send((asker, index)).is_ok(),
            IndexJob::Chore(chore) => self.chores.try_send(SnapshotWork::Chore(asker, chore)).is_ok(),
            IndexJob::Looks => self.chores.try_send(SnapshotWork::Looks(asker)).is_ok(),
            IndexJob::Facts(report) => self.chores.try_send(SnapshotWork::Facts(asker, report)).is_ok(),
        };
        assert!(is_taken, "the threads of indexes live as long as their orders, of which a shard has few");
    }
}

impl Asker {
    fn answer(self, done: IndexDone) {
        // A shard that no longer listens is ending.
        let _ = self.reply.send(done);
        self.bell.ring();
    }
}

/// Orders the other thread to search for expired segments: at most one search is due.
struct Look {
    is_due: Arc<AtomicBool>,
    chores: flume::Sender<SnapshotWork>,
}

impl Look {
    fn order(&self) {
        if !self.is_due.swap(true, Ordering::AcqRel) {
            // Otherwise its thread has ended, and with it the process.
            let _ = self.chores.try_send(SnapshotWork::Expiry);
        }
    }
}

fn write_indexes(
    files: &StdFiles,
    data: &Path,
    indexes: &flume::Receiver<(Asker, SegmentIndex)>,
    look: &Look,
    housekeeping: &Housekeeping,
) {
    let (clock, mut low_space) = (Clock::start(), Outage::reported_every(LOW_SPACE_SILENCE));
    loop {
        look_at_space(data, &mut low_space, clock.now().monotonic);
        match indexes.recv_timeout(SPACE_LOOK) {
            Ok((asker, index)) => {
                write_index(files, asker.shard, &index, housekeeping);
                // Before the answer: what a shard orders after it is done after the search.
                look.order();
                asker.answer(IndexDone::Written);
            }
            Err(flume::RecvTimeoutError::Timeout) => {}
            Err(flume::RecvTimeoutError::Disconnected) => return,
        }
    }
}

fn do_chores(
    (files, shard_count): (&StdFiles, u16),
    chores: &flume::Receiver<SnapshotWork>,
    is_look_due: &AtomicBool,
    housekeeping: &Housekeeping,
) {
    let mut looked_at = Instant::now();
    let (mut looks, mut askers) = (LooksReader::default(), Vec::<Asker>::new());
    let (mut renewing, mut idle_homes) = (Renewing::new(shard_count), Vec::<Asker>::new());
    loop {
        let next = if looks.has_work() {
            match chores.try_recv() {
                Err(flume::TryRecvError::Empty) => {
                    for (shard, done) in looks.step(files, (shard_count, LOOKS_PER_STEP), housekeeping) {
                        if let Some(at) = askers.iter().position(|asker| asker.shard == shard) {
                            askers.swap_remove(at).answer(done);
                        }
                    }
                    continue;
                }
                next => next.map_err(|_| flume::RecvTimeoutError::Disconnected),
            }
        } else {
            chores.recv_timeout(RETENTION_LOOK)
        };
        let is_look = match next {
            Ok(SnapshotWork::Chore(asker, chore)) => {
                let done = {
                    let _alone = housekeeping.alone.lock().unwrap_or_else(PoisonError::into_inner);
                    do_chore(files, asker.shard, chore, housekeeping)
                };
                asker.answer(done);
                false
            }
            Ok(SnapshotWork::Looks(asker)) => {
                looks.ask(asker.shard);
                askers.push(asker);
                false
            }
            Ok(SnapshotWork::Facts(asker, report)) => {
                idle_homes.push(asker);
                renewing.report(report)
            }
            Ok(SnapshotWork::Expiry) => {
                // Before the search: a segment that is finished meanwhile orders another.
                is_look_due.store(false, Ordering::Release);
                true
            }
            Err(flume::RecvTimeoutError::Timeout) => true,
            Err(flume::RecvTimeoutError::Disconnected) => return,
        };
        if is_look || looked_at.elapsed() >= RETENTION_LOOK {
            let _alone = housekeeping.alone.lock().unwrap_or_else(PoisonError::into_inner);
            let retention = housekeeping.retention();
            remove_expired(files, &retention, SystemTime::now(), &mut renewing, housekeeping);
            looked_at = Instant::now();
        }
        order_renewals(&mut renewing, &mut idle_homes);
    }
}

/// Has shards that wait store facts once more.
fn order_renewals(renewing: &mut Renewing, idle_homes: &mut Vec<Asker>) {
    for asker in std::mem::take(idle_homes) {
        match renewing.take_order(asker.shard) {
            Some(order) => asker.answer(IndexDone::Facts(order)),
            None => idle_homes.push(asker),
        }
    }
}

/// Warns the operator that the disk fills up, long before it is full.
fn look_at_space(data: &Path, low: &mut Outage, now: Moment) {
    let Some(space) = Space::of(data) else { return };
    if !space.is_low() {
        if low.is_over().is_some() {
            tracing::info!(free_bytes = space.free_bytes, "the disk of the log has space again");
        }
    } else if low.met(now).is_some() {
        tracing::warn!(free_bytes = space.free_bytes, "{}", space.words());
    }
}

impl ChoreNotes for Housekeeping {
    fn failed(&self) {
        self.errors.fetch_add(1, Ordering::Relaxed);
    }

    fn rebuilt(&self, _: &QueryFault, made: &Result<(), IndexError>) {
        self.indexes_rebuilt.fetch_add(u64::from(made.is_ok()), Ordering::Relaxed);
    }

    fn removed(&self, removed: &Removed) {
        self.segments_removed.fetch_add(1, Ordering::Relaxed);
        self.bytes_removed.fetch_add(removed.bytes, Ordering::Relaxed);
    }
}
