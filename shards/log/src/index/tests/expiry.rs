use super::world::{World, texts};
use crate::index::StoredFile;
use crate::testing::Chance;
use madang_model::{Page, Seq, ShardId};

/// Five messages of one room in each of 40 segments, the first `expired` of which are removed.
fn expired_world(expired: usize, keeps_indexes: bool, has_runs: bool) -> World {
    let mut chance = Chance(3);
    let mut world = World::default();
    for segment in 0..40 {
        world.segment(ShardId(segment % 2), &vec!["r".to_owned(); 5], &mut chance);
    }
    if has_runs {
        world.merge(ShardId(0));
        world.merge(ShardId(1));
    }
    for (directory, segment) in world.sealed[..expired].iter().copied() {
        world.files.remove(&(directory, StoredFile::Segment(segment)));
        if !keeps_indexes {
            world.files.remove(&(directory, StoredFile::Index(segment)));
        }
    }
    world
}

#[test]
fn pages_across_the_edge_say_what_has_expired() {
    for (keeps_indexes, has_runs) in [(false, false), (true, false), (false, true), (true, true)] {
        for expired in [0, 1, 7, 16, 39, 40] {
            let world = expired_world(expired, keeps_indexes, has_runs);
            let oldest = Seq(expired as u64 * 5 + 1);
            for seq in 0..=201 {
                for page in [
                    Page::Before { seq: Seq(seq), count: 12 },
                    Page::After { seq: Seq(seq), count: 12 },
                    Page::Last { count: seq as u32 },
                ] {
                    let asked = world.expected("r", page);
                    let found = world.run("r", page).0.expect("a page");
                    let (gone, held): (Vec<_>, Vec<_>) =
                        asked.into_iter().partition(|(seq, _)| *seq < oldest);
                    assert_eq!(texts(&found), held, "{page:?} of {expired}");
                    let gone = gone.first().zip(gone.last()).map(|(first, last)| (first.0, last.0));
                    assert_eq!(found.expired, gone, "{page:?} of {expired}");
                    if !keeps_indexes && gone.is_some() {
                        assert_eq!(found.oldest, Some(oldest), "{page:?} of {expired}");
                    }
                    assert_eq!(found.oldest.is_some(), gone.is_some());
                }
            }
        }
    }
}

/// With another number of shards a room went to another directory. Each keeps its newest segment, so
/// that there are older messages than have expired (simulator, seed 1795284217222535).
#[test]
fn pages_across_a_directory_that_kept_its_newest_segment_are_whole_down_to_what_has_expired() {
    for (gone, has_runs) in [(1, false), (7, false), (20, false), (29, false), (1, true), (20, true)] {
        let mut chance = Chance(5);
        let mut world = World::default();
        for segment in 0..40 {
            world.segment(ShardId(u16::from(segment >= 10)), &vec!["r".to_owned(); 5], &mut chance);
        }
        if has_runs {
            world.merge(ShardId(0));
            world.merge(ShardId(1));
        }
        let expired = [&world.sealed[..9], &world.sealed[10..10 + gone]].concat();
        for (directory, segment) in expired {
            world.files.remove(&(directory, StoredFile::Segment(segment)));
            world.files.remove(&(directory, StoredFile::Index(segment)));
        }
        for seq in 0..=201 {
            for count in [1, 3, 12, 60, 200] {
                for page in [Page::Before { seq: Seq(seq), count }, Page::After { seq: Seq(seq), count }] {
                    let asked = world.expected("r", page);
                    let found = world.run("r", page).0.expect("a page");
                    let expired_last = found.expired.map_or(Seq::ZERO, |(_, last)| last);
                    let held: Vec<_> = asked.into_iter().filter(|(seq, _)| *seq > expired_last).collect();
                    assert_eq!(texts(&found), held, "{page:?} of {gone}");
                }
            }
        }
    }
}
