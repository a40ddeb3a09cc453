//! What a room's home keeps of its facts: they themselves, and how to append what changes.

use super::body::{Behind, FactsBody};
use super::chain::LoadedFacts;
use super::link::{FactsPointer, FactsVersion};
use crate::append::{Appender, BatchId};
use crate::format::{AuthorKind, RecordKind, SegmentNumber, StoredFacts};
use madang_model::{
    AccountId, DatedChange, FactChange, FactRefusal, Revision, RoomFacts, RoomName, Seq, ShardId, Timestamp,
};
use std::collections::{BTreeMap, VecDeque};

/// Every so many changes or read positions are repeated in one record, so that loading need not read them one by one.
const ROLL_UP_RECORDS: usize = 32;
/// The longest record that repeats others, in bytes of its body: a frame holds it, with the longest name.
const ROLL_UP_BYTES_MAX: usize = 48 * 1024;
/// Changes that are appended and not committed. Each record repeats those before it, so that they are few; more are
/// refused until the disk has these.
const UNCOMMITTED_MAX: usize = 64;
/// More than a frame has besides the body: its header, the head with the longest name, and zeros.
const FRAME_OVERHEAD_BYTES_MAX: usize = 1024;
/// More than the body of any record grows by one change.
const CHANGE_BYTES_MAX: usize = 2048;
/// Read positions in one record. The others follow in the next.
const READS_MAX: usize = 2048;

/// A record of facts that was appended: to be kept until its batch is committed, and then to be found.
#[derive(Clone, Debug)]
pub struct FactsAppended {
    /// Whose facts.
    pub room: RoomName,
    /// Which record.
    pub version: FactsVersion,
    /// The first revision that it tells of: the ones before it are in earlier records.
    pub first: Revision,
    /// The batch that carries it.
    pub batch: BatchId,
    /// Its frames, which follow one another.
    pub frames: u32,
    /// The segment of the checkpoint that it is behind; `None` where it is one.
    pub oldest: Option<SegmentNumber>,
}

/// Why nothing was appended. Nothing has changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum FactsNotAppended {
    /// The change makes no sense.
    #[error(transparent)]
    Refused(#[from] FactRefusal),
    /// Too much waits for the disk already.
    #[error("too many changes of the room wait for the disk; try again in a moment")]
    Busy,
}

/// One step of a room's facts that was appended.
#[derive(Clone, Debug)]
struct FactsStep {
    version: FactsVersion,
    changes: Vec<DatedChange>,
    reads: BTreeMap<AccountId, Seq>,
}

/// How long it takes to read the facts from a record on.
#[derive(Clone, Copy, Debug)]
struct ChainLength {
    checkpoint_bytes: u64,
    behind_bytes: u64,
    /// The last record that need not be repeated; `None` where the record itself is that.
    base: Option<FactsPointer>,
}

/// A record whose batch is not known to be committed.
#[derive(Clone, Copy, Debug)]
struct Uncommitted {
    version: FactsVersion,
    length: ChainLength,
    /// The segment of the checkpoint that it is behind; `None` where it is one.
    oldest: Option<SegmentNumber>,
    /// What the next record repeats of it, in bytes at most.
    repeated_bytes: usize,
}

/// The facts of a loaded room.
///
/// Pure: it appends to the log, and its home reports with [`confirm`](Self::confirm) what is committed.
#[derive(Clone, Debug)]
pub struct FactsLedger {
    room: RoomName,
    directory: ShardId,
    facts: RoomFacts,
    /// The last record that was appended.
    version: FactsVersion,
    /// The last that is known to be committed.
    newest: Option<(FactsPointer, ChainLength)>,
    uncommitted: VecDeque<Uncommitted>,
    /// What was appended since the record `recent_after`, oldest first.
    recent: VecDeque<FactsStep>,
    recent_after: FactsVersion,
    /// Read positions that no record holds yet.
    moved: BTreeMap<AccountId, Seq>,
}

impl FactsLedger {
    /// Of a room at home on shard `directory` that has no facts yet.
    pub fn new(room: RoomName, directory: ShardId) -> FactsLedger {
        FactsLedger {
            room,
            directory,
            facts: RoomFacts::default(),
            version: FactsVersion::default(),
            newest: None,
            uncommitted: VecDeque::new(),
            recent: VecDeque::new(),
            recent_after: FactsVersion::default(),
            moved: BTreeMap::new(),
        }
    }

    /// Of a room whose facts were read.
    pub fn restore(room: RoomName, directory: ShardId, loaded: LoadedFacts) -> FactsLedger {
        let LoadedFacts { facts, pointer, checkpoint_bytes, behind_bytes, recent, base } = loaded;
        let length = ChainLength { checkpoint_bytes, behind_bytes, base: Some(base) };
        let step = |(version, Behind { changes, reads, .. })| FactsStep { version, changes, reads };
        FactsLedger {
            facts,
            version: pointer.version,
            newest: Some((pointer, length)),
            recent: recent.into_iter().map(step).collect(),
            recent_after: base.version,
            ..FactsLedger::new(room, directory)
        }
    }

    /// Whose they are.
    pub fn room(&self) -> &RoomName {
        &self.room
    }

    /// The facts, with what is not committed yet.
    pub fn facts(&self) -> &RoomFacts {
        &self.facts
    }

    /// The last record that was appended.
    pub fn version(&self) -> FactsVersion {
        self.version
    }

    /// Whether the facts can be read only with this segment, or something that is not committed yet needs it.
    pub fn needs(&self, directory: ShardId, segment: SegmentNumber) -> bool {
        let is_behind = |record: &Uncommitted| record.oldest.is_some_and(|oldest| oldest <= segment);
        self.newest.is_some_and(|(newest, _)| newest.needs(directory, segment))
            || directory == self.directory && self.uncommitted.iter().any(is_behind)
    }

    /// Where the newest record that is known to be committed is.
    pub fn newest(&self) -> Option<FactsPointer> {
        self.newest.map(|(newest, _)| newest)
    }

    /// Bytes of all facts, about, as they are stored.
    pub fn checkpoint_bytes(&self) -> u64 {
        self.newest.map_or(0, |(_, length)| length.checkpoint_bytes)
    }

    /// Whether everything that was appended is known to be committed.
    pub fn is_committed(&self) -> bool {
        self.uncommitted.is_empty()
    }

    /// Read positions that wait to be appended.
    pub fn moved(&self) -> &BTreeMap<AccountId, Seq> {
        &self.moved
    }

    /// Takes note of the newest record that is committed.
    ///
    /// # Panics
    /// When it was not appended here.
    pub fn confirm(&mut self, pointer: FactsPointer) {
        if self.newest.is_some_and(|(known, _)| known.version >= pointer.version) {
            return;
        }
        let mut length = None;
        while let Some(first) = self.uncommitted.pop_front_if(|first| first.version <= pointer.version) {
            length = (first.version == pointer.version).then_some(first.length);
        }
        let length = length.expect("what is committed of a room's facts was appended by its home");
        let base = length.base.unwrap_or(pointer);
        // A record that was appended before the base was committed links around it.
        let base = if base.version < self.recent_after { pointer } else { base };
        self.newest = Some((pointer, ChainLength { base: Some(base), ..length }));
        self.recent_after = base.version;
        while self.recent.pop_front_if(|step| step.version <= base.version).is_some() {}
    }

    /// Makes a change and appends it. All facts are written where they have at most `free_bytes`
    /// ([`Appender::free_bytes`]), or fit into one frame.
    ///
    /// # Errors
    /// [`FactsNotAppended`] when it is refused.
    ///
    /// # Panics
    /// When the log is full, which the caller checks.
    pub fn change(
        &mut self,
        dated: DatedChange,
        free_bytes: usize,
        log: &mut Appender,
    ) -> Result<FactsAppended, FactsNotAppended> {
        self.facts.check(&dated.change)?;
        let repeated_bytes: usize = self.uncommitted.iter().map(|record| record.repeated_bytes).sum();
        if self.uncommitted.len() >= UNCOMMITTED_MAX || repeated_bytes + CHANGE_BYTES_MAX > ROLL_UP_BYTES_MAX
        {
            return Err(FactsNotAppended::Busy);
        }
        let before = self.needs_checkpoint().then(|| self.facts.clone());
        let revision = self.facts.change(&dated)?;
        let account = membership(&dated.change);
        let version = FactsVersion { revision, edition: 0 };
        let (time, by) = (dated.time, dated.by);
        let step = FactsStep { version, changes: vec![dated], reads: BTreeMap::new() };
        match (self.append(step, (time, by), free_bytes, log), before) {
            (None, Some(before)) => self.facts = before,
            (appended, _) => {
                account.map(|account| self.moved.remove(&account));
                return appended.ok_or(FactsNotAppended::Busy);
            }
        }
        Err(FactsNotAppended::Busy)
    }

    /// A member has read up to this number. Whether that changes anything. It is appended by
    /// [`append_reads`](Self::append_reads), with others.
    pub fn move_read(&mut self, account: AccountId, read: Seq) -> bool {
        let has_moved = self.facts.move_read(account, read);
        if has_moved {
            self.moved.insert(account, read);
        }
        has_moved
    }

    /// Appends read positions that have moved; `None` when there are none, or when something else of the room is not
    /// committed yet: then they are appended later.
    ///
    /// # Panics
    /// When the log is full, which the caller checks.
    pub fn append_reads(
        &mut self,
        time: Timestamp,
        free_bytes: usize,
        log: &mut Appender,
    ) -> Option<FactsAppended> {
        if self.moved.is_empty() || !self.uncommitted.is_empty() {
            return None;
        }
        let step = FactsStep { version: self.next_edition(), changes: Vec::new(), reads: self.take_moved() };
        let moved = step.reads.clone();
        let appended = self.append(step, (time, AccountId(0)), free_bytes, log);
        if appended.is_none() {
            self.moved.extend(moved);
        }
        appended
    }

    fn take_moved(&mut self) -> BTreeMap<AccountId, Seq> {
        let mut moved = std::mem::take(&mut self.moved);
        if let Some(split) = moved.keys().nth(READS_MAX).copied() {
            self.moved = moved.split_off(&split);
        }
        moved
    }

    /// Appends all facts once more, as something that they are read from is to be removed. `None` when there is no room
    /// for them now.
    ///
    /// # Panics
    /// When the log is full, which the caller checks.
    pub fn renew(&mut self, time: Timestamp, free_bytes: usize, log: &mut Appender) -> Option<FactsAppended> {
        let step = FactsStep { version: self.next_edition(), changes: Vec::new(), reads: BTreeMap::new() };
        self.append_checkpoint(step, (time, AccountId(0)), free_bytes, log)
    }

    fn next_edition(&self) -> FactsVersion {
        FactsVersion { edition: self.version.edition + 1, ..self.version }
    }

    /// Whether nothing but all facts can be appended: behind a checkpoint that is not committed a record would link around
    /// it, to something older, and need segments that the checkpoint does not: these expire by what files say, where the
    /// checkpoint may be the newest that they tell of.
    fn needs_checkpoint(&self) -> bool {
        self.newest_here().is_none() || self.uncommitted.iter().any(|record| record.oldest.is_none())
    }

    /// The newest committed record, if it is in the directory that is appended to.
    fn newest_here(&self) -> Option<(FactsPointer, ChainLength)> {
        self.newest.filter(|(newest, _)| newest.link.directory == self.directory)
    }

    fn append(
        &mut self,
        step: FactsStep,
        dated: (Timestamp, AccountId),
        free_bytes: usize,
        log: &mut Appender,
    ) -> Option<FactsAppended> {
        let newest = self.newest_here().filter(|_| !self.needs_checkpoint());
        let Some((newest, length)) = newest else {
            return self.append_checkpoint(step, dated, free_bytes, log);
        };
        let version = step.version;
        let behind = self.behind(newest, false, &step);
        let body = behind.encode(version.edition);
        if length.behind_bytes + body.len() as u64 > length.checkpoint_bytes
            && let Some(appended) = self.append_checkpoint(step.clone(), dated, free_bytes, log)
        {
            return Some(appended);
        }
        let (behind, body, base) = self.rolled_up(&step, length).unwrap_or((behind, body, length.base));
        let first = behind.first(version.revision);
        let (batch, bytes) = append_all(&self.room, behind.kind(), version, dated, &[body], log);
        let behind_bytes = length.behind_bytes + bytes;
        let oldest = Some(behind.oldest);
        self.appended(step, ChainLength { behind_bytes, base, ..length }, oldest);
        Some(FactsAppended { room: self.room.clone(), version, first, batch, frames: 1, oldest })
    }

    /// All that was appended since a record, and one step more.
    fn behind(&self, since: FactsPointer, is_rolled_up: bool, step: &FactsStep) -> Behind {
        let mut behind = Behind {
            link: since.link,
            oldest: since.oldest,
            is_rolled_up,
            changes: Vec::new(),
            reads: BTreeMap::new(),
        };
        let recent = self.recent.iter().filter(|recent| recent.version > since.version);
        for FactsStep { changes, reads, .. } in recent.chain([step]) {
            for dated in changes {
                // Positions are read behind all changes.
                membership(&dated.change).map(|account| behind.reads.remove(&account));
                behind.changes.push(dated.clone());
            }
            behind.reads.extend(reads);
        }
        behind
    }

    /// A record that repeats those since the base, if it is due.
    fn rolled_up(
        &mut self,
        step: &FactsStep,
        length: ChainLength,
    ) -> Option<(Behind, Vec<u8>, Option<FactsPointer>)> {
        let base = length.base.filter(|base| base.version == self.recent_after)?;
        if self.recent.len() + 1 < ROLL_UP_RECORDS {
            return None;
        }
        let behind = self.behind(base, true, step);
        let body = behind.encode(step.version.edition);
        if body.len() <= ROLL_UP_BYTES_MAX {
            return Some((behind, body, None));
        }
        // They are long. From here on others are repeated.
        let (newest, length) = self.newest.as_mut()?;
        length.base = Some(*newest);
        self.recent_after = newest.version;
        let newest = newest.version;
        while self.recent.pop_front_if(|recent| recent.version <= newest).is_some() {}
        None
    }

    fn append_checkpoint(
        &mut self,
        mut step: FactsStep,
        dated: (Timestamp, AccountId),
        free_bytes: usize,
        log: &mut Appender,
    ) -> Option<FactsAppended> {
        let version = step.version;
        let bodies = FactsBody::encode_checkpoint(version.edition, &self.facts, false);
        let most_bytes: usize = bodies.iter().map(|body| body.len() + FRAME_OVERHEAD_BYTES_MAX).sum();
        if bodies.len() > 1 && most_bytes > free_bytes {
            return None;
        }
        let kind = RecordKind::FactsCheckpoint;
        let (batch, bytes) = append_all(&self.room, kind, version, dated, &bodies, log);
        // The checkpoint has them, and they are no longer to be stored.
        step.reads.extend(self.take_moved());
        let length = ChainLength { checkpoint_bytes: bytes, behind_bytes: 0, base: None };
        self.appended(step, length, None);
        let (room, first, frames) = (self.room.clone(), version.revision, bodies.len() as u32);
        Some(FactsAppended { room, version, first, batch, frames, oldest: None })
    }

    fn appended(&mut self, step: FactsStep, length: ChainLength, oldest: Option<SegmentNumber>) {
        self.version = step.version;
        let reads_bytes = RoomFacts::encode_reads(&step.reads).len();
        let repeated_bytes = DatedChange::encode_all(step.changes.iter()).len() + reads_bytes;
        self.uncommitted.push_back(Uncommitted { version: step.version, length, oldest, repeated_bytes });
        self.recent.push_back(step);
    }
}

/// The account that a change makes a member, or no longer one.
fn membership(change: &FactChange) -> Option<AccountId> {
    match *change {
        FactChange::Join { account, .. } | FactChange::Leave(account) | FactChange::Ban { account, .. } => {
            Some(account)
        }
        _ => None,
    }
}

/// Appends frames that follow one another. Returns the batch that carries them, and their bytes.
fn append_all(
    room: &RoomName,
    kind: RecordKind,
    version: FactsVersion,
    (time, by): (Timestamp, AccountId),
    bodies: &[Vec<u8>],
    log: &mut Appender,
) -> (BatchId, u64) {
    let author = (if by.0 == 0 { AuthorKind::None } else { AuthorKind::Account }, by.0);
    let revision = version.revision.0;
    let records = bodies.iter().map(|body| StoredFacts {
        kind,
        room: room.as_str(),
        revision,
        time,
        author,
        body: body.as_slice(),
    });
    log.append_facts(records)
}
