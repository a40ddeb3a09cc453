//! A log with secrets in it: of both formats, with a segment that failed, with what repairs set aside and left over.

use super::disk::{CrashDisk, DiskState};
use crate::append::Durability;
use crate::erase::rules::{ErasureRule, Erasures};
use crate::files::{Files, MemoryFiles};
use crate::format::old::{OldMessage, OldRecord, OldSeal, push_old_frame};
use crate::format::{
    HEADER_BYTES, Scan, ScanItem, SegmentHeader, SegmentId, SegmentNumber, directory_name, file_name,
    stamp_frames,
};
use crate::testing::{SHARD, Writer, message, with_draft};
use madang_model::{Message, RoomName, Seq, Text, Timestamp};
use rkyv::util::AlignedVec;

/// What is to be in no file. It is short, so that it may lie anywhere in a frame.
pub const SECRET: &[u8] = b"\xec\x89\xbf!xyz";
const SECRET_TEXT: &str = "쉿!xyz";

/// Whether the secret is in these bytes.
pub fn has_secret(bytes: &[u8]) -> bool {
    bytes.windows(SECRET.len()).any(|window| window == SECRET)
}

/// Where a segment is.
pub fn place(number: u64) -> SegmentId {
    SegmentId { shard: SHARD, segment: SegmentNumber(number) }
}

/// The name of a segment.
pub fn name(number: u64) -> String {
    format!("{}/{}", directory_name(SHARD), file_name(SegmentNumber(number)))
}

/// A disk, and what is to be erased on it.
pub struct World {
    pub start: DiskState,
    pub erasures: Erasures,
    /// Segments, and where those end that failed.
    pub segments: Vec<(u64, Option<usize>)>,
}

/// What was said, and which of it is secret.
struct Said {
    next: u64,
    erasures: Erasures,
}

impl Said {
    fn say(&mut self, is_secret: bool) -> Message {
        let seq = self.next;
        self.next += 1;
        let text = if is_secret { format!("word {SECRET_TEXT} {seq}") } else { format!("word number {seq}") };
        let mut said = message("방", seq, "x");
        said.text = Text::sanitise(&text).expect("a text");
        if is_secret {
            let (room, seq) = (said.room.clone(), said.seq);
            let rule = ErasureRule::Entries { room, first: seq, last: seq };
            self.erasures.add(&rule, Timestamp(i64::MAX));
        }
        if seq.is_multiple_of(3) { with_draft(said, &format!("draft-{seq}")) } else { said }
    }
}

/// A segment of format 2.
fn old_segment(number: u64, count: u64, said: &mut Said) -> Vec<u8> {
    let (mut frames, mut times) = (Vec::new(), Vec::new());
    for index in 0..count {
        let message = said.say(index % 7 == 3);
        push_old_frame(
            &mut frames,
            &OldRecord::Message(OldMessage {
                room: message.room.as_str(),
                seq: message.seq.0,
                time_us: message.time.0,
                author: message.author.as_str(),
                draft: message.draft.as_ref().map_or("", |draft| draft.as_str()),
                text: message.text.as_str(),
            }),
        );
        times.push(message.time.0);
    }
    let (first_time_us, last_time_us) = (times[0], times[times.len() - 1]);
    let mut bytes = header(number, 2).to_vec();
    stamp_frames(&mut frames, place(number), HEADER_BYTES, 1, HEADER_BYTES);
    bytes.extend_from_slice(&frames);
    let mut seal = Vec::new();
    push_old_frame(&mut seal, &OldRecord::Seal(OldSeal { records: count, first_time_us, last_time_us }));
    let end = bytes.len();
    stamp_frames(&mut seal, place(number), end, 2, end);
    bytes.extend_from_slice(&seal);
    bytes
}

fn header(number: u64, version: u8) -> [u8; HEADER_BYTES] {
    let header = SegmentHeader {
        shard: SHARD,
        shard_count: 1,
        segment: SegmentNumber(number),
        created_us: number as i64,
        capacity_bytes: 1 << 20,
        generation: 0,
    };
    let mut bytes = header.encode();
    bytes[8] = version;
    let checksum = crc32c::crc32c(&bytes[..HEADER_BYTES - 4]).to_le_bytes();
    bytes[HEADER_BYTES - 4..].copy_from_slice(&checksum);
    bytes
}

/// A segment as the server writes it, sealed.
fn new_segment(number: u64, count: u64, said: &mut Said, is_secret: impl Fn(u64) -> bool) -> Vec<u8> {
    let files = MemoryFiles::default();
    let mut writer = Writer::with(&files, SHARD, SegmentNumber(number), Durability::Commit);
    let messages: Vec<Message> = (0..count).map(|index| said.say(is_secret(index))).collect();
    messages.chunks(5).for_each(|batch| writer.commit(batch));
    let sealed = writer.finish();
    let mut bytes = AlignedVec::new();
    files.read(SHARD, SegmentNumber(number), &mut bytes).expect("it is there");
    bytes[..sealed.end_offset_bytes as usize + sealed.frame.len()].to_vec()
}

/// A segment whose last write failed, and the one that repeats what was in it and says so.
fn failed_segment(number: u64, said: &mut Said) -> (Vec<u8>, Vec<u8>, usize) {
    let files = MemoryFiles::default();
    let mut writer = Writer::with(&files, SHARD, SegmentNumber(number), Durability::Commit);
    writer.commit(&[said.say(false), said.say(true), said.say(false)]);
    let end = writer.appender.written().offset_bytes as usize;
    writer.appender.append(&said.say(true));
    writer.appender.append(&said.say(false));
    let unlucky = writer.write().expect("messages wait");
    let unlucky_end = unlucky.end_bytes() as usize;
    writer.appender.failed(unlucky);
    let again = writer.write().expect("they wait again");
    writer.appender.committed(again);
    let sealed = writer.finish();
    let read = |number, length: usize| {
        let mut bytes = AlignedVec::new();
        files.read(SHARD, SegmentNumber(number), &mut bytes).expect("it is there");
        bytes[..length].to_vec()
    };
    let mut failed = read(number, unlucky_end);
    failed.resize(unlucky_end.next_multiple_of(4096), 0);
    (failed, read(number + 1, sealed.end_offset_bytes as usize + sealed.frame.len()), end)
}

/// All of it.
pub fn world() -> World {
    let mut said = Said { next: 1, erasures: Erasures::default() };
    let disk = CrashDisk::new(DiskState::default());
    disk.put(&name(1), &old_segment(1, 20, &mut said), 101);
    let of_format_3 = new_segment(2, 60, &mut said, |index| index % 10 == 3);
    disk.put(&name(2), &of_format_3, 102);
    let (failed, after, end) = failed_segment(3, &mut said);
    disk.put(&name(3), &failed, 103);
    disk.put(&name(4), &after, 104);
    disk.put(&name(5), &new_segment(5, 12, &mut said, |_| false), 105);
    // Set aside: a part of segment 2, whole frames and a damaged one, which is a secret.
    let from = frame_starts(&of_format_3, 2)[1];
    let mut aside = of_format_3[from..from + 2_000].to_vec();
    let damaged = aside.windows(SECRET.len()).position(|window| window == SECRET).expect("it holds one");
    aside[damaged + SECRET.len()] ^= 1;
    let range = format!("{from}-{}", from + 2_000);
    disk.put(&format!("set-aside-1/{}.bytes-{range}", name(2)), &aside, 106);
    // What a repair left that was killed.
    disk.put(&format!("{}.repair", name(2).trim_end_matches(".seg")), &of_format_3, 107);
    let segments = vec![(1, None), (2, None), (3, Some(end)), (4, None), (5, None)];
    World { start: disk.state(), erasures: said.erasures, segments }
}

fn frame_starts(bytes: &[u8], number: u64) -> Vec<usize> {
    let mut lined_up = AlignedVec::<16>::new();
    lined_up.extend_from_slice(bytes);
    let start = |found: ScanItem<'_>| match found {
        ScanItem::Entry(frame, _) => Some(frame.offset_bytes),
        _ => None,
    };
    Scan::new(&lined_up, place(number), None).filter_map(start).collect()
}

/// The room that all is said in.
pub fn room() -> RoomName {
    RoomName::parse("방").expect("a room")
}

/// The numbers that a rule is about.
pub fn entries(first: u64, last: u64) -> ErasureRule {
    ErasureRule::Entries { room: room(), first: Seq(first), last: Seq(last) }
}
