//! An index made again from its segment.

use super::builder::{IndexBuilder, IndexedEntry};
use super::details::EntryDetails;
use super::facts_scan::FactsScan;
use super::fault::RebuildFault;
use super::position::FramePosition;
use crate::format::{
    AuthorKind, HEADER_BYTES, Scan, ScanItem, SegmentId, SegmentNumber, StoredAuthor, StoredEntry,
    StoredRecord, author_hash,
};
use hashbrown::HashMap;
use madang_model::{RoomName, Seq, ShardId, UserKey};

impl IndexBuilder {
    /// Reads a segment again: what the shard knew of it when it was sealed, and where its
    /// committed part ends, for [`seal`](Self::seal). `file` is the whole segment in memory aligned
    /// to 16 bytes, `limit_bytes` where a later segment says that its committed part ends.
    ///
    /// # Errors
    /// [`RebuildFault`] when the segment is damaged: an index never hides that.
    pub fn scan(
        file: &[u8],
        directory: ShardId,
        segment: SegmentNumber,
        limit_bytes: Option<usize>,
    ) -> Result<(IndexBuilder, u64), RebuildFault> {
        let mut builder = IndexBuilder::new(directory, segment);
        let mut names: HashMap<&str, RoomName> = HashMap::new();
        let mut authors: HashMap<&str, Option<UserKey>> = HashMap::new();
        let (mut end_bytes, mut facts) = (HEADER_BYTES, FactsScan::default());
        for found in Scan::new(file, SegmentId { shard: directory, segment }, limit_bytes) {
            let (frame, entry) = match found {
                ScanItem::Entry(frame, entry) => (frame, entry),
                ScanItem::Note(_, StoredRecord::Seal(_)) => continue,
                ScanItem::Note(frame, StoredRecord::Facts(stored)) => {
                    end_bytes = frame.end_bytes;
                    facts.take(&mut builder, frame, &stored)?;
                    continue;
                }
                ScanItem::Note(frame, _) => {
                    end_bytes = frame.end_bytes;
                    continue;
                }
                ScanItem::Damage { offset_bytes, bytes } => {
                    let (offset_bytes, bytes) = (offset_bytes as u64, bytes as u64);
                    return Err(RebuildFault::Damaged { offset_bytes, bytes });
                }
            };
            end_bytes = frame.end_bytes;
            let name = match names.get(entry.room()) {
                Some(name) => name,
                None => names.entry(entry.room()).or_insert(entry.room_name()?),
            };
            let seq = entry.seq();
            let expected = builder.room(name.key()).and_then(|run| run.last()).map(Seq::next);
            // Damage would have been found: a number that is skipped was lost and repaired before.
            builder.skip_to(name.key(), seq, entry.amendments_before());
            if let Some(expected) = expected.filter(|expected| *expected > seq) {
                let room = name.as_str().to_owned();
                return Err(RebuildFault::OutOfOrder { room, expected, found: seq });
            }
            let length = (frame.end_bytes - frame.offset_bytes) as u64;
            let position = FramePosition::new(frame.offset_bytes as u64, length, entry.kind());
            let author = match authors.get(entry.author().name) {
                Some(author) => *author,
                None => {
                    let author = author_of(&entry);
                    authors.insert(entry.author().name, author);
                    author
                }
            };
            let details = details_of(&entry, author);
            builder.push(name, seq, (position, details), || IndexedEntry::of(&entry));
        }
        Ok((builder, end_bytes as u64))
    }
}

/// The key of an author's name; `None` where it was erased, or is none.
fn author_of(entry: &StoredEntry<'_>) -> Option<UserKey> {
    entry.author_name().ok().map(|name| name.key())
}

fn details_of(entry: &StoredEntry<'_>, author: Option<UserKey>) -> EntryDetails {
    let StoredAuthor { kind, id, .. } = entry.author();
    let is_known_by_id = matches!(kind, AuthorKind::Account | AuthorKind::Service);
    match author {
        Some(key) => EntryDetails { author: author_hash((kind, id), key), draft: entry.draft_number(key) },
        // An account is known by its id alone, whatever was erased.
        None if is_known_by_id => {
            EntryDetails { author: author_hash((kind, id), UserKey::of("")), draft: entry.draft_hash() }
        }
        None => EntryDetails { author: 0, draft: entry.draft_hash() },
    }
}
