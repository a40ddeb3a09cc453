//! Pages of members and rooms over the link.

use super::rig::{LINK, Rig, SHARDS, room, user};
use crate::body::{RequestBody, open};
use crate::convert::{Asked, read_request};
use crate::format::{BatchBuilder, BatchReader, EnvelopeEncoder, Kind, WireFault};
use crate::{CoreSettings, EdgeEvent, EdgeRequest, RequestFault, SessionNumber};
use madang_model::{
    Cursor, Event, ListStart, LogEpoch, MembersPage, Reply, Request, RoomKey, RoomSummary, RoomsMerge,
    RoomsPart, Seq, ShardId, UserKey, WhoMember,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A server whose log begins another epoch whenever the number changes.
fn with_epoch(epoch: u64) -> (Rig, Arc<AtomicU64>) {
    let number = Arc::new(AtomicU64::new(epoch));
    let now = Arc::clone(&number);
    let epoch = Box::new(move || LogEpoch(u128::from(now.load(Ordering::Relaxed))));
    let mut rig = Rig::with(CoreSettings { epoch, ..CoreSettings::new(LINK, SHARDS) });
    rig.exchange();
    (rig, number)
}

/// Asks, and gives what a home is asked then.
fn asked_of_home(rig: &mut Rig, session: SessionNumber, request: EdgeRequest) -> Request {
    rig.ask(session, request);
    rig.settle();
    rig.homes.others.pop().expect("a home is asked")
}

fn answer(rig: &mut Rig, asked: &Request, reply: Reply) {
    let to = asked.session().expect("a session asks").connection;
    rig.event(Event::Reply { to, reply });
}

fn fault(rig: &mut Rig, session: SessionNumber, request: EdgeRequest) -> RequestFault {
    rig.ask(session, request);
    match rig.hear() {
        Some(EdgeEvent::BadRequest { fault, .. }) => fault,
        other => panic!("a bad request, not {other:?}"),
    }
}

#[test]
fn an_edge_goes_through_the_members_of_a_room_by_cursors() {
    let (mut rig, _) = with_epoch(5);
    let alice = rig.named("alice");
    let members = |cursor| EdgeRequest::Members { room: room("r1"), cursor, count: 2 };
    let asked = asked_of_home(&mut rig, alice, members(None));
    let Request::Members { start, .. } = &asked else { panic!("{asked:?}") };
    let epoch = LogEpoch(5);
    assert_eq!(*start, ListStart { epoch, after: None, count: 2 });
    let listed = ["bob", "carol"]
        .map(|name| WhoMember { name: user(name), is_away: false, is_lost: name == "carol" })
        .to_vec();
    let next = Some(user("carol").key());
    let page = MembersPage { room: room("r1"), members: listed, total: 3, epoch, next };
    answer(&mut rig, &asked, Reply::Members(page));
    let Reply::Members(page) = rig.answer(alice) else { panic!("a page") };
    assert_eq!((page.members.len(), page.total, page.members[1].is_lost), (2, 3, true));
    let asked = asked_of_home(&mut rig, alice, members(page.cursor()));
    let Request::Members { start, .. } = &asked else { panic!("{asked:?}") };
    assert_eq!(*start, ListStart { epoch, after: next, count: 2 });
}

#[test]
fn an_edge_merges_what_the_shards_have_for_a_page_of_rooms() {
    let (mut rig, _) = with_epoch(5);
    let alice = rig.named("alice");
    let rooms = |cursor| EdgeRequest::RoomsInOrder { pattern: "r".into(), cursor, count: 2 };
    let asked = asked_of_home(&mut rig, alice, rooms(None));
    let Request::RoomsInOrder { start, .. } = asked else { panic!("{asked:?}") };
    let mut merge = RoomsMerge::new(SHARDS, "r", start);
    for shard in 0..SHARDS {
        let listed = RoomSummary { room: room(&format!("r{shard}")), members: 1, head: Seq(0) };
        let part = RoomsPart { rooms: vec![listed], has_more: true, ..RoomsPart::new(ShardId(shard), start) };
        answer(&mut rig, &asked, Reply::RoomsPart(part));
        let Reply::RoomsPart(part) = rig.answer(alice) else { panic!("a part") };
        assert!(merge.add(part));
    }
    let page = merge.finish().expect("all shards have answered");
    let first = ["r0", "r1"].map(|name| room(name).key()).into_iter().min();
    assert_eq!(page.rooms.iter().map(|it| it.room.key()).max(), first, "the rest may have others before");
    let asked = asked_of_home(&mut rig, alice, rooms(page.next));
    let Request::RoomsInOrder { start, .. } = asked else { panic!("{asked:?}") };
    assert_eq!(start.after, first);
}

#[test]
fn a_cursor_of_another_epoch_or_list_is_refused_as_such_and_no_home_is_asked() {
    let (mut rig, epoch) = with_epoch(5);
    let alice = rig.named("alice");
    let (of_r1, pattern) = (room("r1").key(), Box::<str>::from("r"));
    let cursor = Some(Cursor::of_members(LogEpoch(5), of_r1, UserKey::of("bob")));
    let in_room = |name: &str| EdgeRequest::Members { room: room(name), cursor, count: 2 };
    assert_eq!(fault(&mut rig, alice, in_room("r2")), RequestFault::Cursor);
    let rooms = |cursor| EdgeRequest::RoomsInOrder { pattern: pattern.clone(), cursor, count: 2 };
    assert_eq!(fault(&mut rig, alice, rooms(cursor)), RequestFault::Cursor);
    let of_rooms = Some(Cursor::of_rooms(LogEpoch(5), "r", RoomKey::of("r1")));
    epoch.store(6, Ordering::Relaxed);
    assert_eq!(fault(&mut rig, alice, in_room("r1")), RequestFault::CursorOfOtherEpoch);
    assert_eq!(fault(&mut rig, alice, rooms(of_rooms)), RequestFault::CursorOfOtherEpoch);
    assert!(rig.homes.others.is_empty());
}

/// What the core takes these bytes of a cursor for.
fn read(cursor: &[u8]) -> Asked {
    let cursor = cursor.to_vec();
    let body = RequestBody::Members { session: 7, room: "r1", cursor, count: 2 };
    let mut batch = BatchBuilder::default();
    batch.add(EnvelopeEncoder::default().encode(1, Kind::Request, &body).expect("a short envelope"));
    let mut asked = None;
    let received = BatchReader::default().receive(&batch.finish().expect("an envelope"), |envelope| {
        asked = Some(read_request(open(envelope.kind, envelope.body)?, 4_096).asked);
        Ok::<_, WireFault>(())
    });
    received.expect("a batch");
    asked.expect("a request")
}

#[test]
fn hostile_bytes_in_the_place_of_a_cursor_are_refused() {
    let good = Cursor::of_members(LogEpoch(5), room("r1").key(), UserKey::of("bob")).to_string();
    assert!(matches!(read(good.as_bytes()), Asked::Request(EdgeRequest::Members { cursor: Some(_), .. })));
    assert!(matches!(read(b""), Asked::Request(EdgeRequest::Members { cursor: None, .. })));
    let mut hostile: Vec<Vec<u8>> = vec![vec![0; 74], vec![0xff; 74], vec![b'0'; 74], vec![b'a'; 900_000]];
    for place in 0..good.len() {
        let mut bytes = good.clone().into_bytes();
        bytes[place] ^= 1 << (place % 8);
        hostile.push(bytes);
        hostile.push(good.as_bytes()[..place.max(1)].to_vec());
    }
    for bytes in hostile {
        let asked = read(&bytes);
        assert!(matches!(asked, Asked::Bad(RequestFault::Cursor, _)), "{asked:?} of {:?}", &bytes[..1]);
    }
}
