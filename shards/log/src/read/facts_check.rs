//! Whether the facts of every room are all there: whether the records that they are read from are, and whether revisions
//! have a gap.
//!
//! Records come newest first, so that little is kept of a room: which record is awaited next, and which revisions were
//! told of.

use super::evidence::ProvenFacts;
use super::fault::{Fault, FaultKind, Location};
use crate::facts::{FactsBody, FactsLink, FactsVersion};
use crate::files::Files;
use crate::format::{RecordError, SegmentNumber, StoredFacts};
use crate::index::SegmentTable;
use hashbrown::{HashMap, HashSet};
use madang_model::{FactsFault, Revision, RoomKey, RoomName, ShardId};

/// Revisions that follow each other.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct RevisionRun {
    first: Revision,
    last: Revision,
}

/// The facts of a room in one directory.
#[derive(Debug)]
struct FactsHere {
    shard: ShardId,
    newest: FactsVersion,
    /// Where the newest record is.
    at: Location,
    /// The next record that they are read from; `None` when all were met.
    awaited: Option<FactsLink>,
    /// In falling order.
    runs: Vec<RevisionRun>,
}

/// The pieces of a checkpoint that were met so far, from its end.
#[derive(Debug)]
struct PiecesMet {
    version: FactsVersion,
    room: RoomKey,
    /// The piece that was met last, and where it is: the one before it ends there.
    piece: u64,
    at: Location,
    /// Where the last piece ends.
    end_bytes: u64,
}

#[derive(Debug)]
struct FactsOfRoom {
    name: RoomName,
    here: Vec<FactsHere>,
    /// What indexes say of segments that are not read: which revisions they tell of, and the newest record there.
    believed: Vec<(RevisionRun, FactsVersion)>,
}

/// The facts of all rooms.
#[derive(Debug, Default)]
pub struct FactsCheck {
    rooms: HashMap<RoomKey, FactsOfRoom>,
    pieces: Option<PiecesMet>,
    /// Segments that are not read.
    believed: HashSet<(ShardId, SegmentNumber)>,
}

impl FactsCheck {
    /// Takes the word of an index for a segment that is not read.
    pub fn believe(&mut self, shard: ShardId, segment: SegmentNumber, table: &SegmentTable) {
        self.believed.insert((shard, segment));
        for (name, facts) in table.named_facts() {
            let run = RevisionRun { first: facts.first, last: facts.pointer.version.revision };
            let empty = || FactsOfRoom { name: name.clone(), here: Vec::new(), believed: Vec::new() };
            let of_room = self.rooms.entry(name.key()).or_insert_with(empty);
            of_room.believed.push((run, facts.pointer.version));
        }
    }

    /// How many rooms have facts.
    pub fn rooms(&self) -> u64 {
        self.rooms.len() as u64
    }

    /// Takes the next older record of a directory; `bytes` is the length of its frame. What is wrong with it by itself.
    pub fn count(&mut self, at: Location, bytes: u64, stored: &StoredFacts<'_>) -> Result<(), FaultKind> {
        let name = RoomName::from_log(stored.room).map_err(|source| {
            FaultKind::Unreadable(RecordError::Room { name: stored.room.to_owned(), source })
        })?;
        let unreadable = |fault: FactsFault| FaultKind::Facts { room: stored.room.to_owned(), fault };
        let (version, body) = FactsBody::decode(stored).map_err(unreadable)?;
        let pieces = self.pieces.take();
        let (at, bytes, first, next) = match body {
            FactsBody::Behind(behind) => (at, bytes, behind.first(version.revision), Some(behind.link)),
            FactsBody::Piece { piece, pieces: count, is_repaired, .. } => {
                let end_bytes = at.offset_bytes + bytes;
                let room = name.key();
                let behind = pieces.filter(|pieces| pieces.is_behind(room, version, piece, at, end_bytes));
                if behind.is_none() && piece + 1 != count {
                    // A crash can leave the first pieces of a checkpoint; what is damaged is reported by itself.
                    return Ok(());
                }
                let end_bytes = behind.map_or(end_bytes, |pieces| pieces.end_bytes);
                if piece > 0 {
                    self.pieces = Some(PiecesMet { version, room, piece, at, end_bytes });
                    return Ok(());
                }
                // What a repair makes of the facts stands for all revisions before.
                let first = if is_repaired { Revision(1) } else { version.revision };
                (at, end_bytes - at.offset_bytes, first, None)
            }
        };
        let link = FactsLink {
            directory: at.shard,
            segment: at.segment,
            offset_bytes: at.offset_bytes,
            bytes: u32::try_from(bytes).unwrap_or(u32::MAX),
        };
        let of_room = self.rooms.entry(name.key()).or_insert_with(|| FactsOfRoom {
            name,
            here: Vec::new(),
            believed: Vec::new(),
        });
        match of_room.here.iter_mut().find(|here| here.shard == at.shard) {
            None => {
                let runs = vec![RevisionRun { first, last: version.revision }];
                of_room.here.push(FactsHere { shard: at.shard, newest: version, at, awaited: next, runs });
            }
            Some(here) => {
                here.tell_of(first, version.revision);
                if here.awaited == Some(link) {
                    here.awaited = next;
                }
            }
        }
        Ok(())
    }

    /// Adds what is wrong. `late` are the directories whose first segments are gone, `proven` what must have been stored
    /// in segments that lack something.
    pub fn check(
        mut self,
        files: &dyn Files,
        late: &HashSet<ShardId>,
        proven: &[ProvenFacts],
        faults: &mut Vec<Fault>,
    ) {
        for ProvenFacts { room, version, at } in proven {
            let known = self.rooms.get(&room.key()).map_or(Revision::ZERO, FactsOfRoom::newest);
            if known < version.revision {
                let (first, last) = (known.next(), version.revision);
                let kind = FaultKind::FactsLost { room: room.as_str().to_owned(), first, last };
                let fault = Fault::new(files, *at, kind);
                // The copy of a snapshot proves the same.
                if !faults.contains(&fault) {
                    faults.push(fault);
                }
            }
        }
        let mut rooms: Vec<FactsOfRoom> = self.rooms.drain().map(|(_, of_room)| of_room).collect();
        rooms.sort_unstable_by(|a, b| a.name.as_str().cmp(b.name.as_str()));
        rooms.iter().for_each(|of_room| self.check_room(files, late, of_room, faults));
    }

    fn check_room(
        &self,
        files: &dyn Files,
        late: &HashSet<ShardId>,
        of_room: &FactsOfRoom,
        faults: &mut Vec<Fault>,
    ) {
        let FactsOfRoom { name, here, believed } = of_room;
        let room = || name.as_str().to_owned();
        let Some(newest) = here.iter().max_by_key(|here| here.newest) else { return };
        let is_believed = newest.awaited.is_some_and(|link| {
            self.believed.contains(&(link.directory, link.segment))
                || believed.iter().any(|(_, version)| *version > newest.newest)
        });
        if newest.awaited.is_some() && !is_believed {
            let kind = FaultKind::FactsIncomplete { room: room(), revision: newest.newest.revision };
            faults.push(Fault::new(files, newest.at, kind));
        }
        // As of messages: a hole has expired if a directory whose first segments are gone has nothing of the room before it.
        let has_older = |shard: &ShardId, run: &RevisionRun| {
            let mut own = here.iter().filter(|here| here.shard == *shard).flat_map(|here| &here.runs);
            own.any(|older| older.first < run.first)
                || believed.iter().any(|(older, _)| older.first < run.first)
        };
        let has_expired = |run: &RevisionRun| late.iter().any(|shard| !has_older(shard, run));
        let mut runs: Vec<RevisionRun> = here.iter().flat_map(|here| here.runs.iter().copied()).collect();
        runs.extend(believed.iter().map(|(run, _)| *run));
        runs.sort_unstable_by_key(|run| (run.first, run.last));
        let mut last = Revision::ZERO;
        for run in runs {
            if run.first > last.next() && !has_expired(&run) {
                let (first, last) = (last.next(), Revision(run.first.0 - 1));
                let kind = FaultKind::FactsLost { room: room(), first, last };
                faults.push(Fault::new(files, newest.at, kind));
            }
            last = last.max(run.last);
        }
    }
}

impl PiecesMet {
    /// Whether they follow the piece that ends at `end_bytes`.
    fn is_behind(
        &self,
        room: RoomKey,
        version: FactsVersion,
        piece: u64,
        at: Location,
        end_bytes: u64,
    ) -> bool {
        self.version == version
            && self.room == room
            && self.piece == piece + 1
            && (self.at.shard, self.at.segment, self.at.offset_bytes) == (at.shard, at.segment, end_bytes)
    }
}

impl FactsOfRoom {
    /// The newest revision that is there.
    fn newest(&self) -> Revision {
        let here = self.here.iter().map(|here| here.newest.revision);
        let believed = self.believed.iter().map(|(_, version)| version.revision);
        here.chain(believed).max().unwrap_or_default()
    }
}

impl FactsHere {
    /// A record tells of these revisions.
    fn tell_of(&mut self, first: Revision, last: Revision) {
        match self.runs.last_mut() {
            Some(run) if last.next() >= run.first => run.first = run.first.min(first),
            _ => self.runs.push(RevisionRun { first, last }),
        }
    }
}

#[cfg(test)]
mod tests;
