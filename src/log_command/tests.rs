use super::{export, verify};
use madang_shards::log::{
    Appender, Durability, SegmentHeader, SegmentNumber, StdFiles, export_room, verify as verify_log,
};
use madang_shards::types::{DraftId, Message, RoomName, Seq, ShardId, Text, Timestamp, UserName};
use std::fs;

const SEGMENT_BYTES: u64 = 1 << 20;

/// A directory of data with two messages in room `r1`, and the path of their segment.
fn written() -> (tempfile::TempDir, std::path::PathBuf) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let (shard, segment) = (ShardId(0), SegmentNumber::FIRST);
    let mut log = Appender::new(shard, segment, SEGMENT_BYTES, SEGMENT_BYTES, Durability::Commit);
    for (seq, draft, text) in [(1, None, "안녕"), (2, Some("d-2"), "say \"hi\"")] {
        log.append(&Message {
            room: RoomName::parse("r1").expect("a room name"),
            seq: Seq(seq),
            time: Timestamp(1_795_176_191_000_250),
            author: UserName::parse("bob").expect("a user name"),
            draft: draft.and_then(DraftId::parse),
            text: Text::sanitise(text).expect("a text"),
        });
    }
    let header =
        SegmentHeader { shard, shard_count: 1, segment, created_us: 0, capacity_bytes: SEGMENT_BYTES };
    let mut bytes = header.encode().to_vec();
    bytes.extend(log.take_batch().expect("messages wait").bytes);
    bytes.resize(SEGMENT_BYTES as usize, 0);
    fs::create_dir(directory.path().join("shard-00")).expect("the directory is new");
    let path = directory.path().join("shard-00/00000000000000000001.seg");
    fs::write(&path, bytes).expect("the disk has room");
    (directory, path)
}

#[test]
fn messages_are_printed_as_text_and_as_json() {
    let (directory, _) = written();
    let (mut text, mut json) = (Vec::new(), Vec::new());
    let mut sink = |message: &_| {
        export::write_text(&mut text, message)?;
        export::write_json(&mut json, message)
    };
    let room = RoomName::parse("R1").expect("a room name");
    let files = StdFiles::new(directory.path());
    export_room(&files, &room, &mut sink, &mut |_| ()).expect("the log can be read");
    let expected = "#1 2026-11-20 12:03:11 bob: 안녕\n#2 2026-11-20 12:03:11 bob: say \"hi\"\n";
    assert_eq!(String::from_utf8_lossy(&text), expected);
    let expected = concat!(
        r#"{"room":"r1","seq":1,"time":"2026-11-20T12:03:11.000250Z","author":"bob","draft":null,"text":"안녕"}"#,
        "\n",
        r#"{"room":"r1","seq":2,"time":"2026-11-20T12:03:11.000250Z","author":"bob","draft":"d-2","text":"say \"hi\""}"#,
        "\n"
    );
    assert_eq!(String::from_utf8_lossy(&json), expected);
}

#[test]
fn verification_names_the_torn_and_the_damaged() {
    let (directory, path) = written();
    let files = StdFiles::new(directory.path());
    let printed = || {
        let verification = verify_log(&files, &mut |_| ()).expect("the log can be read");
        let mut output = Vec::new();
        verify::print(&mut output, &verification).expect("memory can be written");
        (String::from_utf8_lossy(&output).into_owned(), verify::faults(&verification))
    };
    let (output, faults) = printed();
    assert!(output.ends_with("1 segments, 1048576 bytes, 1 rooms, 2 messages, 0 faults\n"), "{output}");
    assert_eq!(faults, 0);
    let mut bytes = fs::read(&path).expect("it was written");
    bytes[200] ^= 1;
    fs::write(&path, &bytes).expect("the disk has room");
    let (output, faults) = printed();
    assert!(output.contains("are being written, or torn") && faults == 0, "{output}");
    bytes[20] ^= 1;
    fs::write(&path, &bytes).expect("the disk has room");
    let (output, faults) = printed();
    assert!(output.contains("fault: byte 0: its header is damaged") && faults == 1, "{output}");
}
