//! Pages whose entries are found by what runs say.

use super::amended::{Amended, DIRECTORY, ROOMS, words};
use super::world::{self, World, any_page, check_any_pages, texts};
use crate::format::{Scan, ScanItem, SegmentId, SegmentNumber, erase_frame};
use crate::index::amendments::{RunRange, RunReader, write_run_of_version};
use crate::index::bytes::AMENDMENTS_VERSION;
use crate::index::*;
use crate::testing::Chance;
use madang_model::{Page, Seq, ShardId, ShownMessage};
use rkyv::util::AlignedVec;

/// A room that says two things in each of many segments of two directories, among others.
fn long_lived(segments: u64) -> World {
    let mut world = world::long_lived(segments, 20);
    world.merge(ShardId(0));
    world.merge(ShardId(1));
    world
}

#[test]
fn every_page_is_what_a_naive_reader_finds() {
    for seed in 1..=12 {
        check_any_pages(&mut Chance(seed * 104_729), |world, chance| {
            if chance.below(4) == 0 {
                world.merge(ShardId(chance.below(2) as u16));
            }
        });
    }
}

#[test]
fn a_page_takes_four_rounds_at_any_depth() {
    for segments in [30, 250, 1000] {
        let world = long_lived(segments);
        // The last few segments of each directory are in no run.
        let in_runs = 4 * (segments / 2 / 4 * 4);
        for seq in (1..=in_runs - 2).step_by(1 + segments as usize / 40) {
            for page in [
                Page::Before { seq: Seq(seq), count: 2 },
                Page::After { seq: Seq(seq.min(in_runs.saturating_sub(50))), count: 50.min(in_runs as u32) },
                Page::Around { seq: Seq(seq.max(1)), count: 4 },
            ] {
                let cost = world.check("deep", page);
                assert!(cost.rounds <= 4, "header, slots, buckets, messages: {cost:?} {page:?}");
            }
        }
    }
}

#[test]
fn a_flipped_byte_of_a_run_is_found_and_the_page_is_right_without_it() {
    let mut world = long_lived(10);
    let range = RunRange { first: SegmentNumber(1), last: SegmentNumber(4) };
    let file = (ShardId(0), StoredFile::Run(range));
    let page = Page::Before { seq: Seq(9), count: 5 };
    let by_run = world.check("deep", page).rounds;
    let mut rounds_max = 0;
    for at in 0..world.files[&file].len() {
        let whole = world.files[&file].clone();
        world.files.get_mut(&file).expect("the run")[at] ^= 1 << (at % 8);
        rounds_max = rounds_max.max(world.check("deep", page).rounds);
        world.files.insert(file, whole.clone());
        if at % 7 == 0 {
            world.files.get_mut(&file).expect("the run").truncate(at);
            world.check("deep", page);
            world.files.insert(file, whole);
        }
    }
    assert!(rounds_max > by_run, "links were followed");
    world.files.remove(&file);
    let found = world.run("deep", page).0.expect("a page");
    assert_eq!(texts(&found), world.expected("deep", page), "its segments are there, and their indexes");
}

/// As after a repair: the checksums of the run are right, and it is wrong.
#[test]
fn a_run_that_says_other_places_is_not_believed() {
    let mut chance = Chance(3);
    let mut world = World::default();
    let mut other = World::default();
    for segment in 0..8 {
        let said = vec!["deep".to_owned(); 70];
        world.segment(ShardId(0), &said, &mut chance);
        other.segment(ShardId(0), &said[segment..], &mut chance);
    }
    world.merge(ShardId(0));
    other.merge(ShardId(0));
    for (at, file) in &other.files {
        if matches!(at.1, StoredFile::Run(_)) {
            assert_ne!(world.files.insert(*at, file.clone()), None);
        }
    }
    for seq in (1..560).step_by(7) {
        for page in [Page::Before { seq: Seq(seq), count: 20 }, Page::After { seq: Seq(seq), count: 20 }] {
            let found = world.run("deep", page).0.expect("a page");
            assert_eq!(texts(&found), world.expected("deep", page), "{page:?}");
        }
    }
}

#[test]
fn a_page_that_runs_know_needs_no_index() {
    let mut world = long_lived(42);
    world.files.retain(|(_, file), _| !matches!(file, StoredFile::Index(_)));
    for seq in 1..60 {
        world.check("deep", Page::Before { seq: Seq(seq), count: 10 });
    }
    let (newest, _) = world.run("deep", Page::Last { count: 3 });
    assert!(matches!(newest, Err(QueryFault::IndexMissing { .. })), "{newest:?}");
}

/// Many segments with amendments, in runs of this format.
fn amended(seed: u64, version: u32) -> (Amended, Chance) {
    let mut chance = Chance(seed);
    let mut world = Amended::default();
    for _ in 0..22 {
        world.segment(&ROOMS, 100, &mut chance);
    }
    world.merge();
    let runs: Vec<_> = world.files.keys().copied().collect();
    for at in runs {
        let StoredFile::Run(range) = at.1 else { continue };
        let run = world.files[&at].clone();
        let mut groups = || RunReader::new(&run[..], DIRECTORY, range);
        let mut other = Vec::new();
        write_run_of_version(DIRECTORY, range, &mut groups, 1, (version, &mut other)).expect("memory");
        world.files.insert(at, other);
    }
    (world, chance)
}

#[test]
fn runs_that_know_nothing_but_amendments_are_read() {
    for seed in 1..=6 {
        let (world, mut chance) = amended(seed * 48_611, AMENDMENTS_VERSION);
        for _ in 0..100 {
            let room = ROOMS[chance.below(4) as usize];
            world.check(room, any_page(world.known[room].entries.len() as u64, &mut chance));
        }
    }
}

/// A run of segments 1 to 4 of shard 0 as an earlier release has written it: in the room with the key 7 message 70 was
/// edited by entry 75 in segment 2.
const RUN_OF_VERSION_2: &str = "4d4144414e47524e0200000000000000010000000000000004000000000000000000000000000000\
    000000000000000000000000000000000000000046311453500000000000000025000000a723d5b91d0000006f1a9406\
    3d98b6072b35d287010700000000000000010106010502000100100a00";

#[test]
fn a_run_of_an_earlier_release_says_what_it_said() {
    let bytes: Vec<u8> = (0..RUN_OF_VERSION_2.len() / 2)
        .map(|at| u8::from_str_radix(&RUN_OF_VERSION_2[2 * at..2 * at + 2], 16).expect("a byte"))
        .collect();
    let range = RunRange { first: SegmentNumber(1), last: SegmentNumber(4) };
    let reader = RunReader::new(&bytes[..], ShardId(0), range).expect("a run");
    assert!(!reader.is_of_newest_format());
    let groups: Vec<_> = reader.map(|group| group.expect("a sound run").1).collect();
    let group = &groups[0].groups[&(7, 1)];
    let edit = group.targets[&Seq(70)].edit.expect("an edit");
    assert_eq!((groups.len(), group.entries.len()), (1, 0));
    assert_eq!((edit.seq, edit.segment, edit.position.offset_bytes()), (Seq(75), SegmentNumber(2), 4096));
}

#[test]
fn what_was_erased_is_not_shown_and_the_rest_is_as_it_was() {
    let (mut world, mut chance) = amended(5, bytes::RUN_VERSION);
    let room = "large";
    let mut erased = Vec::new();
    for number in 1..=22 {
        let at = (DIRECTORY, StoredFile::Segment(SegmentNumber(number)));
        let mut file = AlignedVec::<16>::new();
        file.extend_from_slice(&world.files[&at]);
        let place = SegmentId { shard: DIRECTORY, segment: SegmentNumber(number) };
        let entries: Vec<(usize, usize, Seq)> = Scan::new(&file, place, None)
            .filter_map(|item| match item {
                ScanItem::Entry(frame, entry) if entry.room() == room => {
                    Some((frame.offset_bytes, frame.end_bytes, entry.seq()))
                }
                _ => None,
            })
            .collect();
        for (start, end, seq) in entries {
            let is_message = world.known[room].entries[seq.0 as usize - 1].is_some();
            let bytes = &mut world.files.get_mut(&at).expect("the segment")[start..end];
            if is_message && chance.below(4) == 0 && erase_frame(bytes, place, start) {
                erased.push(seq);
            }
        }
    }
    assert!(erased.len() > 50);
    let head = world.known[room].entries.len() as u64;
    for seq in (1..head).step_by(31) {
        let page = Page::Before { seq: Seq(seq), count: 20 };
        let found = world.run(room, page).0.expect("a page");
        let expected = world.expected(room, page);
        assert_eq!(found.messages.len(), expected.len(), "{page:?}");
        for (shown, expected) in found.messages.iter().zip(expected) {
            if erased.contains(&shown.seq()) {
                assert!(matches!(shown, ShownMessage::Deleted(_)), "{shown:?}");
            } else {
                assert_eq!(words(shown), expected);
            }
        }
    }
}

#[test]
fn around_the_edge_of_what_has_expired_pages_with_amendments_are_as_by_links() {
    let (mut world, _) = amended(9, bytes::RUN_VERSION);
    let (mut by_links, _) = amended(9, AMENDMENTS_VERSION);
    for world in [&mut world, &mut by_links] {
        for segment in (1..=9).map(SegmentNumber) {
            world.files.remove(&(DIRECTORY, StoredFile::Segment(segment)));
            world.files.remove(&(DIRECTORY, StoredFile::Index(segment)));
        }
    }
    around_the_edge(&world, &by_links);
    // With the last of its segments a run expires, while who asks still knows of it.
    for world in [&mut world, &mut by_links] {
        for segment in (1..=17).map(SegmentNumber) {
            world.files.remove(&(DIRECTORY, StoredFile::Segment(segment)));
            world.files.remove(&(DIRECTORY, StoredFile::Index(segment)));
        }
        let range = RunRange { first: SegmentNumber(1), last: SegmentNumber(16) };
        world.files.remove(&(DIRECTORY, StoredFile::Run(range))).expect("a run");
    }
    around_the_edge(&world, &by_links);
}

fn around_the_edge(world: &Amended, by_links: &Amended) {
    let head = world.known["large"].entries.len() as u64;
    for seq in (0..=head).step_by(13) {
        for page in [
            Page::Before { seq: Seq(seq), count: 30 },
            Page::After { seq: Seq(seq), count: 30 },
            Page::Around { seq: Seq(seq.max(1)), count: 30 },
        ] {
            let found = world.run("large", page).0.expect("a page");
            let expected = by_links.run("large", page).0.expect("a page");
            let shown: Vec<String> = found.messages.iter().map(words).collect();
            assert_eq!(shown, expected.messages.iter().map(words).collect::<Vec<_>>(), "{page:?}");
            // Links are followed further than a full page needs.
            if shown.len() < 30 || found.expired.is_some() {
                assert_eq!((found.expired, found.oldest), (expected.expired, expected.oldest), "{page:?}");
            }
        }
    }
}
