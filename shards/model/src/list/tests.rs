//! What cursors and merged pages promise.

use super::*;
use crate::{LogEpoch, RoomKey, RoomName, RoomSummary, Seq, ShardId, UserKey};
use std::collections::BTreeSet;

const EPOCH: LogEpoch = LogEpoch(0x0123_4567_89ab_cdef_0011_2233_4455_6677);

fn room(name: &str) -> RoomName {
    RoomName::parse(name).expect("a room name")
}

#[test]
fn a_cursor_is_read_as_it_was_given() {
    let of_members = Cursor::of_members(EPOCH, RoomKey::of("r1"), UserKey::of("alice"));
    let of_rooms = Cursor::of_rooms(EPOCH, "마당", RoomKey::of("r1"));
    for cursor in [of_members, of_rooms] {
        assert_eq!(cursor.to_string().len(), Cursor::CHARS);
        assert_eq!(Cursor::parse(&cursor.to_string()), Ok(cursor));
    }
    assert_eq!(of_members.member(EPOCH, RoomKey::of("r1")), Ok(UserKey::of("alice")));
    assert_eq!(of_rooms.room(EPOCH, "마당"), Ok(RoomKey::of("r1")));
}

/// Clients keep cursors over upgrades.
#[test]
fn later_releases_read_the_cursors_of_this_one() {
    let text = Cursor::of_members(EPOCH, RoomKey::of("r1"), UserKey::of("alice")).to_string();
    assert_eq!(text, CURSOR);
}

const CURSOR: &str = "1m0123456789abcdef0011223344556677d3fcfa5fb78799281265b2097f425ebc8c0129a1";

#[test]
fn any_other_text_is_no_cursor() {
    let good = Cursor::of_rooms(EPOCH, "", RoomKey::of("r1")).to_string();
    for place in 0..good.len() {
        for other in ["0", "1", "f", "F", "m", "r", "+", " ", "\0", "é", "마"] {
            let mut text = good.clone();
            text.replace_range(place..=place, other);
            if text != good {
                assert_eq!(Cursor::parse(&text), Err(CursorFault::Unreadable), "{text}");
            }
        }
        assert_eq!(Cursor::parse(&good[..place]), Err(CursorFault::Unreadable));
    }
    let longer = [format!("{good}0"), format!(" {good}"), format!("{good}\n"), good.to_uppercase()];
    for text in longer.iter().map(String::as_str).chain(["", "1m", "마당", "2r"]) {
        assert_eq!(Cursor::parse(text), Err(CursorFault::Unreadable), "{text}");
    }
}

#[test]
fn a_cursor_of_another_epoch_or_list_is_refused_as_such() {
    let cursor = Cursor::of_members(EPOCH, RoomKey::of("r1"), UserKey::of("alice"));
    let later = LogEpoch(7);
    let other_epoch = Err(CursorFault::OtherEpoch { epoch: EPOCH });
    assert_eq!(cursor.member(later, RoomKey::of("r1")), other_epoch);
    assert_eq!(cursor.member(EPOCH, RoomKey::of("r2")), Err(CursorFault::OtherList));
    assert_eq!(cursor.room(EPOCH, ""), Err(CursorFault::OtherList));
    let cursor = Cursor::of_rooms(EPOCH, "a", RoomKey::of("r1"));
    assert_eq!(cursor.room(EPOCH, "b"), Err(CursorFault::OtherList));
    assert_eq!(cursor.room(later, "b").map(drop), other_epoch.map(drop));
}

/// What a shard answers.
fn part(
    all: &BTreeSet<String>,
    shard: u16,
    shards: u16,
    start: ListStart<RoomKey>,
    at_most: usize,
) -> RoomsPart {
    let of_shard = |name: &RoomName| name.key().home(shards) == ShardId(shard) && start.is_before(name.key());
    let mut found: Vec<RoomName> = all.iter().map(|name| room(name)).filter(of_shard).collect();
    found.sort_by_key(RoomName::key);
    let has_more = found.len() > at_most;
    found.truncate(at_most);
    let rooms = found.into_iter().map(|room| RoomSummary { room, members: 1, head: Seq(0) }).collect();
    RoomsPart { rooms, has_more, ..RoomsPart::new(ShardId(shard), start) }
}

/// Rooms are made and end between pages and between the answers of shards, the number of shards changes, and shards
/// give more or less than was asked for.
#[test]
fn every_room_that_is_there_throughout_is_on_exactly_one_page_and_any_other_on_at_most_one() {
    let stay: BTreeSet<String> = (0..150).map(|number| format!("stays{number}")).collect();
    for count in [3_u32, 50, 99, 100, 5_000] {
        let (mut listed, mut round) = (Vec::new(), 0);
        let mut cursor: Option<Cursor> = None;
        loop {
            round += 1;
            let shards = [4, 3, 7][round % 3];
            let after = cursor.map(|it| it.room(EPOCH, "").expect("a cursor of this list"));
            let start = ListStart { epoch: EPOCH, after, count };
            let mut merge = RoomsMerge::new(shards, "", start);
            for shard in (0..shards).rev() {
                let mut all = stay.clone();
                all.extend((0..20).map(|number| format!("comes{}", number * (round + usize::from(shard)))));
                let at_most = start.count(RoomsPart::ROOMS_MAX) + usize::from(shard) % 2;
                assert!(!merge.is_complete());
                assert!(merge.add(part(&all, shard, shards, start, at_most)));
            }
            assert!(merge.is_complete());
            let page = merge.finish().expect("all shards have answered");
            assert!(page.rooms.len() <= start.count(RoomsPart::ROOMS_MAX));
            listed.extend(page.rooms.iter().map(|it| it.room.as_str().to_owned()));
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        let once: BTreeSet<String> = listed.iter().cloned().collect();
        assert_eq!(once.len(), listed.len(), "pages of {count}");
        assert!(stay.is_subset(&once), "pages of {count}");
    }
}

#[test]
fn a_page_that_a_shard_is_missing_in_says_so_and_leaves_no_room_out() {
    let all: BTreeSet<String> = (0..40).map(|number| format!("r{number}")).collect();
    let start = ListStart { epoch: EPOCH, after: None, count: 10 };
    let mut merge = RoomsMerge::new(3, "", start);
    assert!(merge.add(part(&all, 0, 3, start, 10)));
    assert!(merge.add(RoomsPart::busy(ShardId(1), start)));
    let missing = merge.clone().finish().expect_err("two shards are missing");
    assert_eq!(missing, RoomsMissing { shards: 3, busy: 1, away: 1 });
    assert!(merge.add(part(&all, 2, 3, start, 10)));
    assert_eq!(merge.finish().expect_err("one is busy"), RoomsMissing { shards: 3, busy: 1, away: 0 });
}

#[test]
fn what_answers_another_question_is_no_part_of_a_page() {
    let start = ListStart { epoch: EPOCH, after: None, count: 10 };
    let mut merge = RoomsMerge::new(2, "", start);
    let earlier = ListStart { after: Some(RoomKey::of("r1")), ..start };
    assert!(!merge.add(RoomsPart::new(ShardId(0), earlier)));
    assert!(!merge.add(RoomsPart::new(ShardId(2), start)), "there is no such shard");
    assert!(merge.add(RoomsPart::new(ShardId(0), start)));
    assert!(!merge.add(RoomsPart::new(ShardId(0), start)), "a second one");
    assert!(!merge.is_complete());
}
