//! Reading the frames of a page: all at once, neighbours together.

use super::frame::frame_alone;
use crate::format::{RecordKind, SegmentId, SegmentNumber, StoredEntry};
use crate::index::amendments::{AmendmentPlace, TargetChanges};
use crate::index::reads::{QueryFault, ReadAnswer, ReadRequest, StoredFile};
use crate::index::segment::FramePosition;
use hashbrown::HashMap;
use madang_model::{
    Change, Entry, RoomName, Seq, ShardId, ShownEntry, ShownMessage, Timestamp, Tombstone, UserKey, UserName,
};
use rkyv::util::AlignedVec;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Frames this close are read together: what lies between costs less than another read.
const GAP_BYTES_MAX: u64 = 4096;
/// Reads end when they are this long, so that no buffer is large.
const READ_BYTES_MAX: u64 = 256 * 1024;

/// Where an entry is that is to be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EntryPlace {
    pub seq: Seq,
    pub directory: ShardId,
    pub segment: SegmentNumber,
    pub position: FramePosition,
    /// The entries up to this number are gone when the segment is.
    pub gone_with_it: Seq,
}

/// One read of a segment.
#[derive(Debug)]
pub struct FrameRead {
    start_bytes: u64,
    end_bytes: u64,
    /// In the order in which they lie there.
    frames: Vec<EntryPlace>,
}

/// Those of some entries that are there.
pub fn there(entries: &[EntryPlace]) -> impl Iterator<Item = EntryPlace> {
    entries.iter().filter(|place| !place.position.is_lost()).copied()
}

/// The entries that say what became of those of some entries that are messages.
pub fn change_places(
    entries: &[EntryPlace],
    changes: &BTreeMap<Seq, TargetChanges>,
) -> impl Iterator<Item = EntryPlace> {
    let messages = entries.iter().filter(|place| place.position.is_message());
    messages.filter_map(|place| Some((place.seq, changes.get(&place.seq)?))).flat_map(
        |(gone_with_it, changes)| {
            let places = [changes.edit, changes.reactions].into_iter().flatten();
            places.map(move |AmendmentPlace { seq, directory, segment, position }| EntryPlace {
                seq,
                directory,
                segment,
                position,
                gone_with_it,
            })
        },
    )
}

/// The reads that fetch these entries, each once.
pub fn frame_reads(wanted: impl Iterator<Item = EntryPlace>) -> Vec<FrameRead> {
    let mut wanted: Vec<EntryPlace> = wanted.collect();
    wanted.sort_unstable_by_key(|place| (place.directory, place.segment, place.position.offset_bytes()));
    // One entry may say something of several messages.
    wanted.dedup_by(|later, earlier| {
        let is_same = later.seq == earlier.seq;
        if is_same {
            earlier.gone_with_it = earlier.gone_with_it.max(later.gone_with_it);
        }
        is_same
    });
    let mut reads: Vec<FrameRead> = Vec::new();
    for place in wanted {
        match reads.last_mut() {
            Some(read) if read.reaches(&place) => {
                read.end_bytes = end_of(&place);
                read.frames.push(place);
            }
            _ => reads.push(FrameRead {
                start_bytes: place.position.offset_bytes(),
                end_bytes: end_of(&place),
                frames: vec![place],
            }),
        }
    }
    reads
}

fn end_of(place: &EntryPlace) -> u64 {
    place.position.offset_bytes() + place.position.frame_bytes()
}

impl FrameRead {
    fn reaches(&self, place: &EntryPlace) -> bool {
        let is_same =
            |known: &EntryPlace| (known.directory, known.segment) == (place.directory, place.segment);
        let is_near =
            (self.end_bytes..=self.end_bytes + GAP_BYTES_MAX).contains(&place.position.offset_bytes());
        is_near
            && self.frames.first().is_some_and(is_same)
            && end_of(place) - self.start_bytes <= READ_BYTES_MAX
    }

    pub fn request(&self) -> ReadRequest {
        let EntryPlace { directory, segment, .. } = self.frames[0];
        ReadRequest {
            directory,
            file: StoredFile::Segment(segment),
            offset_bytes: self.start_bytes,
            bytes: (self.end_bytes - self.start_bytes) as usize,
        }
    }
}

/// A draft that an entry came from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FoundDraft {
    /// Whose it is.
    pub author: UserKey,
    /// Author and draft, as [`draft_hash`](crate::draft_hash) has them.
    pub hash: u64,
    /// The entry's number.
    pub seq: Seq,
    /// When it was accepted.
    pub time: Timestamp,
}

/// What was read of an entry.
#[derive(Clone, Debug)]
enum ReadEntry {
    Whole(Entry),
    /// It was erased: what is left of it, and whether it was a message.
    Erased(Tombstone, bool),
}

/// Turns what was read into entries.
#[derive(Debug)]
pub struct EntryDecoder {
    room: RoomName,
    /// Names as they are stored, so that each is checked once and shared.
    authors: HashMap<Box<str>, UserName>,
    aligned: AlignedVec,
    entries: HashMap<Seq, ReadEntry>,
    drafts: Vec<FoundDraft>,
    /// By message: its last edit among those that were erased.
    erased_edits: HashMap<Seq, Seq>,
    /// The last number in a segment that is gone.
    pub expired_last: Option<Seq>,
}

impl EntryDecoder {
    pub fn new(room: RoomName) -> EntryDecoder {
        EntryDecoder {
            room,
            authors: HashMap::new(),
            aligned: AlignedVec::new(),
            entries: HashMap::new(),
            drafts: Vec::new(),
            erased_edits: HashMap::new(),
            expired_last: None,
        }
    }

    /// Whether the entry with this number was read.
    pub fn has(&self, seq: Seq) -> bool {
        self.entries.contains_key(&seq)
    }

    /// Takes the entries of one read.
    pub fn take(&mut self, read: &FrameRead, answer: &ReadAnswer<'_>) -> Result<(), QueryFault> {
        let ReadAnswer::Bytes(bytes) = answer else {
            let gone = read.frames.iter().map(|place| place.gone_with_it).max();
            self.expired_last = self.expired_last.max(gone);
            return Ok(());
        };
        for place in &read.frames {
            let start = (place.position.offset_bytes() - read.start_bytes) as usize;
            let within = start..start + place.position.frame_bytes() as usize;
            let entry = self.entry(place, bytes.get(within).unwrap_or(&[]))?;
            self.entries.insert(place.seq, entry);
        }
        Ok(())
    }

    fn entry(&mut self, at: &EntryPlace, bytes: &[u8]) -> Result<ReadEntry, QueryFault> {
        let EntryPlace { seq, directory, segment, position, .. } = *at;
        let EntryDecoder { room, authors, aligned, drafts, erased_edits, .. } = self;
        let (place, offset_bytes) = (SegmentId { shard: directory, segment }, position.offset_bytes());
        let frame = frame_alone(bytes, place, offset_bytes as usize, aligned);
        let record = frame.and_then(|frame| frame.record());
        let Some(stored) = record.as_ref().and_then(StoredEntry::of) else {
            return Err(QueryFault::MessageDamaged { directory, segment, offset_bytes, seq });
        };
        if stored.seq() != seq || stored.kind() != position.kind() || !is_of(&stored, room)? {
            // A whole entry, and another one: the index is wrong about it.
            return Err(QueryFault::IndexDamaged { directory, segment, offset_bytes: 0 });
        }
        if stored.is_erased() {
            if let StoredEntry::Amendment(amendment) = &stored
                && position.kind() == RecordKind::Edit
            {
                let last = erased_edits.entry(amendment.target).or_default();
                *last = seq.max(*last);
            }
            let tombstone = Tombstone { seq, time: stored.time(), author: None };
            return Ok(ReadEntry::Erased(tombstone, position.is_message()));
        }
        let name = stored.author().name;
        let author = match authors.get(name) {
            Some(author) if author.identity() == stored.author().identity() => author.clone(),
            _ => {
                let author = stored.author_name()?;
                authors.insert(name.into(), author.clone());
                author
            }
        };
        let (key, time) = (author.key(), stored.time());
        let hash = stored.draft_number(key);
        drafts.extend((hash != 0).then_some(FoundDraft { author: key, hash, seq, time }));
        let entry = stored.to_entry(room.clone(), author)?;
        Ok(ReadEntry::Whole(entry.expect("what is not erased is whole")))
    }

    /// The message with this number as it is now; `None` when it was not read.
    pub fn shown(&self, seq: Seq, changes: Option<&TargetChanges>) -> Option<ShownMessage> {
        let message = match self.entries.get(&seq)? {
            ReadEntry::Whole(Entry::Message(message)) => message,
            ReadEntry::Whole(Entry::Amendment(_)) => return None,
            ReadEntry::Erased(tombstone, _) => {
                return Some(ShownMessage::Deleted(Arc::new(tombstone.clone())));
            }
        };
        let mut shown = ShownMessage::AsSaid(Arc::clone(message));
        let Some(changes) = changes else { return Some(shown) };
        if changes.deletion.is_some() {
            shown.delete();
            return Some(shown);
        }
        for place in [changes.edit, changes.reactions].into_iter().flatten() {
            match self.entries.get(&place.seq) {
                Some(ReadEntry::Whole(Entry::Amendment(amendment))) => shown.amend(amendment),
                // Of an edit that was erased neither the new text can be shown nor the old one.
                _ if changes.edit == Some(place) => {
                    shown.delete();
                    return Some(shown);
                }
                _ => {}
            }
        }
        if changes.is_pinned() {
            shown.pin();
        }
        Some(shown)
    }

    /// Whether the last edit of a message among what was read was erased.
    fn is_text_erased(&self, message: Seq, changes: Option<&TargetChanges>) -> bool {
        let known = changes.and_then(|changes| changes.edit);
        let is_later = |erased: Seq| {
            known.is_some_and(|edit| edit.seq > erased)
                || self.entries.values().any(|entry| match entry {
                    ReadEntry::Whole(Entry::Amendment(later)) => {
                        let is_edit = matches!(later.change, Change::Edit { .. });
                        is_edit && later.target == message && later.seq > erased
                    }
                    _ => false,
                })
        };
        self.erased_edits.get(&message).is_some_and(|erased| !is_later(*erased))
    }

    /// The entry with this number as it is now, as far as that is known; `None` when it was not read.
    pub fn entry_shown(&self, seq: Seq, changes: &BTreeMap<Seq, TargetChanges>) -> Option<ShownEntry> {
        Some(match self.entries.get(&seq)? {
            // Of an edit that was erased neither the new text can be shown nor the old one.
            ReadEntry::Whole(Entry::Message(message)) if self.is_text_erased(seq, changes.get(&seq)) => {
                ShownEntry::Message(ShownMessage::erased(seq, message.time))
            }
            ReadEntry::Whole(Entry::Message(_)) => ShownEntry::Message(self.shown(seq, changes.get(&seq))?),
            ReadEntry::Whole(Entry::Amendment(amendment)) => {
                let known = changes.get(&amendment.target);
                let is_later = |place: Option<AmendmentPlace>| place.is_some_and(|place| place.seq > seq);
                let erased_later =
                    self.erased_edits.get(&amendment.target).is_some_and(|erased| *erased > seq);
                let is_outdated = erased_later
                    || known.is_some_and(|known| is_later(known.edit) || known.deletion.is_some());
                match amendment.change {
                    Change::Edit { .. } if is_outdated => ShownEntry::Gone { seq, time: amendment.time },
                    _ => ShownEntry::Amendment(Arc::clone(amendment)),
                }
            }
            ReadEntry::Erased(tombstone, true) => {
                ShownEntry::Message(ShownMessage::Deleted(Arc::new(tombstone.clone())))
            }
            ReadEntry::Erased(Tombstone { seq, time, .. }, false) => {
                ShownEntry::Gone { seq: *seq, time: *time }
            }
        })
    }

    /// The drafts of those of the entries read whose numbers are between these, in order.
    pub fn drafts(&self, (first, last): (Seq, Seq)) -> Vec<FoundDraft> {
        let within = self.drafts.iter().filter(|draft| (first..=last).contains(&draft.seq));
        let mut drafts: Vec<FoundDraft> = within.copied().collect();
        drafts.sort_unstable_by_key(|draft| draft.seq);
        drafts
    }

    /// The messages that the edits among what was read are about.
    pub fn edited(&self) -> impl Iterator<Item = Seq> {
        self.entries.values().filter_map(|entry| match entry {
            ReadEntry::Whole(Entry::Amendment(amendment)) => match amendment.change {
                Change::Edit { .. } => Some(amendment.target),
                _ => None,
            },
            _ => None,
        })
    }
}

fn is_of(stored: &StoredEntry<'_>, room: &RoomName) -> Result<bool, QueryFault> {
    Ok(stored.room() == room.as_str() || stored.room_name()?.is_same_as(room))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::amendment;
    use madang_model::Text;

    #[test]
    fn an_edit_is_not_shown_again_where_the_one_after_it_was_erased() {
        let edit = |seq| {
            let text = Text::sanitise("as it was edited").expect("a text");
            Arc::new(amendment("lobby", seq, 1, Change::Edit { text }))
        };
        let mut decoder = EntryDecoder::new(RoomName::parse("lobby").expect("a room name"));
        for seq in [2, 4] {
            decoder.entries.insert(Seq(seq), ReadEntry::Whole(Entry::Amendment(edit(seq))));
        }
        decoder.erased_edits.insert(Seq(1), Seq(3));
        let shown = |seq| decoder.entry_shown(Seq(seq), &BTreeMap::new()).expect("it was read");
        assert!(matches!(shown(2), ShownEntry::Gone { seq: Seq(2), .. }), "{:?}", shown(2));
        assert!(matches!(shown(4), ShownEntry::Amendment(_)), "{:?}", shown(4));
    }
}
