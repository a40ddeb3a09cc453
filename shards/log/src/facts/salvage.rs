//! The facts of a room of which not every record is there or in its place: what is intact of them, put together again.

use super::body::{Behind, FactsBody};
use super::link::FactsVersion;
use crate::format::StoredFacts;
use madang_model::{Revision, RoomFacts};

/// Revisions that follow each other, of which nobody knows what they changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LostRevisions {
    /// The first.
    pub first: Revision,
    /// The last.
    pub last: Revision,
}

/// The records of a room that are intact.
#[derive(Debug, Default)]
pub struct FactsSalvage {
    found: Vec<(FactsVersion, Intact)>,
    /// The pieces of a checkpoint that were met so far: which, how many, and their bytes.
    pieces: Option<(FactsVersion, u64, Vec<u8>)>,
}

#[derive(Debug)]
enum Intact {
    All(Box<RoomFacts>),
    Behind(Behind),
}

/// What is left of a room's facts.
#[derive(Debug)]
pub struct SalvagedFacts {
    /// They, at the newest revision that is known to have been.
    pub facts: RoomFacts,
    /// Their newest record.
    pub newest: FactsVersion,
    /// What is not in them, as it is lost.
    pub lost: Vec<LostRevisions>,
}

impl FactsSalvage {
    /// Takes the next record that is intact, as they stand in the log.
    pub fn take(&mut self, stored: &StoredFacts<'_>) {
        let Ok((version, body)) = FactsBody::decode(stored) else { return };
        match body {
            FactsBody::Behind(behind) => {
                self.pieces = None;
                self.found.push((version, Intact::Behind(behind)));
            }
            FactsBody::Piece { piece, pieces, bytes, .. } => {
                let (of, count, mut all) = self.pieces.take().unwrap_or((version, 0, Vec::new()));
                let continues = of == version && count == piece;
                if !continues && piece > 0 {
                    return;
                }
                if !continues {
                    all.clear();
                }
                all.extend_from_slice(bytes);
                if piece + 1 < pieces {
                    self.pieces = Some((version, piece + 1, all));
                } else if let Ok(facts) = RoomFacts::decode(version.revision, &all) {
                    self.found.push((version, Intact::All(Box::new(facts))));
                }
            }
        }
    }

    /// Puts together what is left. `proven` is the newest record that is known to have been. Where nothing says how the
    /// room began, it is taken for one that nobody may enter.
    pub fn finish(mut self, proven: FactsVersion) -> SalvagedFacts {
        self.found.sort_by_key(|(version, _)| *version);
        let newest = self.found.last().map_or(proven, |(version, _)| proven.max(*version));
        let (mut facts, mut lost) = (RoomFacts::default(), Vec::new());
        for (version, intact) in self.found {
            match intact {
                // Whatever was lost before is in it.
                Intact::All(all) => {
                    lost.clear();
                    facts = *all;
                }
                Intact::Behind(behind) => apply(&mut facts, version, &behind, &mut lost),
            }
        }
        lose_up_to(&mut facts, newest.revision, &mut lost);
        SalvagedFacts { facts, newest, lost }
    }
}

/// Applies what a record says, of which earlier ones may have said a part.
fn apply(facts: &mut RoomFacts, version: FactsVersion, behind: &Behind, lost: &mut Vec<LostRevisions>) {
    let (first, last) = (behind.first(version.revision), version.revision);
    for (revision, change) in (first.0..=last.0).map(Revision).zip(&behind.changes) {
        if revision <= facts.revision() {
            continue;
        }
        lose_up_to(facts, Revision(revision.0 - 1), lost);
        if facts.replay(revision, change).is_err() {
            // It is about something that is lost.
            lose_up_to(facts, revision, lost);
        }
    }
    lose_up_to(facts, version.revision, lost);
    for (account, read) in &behind.reads {
        facts.move_read(*account, *read);
    }
}

fn lose_up_to(facts: &mut RoomFacts, last: Revision, lost: &mut Vec<LostRevisions>) {
    let first = facts.revision().next();
    if first > last {
        return;
    }
    facts.lose_up_to(last);
    match lost.last_mut() {
        Some(before) if before.last.next() == first => before.last = last,
        _ => lost.push(LostRevisions { first, last }),
    }
}
