//! Entries by their numbers, as one who resumes asks for them.

use super::amended::{Amended, words};
use super::details::world;
use crate::format::{HEADER_BYTES, SegmentNumber};
use crate::index::*;
use crate::testing::Chance;
use madang_model::{Seq, ShardId, ShownEntry};

/// What is read of segments, and how many tables of amendments are asked.
#[derive(Default)]
struct Reads {
    frames: Vec<(ShardId, SegmentNumber, u64, u64)>,
    tables: usize,
}

impl Reads {
    fn note(&mut self, read: &ReadRequest) {
        match read.file {
            StoredFile::Segment(segment) if read.bytes != HEADER_BYTES => {
                let end = read.offset_bytes + read.bytes as u64;
                self.frames.push((read.directory, segment, read.offset_bytes, end));
            }
            StoredFile::Index(_) | StoredFile::Run(_) if read.offset_bytes == 0 => self.tables += 1,
            _ => {}
        }
    }

    /// Whether no byte was read twice.
    fn are_apart(&mut self) -> bool {
        self.frames.sort_unstable();
        self.frames.windows(2).all(|two| {
            let [(directory, segment, _, end), (next_directory, next, start, _)] = two else { return true };
            (directory, segment) != (next_directory, next) || end <= start
        })
    }
}

fn entries(world: &Amended, room: &str, range: (Seq, Seq)) -> (FoundEntries, Reads) {
    let mut query = world.with_places(room, |places| EntriesQuery::new(range, places));
    let mut reads = Reads::default();
    loop {
        match query.step() {
            Step::Done(found) => return (found.expect("it is stored"), reads),
            Step::Read(requests) => {
                requests.iter().for_each(|read| reads.note(read));
                let answers: Vec<ReadAnswer<'_>> = requests.iter().map(|read| world.answer(read)).collect();
                query.supply(&answers);
            }
        }
    }
}

#[test]
fn whoever_resumes_gets_each_entry_as_it_is_now_and_no_frame_is_read_twice() {
    for seed in 1..=12 {
        let mut chance = Chance(seed * 32_452_843);
        let world = world(&mut chance);
        for (room, known) in &world.known {
            let head = known.entries.len() as u64;
            for _ in 0..30 {
                let first = 1 + chance.below(head);
                let last = first + chance.below((head - first + 1).min(200));
                let (found, mut reads) = entries(&world, room, (Seq(first), Seq(last)));
                let numbers: Vec<u64> = found.entries.iter().map(|entry| entry.seq().0).collect();
                assert_eq!(numbers, (first..=last).collect::<Vec<u64>>(), "{room}");
                for entry in &found.entries {
                    let expected = known.entries[entry.seq().0 as usize - 1].as_ref().map(words);
                    let shown = match entry {
                        ShownEntry::Message(shown) => Some(words(shown)),
                        ShownEntry::Amendment(_) | ShownEntry::Gone { .. } => None,
                    };
                    assert_eq!(shown, expected, "{room} #{}", entry.seq());
                }
                let drafts: Vec<(u64, u64)> =
                    found.drafts.iter().map(|draft| (draft.seq.0, draft.hash)).collect();
                let of = |seq: u64| (seq, known.details[seq as usize - 1].1);
                let expected = (first..=last).map(of).filter(|(_, hash)| *hash != 0);
                assert_eq!(drafts, expected.collect::<Vec<_>>(), "{room}");
                assert!(reads.are_apart(), "{room} {first} to {last}: {:?}", reads.frames);
            }
        }
    }
}

#[test]
fn no_table_is_asked_where_nothing_was_amended_since() {
    let mut chance = Chance(7);
    let mut world = Amended::default();
    for room in ["large", "quiet", "large", "large"] {
        world.segment(&[room], if room == "quiet" { 1 } else { 60 }, &mut chance);
    }
    let (found, reads) = entries(&world, "quiet", (Seq(1), Seq(1)));
    assert_eq!((found.entries.len(), reads.tables), (1, 0), "its only entry is a message");
    let (_, reads) = entries(&world, "large", (Seq(70), Seq(80)));
    assert_eq!(reads.tables, 2, "of the segment that they are in, and of the one behind it");
    loop {
        world.segment(&["large"], 1, &mut chance);
        if world.known["large"].entries.last().is_some_and(Option::is_some) {
            break;
        }
    }
    let head = world.known["large"].entries.len() as u64;
    let (_, reads) = entries(&world, "large", (Seq(head), Seq(head)));
    assert_eq!(reads.tables, 0, "the newest message is behind all amendments");
}
