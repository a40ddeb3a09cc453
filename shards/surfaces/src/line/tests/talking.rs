//! What people type, and what they read.

use super::rig::{Rig, message, room, user};
use crate::line::ENDLESS_LINE;
use madang_model::connection::CloseReason;
use madang_model::*;

fn saying(rig: &mut Rig, line: &str) -> String {
    rig.send(format!("{line}\n"));
    rig.output()
}

#[test]
fn a_new_user_joins_the_lobby_reads_its_history_and_talks() {
    let mut rig = Rig::new();
    rig.said.insert(
        "general".into(),
        vec![message("general", 1, "bob", "hi"), message("general", 2, "carol", "so")],
    );
    rig.send("alice\n");
    assert_eq!(rig.output(), "alice has joined general\nbob: hi\ncarol: so\n");
    assert_eq!(saying(&mut rig, "hello"), "alice: hello\n");
    assert_eq!(saying(&mut rig, "//help is a command"), "alice: /help is a command\n");
}

#[test]
fn what_others_do_in_the_room_is_seen() {
    let mut rig = Rig::named("alice");
    let (bob, session) = (user("bob"), rig.core.session);
    rig.event("general", RoomEvent::Joined { user: bob.clone() });
    rig.event("general", RoomEvent::Message { message: message("general", 1, "bob", "hi"), author: session });
    rig.event("general", RoomEvent::Renamed { old: bob.clone(), new: user("rob"), everywhere: None });
    rig.event("general", RoomEvent::Left { user: bob, reason: LeaveReason::Quit, everywhere: None });
    assert_eq!(
        rig.output(),
        "bob has joined general\nbob: hi\n* bob is now rob\nbob has left the channel(general)\n"
    );
}

#[test]
fn a_channel_is_left_once_the_new_one_has_accepted() {
    let mut rig = Rig::named("alice");
    rig.said.insert("r1".into(), vec![message("r1", 7, "bob", "here")]);
    assert_eq!(saying(&mut rig, "/channel r1"), "alice has joined r1\nbob: here\n");
    assert!(rig.requests[0].starts_with("Join"), "{:?}", rig.requests);
    assert!(rig.requests[1].starts_with("Leave") && rig.requests[1].contains("reason: Left"));
    assert_eq!(saying(&mut rig, "/channel R1"), "* you are already in r1\n");
    assert_eq!(saying(&mut rig, "hello"), "alice: hello\n");
    assert_eq!(rig.said["r1"].len(), 2);
    assert_eq!(rig.core.subscriptions.len(), 1);
}

#[test]
fn a_full_room_is_reported_and_the_user_stays_in_the_old_one() {
    let mut rig = Rig::named("alice");
    rig.refused.insert("r1".into(), Refusal::RoomFull { room: "r1".into(), members_max: 100 });
    let expected = "! room r1 is full: 100 of 100 members; try later, or another one (/rooms)\n";
    assert_eq!(saying(&mut rig, "/channel r1"), expected);
    assert_eq!(saying(&mut rig, "hello"), "alice: hello\n");
    assert_eq!(rig.said["general"].len(), 1);
}

#[test]
fn quit_leads_to_the_lobby_and_from_there_out() {
    let mut rig = Rig::named("alice");
    assert_eq!(saying(&mut rig, "/channel r1"), "alice has joined r1\n");
    assert_eq!(saying(&mut rig, "/quit"), "alice has left the channel(r1)\nalice has joined general\n");
    assert_eq!(saying(&mut rig, "/quit"), "bye\n");
    assert_eq!(rig.core.closing, Some(CloseReason::Quit));
}

#[test]
fn quit_needs_no_name() {
    let mut rig = Rig::new();
    assert_eq!(saying(&mut rig, "/quit"), "bye\n");
}

#[test]
fn a_refused_name_is_asked_for_again() {
    let mut rig = Rig::new();
    let (alice, paypal, other) = (user("alice"), user("paypal"), user("раypal"));
    rig.refused.insert("alice".into(), Refusal::NameTaken { name: alice });
    rig.refused.insert("раypal".into(), Refusal::NameConfusable { name: other, with: paypal });
    let cases = [
        ("alice", "! the name alice is taken; choose another\nname: "),
        ("раypal", "! the name раypal looks like paypal, which is taken; choose another\nname: "),
        ("", "! a name cannot be empty; choose another\nname: "),
        (
            "a b",
            "! a name is made of letters and digits of any script and - _ . (a space is not one); choose another\nname: ",
        ),
        (
            "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            "! a name has at most 32 characters, this one has 33; choose another\nname: ",
        ),
        ("/who", "! a name comes first (try alice; /help and /quit work here too)\nname: "),
        ("bob", "bob has joined general\n"),
    ];
    for (typed, answer) in cases {
        assert_eq!(saying(&mut rig, typed), answer);
    }
}

#[test]
fn a_whisper_comes_back_as_its_receipt() {
    let mut rig = Rig::named("alice");
    assert_eq!(saying(&mut rig, "/msg bob hi there"), "alice -> bob : hi there\n");
    rig.refused.insert("ghost".into(), Refusal::NoSuchUser { name: user("ghost") });
    assert_eq!(saying(&mut rig, "/msg ghost boo"), "! no such user: ghost (try /who)\n");
    assert_eq!(saying(&mut rig, "/msg Alice hm"), "! Alice is you; whisper to somebody else (try /who)\n");
}

#[test]
fn a_new_name_is_shown_by_the_room() {
    let mut rig = Rig::named("alice");
    assert_eq!(saying(&mut rig, "/nick bob"), "* alice is now bob\n");
    assert_eq!(saying(&mut rig, "hello"), "bob: hello\n");
    rig.refused.insert("carol".into(), Refusal::NameTaken { name: user("carol") });
    assert_eq!(saying(&mut rig, "/nick carol"), "! the name carol is taken; choose another\n");
    assert_eq!(saying(&mut rig, "/nick bob"), "* your name is bob already\n");
    assert_eq!(saying(&mut rig, "/nick Bob"), "* bob is now Bob\n");
}

#[test]
fn a_draft_id_travels_with_the_message() {
    let mut rig = Rig::named("alice");
    assert_eq!(saying(&mut rig, "/send 7f3a hello"), "alice: hello\n");
    assert_eq!(rig.said["general"][0].draft.as_ref().map(|draft| draft.as_str()), Some("7f3a"));
}

#[test]
fn talk_does_not_wait_and_what_has_a_reply_does() {
    let mut rig = Rig::new();
    rig.answers = false;
    rig.send("alice\nhello\n/channel r2\nhi\n");
    assert_eq!((rig.pending(), rig.requests.len()), (&b"hello\n/channel r2\nhi\n"[..], 1));
    rig.send("more\n");
    assert_eq!(rig.pending(), b"hello\n/channel r2\nhi\nmore\n");
    rig.reply(Reply::Claimed {
        user: user("alice"),
        claim: ClaimNumber(1),
        missed_whispers: Vec::new(),
        room: None,
    });
    rig.reply(joined("general", None));
    assert_eq!(rig.pending(), b"hi\nmore\n");
    rig.reply(joined("r2", None));
    assert_eq!(rig.pending(), b"");
    let kinds: Vec<_> = rig.requests.iter().filter_map(|request| request.split(' ').next()).collect();
    assert_eq!(kinds, ["Claim", "Join", "Publish", "Join", "Leave", "Publish", "Publish"]);
    assert_eq!(rig.output(), "alice has joined general\nalice has joined r2\n");
}

#[test]
fn a_refused_line_does_not_end_the_wait_for_a_room() {
    let mut rig = Rig::named("alice");
    rig.answers = false;
    rig.send("/msg ghost boo\nhello\n/channel r2\nhi\n");
    rig.reply(Reply::NotSaid(Refusal::NoSuchUser { name: user("ghost") }));
    rig.reply(Reply::NotSaid(Refusal::NotStored { reason: "the disk is full".into() }));
    assert_eq!(rig.pending(), b"hi\n");
    rig.reply(joined("r2", None));
    assert_eq!(rig.pending(), b"");
}

#[test]
fn everything_said_before_the_end_of_input_is_done() {
    let mut rig = Rig::new();
    rig.send("alice\nhello\n/channel r1\nlast words");
    rig.end();
    let all = "alice has joined general\nalice: hello\nalice has joined r1\nalice: last words\nbye\n";
    assert_eq!(rig.output(), all);
    assert_eq!(rig.core.closing, Some(CloseReason::Quit));
}

#[test]
fn the_end_of_input_waits_for_a_reply() {
    let mut rig = Rig::new();
    rig.answers = false;
    rig.send("alice\n");
    rig.end();
    rig.reply(Reply::Claimed {
        user: user("alice"),
        claim: ClaimNumber(1),
        missed_whispers: Vec::new(),
        room: None,
    });
    assert_eq!(rig.core.closing, None);
    rig.reply(joined("general", None));
    assert_eq!(rig.output(), "alice has joined general\nbye\n");
}

#[test]
fn too_many_lines_are_refused_with_the_time_to_wait() {
    let mut rig = Rig::named("alice");
    rig.flood.burst = 2;
    // The name is no message: two may be said at once.
    let expected = "! too fast: 20 messages a second, 2 at once; wait 50 ms and send it again\n";
    assert_eq!(saying(&mut rig, "/ping"), "pong\n");
    assert_eq!(saying(&mut rig, "hello"), "alice: hello\n");
    assert_eq!(saying(&mut rig, "hello"), expected);
    assert_eq!(saying(&mut rig, ""), "");
    rig.now.monotonic.0 += 50;
    assert_eq!(saying(&mut rig, "hello"), "alice: hello\n");
    assert_eq!(saying(&mut rig, "/quit"), "bye\n");
}

#[test]
fn away_is_sent_to_both_homes_and_unread_is_counted() {
    let mut rig = Rig::named("alice");
    let session = rig.core.session;
    assert_eq!(saying(&mut rig, "/back"), "* you are not away\n");
    assert_eq!(saying(&mut rig, "one"), "alice: one\n");
    rig.requests.clear();
    assert_eq!(saying(&mut rig, "/away at lunch"), "* you are away: at lunch\n");
    assert_eq!(rig.requests.iter().filter(|request| request.starts_with("SetAway")).count(), 2);
    for (seq, text) in [(2, "a"), (3, "b")] {
        let message = message("general", seq, "bob", text);
        rig.event("general", RoomEvent::Message { message, author: session });
    }
    rig.reply(Reply::Whisper {
        from: user("bob"),
        to: user("alice"),
        message: message("x", 1, "bob", "psst"),
        is_receipt: false,
    });
    assert_eq!(rig.output(), "bob: a\nbob: b\nbob -> alice : psst\n");
    let unread = "* general: 2 unread, #2 to #3 (try /history after 1)\n* bob: 1 unread whisper\n";
    assert_eq!(saying(&mut rig, "/unread"), unread);
    assert_eq!(saying(&mut rig, "/back"), format!("* you are back\n{unread}"));
    assert_eq!(saying(&mut rig, "four"), "alice: four\n");
    assert_eq!(saying(&mut rig, "/unread"), unread);
    assert_eq!(saying(&mut rig, "/read"), "* nothing is unread any more\n");
    assert_eq!(saying(&mut rig, "/unread"), "* nothing is unread\n");
}

#[test]
fn a_new_name_is_away_as_the_old_one_was() {
    let mut rig = Rig::named("alice");
    saying(&mut rig, "/away");
    saying(&mut rig, "/nick bob");
    let last = rig.requests.last().expect("a request");
    assert!(last.starts_with("SetAway { user: UserName(bob), room: None, away: Some"), "{last}");
}

#[test]
fn what_was_missed_within_the_grace_time_is_listed_on_return() {
    let mut rig = Rig::new();
    rig.answers = false;
    rig.send("alice\n");
    rig.reply(Reply::Claimed {
        user: user("alice"),
        claim: ClaimNumber(1),
        missed_whispers: vec![(user("bob"), 2)],
        room: None,
    });
    rig.reply(joined("general", Some(Seq(3))));
    assert_eq!(
        rig.output(),
        "alice has joined general\n* general: 6 unread, #4 to #9 (try /history after 3)\n* bob: 2 unread whispers\n"
    );
}

#[test]
fn times_and_echo_are_a_matter_of_taste() {
    let mut rig = Rig::named("alice");
    assert_eq!(saying(&mut rig, "/time on"), "* messages are shown with their time (UTC)\n");
    assert_eq!(saying(&mut rig, "hello"), "12:03:11 alice: hello\n");
    assert_eq!(saying(&mut rig, "/time off"), "* messages are shown without their time\n");
    assert_eq!(saying(&mut rig, "/echo off"), "* your own messages do not come back\n");
    assert!(!rig.core.is_echoed);
}

#[test]
fn help_names_every_command_in_a_line_each() {
    let mut rig = Rig::named("alice");
    let help = saying(&mut rig, "/help");
    for command in [
        "help", "channel", "quit", "msg", "send", "who", "rooms", "whois", "history", "nick", "away", "back",
        "unread", "read", "echo", "time", "ping", "/TEXT",
    ] {
        assert!(
            help.contains(&format!("\n* /{command}")) || help.starts_with(&format!("* /{command}")),
            "{command}"
        );
    }
    assert_eq!(saying(&mut rig, "/foo"), "! unknown command: /foo (try /help)\n");
}

#[test]
fn the_stop_of_the_server_is_announced_to_everyone() {
    let mut rig = Rig::named("alice");
    rig.going_down();
    rig.core.closing = Some(CloseReason::GoingDown);
    assert_eq!(rig.output(), "* server is going down\n");
}

#[test]
fn what_is_said_at_the_prompt_without_being_asked_for_begins_a_line() {
    let reasons = [
        CloseReason::LoginTimeout { login_seconds: 60 },
        CloseReason::TooManyFromAddress { connections_max: 3 },
        CloseReason::Kicked { reason: "".into() },
        CloseReason::NotCarried,
        CloseReason::SlowReader { outbox_bytes_max: 1 },
        CloseReason::Protocol(ENDLESS_LINE),
    ];
    for reason in reasons {
        for half_a_name in ["", "half a na"] {
            let mut rig = Rig::new();
            rig.send(half_a_name);
            rig.core.closing = Some(reason.clone());
            let said = rig.output();
            assert!(said.starts_with("\n! closed") && said.lines().count() == 2, "{said:?}");
        }
    }
    let mut rig = Rig::new();
    rig.going_down();
    assert_eq!(rig.output(), "\n* server is going down\n");
    // What answers a line begins where the line ended.
    let mut rig = Rig::new();
    assert_eq!(saying(&mut rig, "/quit"), "bye\n");
    let mut rig = Rig::new();
    rig.core.closing = Some(CloseReason::Lost);
    assert_eq!(rig.output(), "");
}

#[test]
fn whoever_looks_for_help_finds_it_and_talk_stays_talk() {
    for word in ["help", "?", "HELP", " ? "] {
        let mut rig = Rig::new();
        let expected = "* /help lists what you can type; a name comes first\nname: ";
        assert_eq!(saying(&mut rig, word), expected);
        assert_eq!(saying(&mut rig, "alice"), "alice has joined general\n");
        let shown = word.trim();
        let expected = format!("* /help lists what you can type (to say {shown}, type it again)\n");
        assert_eq!(saying(&mut rig, word), expected);
        assert_eq!(saying(&mut rig, shown), format!("alice: {shown}\n"));
    }
    let mut rig = Rig::named("alice");
    assert_eq!(saying(&mut rig, "hello"), "alice: hello\n");
    assert_eq!(saying(&mut rig, "?"), "alice: ?\n");
}

#[test]
fn who_was_lost_in_a_room_returns_to_it_or_to_the_lobby_where_that_refuses() {
    let lost_in = || Reply::Claimed {
        user: user("alice"),
        claim: ClaimNumber(1),
        missed_whispers: Vec::new(),
        room: Some(room("r1")),
    };
    for is_refused in [false, true] {
        let mut rig = Rig::new();
        if is_refused {
            let refusal = Refusal::RoomFull { room: "r1".into(), members_max: 2 };
            rig.refused.insert("r1".to_owned(), refusal);
        }
        rig.answers = false;
        rig.send("alice\n");
        rig.answers = true;
        rig.reply(lost_in());
        let words = rig.output();
        let entered = if is_refused { "general" } else { "r1" };
        assert!(words.contains(&format!("alice has joined {entered}\n")), "{words}");
        assert_eq!(words.contains("! "), is_refused, "{words}");
    }
}

fn joined(name: &str, resumed_from: Option<Seq>) -> Reply {
    let (room, user) = (room(name), user("alice"));
    Reply::Joined(Box::new(Joined {
        room,
        user,
        head: Seq(9),
        history: Vec::new(),
        members: 1,
        resumed_from,
    }))
}

#[test]
fn one_unread_message_is_named_once() {
    let mut rig = Rig::new();
    rig.answers = false;
    rig.send("alice\n");
    let missed_whispers = Vec::new();
    rig.reply(Reply::Claimed { user: user("alice"), claim: ClaimNumber(1), room: None, missed_whispers });
    rig.reply(joined("general", Some(Seq(8))));
    assert_eq!(rig.output(), "alice has joined general\n* general: 1 unread, #9 (try /history after 8)\n");
}
