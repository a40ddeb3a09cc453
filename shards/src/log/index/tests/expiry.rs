use super::world::{World, texts};
use crate::log::index::StoredFile;
use crate::log::testing::Chance;
use crate::types::{Page, Seq, ShardId};

/// Five messages of one room in each of 40 segments, the first `expired` of which are removed.
fn expired_world(expired: usize, keeps_indexes: bool) -> World {
    let mut chance = Chance(3);
    let mut world = World::default();
    for segment in 0..40 {
        world.segment(ShardId(segment % 2), &vec!["r".to_owned(); 5], &mut chance);
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
    for keeps_indexes in [false, true] {
        for expired in [0, 1, 7, 16, 39, 40] {
            let world = expired_world(expired, keeps_indexes);
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
