//! Looking for what became of messages and where entries are, in the tables that may say it.

use crate::format::{HEADER_BYTES, SegmentNumber};
use crate::index::amendments::{
    AmendmentGroup, KeyedGroups, PlacedEntries, RUN_HEADER_BYTES, RunRange, TablePlace, TargetChanges,
    group_key, run_identity, run_table,
};
use crate::index::bytes::FileIdentity;
use crate::index::reads::{BucketLookup, Damaged, QueryFault, ReadAnswer, ReadRequest, StoredFile};
use crate::index::segment::{INDEX_HEADER_BYTES, IndexHeader, identity};
use madang_model::{Seq, ShardId};
use std::collections::{BTreeMap, BTreeSet};

/// A table that says what amendments amend; that of a run says as well where the entries of its segments are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AmendmentSource {
    /// That in the index of a segment.
    Segment(ShardId, SegmentNumber),
    /// That of many segments.
    Run(ShardId, RunRange),
}

impl AmendmentSource {
    /// Whose directory.
    pub fn directory(self) -> ShardId {
        let (AmendmentSource::Segment(directory, _) | AmendmentSource::Run(directory, _)) = self;
        directory
    }

    /// The last segment that it is about.
    pub fn last(self) -> SegmentNumber {
        match self {
            AmendmentSource::Segment(_, segment) => segment,
            AmendmentSource::Run(_, range) => range.last,
        }
    }

    fn file(self) -> StoredFile {
        match self {
            AmendmentSource::Segment(_, segment) => StoredFile::Index(segment),
            AmendmentSource::Run(_, range) => StoredFile::Run(range),
        }
    }

    fn identity(self) -> FileIdentity {
        match self {
            AmendmentSource::Segment(directory, segment) => identity(directory, segment),
            AmendmentSource::Run(directory, range) => run_identity(directory, range),
        }
    }

    fn damaged(self, damaged: Damaged) -> QueryFault {
        let Damaged { offset_bytes } = damaged;
        match self {
            AmendmentSource::Segment(directory, segment) => {
                QueryFault::IndexDamaged { directory, segment, offset_bytes }
            }
            AmendmentSource::Run(directory, run) => QueryFault::RunDamaged { directory, run, offset_bytes },
        }
    }
}

/// A search for what became of some messages of a room, and for where its entries are.
#[derive(Debug)]
pub struct GroupLookup {
    room: u64,
    sources: Vec<SourceLookup>,
    /// What became of messages.
    pub changes: BTreeMap<Seq, TargetChanges>,
    /// Where entries are, by directory.
    pub placed: Vec<(ShardId, PlacedEntries)>,
}

/// The search in one table.
#[derive(Debug)]
struct SourceLookup {
    source: AmendmentSource,
    /// The groups that were asked for.
    groups: BTreeSet<u64>,
    stage: SourceStage,
    /// Where in the table groups are, as far as that is being looked for.
    buckets: Vec<(u64, BucketLookup)>,
}

#[derive(Clone, Copy, Debug)]
enum SourceStage {
    /// Where is its table?
    Header,
    /// There is no such file: whether there is a segment, of a run the last one, distinguishes lost from expired.
    Segment,
    /// The table is there, in a file of this format.
    Table(TablePlace, u32),
    /// It says nothing.
    Nothing,
}

impl GroupLookup {
    /// In these tables, for nothing yet.
    pub fn new(room: u64, sources: impl Iterator<Item = AmendmentSource>) -> GroupLookup {
        let lookup = |source| SourceLookup {
            source,
            groups: BTreeSet::new(),
            stage: SourceStage::Header,
            buckets: Vec::new(),
        };
        GroupLookup {
            room,
            sources: sources.map(lookup).collect(),
            changes: BTreeMap::new(),
            placed: Vec::new(),
        }
    }

    /// Looks for these groups, too, in the tables that may say something of them.
    pub fn want(&mut self, groups: &BTreeSet<u64>, may_say: impl Fn(AmendmentSource) -> bool) {
        for lookup in self.sources.iter_mut().filter(|lookup| may_say(lookup.source)) {
            for group in groups {
                if lookup.groups.insert(*group) {
                    lookup.begin(self.room, *group);
                }
            }
        }
    }

    /// What to read next; nothing when everything is found.
    pub fn requests(&self) -> Vec<ReadRequest> {
        self.sources.iter().flat_map(SourceLookup::requests).collect()
    }

    /// Takes what was asked for.
    pub fn supply(&mut self, answers: &[ReadAnswer<'_>]) -> Result<(), QueryFault> {
        let mut answers = answers;
        for number in 0..self.sources.len() {
            let count = self.sources[number].requests().len();
            let (now, later) = answers.split_at(count);
            answers = later;
            if count > 0 {
                self.supply_source(number, now)?;
            }
        }
        Ok(())
    }

    fn supply_source(&mut self, number: usize, answers: &[ReadAnswer<'_>]) -> Result<(), QueryFault> {
        let lookup = &mut self.sources[number];
        let source = lookup.source;
        if !matches!(lookup.stage, SourceStage::Table(..)) {
            lookup.stage = take_header(source, lookup.stage, &answers[0])?;
            for group in lookup.groups.clone() {
                lookup.begin(self.room, group);
            }
            return Ok(());
        }
        let (mut left, mut is_gone) = (Vec::new(), false);
        for ((group, mut bucket), answer) in std::mem::take(&mut lookup.buckets).into_iter().zip(answers) {
            match answer {
                ReadAnswer::NoFile => is_gone = true,
                ReadAnswer::Bytes(bytes) => {
                    match take_bucket(source, (self.room, group), &mut bucket, bytes)? {
                        None => left.push((group, bucket)),
                        Some(AmendmentGroup { targets, entries }) => {
                            for (target, changes) in targets {
                                self.changes.entry(target).or_default().merge(&changes);
                            }
                            let placed = entries.into_iter().map(|entries| (source.directory(), entries));
                            self.placed.extend(placed);
                        }
                    }
                }
            }
        }
        lookup.buckets = left;
        if is_gone {
            // Since its header was read it has expired, or is lost.
            lookup.buckets.clear();
            lookup.stage = SourceStage::Segment;
        }
        Ok(())
    }
}

impl SourceLookup {
    /// Looks for a group, once it is known where the table is.
    fn begin(&mut self, room: u64, group: u64) {
        if let SourceStage::Table(TablePlace { slots_at, bucket_bits }, version) = self.stage {
            let (identity, key) = (self.source.identity().of_version(version), group_key(room, group));
            let bucket = BucketLookup::new(identity, self.source.file(), slots_at, key, bucket_bits);
            self.buckets.push((group, bucket));
        }
    }

    fn requests(&self) -> Vec<ReadRequest> {
        if self.groups.is_empty() {
            return Vec::new();
        }
        let (directory, file) = (self.source.directory(), self.source.file());
        match self.stage {
            SourceStage::Header => {
                let bytes = match self.source {
                    AmendmentSource::Segment(..) => INDEX_HEADER_BYTES,
                    AmendmentSource::Run(..) => RUN_HEADER_BYTES,
                };
                vec![ReadRequest { directory, file, offset_bytes: 0, bytes }]
            }
            SourceStage::Segment => {
                let file = StoredFile::Segment(self.source.last());
                vec![ReadRequest { directory, file, offset_bytes: 0, bytes: HEADER_BYTES }]
            }
            SourceStage::Table(..) => self.buckets.iter().map(|(_, bucket)| bucket.request()).collect(),
            SourceStage::Nothing => Vec::new(),
        }
    }
}

fn take_header(
    source: AmendmentSource,
    stage: SourceStage,
    answer: &ReadAnswer<'_>,
) -> Result<SourceStage, QueryFault> {
    let damaged = || source.damaged(Damaged { offset_bytes: 0 });
    let (bytes, is_header) = match (answer, stage) {
        (ReadAnswer::Bytes(bytes), stage) => (bytes, matches!(stage, SourceStage::Header)),
        // It has expired, and with it all that it amended.
        (ReadAnswer::NoFile, SourceStage::Segment) => return Ok(SourceStage::Nothing),
        (ReadAnswer::NoFile, _) => return Ok(SourceStage::Segment),
    };
    Ok(match source {
        AmendmentSource::Segment(directory, segment) if !is_header => {
            return Err(QueryFault::IndexMissing { directory, segment });
        }
        AmendmentSource::Run(..) if !is_header => return Err(damaged()),
        AmendmentSource::Segment(directory, segment) => {
            let header = IndexHeader::decode(bytes, directory, segment).map_err(|_| damaged())?;
            let table = |place| SourceStage::Table(place, header.version);
            header.amendments.map_or(SourceStage::Nothing, table)
        }
        AmendmentSource::Run(directory, range) => {
            let (place, version) = run_table(bytes, directory, range).ok_or_else(damaged)?;
            SourceStage::Table(place, version)
        }
    })
}

/// What a table says of a group, once nothing more is to be read for it.
fn take_bucket(
    source: AmendmentSource,
    (room, group): (u64, u64),
    bucket: &mut BucketLookup,
    bytes: &[u8],
) -> Result<Option<AmendmentGroup>, QueryFault> {
    let damaged = source.damaged(Damaged { offset_bytes: bucket.offset_bytes() });
    let Some((entries, version)) = bucket.supply(bytes).map_err(|damage| source.damaged(damage))? else {
        return Ok(None);
    };
    let keyed = KeyedGroups::decode_bucket(entries, source.directory(), version).ok_or(damaged)?;
    let key = group_key(room, group);
    let found = keyed.into_iter().find(|(known, _)| *known == key);
    let found = found.and_then(|(_, mut keyed)| keyed.groups.remove(&(room, group)));
    Ok(Some(found.unwrap_or_default()))
}
