//! Where entries are by what runs say: the same few reads at any depth.
//!
//! Runs are believed as far as they say where every entry is that is asked for, and as long as each is there as it should
//! be. Otherwise the links of the room are followed.

use super::pieces::Piece;
use super::sources::AmendmentSource;
use super::stretch::Stretch;
use crate::format::SegmentNumber;
use crate::index::amendments::{PlacedEntries, group_of};
use crate::index::link::{EntryLink, RoomTail};
use madang_model::{Seq, ShardId};
use std::collections::BTreeSet;

/// More numbers are not looked up at once.
const NUMBERS_MAX: u64 = 1024;

/// Between which segments some numbers of a room are, as far as its tail says it.
#[derive(Clone, Copy, Debug)]
pub struct Between {
    /// They are in this segment of this directory, or in later ones of it.
    from: Option<(ShardId, SegmentNumber)>,
    /// They are in earlier ones than this.
    before: Option<(ShardId, SegmentNumber)>,
}

impl Between {
    /// The numbers from the first of these to the last.
    pub fn of(tail: Option<&RoomTail>, (first, last): (Seq, Seq)) -> Between {
        let links = || tail.into_iter().flat_map(RoomTail::links);
        let place = |link: EntryLink| (link.directory, link.segment);
        let from = links().filter(|link| link.first <= first).max_by_key(|link| link.first);
        let before = links().filter(|link| link.first > last).min_by_key(|link| link.first);
        Between { from: from.map(place), before: before.map(place) }
    }

    /// Whether a table may say what became of them.
    pub fn may_amend(&self, source: AmendmentSource) -> bool {
        self.from
            .is_none_or(|(directory, segment)| source.directory() != directory || source.last() >= segment)
    }

    /// Whether a table may say where they are.
    pub fn may_place(&self, source: AmendmentSource) -> bool {
        let AmendmentSource::Run(of, range) = source else { return false };
        let is_late = |(directory, segment)| of == directory && range.first >= segment;
        self.may_amend(source) && !self.before.is_some_and(is_late)
    }
}

/// The groups of these numbers; none where there are too many.
pub fn groups_within((first, last): (Seq, Seq)) -> BTreeSet<u64> {
    if first > last || last.0 - first.0 >= NUMBERS_MAX {
        return BTreeSet::new();
    }
    (group_of(first)..=group_of(last)).collect()
}

/// What runs say of a stretch.
#[derive(Debug)]
pub enum Placed {
    /// All that is asked for.
    Whole(Vec<Piece>),
    /// All that was looked up, but too few messages.
    Few,
    /// Some entries are in no run.
    Hole,
}

impl Placed {
    /// Of a stretch with this window, of which `asked` was looked up.
    pub fn of(
        stretch: Stretch,
        window: (Seq, Seq),
        asked: (Seq, Seq),
        placed: &[(ShardId, PlacedEntries)],
    ) -> Placed {
        let mut pieces: Vec<Piece> =
            placed.iter().filter_map(|(of, entries)| Piece::of_placed(*of, entries, window)).collect();
        pieces.sort_by_key(|piece| piece.first);
        let (wanted, is_down) = match stretch {
            Stretch::Exact(..) => (u64::MAX, false),
            Stretch::Up { wanted, .. } => (wanted, false),
            Stretch::Down { wanted, .. } => (wanted, true),
        };
        if is_down {
            pieces.reverse();
        }
        let (mut kept, mut found) = (0, 0);
        // Up to where all are known: the next one that is missing.
        let mut missing = if is_down { window.1 } else { window.0 };
        for piece in &pieces {
            let (near, far) = if is_down { (piece.last, piece.first) } else { (piece.first, piece.last) };
            if near != missing || found >= wanted {
                break;
            }
            kept += 1;
            found += piece.entries().filter(|place| place.position.is_message()).count() as u64;
            missing = if is_down { Seq(far.0 - 1) } else { far.next() };
        }
        pieces.truncate(kept);
        if is_down {
            pieces.reverse();
        }
        let is_behind = |end: (Seq, Seq)| if is_down { missing < end.0 } else { missing > end.1 };
        if found >= wanted || is_behind(window) {
            Placed::Whole(pieces)
        } else if is_behind(asked) {
            Placed::Few
        } else {
            Placed::Hole
        }
    }
}
