//! Writes the seeds that a fuzzer would take long to find: `cargo run -p madang-fuzz-entries --example write_seeds`.

use madang_fuzz_entries::envelopes_of;
use madang_link::{CoreEnd, CoreSettings, EdgeEnd, EdgeRequest, GoingDown};
use madang_log::{
    Appender, AuthorKind, Durability, HEADER_BYTES, IndexBuilder, SEGMENT_BYTES_MIN, SegmentNumber,
    SnapshotRoom, SnapshotScope, SnapshotWriter, author_hash,
};
use madang_model::{
    AccountId, DatedChange, DraftId, Event, FactChange, HistoryPage, Message, Moment, Page, Refusal, Reply,
    Request, RoomFacts, RoomName, RoomRole, RoomSetting, Seq, ShardId, Text, Timestamp, UserName,
};
use std::fs;
use std::path::Path;

const SHARD: ShardId = ShardId(0);
/// What stands before the frame's payload.
const FRAME_HEADER_BYTES: usize = 16;

fn main() {
    let (frames, index, snapshot) = log(40, &["general", "r1", "alice&bob", "마당"]);
    let (few_frames, few_index, few_snapshot) = log(3, &["general"]);
    let [low, middle, high, head, ..] = few_frames[..] else { panic!("a frame has a header") };
    let length = u32::from_le_bytes([low, middle, high, 0]) as usize;
    write("record", "message", &[&[head][..], &few_frames[FRAME_HEADER_BYTES..][..length]].concat());
    for (name, frames, index, snapshot) in
        [("many", frames, index, snapshot), ("few", few_frames.clone(), few_index, few_snapshot)]
    {
        write("frame", name, &behind_length(0, &frames, &[]));
        write("segment", name, &behind_length(frames.len(), &frames, &few_frames));
        let segment = [&[0; HEADER_BYTES][..], &frames].concat();
        write("index", name, &behind_length(index.len(), &index, &segment));
        write("snapshot", name, &snapshot);
    }
    texts();
    facts();
    proxy_headers();
    link();
}

fn facts() {
    let (by, time) = (AccountId(1), Timestamp(1_795_176_191_000_000));
    let changes = [
        FactChange::Join { account: AccountId(7), joined: Seq(3) },
        FactChange::Join { account: AccountId(9), joined: Seq(4) },
        FactChange::Role { account: AccountId(9), role: RoomRole::Owner },
        FactChange::Topic(Text::sanitise("안녕하세요")),
        FactChange::Mute { account: AccountId(7), until: None },
        FactChange::Ban { account: AccountId(8), until: Some(time) },
        FactChange::Set(RoomSetting::SlowS(30)),
    ];
    let changes: Vec<DatedChange> = changes.map(|change| DatedChange { time, by, change }).into();
    let mut room = RoomFacts::default();
    for change in &changes {
        room.change(change).expect("it makes sense");
    }
    // Edition 0, part 0 of 1.
    write("facts", "checkpoint", &[&[1, 0, 0, 1][..], &room.encode()].concat());
    // Edition 0, repeats none, links to 160 bytes at byte 64 of segment 1, which is the oldest.
    let link = [0, 0, 0, 1, 4, 10, 0];
    let few = DatedChange::encode_all(changes[..2].iter());
    let reads = RoomFacts::encode_reads(&[(AccountId(7), Seq(40)), (AccountId(9), Seq(41))].into());
    write(
        "facts",
        "changes",
        &[&[0][..], &link, &[u8::try_from(few.len()).expect("a short seed")], &few, &reads].concat(),
    );
    write("facts", "reads", &[&[2][..], &link, &reads].concat());
}

fn proxy_headers() {
    let signature = b"\r\n\r\n\0\r\nQUIT\n";
    let addresses = [192, 0, 2, 1, 198, 51, 100, 2, 0xdc, 0x04, 0x1f, 0x90];
    let source = b"\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01";
    let destination = b"\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\0\x02\x01";
    let mut name = [0; 216];
    name[..6].copy_from_slice(b"/run/a");
    let binary = |kind: &[u8; 4], rest: &[&[u8]]| [&signature[..], kind, &rest.concat()].concat();
    write("proxy", "line", b"PROXY TCP4 192.0.2.1 192.0.2.2 56324 8080\r\nalice\r\n");
    write("proxy", "line-6", b"PROXY TCP6 2001:db8::1 ::ffff:192.0.2.2 56324 8080\r\n");
    write("proxy", "unknown", b"PROXY UNKNOWN ::1 ::1 1 2\r\n");
    write("proxy", "binary", &binary(b"\x21\x11\0\x0c", &[&addresses, b"alice\r\n"]));
    write("proxy", "binary-6", &binary(b"\x21\x21\0\x24", &[source, destination, &addresses[8..]]));
    write("proxy", "values", &binary(b"\x21\x11\0\x1b", &[&addresses, b"\x02\0\x0cchat.example"]));
    write("proxy", "local", &binary(b"\x20\0\0\0", &[]));
    write("proxy", "unix", &binary(b"\x21\x31\0\xd8", &[&name]));
    write("proxy", "networks", b"10.0.0.0/8, fd00::/8,127.0.0.1,::ffff:10.0.0.0/104");
}

/// What an edge and its core say to each other.
fn link() {
    let mut core = CoreEnd::new(CoreSettings::new(ShardId(0x8000), 2));
    let mut edge = EdgeEnd::new(Moment(0));
    core.connected(Moment(0));
    core.receive(edge.output(), Moment(0));
    let hello = edge.output().len();
    edge.sent(hello);
    edge.receive(core.output(), Moment(0));
    let welcome = core.output().len();
    core.sent(welcome);
    let (user, room) = (UserName::parse("alice").expect("a name"), RoomName::parse("r1").expect("a name"));
    let text = Text::sanitise("hello, 마당").expect("a text");
    let address = Some([192, 0, 2, 1].into());
    let session = edge.open(address).expect("a session");
    for request in [
        EdgeRequest::Claim { name: user.clone() },
        EdgeRequest::SetAway { away: None },
        EdgeRequest::Whois { name: user.clone() },
        EdgeRequest::Whisper { to: user.clone(), draft: DraftId::parse("7f3a"), text: text.clone() },
        EdgeRequest::Join { room: room.clone() },
        EdgeRequest::Publish { room: room.clone(), draft: None, text: text.clone() },
        EdgeRequest::History { room: room.clone(), page: Page::Last { count: 15 } },
        EdgeRequest::Who { room: room.clone() },
        EdgeRequest::Rooms { pattern: "r".into() },
        EdgeRequest::Leave { room: room.clone() },
    ] {
        edge.ask(session, &request).expect("it can be asked");
    }
    edge.close(session, true).expect("it is open");
    let asked = edge.output().to_vec();
    write("link", "requests", &[&[0, 255], &envelopes_of(&asked)[..]].concat());
    write("link", "stream-of-requests", &[&[2, 40], &asked[..]].concat());
    core.receive(&asked, Moment(0));
    let to = loop {
        match core.next_request().expect("a name is claimed") {
            Request::Claim { session, .. } => break session.connection,
            _ => continue,
        }
    };
    let message =
        Message { room: room.clone(), seq: Seq(1), time: Timestamp(0), author: user, draft: None, text };
    let messages = vec![message.into()];
    let page = HistoryPage { room: room.clone(), messages, is_sparse: false, head: Seq(1), gap: None };
    let refusal = Refusal::NotMember { room: "r1".into() };
    for reply in [Reply::Left { room }, Reply::History(page), Reply::NotSaid(refusal)] {
        core.event(Event::Reply { to, reply });
    }
    core.go_down(GoingDown::Upgrade);
    let told = core.output().to_vec();
    write("link", "events", &[&[1, 255], &envelopes_of(&told)[..]].concat());
    write("link", "stream-of-events", &[&[3, 40], &told[..]].concat());
}

fn log(messages: u64, rooms: &[&str]) -> (Vec<u8>, Vec<u8>, Vec<u8>) {
    let size = SEGMENT_BYTES_MIN;
    let mut appender = Appender::new(SHARD, SegmentNumber::FIRST, size, size, Durability::Commit);
    let mut builder = IndexBuilder::new(SHARD, SegmentNumber::FIRST);
    let mut frames = Vec::new();
    let (mut heads, mut said) = (vec![0; rooms.len()], Vec::new());
    for number in 0..messages {
        let at = (number % 7) as usize % rooms.len();
        heads[at] += 1;
        let message = Message {
            room: RoomName::from_log(rooms[at]).expect("a room name"),
            seq: Seq(heads[at]),
            time: Timestamp(1_795_176_191_000_000 + number as i64),
            author: UserName::parse("bob").expect("a user name"),
            draft: DraftId::parse("7f3a").filter(|_| number % 3 == 0),
            text: Text::sanitise("hello, 마당").expect("a text"),
        };
        appender.append(&message);
        said.push((message.room, message.seq, author_hash((AuthorKind::Guest, 0), message.author.key())));
        if number % 4 == 3 || number + 1 == messages {
            let batch = appender.take_batch().expect("messages wait");
            frames.extend_from_slice(&batch.bytes);
            builder.committed(&batch, said.iter().map(|(room, seq, author)| (room, *seq, *author)), &[]);
            said.clear();
            appender.committed(batch);
        }
    }
    let end = (HEADER_BYTES + frames.len()) as u64;
    if let Some(sealed) = appender.finish() {
        frames.extend_from_slice(&sealed.frame);
    }
    let sealed = builder.seal(end, |_| None).expect("a segment without a history");
    let mut known: Vec<SnapshotRoom> =
        sealed.tails().map(|(room, tail)| SnapshotRoom::new(room, Some(tail), None)).collect();
    known.sort_by_key(SnapshotRoom::key_bits);
    let scope = SnapshotScope { directory: SHARD, shard_count: 1, covers: SegmentNumber::FIRST };
    let mut writer = SnapshotWriter::new(Vec::new(), scope, known.len() as u64).expect("memory takes all");
    known.iter().for_each(|room| writer.push(room).expect("memory takes all"));
    let (snapshot, _) = writer.finish().expect("memory takes all");
    (frames, sealed.encode(), snapshot)
}

fn behind_length(length: usize, one: &[u8], other: &[u8]) -> Vec<u8> {
    let length = u16::try_from(length).expect("a short seed");
    [&length.to_le_bytes(), one, other].concat()
}

fn texts() {
    let talk = "\u{ff}\u{10}alice\n/channel r1\n/send 7f3a hi\n/history 5 before #9\r\n/msg bob hi\n//x\n";
    write("line", "talk", talk.as_bytes());
    write("line", "telnet", b"\x08\x03\xff\xfb\x1f\xff\xfd\x06he\xff\xfa\x18\0xt\xff\xf0llo\r\0\xff\xf4");
    write(
        "telnet",
        "negotiation",
        b"\xff\xfb\x1f\xff\xfd\x06\xff\xfa\x18\0xt\xff\xf0\xff\xff\xff\xf6\xff\xf4",
    );
    write("line", "binary", b"\x00\x04\xff\xfb\x00a\rb\r\nc\r\0\xff\xf3d\xff\xf4e\n\xff\xfc\x00f\r\n");
    write("line", "http", b"\x01\x05POST /aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa HTTP/1.1\r\nmallory\r\n");
    write("telnet", "binary", b"\xff\xfb\x00\xff\xfd\x00\xff\xfc\x00\xff\xfe\x00\xff\xf3\xff\xed");
    let agreed = b"\xff\xfb\0\xff\xfd\0\xff\xfb\x03\xff\xfd\x03\xff\xfb\x22\xff\xfa\x22\x01\x07\xff\xf0\xff\xfd\x2a\xff\xfb\x2a";
    let asked = b"\xff\xfa\x2a\x01;EUC-KR;UTF-8\xff\xf0\xff\xfa\x2a\x01[TTABLE ]\x01 X\xff\xf0";
    let opened = [&agreed[..], asked, b"a\rb\r\nc\r\0\xff\xfc\x22\xff\xfe\x03d\n"].concat();
    write("telnet", "opened", &opened);
    write("line", "opened", &[b"\x00\x04", &opened[..]].concat());
    for (name, text) in [
        ("latin", "alice\nAlice"),
        ("look-alike", "раypal\npaypal"),
        ("korean", "마당\n마당"),
        ("wide", "ａｌｉｃｅ\nalice"),
        ("text", "clear\u{1b}[2J\u{202e}\u{200b}e\u{301}"),
        ("direct", "alice&bob\nbob"),
        ("direct-numbered", "bob~64c1f0a2b3c4d&~s7\nbob"),
        ("direct-accounts", "~7&~9\nbob"),
    ] {
        write("names", name, text.as_bytes());
    }
    let file = "[limits]\nburst = 80\noutbox_bytes_max = 65_536\n[rooms]\nlobby = \"hall\"\n[log]\n\
                durability = \"interval:50ms\"\n[shards]\ncount = \"auto\"\n[listen]\nline = \"[::]:0\"\n";
    write("config", "file", file.as_bytes());
    write("config", "overrides", b"limits.burst=80\nrooms.lobby=hall\nshards.count=0x10\nlimit.burst=1");
    let mut script = Vec::new();
    for (peer, name) in [(0, "alice"), (1, "bob")] {
        say(&mut script, peer, &format!("{name}\n"));
        say(&mut script, peer, "/channel r1\n");
    }
    say(&mut script, 0, "hello\n/send 7f3a hi\n/send 7f3a hi\n/msg bob psst\n");
    say(&mut script, 1, "/away lunch\n/nick bobby\n/who\n/rooms r\n/whois alice\n/history 5\n");
    script.push(6);
    say(&mut script, 0, "not stored\n");
    script.extend([6, 3 | 1 << 3, 4, 5, 7 | 1 << 3]);
    say(&mut script, 2, "\u{1}\u{2}");
    for first in ["\u{16}\u{3}\u{1}", "get /\r\n"] {
        script.push(7 | 2 << 3);
        say(&mut script, 2, first);
        say(&mut script, 2, "\nmallory\nhello\n");
    }
    write("conversation", "talk", &script);
    let mut help = Vec::new();
    (0..4).for_each(|_| say(&mut help, 2, &"/help\n".repeat(40)));
    write("conversation", "help", &help);
}

fn say(script: &mut Vec<u8>, peer: u8, words: &str) {
    script.extend([peer << 3, u8::try_from(words.len()).expect("a short line")]);
    script.extend_from_slice(words.as_bytes());
}

fn write(target: &str, name: &str, bytes: &[u8]) {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../corpus").join(target);
    fs::create_dir_all(&directory).expect("create the corpus");
    fs::write(directory.join(format!("seed-{name}")), bytes).expect("write a seed");
}
