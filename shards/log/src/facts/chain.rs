//! Records of a room's facts, read from the newest back to the checkpoint, and put together again.

use super::body::{Behind, FactsBody};
use super::link::{FactsLink, FactsPointer, FactsVersion};
use crate::format::StoredFacts;
use madang_model::{FactsFault, Revision, RoomFacts};

/// Facts as they are stored, with what is needed to append more.
#[derive(Clone, Debug)]
pub struct LoadedFacts {
    /// All of them.
    pub facts: RoomFacts,
    /// Their newest record.
    pub pointer: FactsPointer,
    /// Bytes of the checkpoint.
    pub(super) checkpoint_bytes: u64,
    /// Bytes of the records behind it.
    pub(super) behind_bytes: u64,
    /// The records since the last that need not be repeated when they are rolled up, oldest first; and that one.
    pub(super) recent: Vec<(FactsVersion, Behind)>,
    pub(super) base: FactsPointer,
}

impl LoadedFacts {
    /// Whether a record that repeats others was read for it.
    #[cfg(test)]
    pub fn has_rolled_up(&self) -> bool {
        self.base.link.segment != self.pointer.oldest
            || u64::from(self.base.link.bytes) != self.checkpoint_bytes
    }
}

/// The records behind a checkpoint that were read so far.
#[derive(Debug)]
pub struct FactsChain {
    pointer: FactsPointer,
    /// What is to be read next.
    next: FactsLink,
    /// Newest first, with where each lies.
    behind: Vec<(FactsVersion, FactsLink, Behind)>,
}

impl FactsChain {
    /// Begins at the newest record.
    pub fn new(pointer: FactsPointer) -> FactsChain {
        FactsChain { pointer, next: pointer.link, behind: Vec::new() }
    }

    /// The record to be read next.
    pub fn next(&self) -> FactsLink {
        self.next
    }

    /// Takes what lies there: one record, or all pieces of a checkpoint. The facts, once it was the checkpoint.
    ///
    /// # Errors
    /// [`FactsFault`] when it is not what was linked to.
    pub fn take(&mut self, found: &[StoredFacts<'_>]) -> Result<Option<LoadedFacts>, FactsFault> {
        let mut all = Vec::new();
        let mut checkpoint = None;
        for (place, stored) in (0..).zip(found) {
            let (version, body) = FactsBody::decode(stored)?;
            self.check_version(version)?;
            match body {
                FactsBody::Behind(behind) if found.len() == 1 => {
                    let link = std::mem::replace(&mut self.next, behind.link);
                    self.behind.push((version, link, behind));
                    return Ok(None);
                }
                FactsBody::Piece { piece, pieces, bytes, .. }
                    if piece == place
                        && pieces == found.len() as u64
                        && checkpoint.is_none_or(|known| known == version) =>
                {
                    all.extend_from_slice(bytes);
                    checkpoint = Some(version);
                }
                _ => return Err(FactsFault::Unreadable("pieces of a checkpoint do not belong together")),
            }
        }
        let version = checkpoint.ok_or(FactsFault::Unreadable("there is no record of facts"))?;
        let facts = RoomFacts::decode(version.revision, &all)?;
        self.assemble(version, facts).map(Some)
    }

    /// Each record is older than the one that links to it, and the first is the one that was asked for.
    fn check_version(&self, version: FactsVersion) -> Result<(), FactsFault> {
        let Some((above, _, behind)) = self.behind.last() else {
            let is_it = version == self.pointer.version;
            return if is_it { Ok(()) } else { Err(gap(self.pointer.version.revision, version.revision)) };
        };
        let before = behind.before(above.revision);
        let is_before = version.revision == before && version < *above;
        if is_before { Ok(()) } else { Err(gap(version.revision, before.next())) }
    }

    fn assemble(&mut self, version: FactsVersion, mut facts: RoomFacts) -> Result<LoadedFacts, FactsFault> {
        let checkpoint_bytes = u64::from(self.next.bytes);
        let oldest = self.next.segment;
        let mut base = FactsPointer { version, link: self.next, oldest };
        let (mut behind_bytes, mut recent) = (0, Vec::new());
        for (version, link, behind) in std::mem::take(&mut self.behind).into_iter().rev() {
            for change in &behind.changes {
                facts.replay(facts.revision().next(), change)?;
            }
            if facts.revision() != version.revision {
                return Err(gap(facts.revision(), version.revision));
            }
            for (account, read) in &behind.reads {
                facts.move_read(*account, *read);
            }
            if link.directory != self.next.directory || link.segment < oldest || behind.oldest != oldest {
                return Err(FactsFault::Unreadable("a record does not know where its checkpoint is"));
            }
            behind_bytes += u64::from(link.bytes);
            if behind.is_rolled_up {
                base = FactsPointer { version, link, oldest };
                recent.clear();
            } else {
                recent.push((version, behind));
            }
        }
        Ok(LoadedFacts { facts, pointer: self.pointer, checkpoint_bytes, behind_bytes, recent, base })
    }
}

fn gap(known: Revision, found: Revision) -> FactsFault {
    FactsFault::Gap { known, found }
}
