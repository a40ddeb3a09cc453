//! What indexes say of the entries with some numbers, without the entries themselves.

use super::chain::Chain;
use crate::format::SegmentNumber;
use crate::index::link::{EntryLink, RoomTail};
use crate::index::reads::{QueryFault, ReadAnswer, ReadRequest, StoredFile};
use crate::index::segment::{DetailRun, ReadDetails, RoomEntry, StoredDetails, identity};
use madang_model::{RoomName, Seq, ShardId, Timestamp};

/// What was found of a window.
#[derive(Debug)]
pub struct FoundWindow {
    /// In the order of their numbers, without a hole.
    pub entries: Vec<StoredDetails>,
    /// No entry of the room before the first of them has a later time.
    pub before: Timestamp,
    /// The first of the segments that they are in, by directory.
    pub segments: Vec<(ShardId, SegmentNumber)>,
    /// Whether numbers below the first of them were asked for and have expired.
    pub is_cut: bool,
}

/// A search for what is said of the entries with the numbers of a window.
#[derive(Debug)]
pub struct WindowLookup {
    range: (Seq, Seq),
    phase: WindowPhase,
}

#[derive(Debug)]
enum WindowPhase {
    Chain(Chain),
    Details(Vec<DetailPiece>, bool),
}

/// What one segment says of entries whose numbers follow one another.
#[derive(Debug)]
struct DetailPiece {
    directory: ShardId,
    segment: SegmentNumber,
    first: Seq,
    last: Seq,
    run: DetailRun,
    found: Option<ReadDetails>,
}

impl WindowLookup {
    /// The entries `first..=last`, which are in finished segments. `end` is where those end without a tail.
    pub fn new(room: &RoomName, range: (Seq, Seq), tail: Option<&RoomTail>, end: Seq) -> WindowLookup {
        let chain = Chain::new(room.clone(), range, tail, end);
        WindowLookup { range, phase: WindowPhase::Chain(chain) }
    }

    /// What to read next; nothing when everything is found.
    pub fn requests(&self) -> Vec<ReadRequest> {
        match &self.phase {
            WindowPhase::Chain(chain) => chain.requests(),
            WindowPhase::Details(pieces, _) => pieces.iter().filter_map(DetailPiece::request).collect(),
        }
    }

    /// Takes what was asked for.
    pub fn supply(&mut self, answers: &[ReadAnswer<'_>]) -> Result<(), QueryFault> {
        match &mut self.phase {
            WindowPhase::Chain(chain) => chain.supply(answers),
            WindowPhase::Details(pieces, _) => {
                let waiting = pieces.iter_mut().filter(|piece| piece.found.is_none());
                waiting.zip(answers).try_for_each(|(piece, answer)| piece.supply(answer))
            }
        }
    }

    /// What was found, once nothing needs to be read.
    pub fn advance(&mut self) -> Result<Option<FoundWindow>, QueryFault> {
        if let WindowPhase::Chain(chain) = &self.phase
            && chain.requests().is_empty()
        {
            let (pieces, is_cut) = pieces(chain, self.range)?;
            self.phase = WindowPhase::Details(pieces, is_cut);
        }
        match &mut self.phase {
            WindowPhase::Details(pieces, is_cut) if pieces.iter().all(|piece| piece.found.is_some()) => {
                Ok(Some(found(std::mem::take(pieces), *is_cut)))
            }
            _ => Ok(None),
        }
    }
}

/// What makes up a window, without a hole, and whether what is missing below has expired.
fn pieces(chain: &Chain, range: (Seq, Seq)) -> Result<(Vec<DetailPiece>, bool), QueryFault> {
    let mut pieces = Vec::new();
    for (link, entry) in chain.entries() {
        pieces.extend(DetailPiece::of(link, entry, range)?);
    }
    let (from, oldest) = chain.held_from(pieces.iter().map(|piece| (piece.first, piece.last)))?;
    if oldest.is_some() {
        pieces.retain(|piece| piece.first >= from);
    }
    // What time was before a window is known where it begins with a block.
    if let Some(piece) = pieces.first_mut() {
        piece.first = piece.run.aligned(piece.first);
    }
    Ok((pieces, oldest.is_some()))
}

fn found(pieces: Vec<DetailPiece>, is_cut: bool) -> FoundWindow {
    let mut window =
        FoundWindow { entries: Vec::new(), before: Timestamp(i64::MAX), segments: Vec::new(), is_cut };
    for (number, piece) in pieces.into_iter().enumerate() {
        let Some(ReadDetails { before, entries }) = piece.found else { continue };
        if number == 0 {
            window.before = before;
        }
        window.entries.extend(entries);
        window.segments.push((piece.directory, piece.segment));
    }
    window
}

impl DetailPiece {
    /// What of `range` an entry says.
    fn of(link: EntryLink, entry: &RoomEntry, range: (Seq, Seq)) -> Result<Option<DetailPiece>, QueryFault> {
        let EntryLink { directory, segment, .. } = link;
        let (first, last) = (entry.first.max(range.0), entry.last().min(range.1));
        if first > last {
            return Ok(None);
        }
        let run = entry.details.ok_or(QueryFault::IndexOutdated { directory, segment })?;
        Ok(Some(DetailPiece { directory, segment, first, last, run, found: None }))
    }

    fn request(&self) -> Option<ReadRequest> {
        if self.found.is_some() {
            return None;
        }
        let (offset_bytes, bytes) = self.run.part(self.first, self.last);
        let file = StoredFile::Index(self.segment);
        Some(ReadRequest { directory: self.directory, file, offset_bytes, bytes: bytes as usize })
    }

    fn supply(&mut self, answer: &ReadAnswer<'_>) -> Result<(), QueryFault> {
        let DetailPiece { directory, segment, .. } = *self;
        let ReadAnswer::Bytes(bytes) = answer else {
            // It was there a moment ago: whether it has expired is found out again.
            return Err(QueryFault::IndexMissing { directory, segment });
        };
        let found = self.run.read(identity(directory, segment), self.first, self.last, bytes);
        let (offset_bytes, _) = self.run.part(self.first, self.last);
        self.found = Some(found.ok_or(QueryFault::IndexDamaged { directory, segment, offset_bytes })?);
        Ok(())
    }
}
