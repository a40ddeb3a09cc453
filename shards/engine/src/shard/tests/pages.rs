//! Pages of a room's messages that are asked for by time, or around a message.

use super::disk::TestDisk;
use super::loading::roomy;
use super::world::{Chance, Client, World};

const MESSAGES: usize = 400;

/// The numbers that a page shows.
fn page(world: &mut World, client: Client, asked: &str) -> Vec<usize> {
    world.lines(client);
    world.send(client, &format!("page {asked}\n"));
    let lines = world.lines(client);
    let [answer] = &lines[..] else { panic!("{asked}: {lines:?}") };
    let shown = answer.strip_prefix("history [").and_then(|rest| rest.strip_suffix(']'));
    let shown = shown.unwrap_or_else(|| panic!("{asked}: {answer}"));
    let number = |line: &str| line.trim_start_matches('#').split(' ').next().expect("a word").parse();
    shown.split(", ").filter(|line| !line.is_empty()).map(|line| number(line).expect("a number")).collect()
}

/// Messages that fill several segments, with the time of each.
fn talk(world: &mut World, chance: &mut Chance) -> (Client, Vec<i64>) {
    let alice = world.member(0, "alice", "r1");
    let text = "x".repeat(3000);
    let mut times = vec![1_000];
    for _ in 0..MESSAGES {
        // Several at one time, long pauses, and a clock that is set back.
        let step = [0, 0, 1, 7, 500, -20][chance.below(6) as usize];
        let time = times[times.len() - 1] + step;
        world.set_wall_clock(time);
        world.send(alice, &format!("say {text}\n"));
        times.push(time.max(times[times.len() - 1]));
    }
    (alice, times.split_off(1))
}

#[test]
fn a_page_by_time_begins_with_the_first_message_of_that_time_however_deep_it_is() {
    let mut chance = Chance(7);
    let settings = roomy(2);
    let mut world = World::on(&settings, Some(TestDisk::new(2)));
    let (alice, times) = talk(&mut world, &mut chance);
    let newest = times[MESSAGES - 1];
    for is_restarted in [false, true] {
        let reader = if is_restarted {
            let disk = world.disk.take();
            world = World::on(&settings, disk);
            world.member(1, "bob", "r1")
        } else {
            alice
        };
        for asked in 0..150 {
            let time = match asked {
                0 => i64::MIN,
                1 => i64::MAX,
                2 => newest,
                3 => newest + 1,
                4 => times[0],
                5 => times[0] + 1,
                _ => 900 + chance.below((newest - 800) as u64) as i64,
            };
            let count = 1 + chance.below(30) as usize;
            let first = times.iter().take_while(|said| **said < time).count() + 1;
            let expected: Vec<usize> = (first..=MESSAGES).take(count).collect();
            assert_eq!(page(&mut world, reader, &format!("since {time} {count}")), expected, "since {time}");
            let expected: Vec<usize> = (first.saturating_sub(count).max(1)..first).collect();
            assert_eq!(page(&mut world, reader, &format!("until {time} {count}")), expected, "until {time}");
        }
    }
}

#[test]
fn a_page_around_a_message_has_it_in_its_middle_as_far_as_there_are_others() {
    let mut world = World::on(&roomy(1), Some(TestDisk::new(1)));
    let (alice, _) = talk(&mut world, &mut Chance(3));
    for (seq, count, first, last) in [
        (200, 5, 198, 202),
        (200, 6, 197, 202),
        (200, 1, 200, 200),
        (1, 5, 1, 5),
        (2, 5, 1, 5),
        (400, 5, 396, 400),
        (399, 5, 396, 400),
        (9_000, 5, 396, 400),
        (3, 100, 1, 100),
    ] {
        let expected: Vec<usize> = (first..=last).collect();
        assert_eq!(page(&mut world, alice, &format!("around {seq} {count}")), expected, "around {seq}");
    }
    assert_eq!(page(&mut world, alice, "around 200 0"), [0; 0]);
}

#[test]
fn a_search_whose_asker_has_left_ends_and_tells_nobody() {
    let mut world = World::on(&roomy(1), Some(TestDisk::new(1)));
    let (alice, _) = talk(&mut world, &mut Chance(5));
    world.lines(alice);
    world.disk.as_mut().expect("a disk").answers = false;
    world.send(alice, "page since 1000 1\npage until 2000 1\n");
    assert_eq!(world.shards[0].archive().waiting(), 2);
    world.drop_connection(alice);
    world.pass(40);
    world.disk.as_mut().expect("a disk").answers = true;
    world.run();
    assert_eq!(world.shards[0].archive().waiting(), 0);
}
