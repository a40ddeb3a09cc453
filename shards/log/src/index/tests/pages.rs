use super::world::{World, check_any_pages, long_lived, name};
use crate::index::{PageQuery, QueryFault, Step, StoredRoomPlaces};
use crate::testing::Chance;
use madang_model::{Page, Seq, ShardId};

#[test]
fn every_page_is_what_a_naive_reader_finds() {
    for seed in 1..=12 {
        check_any_pages(&mut Chance(seed * 7919), |_, _| ());
    }
}

#[test]
fn rounds_and_bytes_grow_with_the_logarithm_of_the_depth() {
    for segments in [4, 30, 250, 1000] {
        let world = long_lived(segments, 40);
        let levels = (segments as f64).log(4.0).ceil() as usize;
        for seq in (1..=segments * 2).step_by(1 + segments as usize / 40) {
            let cost = world.check("deep", Page::Before { seq: Seq(seq), count: 2 });
            // A hop reads a slot and a bucket; then come the messages.
            let hops = 1 + 3 * levels;
            assert!(cost.rounds <= 2 * hops + 1, "{} rounds at {segments} segments", cost.rounds);
            assert!(cost.index_bytes <= hops * 8192, "{} bytes", cost.index_bytes);
            assert!(cost.message_bytes <= 4 * 400, "{cost:?}");
            let wide = world.check("deep", Page::After { seq: Seq(seq), count: 50 });
            assert!(wide.rounds <= 2 * hops + 2 * levels + 1, "{} rounds", wide.rounds);
            assert!(wide.message_reads <= 26, "one read a segment");
        }
    }
}

#[test]
fn a_page_of_a_room_that_talks_much_reads_little_more_than_itself() {
    let mut world = World::default();
    let mut chance = Chance(5);
    world.segment(ShardId(0), &vec!["hot".to_owned(); 20_000], &mut chance);
    for seq in (1..=20_000).step_by(997) {
        let cost = world.check("hot", Page::Before { seq: Seq(seq), count: 50 });
        assert!(cost.rounds <= 4, "slot, bucket, positions, messages: {cost:?}");
        assert!(cost.index_bytes <= 16 + 200 + 2 * 388, "{cost:?}");
        assert!(cost.message_reads <= 1 && cost.message_bytes <= 50 * 300, "{cost:?}");
    }
}

#[test]
fn numbers_that_are_not_committed_are_not_made_up() {
    let world = long_lived(4, 40);
    let name = name("deep");
    let tail = world.tails.get(&name.key());
    let places = StoredRoomPlaces { room: &name, head: Seq(10), tail, open: &[], sources: &[] };
    let mut query = PageQuery::new(Page::Last { count: 3 }, &places);
    let Step::Done(Err(fault)) = query.step() else { panic!("nothing can be read") };
    assert_eq!(fault, QueryFault::NotStored { first: Seq(9), last: Seq(10) });
}
