//! Looking for what became of messages, in the tables of all segments that may say it.

use crate::format::{HEADER_BYTES, SegmentNumber};
use crate::index::amendments::{
    AmendmentGroup, KeyedGroups, RUN_HEADER_BYTES, RunRange, TablePlace, TargetChanges, group_key, group_of,
    run_identity, run_table,
};
use crate::index::bytes::FileIdentity;
use crate::index::reads::{BucketLookup, Damaged, QueryFault, ReadAnswer, ReadRequest, StoredFile};
use crate::index::segment::{INDEX_HEADER_BYTES, IndexHeader, identity};
use madang_model::{Seq, ShardId};
use std::collections::{BTreeMap, BTreeSet};

/// A table that says what amendments amend.
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

/// A search for what became of some messages of a room.
#[derive(Debug)]
pub struct AmendmentLookup {
    room: u64,
    groups: BTreeSet<u64>,
    sources: Vec<(AmendmentSource, SourceStage)>,
    /// What was found.
    pub changes: BTreeMap<Seq, TargetChanges>,
}

#[derive(Debug)]
enum SourceStage {
    /// Where is its table?
    Header,
    /// There is no index: whether there is a segment distinguishes lost from expired.
    Segment,
    /// Where in its table are the groups?
    Buckets(Vec<(u64, BucketLookup)>),
}

impl AmendmentLookup {
    /// Of these messages, in these tables. `known` is what segments without an index say.
    pub fn new(
        room: u64,
        messages: impl Iterator<Item = Seq>,
        sources: impl Iterator<Item = AmendmentSource>,
        known: BTreeMap<Seq, TargetChanges>,
    ) -> AmendmentLookup {
        let groups: BTreeSet<u64> = messages.map(group_of).collect();
        let sources = sources.map(|source| (source, SourceStage::Header)).collect();
        AmendmentLookup { room, groups, sources, changes: known }
    }

    /// What to read next; nothing when everything is found.
    pub fn requests(&self) -> Vec<ReadRequest> {
        let mut requests = Vec::new();
        for (source, stage) in &self.sources {
            let (directory, file) = (source.directory(), source.file());
            match stage {
                SourceStage::Header => {
                    let bytes = match source {
                        AmendmentSource::Segment(..) => INDEX_HEADER_BYTES,
                        AmendmentSource::Run(..) => RUN_HEADER_BYTES,
                    };
                    requests.push(ReadRequest { directory, file, offset_bytes: 0, bytes });
                }
                SourceStage::Segment => {
                    let file = StoredFile::Segment(source.last());
                    requests.push(ReadRequest { directory, file, offset_bytes: 0, bytes: HEADER_BYTES });
                }
                SourceStage::Buckets(lookups) => {
                    requests.extend(lookups.iter().map(|(_, lookup)| lookup.request()));
                }
            }
        }
        requests
    }

    /// Takes what was asked for.
    pub fn supply(&mut self, answers: &[ReadAnswer<'_>]) -> Result<(), QueryFault> {
        let mut answers = answers.iter();
        for (source, stage) in std::mem::take(&mut self.sources) {
            let next = match stage {
                SourceStage::Buckets(lookups) => {
                    let (mut left, mut is_gone) = (Vec::new(), false);
                    for (group, mut lookup) in lookups {
                        match answers.next().expect("each read has one answer") {
                            ReadAnswer::NoFile => is_gone = true,
                            ReadAnswer::Bytes(bytes) => {
                                if !self.take_bucket(source, group, &mut lookup, bytes)? {
                                    left.push((group, lookup));
                                }
                            }
                        }
                    }
                    match source {
                        // Since its header was read it has expired, or its index is lost.
                        AmendmentSource::Segment(..) if is_gone => Some(SourceStage::Segment),
                        AmendmentSource::Run(..) if is_gone => {
                            return Err(source.damaged(Damaged { offset_bytes: 0 }));
                        }
                        _ => Some(left).filter(|left| !left.is_empty()).map(SourceStage::Buckets),
                    }
                }
                stage => {
                    let answer = answers.next().expect("each read has one answer");
                    self.take_header(source, &stage, answer)?
                }
            };
            self.sources.extend(next.map(|stage| (source, stage)));
        }
        Ok(())
    }

    fn take_header(
        &self,
        source: AmendmentSource,
        stage: &SourceStage,
        answer: &ReadAnswer<'_>,
    ) -> Result<Option<SourceStage>, QueryFault> {
        let damaged = || source.damaged(Damaged { offset_bytes: 0 });
        let (bytes, is_header) = match (answer, stage) {
            (ReadAnswer::Bytes(bytes), stage) => (bytes, matches!(stage, SourceStage::Header)),
            // It has expired, and with it all that it amended.
            (ReadAnswer::NoFile, SourceStage::Segment) => return Ok(None),
            (ReadAnswer::NoFile, _) => {
                return match source {
                    AmendmentSource::Segment(..) => Ok(Some(SourceStage::Segment)),
                    AmendmentSource::Run(..) => Err(damaged()),
                };
            }
        };
        let place = match source {
            AmendmentSource::Segment(directory, segment) if !is_header => {
                return Err(QueryFault::IndexMissing { directory, segment });
            }
            AmendmentSource::Segment(directory, segment) => {
                IndexHeader::decode(bytes, directory, segment).map_err(|_| damaged())?.amendments
            }
            AmendmentSource::Run(directory, range) => {
                Some(run_table(bytes, directory, range).ok_or_else(damaged)?)
            }
        };
        let Some(TablePlace { slots_at, bucket_bits }) = place else { return Ok(None) };
        let lookup = |group: &u64| {
            let key = group_key(self.room, *group);
            (*group, BucketLookup::new(source.identity(), source.file(), slots_at, key, bucket_bits))
        };
        Ok(Some(SourceStage::Buckets(self.groups.iter().map(lookup).collect())))
    }

    /// Whether nothing more is to be read of it.
    fn take_bucket(
        &mut self,
        source: AmendmentSource,
        group: u64,
        lookup: &mut BucketLookup,
        bytes: &[u8],
    ) -> Result<bool, QueryFault> {
        let damaged = source.damaged(Damaged { offset_bytes: lookup.offset_bytes() });
        let Some((entries, _)) = lookup.supply(bytes).map_err(|damage| source.damaged(damage))? else {
            return Ok(false);
        };
        let keyed = KeyedGroups::decode_bucket(entries, source.directory()).ok_or(damaged)?;
        let key = group_key(self.room, group);
        let found = keyed.into_iter().find(|(known, _)| *known == key);
        let found = found.and_then(|(_, mut keyed)| keyed.groups.remove(&(self.room, group)));
        for (target, changes) in found.map(|AmendmentGroup { targets }| targets).unwrap_or_default() {
            self.changes.entry(target).or_default().merge(&changes);
        }
        Ok(true)
    }
}
