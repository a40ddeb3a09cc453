//! Which stretches of which segments make up a page.

use super::messages::EntryPlace;
use crate::format::SegmentNumber;
use crate::index::amendments::PlacedEntries;
use crate::index::link::EntryLink;
use crate::index::reads::{Damaged, QueryFault, ReadAnswer, ReadRequest, StoredFile};
use crate::index::segment::{FramePosition, OpenRun, PositionRun, RoomEntry, RoomPositions, identity};
use madang_model::{Seq, ShardId};

/// Entries of one segment whose numbers follow one another, as far as a page asks for them.
#[derive(Debug)]
pub struct Piece {
    pub directory: ShardId,
    pub segment: SegmentNumber,
    /// The first number asked for.
    pub first: Seq,
    /// The last number asked for.
    pub last: Seq,
    /// The room's last number in the segment, asked for or not, as far as it is known.
    pub segment_last: Seq,
    /// At least how many of the room's entries before those in the segment are no messages.
    pub amendments_before: u64,
    /// One for each number, once they are known.
    pub positions: Vec<FramePosition>,
    /// The run that still has to be read for them.
    missing: Option<MissingPositions>,
}

#[derive(Debug)]
struct MissingPositions {
    link: EntryLink,
    run: PositionRun,
    /// The positions' places in the run, from 0.
    first: u64,
    last: u64,
}

impl Piece {
    /// What of `range` a sealed segment holds.
    pub fn of_entry(link: EntryLink, entry: &RoomEntry, range: (Seq, Seq)) -> Option<Piece> {
        let EntryLink { directory, segment, .. } = link;
        let (first, last) = overlap((entry.first, entry.last()), range)?;
        let (from, to) = (first.0 - entry.first.0, last.0 - entry.first.0);
        let (positions, missing) = match &entry.positions {
            RoomPositions::Here(positions) => (positions[from as usize..=to as usize].to_vec(), None),
            RoomPositions::In(run) => {
                (Vec::new(), Some(MissingPositions { link, run: *run, first: from, last: to }))
            }
        };
        let (segment_last, amendments_before) = (entry.last(), entry.amendments_before);
        Some(Piece { directory, segment, first, last, segment_last, amendments_before, positions, missing })
    }

    /// What of `range` the open segment holds.
    pub fn of_open(open: &OpenRun<'_>, range: (Seq, Seq)) -> Option<Piece> {
        let (first, last) = overlap((open.first, open.last()?), range)?;
        let (from, to) = (first.0 - open.first.0, last.0 - open.first.0);
        Some(Piece {
            directory: open.directory,
            segment: open.segment,
            first,
            last,
            segment_last: open.last()?,
            amendments_before: open.amendments_before,
            positions: open.positions[from as usize..=to as usize].to_vec(),
            missing: None,
        })
    }

    /// What of `range` a run says.
    pub fn of_placed(directory: ShardId, placed: &PlacedEntries, range: (Seq, Seq)) -> Option<Piece> {
        let last = Seq(placed.first.0 + placed.positions.len().checked_sub(1)? as u64);
        let (first, last) = overlap((placed.first, last), range)?;
        let (from, to) = (first.0 - placed.first.0, last.0 - placed.first.0);
        Some(Piece {
            directory,
            segment: placed.segment,
            first,
            last,
            segment_last: last,
            // A run does not say it, and all that it says is looked up at once.
            amendments_before: 0,
            positions: placed.positions[from as usize..=to as usize].to_vec(),
            missing: None,
        })
    }

    /// Its entries, in order, once their positions are known.
    pub fn entries(&self) -> impl DoubleEndedIterator<Item = EntryPlace> {
        let Piece { directory, segment, first, segment_last: gone_with_it, .. } = *self;
        self.positions.iter().enumerate().map(move |(index, position)| EntryPlace {
            seq: Seq(first.0 + index as u64),
            directory,
            segment,
            position: *position,
            gone_with_it,
        })
    }

    /// What must be read before the positions are known.
    pub fn request(&self) -> Option<ReadRequest> {
        let missing = self.missing.as_ref()?;
        let (offset_bytes, bytes) = missing.run.part(missing.first, missing.last);
        let file = StoredFile::Index(self.segment);
        Some(ReadRequest { directory: self.directory, file, offset_bytes, bytes: bytes as usize })
    }

    /// Takes what was asked for.
    pub fn supply(&mut self, answer: &ReadAnswer<'_>) -> Result<(), QueryFault> {
        let Some(MissingPositions { link, run, first, last }) = self.missing.take() else { return Ok(()) };
        let EntryLink { directory, segment, .. } = link;
        let ReadAnswer::Bytes(bytes) = answer else {
            return Err(QueryFault::IndexMissing { directory, segment });
        };
        let positions = run.read(identity(directory, segment), first, last, bytes);
        let (offset_bytes, _) = run.part(first, last);
        self.positions = positions.ok_or(link.damaged(Damaged { offset_bytes }))?;
        Ok(())
    }
}

fn overlap(held: (Seq, Seq), asked: (Seq, Seq)) -> Option<(Seq, Seq)> {
    let (first, last) = (held.0.max(asked.0), held.1.min(asked.1));
    (first <= last).then_some((first, last))
}
