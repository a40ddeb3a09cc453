use super::*;
use std::time::Instant;

fn room(name: &str) -> RoomName {
    RoomName::parse(name).unwrap_or_else(|error| panic!("{name:?}: {error}"))
}

fn noting<'a>(names: impl IntoIterator<Item = &'a str>) -> StoredLooks {
    let mut noted = StoredLooks::default();
    names.into_iter().map(room).for_each(|room| noted.add(&room, room.looks()));
    noted
}

fn look_alike(noted: &StoredLooks, name: &str) -> Option<String> {
    let room = room(name);
    noted.look_alike(room.key(), room.looks()).map(|other| other.as_str().to_owned())
}

#[test]
fn a_stored_room_is_found_by_either_of_its_looks_and_never_taken_for_itself() {
    let noted = noting(["Ian", "paypal", "방1"]);
    for (wanted, with) in
        [("lan", Some("Ian")), ("LAN", Some("Ian")), ("PayPaI", Some("paypal")), ("방l", Some("방1"))]
    {
        assert_eq!(look_alike(&noted, wanted).as_deref(), with, "{wanted}");
    }
    for itself in ["Ian", "ian", "PAYPAL", "방1", "pay", "paypal1"] {
        assert_eq!(look_alike(&noted, itself), None, "{itself}");
    }
}

#[test]
fn what_is_noted_twice_or_taken_from_another_is_there_once() {
    let mut noted = noting(["Ian", "Ian", "lan"]);
    let bytes = noted.names.len();
    noted.absorb(&noting(["Ian", "lan", "bob"]));
    assert_eq!(noted.names.len(), bytes + LENGTH_BYTES + "bob".len());
    assert_eq!(look_alike(&noted, "b0b").as_deref(), Some("bob"));
}

/// To measure: `cargo test --release -p madang-engine log::read::looks -- --nocapture`.
#[test]
fn a_room_takes_a_few_bytes_beside_its_name() {
    const ROOMS: usize = 100_000;
    let measured = |name: &str| {
        let begun = Instant::now();
        let mut noted = StoredLooks::default();
        for n in 0..ROOMS {
            let room = room(&format!("{name}-{n}"));
            noted.add(&room, room.looks());
        }
        let time = begun.elapsed();
        noted.shrink();
        let bytes = noted.bytes() as f64 / ROOMS as f64;
        println!("{name}: {bytes:.1} bytes a room, {:.2} µs", time.as_secs_f64() * 1e6 / ROOMS as f64);
        (noted, bytes)
    };
    measured("우리들의-마당");
    let (noted, bytes) = measured("match");
    let name_bytes = noted.names.len() as f64 / ROOMS as f64;
    // Names with a 0 have two looks, as a 0 is a look-alike of O and is no o.
    assert!(bytes < name_bytes + 26.0, "{bytes} bytes a room, {name_bytes} of names");
    assert_eq!(look_alike(&noted, "match-l7").as_deref(), Some("match-17"));
    assert_eq!(look_alike(&noted, "match-x7"), None);
}
