//! A frame whose record is erased: its head stays, and what stands behind it is zeros.

use super::body::BODY_VERSION;
use super::frame::{SegmentId, read_frame_at, refill_frame};
use super::head::{AuthorKind, RecordHead, RecordKind, draft_hash};
use super::record::StoredRecord;
use super::version_2;
use madang_model::{DraftId, UserKey, UserName};
use rkyv::util::AlignedVec;

/// Erases what was said in a frame, which is given whole and stands at `offset_bytes` of its segment. Its length, its
/// batch and what it proves of earlier bytes stay; the checksum is another. A frame of format 2 gets a head. `false` when
/// it is no frame, or one of which nothing can be erased: then it is as it was.
pub fn erase_frame(frame: &mut [u8], place: SegmentId, offset_bytes: usize) -> bool {
    let mut head = Vec::with_capacity(128);
    let Some(read) =
        read_frame_at(frame, offset_bytes, place).filter(|read| read.end_bytes - offset_bytes == frame.len())
    else {
        return false;
    };
    let units = match read.head_bytes {
        0 => {
            // It is used in place, so it must be aligned.
            let mut payload = AlignedVec::<16>::new();
            payload.extend_from_slice(read.payload);
            push_old_head(&payload, &mut head)
        }
        head_bytes => push_erased_head(&read.payload[..head_bytes], &mut head),
    };
    let Some(units) = units else { return false };
    refill_frame(frame, &head, units, place, offset_bytes);
    true
}

/// Of a record with a head: the same, flagged.
fn push_erased_head(bytes: &[u8], head: &mut Vec<u8>) -> Option<u8> {
    let read = RecordHead::read(bytes)?;
    let has_text = matches!(read.kind, RecordKind::Message | RecordKind::Edit | RecordKind::Topic);
    let is_new = has_text && !read.is_erased && read.version == BODY_VERSION;
    is_new.then(|| RecordHead { is_erased: true, ..read }.push(head))
}

/// Of a message of format 2, which knew names alone. Its draft is hashed as that of a guest, by which it is known when it
/// comes again.
fn push_old_head(payload: &[u8], head: &mut Vec<u8>) -> Option<u8> {
    let StoredRecord::Message(message) = version_2::read(payload)? else { return None };
    let name = message.author.name;
    let key = UserName::parse(name).map_or_else(|_| UserKey::of(name), |name| name.key());
    let hash = |draft| draft_hash((AuthorKind::Guest, 0), key, &draft);
    let head_of = RecordHead {
        is_erased: true,
        number: message.seq.0,
        time_us: message.time.0,
        draft_hash: DraftId::parse(message.draft).map_or(0, hash),
        room: message.room,
        ..RecordHead::of_note(RecordKind::Message)
    };
    Some(head_of.push(head))
}
