//! Facts of rooms: changed over the link, stored, shown, and kept whatever expires or breaks.

use crate::harness::edge::{Edge, room};
use crate::harness::long_talk::{talk, talk_as};
use crate::harness::{PATIENCE, Server, madang};
use madang_link::{EdgeEvent, EdgeRequest, SessionNumber};
use madang_model::{
    AccountId, FactChange, FactRefusal, FactsNotChanged, PostPolicy, Reply, RoomRole, RoomSetting, Seq, Text,
};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Instant;

const EDGE: &str = "edge.enabled=true";
const ROOM: &str = "마당";

/// Who changes facts.
struct Owner {
    edge: Edge,
    session: SessionNumber,
}

impl Owner {
    #[track_caller]
    fn of(server: &Server) -> Owner {
        let mut edge = Edge::connect(server);
        let session = edge.login("owner", "general");
        Owner { edge, session }
    }

    /// Makes a change. The revision that it is, or why it is not made.
    #[track_caller]
    fn change(&mut self, of: &str, change: FactChange) -> Result<u64, FactsNotChanged> {
        let request = EdgeRequest::ChangeFacts { room: room(of), by: AccountId(1), change: Box::new(change) };
        self.edge.ask(self.session, &request);
        let is_answer =
            |event: &EdgeEvent| matches!(event, EdgeEvent::Reply { reply: Reply::FactsChanged { .. }, .. });
        match self.edge.expect("an answer to a change", is_answer) {
            EdgeEvent::Reply { reply: Reply::FactsChanged { result, .. }, .. } => {
                result.map(|revision| revision.0)
            }
            other => panic!("{other:?}"),
        }
    }

    #[track_caller]
    fn join(&mut self, of: &str, account: u64) -> u64 {
        let change = FactChange::Join { account: AccountId(account), joined: Seq(0) };
        self.change(of, change).expect("it is made")
    }
}

fn topic(text: &str) -> FactChange {
    FactChange::Topic(Text::sanitise(text))
}

/// What `madang room show` says of a room.
fn show(data: &Path, arguments: &[&str]) -> Output {
    let mut program: Command = madang();
    program.args(["room", "show"]).args(arguments).arg("--data").arg(data).env_remove("MADANG_DATA");
    program.output().expect("it runs")
}

#[track_caller]
fn shown(data: &Path, of: &str) -> Value {
    let output = show(data, &[of, "--json"]);
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!((output.status.code(), words.as_str()), (Some(0), ""));
    serde_json::from_slice(&output.stdout).expect("an object")
}

#[test]
fn facts_of_a_room_are_changed_over_the_link_and_shown_while_the_server_runs_and_when_it_is_stopped() {
    for shards in [1, 3] {
        let mut server = Server::start(shards, &[EDGE]);
        let mut owner = Owner::of(&server);
        assert_eq!(owner.join(ROOM, 1), 1);
        assert_eq!(owner.join(ROOM, 300), 2);
        let role = FactChange::Role { account: AccountId(1), role: RoomRole::Owner };
        assert_eq!(owner.change(ROOM, role), Ok(3));
        assert_eq!(owner.change(ROOM, topic("안녕하세요")), Ok(4));
        assert_eq!(owner.change(ROOM, FactChange::Set(RoomSetting::Post(PostPolicy::Moderators))), Ok(5));
        let account = AccountId(7);
        let refused = owner.change(ROOM, FactChange::Leave(account));
        assert_eq!(refused, Err(FactsNotChanged::Refused(FactRefusal::NoMember { account })));
        assert_eq!(owner.change(ROOM, FactChange::Mute { account, until: None }), Ok(6));

        let data = server.data();
        let found = shown(&data, ROOM);
        assert_eq!(found["revision"], 6);
        assert_eq!(found["topic"], "안녕하세요");
        assert_eq!(found["settings"]["post"], "moderators");
        assert_eq!(found["members"]["1"]["role"], "owner");
        assert_eq!(found["members"]["300"], json!({ "role": "member", "joined_seq": 0, "read_seq": 0 }));
        assert_eq!(found["mutes"]["7"], json!({ "until": null, "by": 1 }));
        let text = String::from_utf8(show(&data, &[ROOM]).stdout).expect("UTF-8");
        for line in [
            "room 마당, revision 6",
            "topic       안녕하세요",
            "  account 1: owner, joined at #0, read to #0",
        ] {
            assert!(text.lines().any(|of| of == line), "{line:?} in {text}");
        }
        let none = show(&data, &["general"]);
        assert_eq!(none.status.code(), Some(1));
        assert!(String::from_utf8_lossy(&none.stderr).contains("the log has no room 'general'"), "{none:?}");
        talk(&mut server.login("alice"), 1, 1);
        let none = show(&data, &["general"]);
        assert_eq!(none.status.code(), Some(1));
        assert!(String::from_utf8_lossy(&none.stderr).contains("'general' has no facts"), "{none:?}");

        server.kill_nine();
        assert_eq!(shown(&data, ROOM), found, "what was acknowledged is on disk");
        server.start_again();
        let mut owner = Owner::of(&server);
        assert_eq!(owner.join(ROOM, 8), 7, "revisions continue");
        server.terminate();
        assert_eq!(shown(&data, ROOM)["members"]["8"]["role"], "member");
        server.verify();
    }
}

#[test]
fn read_positions_are_stored_before_a_server_ends() {
    let mut server = Server::start(2, &[EDGE]);
    let mut owner = Owner::of(&server);
    owner.join(ROOM, 1);
    let read = EdgeRequest::MoveRead { room: room(ROOM), account: AccountId(1), read: Seq(41) };
    owner.edge.ask(owner.session, &read);
    // The answer to what is asked after it says that it has come.
    assert_eq!(owner.join(ROOM, 2), 2);
    server.terminate();
    assert_eq!(shown(&server.data(), ROOM)["members"]["1"]["read_seq"], 41);
}

#[test]
fn tools_know_facts() {
    let mut server = Server::start(1, &[EDGE]);
    let mut owner = Owner::of(&server);
    owner.join(ROOM, 1);
    owner.join(ROOM, 2);
    owner.change(ROOM, topic("tools")).expect("it is made");
    for arguments in
        [&["verify"][..], &["stats", "--format", "json"], &["dump"], &["export", "--all", "--facts"]]
    {
        let output = server.log_tool(arguments);
        assert!(output.status.success(), "{arguments:?}: {output:?}");
    }
    server.terminate();
    let words = |arguments: &[&str]| String::from_utf8(server.log_tool(arguments).stdout).expect("UTF-8");
    assert!(words(&["verify"]).contains("1 room with facts"), "{}", words(&["verify"]));
    let stats: Value = serde_json::from_str(&words(&["stats", "--format", "json"])).expect("an object");
    assert_eq!(stats["total"]["facts"], 3, "{stats}");
    let dump = words(&["dump", "--format", "jsonl"]);
    let facts = dump.lines().filter(|line| line.contains("\"facts")).count();
    assert_eq!(facts, 3, "{dump}");
    let export = words(&["export", "--room", ROOM, "--facts", "--format", "jsonl"]);
    let line: Value = serde_json::from_str(&export).expect("one line");
    assert_eq!((&line["room"], &line["facts"]["topic"]), (&json!(ROOM), &json!("tools")));
    assert!(words(&["export", "--all", "--facts"]).contains("room 마당, revision 3"));
}

#[test]
fn an_import_takes_the_messages_of_an_export_with_facts_and_counts_what_it_skips() {
    let mut server = Server::start(2, &[EDGE]);
    let mut owner = Owner::of(&server);
    for of in ["r1", ROOM] {
        owner.join(of, 1);
        owner.change(of, topic(of)).expect("it is made");
    }
    talk(&mut server.login_to("alice", "r1"), 1, 3);
    server.terminate();
    let exported = server.log_tool(&["export", "--all", "--facts", "--format", "jsonl"]).stdout;
    let place = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary directory");
    let (file, data) = (place.path().join("export.jsonl"), place.path().join("data"));
    fs::write(&file, &exported).expect("space");
    let lines = String::from_utf8(exported).expect("UTF-8");
    let facts = lines.lines().filter(|line| line.starts_with("{\"facts\":{")).count();
    assert_eq!(facts, 2, "an import knows long ones by their beginning: {lines}");
    let output =
        madang().args(["log", "import"]).arg(&file).arg("--data").arg(&data).output().expect("madang");
    let words = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{output:?}");
    let expected = "imported 3 messages of 1 room; skipped 0 known, 0 invalid, 2 lines of facts of rooms; ";
    assert!(words.starts_with(expected), "{words}");
}

#[test]
fn facts_outlive_the_segments_that_they_were_in() {
    let settings = [EDGE, "log.segment_bytes=1048576", "log.retain_bytes=3000000"];
    let mut server = Server::start(2, &settings);
    let mut owner = Owner::of(&server);
    for of in ["r1", "r2", "r3", ROOM] {
        owner.join(of, 1);
        owner.change(of, topic(of)).expect("it is made");
    }
    let rooms = ["r1", "r2", "r3", ROOM];
    let before: Vec<Value> = rooms.iter().map(|of| shown(&server.data(), of)).collect();
    let first: Vec<_> =
        [0, 1].into_iter().flat_map(|shard| server.files(shard, "seg").into_iter().next()).collect();
    // Somebody talks on each shard.
    let on = |shard: u16| {
        let names = (0..).map(|number| format!("talk{number}"));
        let mut there = names.filter(|name| room(name).key().home(2).0 == shard);
        there.next().expect("there are many names")
    };
    let (mut alice, mut bob) = (server.login_to("alice", &on(0)), server.login_to("bob", &on(1)));
    let deadline = Instant::now() + PATIENCE * 4;
    let mut said = 0;
    while first.iter().any(|first| first.exists()) {
        assert!(Instant::now() < deadline, "they never expire: {:?}", server.words());
        talk(&mut alice, said + 1, said + 200);
        talk_as(&mut bob, "bob", said + 1, said + 200);
        said += 200;
    }
    for (of, before) in rooms.iter().zip(&before) {
        assert_eq!(&shown(&server.data(), of), before, "{of}");
    }
    server.kill_nine();
    server.start_again();
    let mut owner = Owner::of(&server);
    for of in rooms {
        assert_eq!(owner.join(of, 2), 3, "the revision of {of} continues");
    }
    server.terminate();
    server.verify();
}

#[test]
fn damaged_facts_are_named_and_repaired() {
    let mut server = Server::start(1, &[EDGE]);
    let mut owner = Owner::of(&server);
    for account in 1..=5 {
        owner.join(ROOM, account);
    }
    owner.change(ROOM, topic("damaged-here")).expect("it is made");
    owner.join(ROOM, 6);
    server.terminate();
    let segment = server.files(0, "seg").swap_remove(0);
    let mut bytes = fs::read(&segment).expect("a segment");
    let at = bytes.windows(12).position(|part| part == b"damaged-here").expect("it is there");
    bytes[at] ^= 1;
    fs::write(&segment, bytes).expect("it can be written");
    let verified = server.log_tool(&["verify"]);
    let words = String::from_utf8_lossy(&verified.stdout).into_owned();
    assert_eq!(verified.status.code(), Some(1), "{words}");
    let repaired = server.log_tool(&["repair", "--yes"]);
    let words = String::from_utf8_lossy(&repaired.stdout).into_owned();
    assert!(
        repaired.status.success() && words.contains("store the facts of room '마당' once more"),
        "{words}"
    );
    let found = shown(&server.data(), ROOM);
    assert_eq!(found["members"].as_object().map(serde_json::Map::len), Some(6), "{found}");
    server.start_again();
    let mut owner = Owner::of(&server);
    assert!(owner.join(ROOM, 9) > 8, "no revision is used twice");
    server.terminate();
    server.verify();
}
