//! Questions, and how their answers read.

use super::rig::{NOON, Rig, message, room, user};
use madang_model::*;

/// A session that asked `line` and waits; its engine is the test.
fn asking(line: &str) -> Rig {
    let mut rig = Rig::named("alice");
    rig.answers = false;
    rig.send(format!("{line}\n/ping\n"));
    assert_eq!(rig.pending(), b"/ping\n");
    rig
}

fn answered(mut rig: Rig, reply: Reply) -> String {
    rig.reply(reply);
    let output = rig.output();
    output.strip_suffix("pong\n").expect("the wait is over").to_owned()
}

fn page(messages: &[u64], head: u64, gap: Option<(Seq, Seq)>) -> Reply {
    let messages = messages.iter().map(|seq| message("general", *seq, "bob", "hi").into()).collect();
    let gap = gap.map(|(first, last)| Gap { first, last, reason: GapReason::Expired });
    Reply::History(HistoryPage { room: room("general"), messages, is_sparse: false, head: Seq(head), gap })
}

#[test]
fn history_shows_number_and_time() {
    assert_eq!(
        answered(asking("/history"), page(&[12, 13], 13, None)),
        "#12 2026-11-20 12:03:11 bob: hi\n#13 2026-11-20 12:03:11 bob: hi\n"
    );
}

#[test]
fn history_says_when_there_is_nothing_and_when_there_is_more() {
    assert_eq!(answered(asking("/history"), page(&[], 0, None)), "* nothing here yet\n");
    assert_eq!(answered(asking("/history after 12"), page(&[], 12, None)), "* nothing after #12\n");
    assert_eq!(answered(asking("/history before 1"), page(&[], 12, None)), "* nothing before #1\n");
    assert_eq!(
        answered(asking("/history 1 after 1"), page(&[2], 9, None)),
        "#2 2026-11-20 12:03:11 bob: hi\n* 7 more (try /history after 2)\n"
    );
}

#[test]
fn a_gap_is_reported_where_it_is() {
    let gap = "* messages #3 to #40 have expired\n";
    let found = answered(asking("/history after 2"), page(&[41], 41, Some((Seq(3), Seq(40)))));
    assert_eq!(found, format!("{gap}#41 2026-11-20 12:03:11 bob: hi\n"));
    assert_eq!(answered(asking("/history after 2"), page(&[], 40, Some((Seq(3), Seq(40))))), gap);
    let gap_and_more = "* messages #3 to #40 have expired (try /history after 40)\n";
    assert_eq!(answered(asking("/history after 2"), page(&[], 41, Some((Seq(3), Seq(40))))), gap_and_more);
}

#[test]
fn a_gap_of_one_message_names_it_once() {
    for (reason, words) in [
        (GapReason::Expired, "* message #3 has expired (try /history after 3)\n"),
        (GapReason::TooMuch, "* message #3 does not fit in one answer (try /history before 4)\n"),
        (GapReason::Busy, "! message #3 cannot be read now: too many ask; ask again\n"),
        (GapReason::Unreadable, "! message #3 cannot be read: the disk reports errors; ask the operator\n"),
    ] {
        let Reply::History(mut found) = page(&[], 41, None) else { panic!("a page") };
        found.gap = Some(Gap { first: Seq(3), last: Seq(3), reason });
        assert_eq!(answered(asking("/history after 2"), Reply::History(found)), words);
    }
}

#[test]
fn who_shows_presence() {
    let member = |name, is_away, is_lost| WhoMember { name: user(name), is_away, is_lost };
    let members =
        vec![member("alice", false, false), member("bob", true, false), member("carol", true, true)];
    let page = WhoPage { room: room("r1"), members, total: 5 };
    assert_eq!(
        answered(asking("/who r1"), Reply::Who(page)),
        "* r1: 5 members\n*   alice, bob (away), carol (lost connection)\n*   and 2 more, who are not listed\n"
    );
    let empty = WhoPage { room: room("general"), members: Vec::new(), total: 0 };
    assert_eq!(answered(asking("/who general"), Reply::Who(empty)), "* general: nobody is here\n");
    let none = Reply::Refused(Refusal::NoSuchRoom { room: "r9".into() });
    assert_eq!(
        answered(asking("/who r9"), none),
        "! no such channel: r9 (try /rooms, or /channel r9 to make it)\n"
    );
}

#[test]
fn rooms_of_all_shards_are_one_list() {
    let mut rig = asking("/rooms");
    let summary = |name, members, head| RoomSummary { room: room(name), members, head: Seq(head) };
    rig.reply(Reply::Rooms(RoomsPage {
        rooms: vec![summary("b", 2, 5), summary("z", 1, 1)],
        more: 3,
        is_busy: false,
    }));
    assert_eq!(rig.output(), "");
    let second = Reply::Rooms(RoomsPage {
        rooms: vec![summary("c", 7, 0), summary("a", 2, 5)],
        more: 0,
        is_busy: false,
    });
    assert_eq!(
        answered(rig, second),
        "* c: 7 members, 0 messages\n* a: 2 members, 5 messages\n* b: 2 members, 5 messages\n\
         * z: 1 member, 1 message\n* and 3 more (name a part: /rooms PART)\n"
    );
    let mut rig = asking("/rooms xyz");
    rig.reply(Reply::Rooms(RoomsPage { rooms: vec![], more: 0, is_busy: false }));
    let none = Reply::Rooms(RoomsPage { rooms: vec![], more: 0, is_busy: false });
    assert_eq!(answered(rig, none), "* no channel with xyz in its name (try /rooms)\n");
}

#[test]
fn whois_shows_presence_and_when_last_seen() {
    let about = |presence| Reply::Whois(UserSummary { name: user("bob"), presence, online_since: NOON });
    let lunch = Away { text: Text::sanitise("lunch") };
    let cases = [
        (Presence::Online, "* bob is here, since 2026-11-20 12:03:11 UTC\n"),
        (Presence::Away(lunch), "* bob is away: lunch (here since 2026-11-20 12:03:11 UTC)\n"),
        (Presence::Offline { since: NOON }, "* bob is not here; last seen 2026-11-20 12:03:11 UTC\n"),
    ];
    for (presence, answer) in cases {
        assert_eq!(answered(asking("/whois bob"), about(presence)), answer);
    }
    let none = Reply::Refused(Refusal::NoSuchUser { name: user("bob") });
    assert_eq!(answered(asking("/whois bob"), none), "! no such user: bob (try /who)\n");
}

#[test]
fn a_whisper_to_an_away_user_is_answered_with_the_away_text() {
    let mut rig = Rig::named("alice");
    let away = Away { text: Text::sanitise("lunch") };
    rig.reply(Reply::WhisperReaderAway { to: user("bob"), away });
    rig.reply(Reply::WhisperReaderAway { to: user("bob"), away: Away { text: None } });
    assert_eq!(rig.output(), "* bob is away: lunch\n* bob is away\n");
}

#[test]
fn every_refusal_is_one_line_with_its_value() {
    let (bob, since) = (user("bob"), NOON);
    let draft = DraftId::parse("7f3a").expect("a draft id");
    let cases = [
        (Refusal::UserOffline { name: bob, since }, "bob is not here since 2026-11-20 12:03:11 UTC"),
        (
            Refusal::RoomNameCollides { room: "r1".into() },
            "the name r1 cannot be distinguished from another name",
        ),
        (Refusal::NotMember { room: "r1".into() }, "you are not in r1 (try /channel r1)"),
        (Refusal::NotStored { reason: "the disk is full".into() }, "could not be stored: the disk is full"),
        (Refusal::TooManyFromAddress { connections_max: 9 }, "your address has 9 connections already"),
        (
            Refusal::DraftRepeated { seq: Seq(4), draft: draft.clone() },
            "* draft 7f3a was stored before, as #4",
        ),
        (Refusal::TooManySessions { name: user("bob"), sessions_max: 16 }, "bob has 16 sessions already"),
        (
            Refusal::AccountNeeded { seq: Seq(4) },
            "! message #4 stays as it is: guests neither edit nor delete; log in to an account first",
        ),
        (Refusal::DraftTooOld { draft }, "! not sent: draft 7f3a is so old"),
    ];
    for (refusal, words) in cases {
        let mut rig = Rig::named("alice");
        rig.reply(Reply::Refused(refusal));
        let line = rig.output();
        assert!(line.contains(words) && line.lines().count() == 1, "{line}");
    }
}
