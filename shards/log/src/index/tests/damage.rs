use super::world::{World, any_page, some_rooms, texts};
use crate::index::{QueryFault, ReadAnswer, SegmentTable, Step, StoredFile};
use crate::testing::Chance;
use madang_model::{Page, Seq, ShardId};

fn small_world() -> (World, Vec<(String, Page)>) {
    let mut chance = Chance(99);
    let mut world = World::default();
    for segment in 0..6 {
        let said = some_rooms(54, 8, &mut chance);
        world.segment(ShardId(segment % 2), &said, &mut chance);
    }
    let names: Vec<String> = world.model.keys().cloned().collect();
    let mut questions = vec![("general".to_owned(), Page::Last { count: 500 })];
    for room in names {
        questions.push((room.clone(), Page::Before { seq: Seq(9), count: 3 }));
        questions.push((room.clone(), any_page(world.head(&room).0, &mut chance)));
    }
    (world, questions)
}

/// Flips a bit of each byte of a file and asks everything each time. Gives how many answers were
/// faults.
fn flip_each_byte(
    world: &mut World,
    file: (ShardId, StoredFile),
    questions: &[(String, Page)],
    mut check: impl FnMut(&World, QueryFault),
) -> usize {
    let mut faults = 0;
    for at in 0..world.files[&file].len() {
        let flip = |world: &mut World| world.files.get_mut(&file).expect("the file")[at] ^= 1 << (at % 8);
        flip(world);
        for (room, page) in questions {
            match world.run(room, *page).0 {
                Ok(found) => {
                    assert_eq!(texts(&found), world.expected(room, *page), "byte {at} of {file:?}");
                    assert_eq!(found.expired, None);
                }
                Err(fault) => {
                    faults += 1;
                    check(world, fault);
                }
            }
        }
        flip(world);
    }
    faults
}

#[test]
fn a_flipped_byte_of_an_index_is_found_or_does_not_matter() {
    let (mut world, questions) = small_world();
    let (directory, segment) = world.sealed[3];
    let file = (directory, StoredFile::Index(segment));
    let table = SegmentTable::decode(&world.files[&file], directory, segment).expect("a sound index");
    assert!(table.rooms().iter().any(|room| room.count > 16), "a room has positions of its own");
    let faults = flip_each_byte(&mut world, file, &questions, |world, fault| {
        let QueryFault::IndexDamaged { directory: named, segment: its, .. } = fault else {
            panic!("{fault}")
        };
        assert_eq!((named, its), (directory, segment));
        assert!(SegmentTable::decode(&world.files[&file], directory, segment).is_err());
    });
    assert!(faults > 100);
    for at in 0..world.files[&file].len() {
        let mut bytes = world.files[&file].clone();
        bytes[at] ^= 0x10;
        assert!(SegmentTable::decode(&bytes, directory, segment).is_err(), "byte {at}");
        assert!(SegmentTable::decode(&bytes[..at], directory, segment).is_err(), "cut at {at}");
    }
}

#[test]
fn a_flipped_byte_of_a_message_is_found() {
    let (mut world, _) = small_world();
    let (directory, segment) = world.sealed[5];
    let file = (directory, StoredFile::Segment(segment));
    let page = [("general".to_owned(), Page::Last { count: 12 })];
    let mut damaged_offsets = std::collections::BTreeSet::new();
    flip_each_byte(&mut world, file, &page, |_, fault| {
        let QueryFault::MessageDamaged { directory: named, segment: its, offset_bytes, .. } = fault else {
            panic!("{fault}")
        };
        assert_eq!((named, its), (directory, segment));
        damaged_offsets.insert(offset_bytes);
    });
    assert_eq!(damaged_offsets.len(), 12, "each message of the page was damaged once");
}

#[test]
fn an_index_that_belongs_elsewhere_is_not_believed() {
    let (mut world, questions) = small_world();
    let (from, to) = (world.sealed[2], world.sealed[4]);
    let bytes = world.files[&(from.0, StoredFile::Index(from.1))].clone();
    assert!(SegmentTable::decode(&bytes, to.0, to.1).is_err());
    world.files.insert((to.0, StoredFile::Index(to.1)), bytes);
    let (found, _) = world.run(&questions[0].0, questions[0].1);
    assert!(matches!(found, Err(QueryFault::IndexDamaged { .. })), "{found:?}");
}

#[test]
fn a_missing_index_is_named() {
    let (mut world, questions) = small_world();
    let (directory, segment) = world.sealed[4];
    world.files.remove(&(directory, StoredFile::Index(segment)));
    let (found, _) = world.run(&questions[0].0, questions[0].1);
    assert_eq!(found.expect_err("no index"), QueryFault::IndexMissing { directory, segment });
}

#[test]
fn a_short_read_is_damage() {
    let (world, questions) = small_world();
    let mut query = world.query(&questions[0].0, questions[0].1);
    let Step::Read(requests) = query.step() else { panic!("slots are asked for") };
    query.supply(&vec![ReadAnswer::Bytes(&[1, 2, 3]); requests.len()]);
    let Step::Done(Err(fault)) = query.step() else { panic!("three bytes are no slot") };
    assert!(matches!(fault, QueryFault::IndexDamaged { .. }), "{fault}");
}
