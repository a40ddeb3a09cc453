//! Kept bytes of version 1 of images: another release writes and reads the same. What is added has lines of its own.

use crate::shard::{ConnectionImage, read_carried, write_carried};
use madang_model::connection::{Decoder, Encoder, EntranceKind};
use madang_model::{
    Account, AccountId, AccountKind, Away, Carried, CarriedMember, CarriedSeen, CarriedUser, ConnectionId,
    Holder, Identity, RoomName, Seq, SessionId, ShardId, Text, Timestamp, UserName,
};
use std::time::Duration;

/// Each line is what it is of, and its bytes.
const SAMPLE: &str = include_str!("images-v1.txt");

fn session(index: u32) -> SessionId {
    SessionId { shard: ShardId(2), connection: ConnectionId { index, generation: 9 } }
}

fn user(name: &str) -> UserName {
    UserName::parse(name).expect("a name")
}

fn of_account(name: &str, kind: AccountKind, id: u64) -> UserName {
    user(name).known_as(Account::new(kind, AccountId(id)).into())
}

fn every_connection() -> [ConnectionImage; 2] {
    let named = ConnectionImage {
        entrance: EntranceKind::default(),
        user: Some(user("길동")),
        address: Some([192, 0, 2, 1].into()),
        outbox: b"bob: hi\n".to_vec(),
        unread: b"half a li".to_vec(),
        form: 3,
        is_echoed: true,
        used: Duration::from_micros(1_234_567),
        has_input_ended: false,
        is_ending: false,
        protocol: vec![1, 0, 0],
    };
    let ending = ConnectionImage {
        user: None,
        address: Some([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1].into()),
        is_echoed: false,
        has_input_ended: true,
        is_ending: true,
        protocol: Vec::new(),
        ..named.clone()
    };
    [named, ending]
}

fn every_carried() -> Vec<Carried> {
    let away = |text| Some(Away { text: Text::sanitise(text) });
    let alice = CarriedUser {
        name: user("alice"),
        online_since: Timestamp(1_700_000_000_000_000),
        away: None,
        missed_whispers: Vec::new(),
        holder: Holder::Session(session(7)),
        others: Vec::new(),
    };
    let bob = CarriedUser {
        name: user("bob"),
        away: away("점심"),
        missed_whispers: vec![(user("alice"), 3), (user("길동"), 1)],
        holder: Holder::Lost(Duration::from_secs(12)),
        ..alice.clone()
    };
    let carol = CarriedUser {
        name: of_account("carol", AccountKind::User, 300),
        away: away(""),
        others: vec![session(8), session(11)],
        ..alice.clone()
    };
    let robot = CarriedUser { name: of_account("robot", AccountKind::Service, 1), ..alice.clone() };
    let again =
        CarriedUser { name: user("erin").known_as(Identity::guest(1_700_000_000_000_002)), ..alice.clone() };
    let seen = CarriedSeen {
        name: user("dave"),
        online_since: Timestamp(-1),
        offline_since: Timestamp(1_700_000_000_000_001),
    };
    let member =
        |user, holder, others, is_away| CarriedMember { user, is_away, holder, others, head: Seq(41) };
    let guests = vec![
        member(user("alice"), Holder::Session(session(7)), Vec::new(), true),
        member(user("bob"), Holder::Lost(Duration::from_millis(1)), Vec::new(), false),
    ];
    let account = member(carol.name.clone(), Holder::Session(session(4)), vec![session(8)], false);
    let with_accounts = [guests.clone(), vec![account]].concat();
    let room = |name| RoomName::from_log(name).expect("a room");
    vec![
        Carried::User(alice),
        Carried::User(bob),
        Carried::User(carol),
        Carried::User(robot),
        Carried::Seen(seen),
        Carried::Members { room: room("마당"), members: guests },
        Carried::Members { room: room("r1"), members: with_accounts },
        Carried::User(again),
    ]
}

fn written() -> String {
    let line = |what: &str, out: Encoder| {
        let hex: String = out.0.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{what} {hex}\n")
    };
    let connections = every_connection().into_iter().map(|image| {
        let mut out = Encoder::default();
        image.write(&mut out);
        line("connection", out)
    });
    let carried = every_carried().into_iter().map(|carried| {
        let mut out = Encoder::default();
        write_carried(&carried, &mut out);
        line("home", out)
    });
    connections.chain(carried).collect()
}

#[test]
fn version_1_is_written_as_it_was() {
    let written = written();
    for (written, kept) in written.lines().zip(SAMPLE.lines()) {
        assert_eq!(written, kept);
    }
    assert!(written == SAMPLE, "the sample has other lines; these would be all:\n{written}");
}

#[test]
fn version_1_is_read_as_it_was_meant() {
    let read = SAMPLE.lines().map(|line| {
        let (what, hex) = line.split_once(' ').expect("a word and bytes");
        let pairs = hex.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).expect("hex"));
        let bytes: Vec<u8> = pairs.map(|pair| u8::from_str_radix(pair, 16).expect("hex")).collect();
        let mut from = Decoder(&bytes);
        let mut again = Encoder::default();
        let read = match what {
            "connection" => {
                let image = ConnectionImage::read(&mut from, EntranceKind::default()).expect("a connection");
                image.write(&mut again);
                format!("{image:?}")
            }
            _ => {
                let carried = read_carried(&mut from).expect("what a home knows");
                write_carried(&carried, &mut again);
                format!("{carried:?}")
            }
        };
        from.end().expect("nothing else");
        // Accounts are not among what is formatted.
        assert_eq!(again.0, bytes, "{read}");
        read
    });
    let connections = every_connection().map(|image| format!("{image:?}"));
    let carried = every_carried().into_iter().map(|carried| format!("{carried:?}"));
    assert_eq!(read.collect::<Vec<_>>(), connections.into_iter().chain(carried).collect::<Vec<_>>());
}

#[test]
fn a_guest_is_carried_with_its_number_and_by_an_earlier_release_with_the_time_since_when_it_is_online() {
    let since = 1_700_000_000_000_000;
    for (number, read_as) in [(since, since), (since + 2, since + 2), (0, since)] {
        let carried = Carried::User(CarriedUser {
            name: user("erin").known_as(Identity::guest(number)),
            online_since: Timestamp(1_700_000_000_000_000),
            away: None,
            missed_whispers: Vec::new(),
            holder: Holder::Session(session(7)),
            others: Vec::new(),
        });
        let mut out = Encoder::default();
        write_carried(&carried, &mut out);
        let Ok(Carried::User(read)) = read_carried(&mut Decoder(&out.0)) else { panic!("it was written so") };
        assert_eq!(read.name.identity(), Identity::guest(read_as));
    }
}
