//! A new process resumes where the old one was paused, and nobody notices.

use super::disk::TestDisk;
use super::world::{Chance, Client, World, entrance, settings};
use crate::shard::{ConnectionImage, Saved, Settings, Shard, share_out};
use madang_model::connection::{EntranceKind, SurfaceId};
use madang_model::{Carried, CarriedUser, ConnectionId, Holder, SessionId, ShardId, Timestamp, UserName};
use std::collections::BTreeMap;
use std::time::Duration;

fn roomy(shard_count: u16) -> Settings {
    let mut settings = settings(shard_count);
    settings.outbox_bytes_max = 64 << 20;
    settings.outbox_total_bytes_max = 256 << 20;
    settings
}

fn handed_over(world: World, shard_count: u16, clients: &[Client]) -> (World, Vec<Client>) {
    let (world, clients) = world.hand_over(&roomy(shard_count), clients);
    (world, clients.into_iter().map(|client| client.expect("everyone is resumed")).collect())
}

#[test]
fn rooms_are_resumed_with_their_members_and_no_leave_or_join_is_announced() {
    for (before, after) in [(2, 2), (1, 3), (3, 2), (2, 1)] {
        let mut world = World::on(&roomy(before), Some(TestDisk::new(before)));
        let last = usize::from(before) - 1;
        let clients = [world.member(0, "alice", "r1"), world.member(last, "bob", "r1")];
        world.send(clients[0], "say before\n");
        clients.iter().for_each(|client| drop(world.lines(*client)));
        let (mut world, clients) = handed_over(world, after, &clients);
        for client in &clients {
            assert_eq!(world.lines(*client), [""; 0], "nothing is sent");
        }
        world.send(clients[1], "say after\nhistory\n");
        assert_eq!(world.lines(clients[0]), ["#2 bob: after"]);
        assert_eq!(world.lines(clients[1]), ["#2 bob: after", "history [#1 alice: before, #2 bob: after]"]);
        world.send(clients[0], "to bob hi\n");
        assert_eq!(world.lines(clients[1]), ["alice -> bob: hi"]);
        let stranger = world.connect(0);
        world.send(stranger, "name alice\n");
        assert!(world.lines(stranger).last().is_some_and(|line| line.contains("NameTaken")));
    }
}

/// Its homes have not given back what it held, and the answer would come to the old process.
#[test]
fn a_connection_that_is_closed_while_it_is_given_away_gets_its_last_words() {
    let mut world = World::new(&roomy(2));
    let clients = [world.member(0, "alice", "r1"), world.member(0, "bob", "r1")];
    world.shards.iter_mut().for_each(Shard::pause);
    world.run();
    clients.iter().for_each(|client| drop(world.lines(*client)));
    world.shards[0].cut_off_slow_reader(clients[0].id);
    let image = world.shards[0].image(|id| id != clients[1].id);
    let saved = |client: Client| image.connections.iter().find(|(id, _)| *id == client.id).map(|it| &it.1);
    let Some(Saved::Image(alice)) = saved(clients[0]) else { panic!("alice is resumed: {image:?}") };
    assert_eq!(String::from_utf8_lossy(&alice.outbox), "closed: SlowReader { outbox_bytes_max: 67108864 }\n");
    assert!(alice.is_ending);
    // Of one that stays behind, too, it is the true reason.
    world.shards[0].cut_off_slow_reader(clients[1].id);
    let image = world.shards[0].image(|id| id != clients[1].id);
    let bob = image.connections.into_iter().find_map(|(id, saved)| (id == clients[1].id).then_some(saved));
    let Some(Saved::LastWords(words)) = bob else { panic!("bob stays behind") };
    assert_eq!(String::from_utf8_lossy(&words), "closed: SlowReader { outbox_bytes_max: 67108864 }\n");
}

#[test]
fn input_that_waits_and_output_that_waits_are_carried() {
    let mut world = World::on(&roomy(2), Some(TestDisk::new(2)));
    let clients = [world.member(0, "alice", "r1"), world.member(1, "bob", "r1")];
    clients.iter().for_each(|client| drop(world.lines(*client)));
    world.blocked.push(clients[1]);
    world.send(clients[0], "say one\nsay two\n");
    // The disk is away: the room cannot be entered, and what follows waits for it.
    let carol = world.connect(0);
    world.send(carol, "name carol\n");
    world.lines(carol);
    world.disk_moves = false;
    world.send(clients[0], "say three\n");
    world.send(carol, "join r1\nsay hello\nsay there\n");
    assert_eq!(world.lines(carol), [""; 0]);
    world.disk_moves = true;
    let all = [clients[0], clients[1], carol];
    let (mut world, all) = handed_over(world, 2, &all);
    world.unblock(all[1]);
    let said = ["#1 alice: one", "#2 alice: two", "#3 alice: three", "carol joined"];
    let hers = ["#4 carol: hello", "#5 carol: there"];
    assert_eq!(world.lines(all[1]), [&said[..], &hers[..]].concat());
    assert_eq!(world.lines(all[2])[1..], hers);
}

#[test]
fn a_lost_user_keeps_name_place_and_unread_whispers_for_what_is_left_of_the_grace_time() {
    let mut world = World::on(&roomy(2), Some(TestDisk::new(2)));
    let alice = world.member(0, "alice", "r1");
    let bob = world.member(1, "bob", "r1");
    world.drop_connection(bob);
    world.send(alice, "to bob are you there?\n");
    world.pass(20);
    world.lines(alice);
    let (mut world, clients) = handed_over(world, 3, &[alice]);
    world.pass(8);
    assert_eq!(world.lines(clients[0]), [""; 0], "bob has two seconds left");
    let bob = world.connect(0);
    world.send(bob, "name bob\njoin r1\n");
    assert_eq!(world.lines(clients[0]), [""; 0], "bob was never away");
    world.drop_connection(bob);
    let (mut world, clients) = handed_over(world, 3, &clients);
    world.pass(29);
    assert_eq!(world.lines(clients[0]), [""; 0]);
    world.pass(3);
    assert_eq!(world.lines(clients[0]), ["bob left"]);
}

#[test]
fn a_connection_that_is_not_carried_is_sent_what_waits_and_the_reason() {
    let mut world = World::on(&roomy(1), Some(TestDisk::new(1)));
    let [alice, bob] = [world.member(0, "alice", "r1"), world.member(0, "bob", "r1")];
    [alice, bob].iter().for_each(|client| drop(world.lines(*client)));
    world.blocked.push(bob);
    world.send(alice, "say one\n");
    world.shards[0].pause();
    let image = world.shards[0].image(|id| id == alice.id);
    let saved = |client: Client| {
        let found = image.connections.into_iter().find(|(id, _)| *id == client.id);
        found.map(|(_, saved)| saved)
    };
    let last_words = b"#1 alice: one\nclosed: NotCarried\n".to_vec();
    assert_eq!(saved(bob), Some(Saved::LastWords(last_words)));
}

#[test]
fn a_protocol_receives_the_entrance_of_a_connection_and_its_kind_is_carried() {
    let mut world = World::on(&roomy(1), Some(TestDisk::new(1)));
    let kind = EntranceKind { surface: SurfaceId(7), is_telnet: true, ..EntranceKind::default() };
    let [alice, bob] = [world.connect_at(0, &entrance(kind), None), world.connect(0)];
    assert_eq!(world.lines(alice), ["hello telnet at 127.0.0.1:2323"]);
    assert_eq!(world.lines(bob), ["hello"]);
    let (mut world, clients) = handed_over(world, 2, &[alice, bob]);
    world.shards.iter_mut().for_each(Shard::pause);
    let kinds = clients.iter().map(|client| {
        let image = world.shards[client.shard].image(|_| true);
        let found = image.connections.into_iter().find(|(id, _)| *id == client.id);
        let Some((_, Saved::Image(image))) = found else { panic!("it goes along again") };
        image.entrance
    });
    assert_eq!(kinds.collect::<Vec<_>>(), [kind, EntranceKind::default()]);
}

#[test]
fn a_repeated_draft_is_known_after_a_handover() {
    let mut world = World::on(&roomy(1), Some(TestDisk::new(1)));
    let alice = world.member(0, "alice", "r1");
    world.send(alice, "draft d1 once\n");
    world.lines(alice);
    let (mut world, clients) = handed_over(world, 2, &[alice]);
    world.send(clients[0], "draft d1 once\n");
    assert_eq!(world.lines(clients[0]), ["draft d1 is #1"]);
}

#[test]
fn a_name_does_not_stay_with_a_connection_that_is_only_ending() {
    let before = SessionId { shard: ShardId(0), connection: ConnectionId { index: 0, generation: 0 } };
    let image = ConnectionImage {
        entrance: EntranceKind::default(),
        user: None,
        address: None,
        outbox: b"closed: Quit\n".to_vec(),
        unread: Vec::new(),
        form: 0,
        is_echoed: true,
        used: Duration::ZERO,
        has_input_ended: true,
        is_ending: true,
        protocol: Vec::new(),
    };
    let carried = Carried::User(CarriedUser {
        name: UserName::parse("alice").expect("a name"),
        online_since: Timestamp(0),
        away: None,
        missed_whispers: Vec::new(),
        holder: Holder::Session(before),
        others: Vec::new(),
    });
    let grace = Duration::from_secs(30);
    let portions = share_out(vec![(before, image, ())], vec![carried], (1, 1), grace);
    assert_eq!(portions[0].connections.len(), 1, "its last words are still to be read");
    let Carried::User(user) = &portions[0].carried[0] else { panic!("a user is carried") };
    assert_eq!(user.holder, Holder::Lost(grace), "nobody would give it back");
}

/// Whatever people do, in whatever order, and whenever the process is replaced: each reads every
/// message of its room after it joined, once and in order.
#[test]
fn no_sequence_of_talk_and_handovers_loses_repeats_or_reorders_anything() {
    for seed in 1..=30 {
        let mut chance = Chance(seed);
        let mut shards = 1 + chance.below(3) as u16;
        let mut world = World::on(&roomy(shards), Some(TestDisk::new(shards)));
        let rooms = ["r1", "r2", "r3"];
        let mut clients: Vec<Client> = Vec::new();
        for number in 0..6 {
            let shard = chance.below(u64::from(shards)) as usize;
            clients.push(world.member(shard, &format!("user{number}"), rooms[number % 3]));
        }
        let mut read: BTreeMap<usize, Vec<String>> = BTreeMap::new();
        let mut said = 0;
        for _ in 0..60 {
            match chance.below(8) {
                0 => {
                    for (number, client) in clients.iter().enumerate() {
                        read.entry(number).or_default().extend(world.lines(*client));
                    }
                    shards = 1 + chance.below(3) as u16;
                    (world, clients) = handed_over(world, shards, &clients);
                }
                1 => world.disk_moves = !world.disk_moves,
                2 => {
                    let client = clients[chance.below(6) as usize];
                    if world.blocked.contains(&client) {
                        world.unblock(client);
                    } else {
                        world.blocked.push(client);
                    }
                }
                _ => {
                    let client = clients[chance.below(6) as usize];
                    said += usize::from(world.send(client, &format!("say {said}\n")));
                }
            }
        }
        world.disk_moves = true;
        world.run();
        for client in clients.clone() {
            world.unblock(client);
        }
        let mut heard = 0;
        for (number, client) in clients.iter().enumerate() {
            let mut lines = read.remove(&number).unwrap_or_default();
            lines.extend(world.lines(*client));
            let seqs: Vec<u64> = lines
                .iter()
                .filter_map(|line| line.strip_prefix('#')?.split(' ').next()?.parse().ok())
                .collect();
            assert!(seqs.iter().copied().eq(1..=seqs.len() as u64), "seed {seed}: {lines:?}");
            heard += seqs.len();
        }
        assert_eq!(heard, 2 * said, "seed {seed}: two people hear each message");
    }
}
