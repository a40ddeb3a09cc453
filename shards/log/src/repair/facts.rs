//! Which rooms' facts must be stored once more: those that are damaged, and those whose records are moved, as records link
//! to where others are.

use super::intact::intact_frames;
use super::{NextSegment, SegmentChange};
use crate::facts::{FactsBody, FactsSalvage, FactsVersion, LostRevisions};
use crate::files::{Files, FilesError};
use crate::format::{SegmentId, SegmentNumber, StoredFacts, StoredRecord};
use crate::read::for_repair::{ProvenFacts, ReadPlan};
use crate::read::{Fault, FaultKind, Role, SegmentReport};
use hashbrown::{HashMap, HashSet};
use madang_model::{Revision, RoomFacts, RoomKey, RoomName, ShardId};
use rkyv::util::AlignedVec;

/// A segment of repaired facts ends once it has so many bytes.
const SEGMENT_FACTS_BYTES: usize = 64 * 1024 * 1024;

/// Facts that are stored once more.
#[derive(Debug)]
pub struct RepairedFacts {
    /// Of which room.
    pub room: RoomName,
    /// Their revision; a new one where something was lost.
    pub revision: Revision,
    /// What nobody knows any more; empty where they are whole.
    pub lost: Vec<LostRevisions>,
    /// The bodies of their records, which follow one another.
    pub(super) bodies: Vec<Vec<u8>>,
}

/// A segment that holds nothing else.
#[derive(Debug)]
pub struct FactsSegment {
    pub(super) next: NextSegment,
    pub(super) rooms: Vec<RepairedFacts>,
}

/// Where the facts of a room are.
#[derive(Clone, Copy, Debug)]
struct Span {
    version: FactsVersion,
    shard: ShardId,
    oldest: SegmentNumber,
    newest: SegmentNumber,
}

#[derive(Debug)]
struct RoomSpan {
    name: RoomName,
    /// Of the newest record that is intact.
    span: Option<Span>,
    /// The newest record that must have been, or that damaged bytes show.
    known: FactsVersion,
    shard: ShardId,
    is_damaged: bool,
}

/// The facts of all rooms, as a survey meets them.
#[derive(Debug, Default)]
pub struct FactsSurvey {
    rooms: HashMap<RoomKey, RoomSpan>,
    /// The checkpoint of which some pieces were met, one after the other: whose, which and where, and the next piece.
    pieces: Option<(RoomKey, FactsVersion, SegmentId, u64)>,
    /// What damaged frames seem to have held, until all that is intact is known.
    hints: Vec<(RoomKey, Revision)>,
}

impl FactsSurvey {
    /// Takes note of the next record that is intact. Whether it can be read. A checkpoint counts once all its pieces were
    /// met: a crash can leave the first of them.
    pub fn insert(&mut self, stored: &StoredFacts<'_>, at: SegmentId) -> bool {
        let Ok(name) = RoomName::from_log(stored.room) else { return false };
        let Ok((version, body)) = FactsBody::decode(stored) else { return false };
        let begun = self.pieces.take();
        let oldest = match body {
            FactsBody::Behind(behind) => behind.oldest,
            FactsBody::Piece { piece, pieces, .. } => {
                let key = name.key();
                if piece > 0 && begun != Some((key, version, at, piece)) {
                    return true;
                }
                if piece + 1 < pieces {
                    self.pieces = Some((key, version, at, piece + 1));
                    return true;
                }
                at.segment
            }
        };
        let room = self.room(name, at.shard);
        if room.span.is_none_or(|span| span.version <= version) {
            room.span = Some(Span { version, shard: at.shard, oldest, newest: at.segment });
        }
        true
    }

    /// Takes note of a record that seems to have been in damaged bytes.
    pub fn hint(&mut self, stored: &StoredFacts<'_>) {
        let version = FactsVersion::stored(stored.revision, 0);
        let name = RoomName::from_log(stored.room).ok();
        self.hints.extend(name.zip(version).map(|(name, version)| (name.key(), version.revision)));
    }

    /// Believes hints of rooms that are known, as far as `damaged_frames` can have held what they say: they may lie.
    fn believe_hints(&mut self, damaged_frames: u64) {
        for (room, revision) in std::mem::take(&mut self.hints) {
            let Some(room) = self.rooms.get_mut(&room) else { continue };
            let newest = room.span.map_or(Revision::ZERO, |span| span.version.revision);
            if revision > newest && revision.0 - newest.0 <= damaged_frames {
                room.known = room.known.max(FactsVersion { revision, edition: 0 });
                room.is_damaged = true;
            }
        }
    }

    /// Takes note of what must have been, and of what `verify` found.
    pub fn prove(&mut self, proven: &[ProvenFacts], faults: &[Fault], damaged_frames: u64) {
        self.believe_hints(damaged_frames);
        for ProvenFacts { room, version, at } in proven {
            let room = self.room(room.clone(), at.shard);
            room.known = room.known.max(*version);
            room.is_damaged |= room.span.is_none_or(|span| span.version.revision < version.revision);
        }
        for fault in faults {
            use FaultKind::{Facts, FactsIncomplete, FactsLost};
            let (Facts { room, .. } | FactsLost { room, .. } | FactsIncomplete { room, .. }) = &fault.kind
            else {
                continue;
            };
            let name = RoomName::from_log(room).ok();
            if let Some(room) = name.and_then(|name| self.rooms.get_mut(&name.key())) {
                room.is_damaged = true;
            }
        }
    }

    fn room(&mut self, name: RoomName, shard: ShardId) -> &mut RoomSpan {
        self.rooms.entry(name.key()).or_insert_with(|| RoomSpan {
            name,
            span: None,
            known: FactsVersion::default(),
            shard,
            is_damaged: false,
        })
    }

    /// Reads what is left of the facts that must be stored once more, and says where they go: behind `next`, the next
    /// segments of the directories, without those in `taken`.
    pub fn repaired(
        mut self,
        files: &dyn Files,
        reports: &[SegmentReport],
        changes: &[SegmentChange],
        next: &[NextSegment],
        taken: &HashSet<ShardId>,
    ) -> Result<Vec<FactsSegment>, FilesError> {
        let moves = |change: &&SegmentChange| change.change.moves_records();
        let moved: HashSet<(ShardId, SegmentNumber)> =
            changes.iter().filter(moves).map(|change| (change.shard, change.segment)).collect();
        let is_moved = |span: &Span| {
            moved
                .iter()
                .any(|(shard, segment)| *shard == span.shard && (span.oldest..=span.newest).contains(segment))
        };
        self.rooms.retain(|_, room| room.is_damaged || room.span.as_ref().is_some_and(is_moved));
        if self.rooms.is_empty() {
            return Ok(Vec::new());
        }
        let salvaged = salvage(files, reports, &self.rooms)?;
        let mut repaired: HashMap<ShardId, Vec<RepairedFacts>> = HashMap::new();
        for (key, salvage) in salvaged {
            let RoomSpan { name, span, known, shard, is_damaged } = &self.rooms[&key];
            let left = salvage.finish(*known);
            let mut version = FactsVersion { edition: left.newest.edition + 1, ..left.newest };
            if *is_damaged {
                // The state is one that nobody has seen before.
                version = FactsVersion { revision: left.newest.revision.next(), edition: 0 };
            }
            let mut facts: RoomFacts = left.facts;
            facts.renumber(version.revision);
            let bodies = FactsBody::encode_checkpoint(version.edition, &facts, *is_damaged);
            let home = span.map_or(*shard, |span| span.shard);
            let room = name.clone();
            let done = RepairedFacts { room, revision: version.revision, lost: left.lost, bodies };
            repaired.entry(home).or_default().push(done);
        }
        Ok(segments(repaired, next, taken))
    }
}

/// Reads the whole log once more, for the records of these rooms.
fn salvage(
    files: &dyn Files,
    reports: &[SegmentReport],
    rooms: &HashMap<RoomKey, RoomSpan>,
) -> Result<HashMap<RoomKey, FactsSalvage>, FilesError> {
    let mut salvaged: HashMap<RoomKey, FactsSalvage> =
        rooms.keys().map(|key| (*key, FactsSalvage::default())).collect();
    let mut buffer = AlignedVec::new();
    for shard in files.shards()? {
        let plan = ReadPlan::of(files, shard)?;
        for report in reports.iter().filter(|report| report.shard == shard && report.role != Role::Unused) {
            if plan.is_void(report.segment) {
                continue;
            }
            files.read(shard, report.segment, &mut buffer)?;
            let place = SegmentId { shard, segment: report.segment };
            for (_, record) in intact_frames(&buffer, place, plan.limit_bytes(report.segment)) {
                let StoredRecord::Facts(stored) = record else { continue };
                let key = RoomName::from_log(stored.room).map(|name| name.key());
                if let Some(room) = key.ok().and_then(|key| salvaged.get_mut(&key)) {
                    room.take(&stored);
                }
            }
        }
    }
    Ok(salvaged)
}

/// Distributes facts among the segments that hold them.
fn segments(
    repaired: HashMap<ShardId, Vec<RepairedFacts>>,
    next: &[NextSegment],
    taken: &HashSet<ShardId>,
) -> Vec<FactsSegment> {
    let mut segments = Vec::new();
    for (shard, mut rooms) in repaired {
        let Some(mut next) = next.iter().copied().find(|next| next.shard == shard) else { continue };
        if taken.contains(&shard) {
            next.segment = next.segment.next();
        }
        rooms.sort_unstable_by(|a, b| a.room.as_str().cmp(b.room.as_str()));
        let mut bytes = SEGMENT_FACTS_BYTES;
        for facts in rooms {
            if bytes >= SEGMENT_FACTS_BYTES {
                segments.push(FactsSegment { next, rooms: Vec::new() });
                (bytes, next.segment) = (0, next.segment.next());
            }
            bytes += facts.bodies.iter().map(Vec::len).sum::<usize>();
            segments.last_mut().expect("one was begun").rooms.push(facts);
        }
    }
    segments.sort_unstable_by_key(|segment| (segment.next.shard, segment.next.segment));
    segments
}
