use super::export::ExportPrinter;
use super::output::visible;
use super::record::RecordLines;
use super::{LineFormat, LogPlace, Outcome, dump, next_step, repair, stats, verify};
use crate::data_option::DataOption;
use crate::server::DataDirectory;
use madang_log::{
    self, Appender, Durability, Exported, SegmentHeader, SegmentNumber, Selection, StdFiles, export,
    plan_repair, statistics, verify as verify_log,
};
use madang_model::{DraftId, Message, RoomName, Seq, ShardId, Text, Timestamp, UserName};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

const SEGMENT_BYTES: u64 = 1 << 20;
const TIME_US: i64 = 1_795_176_191_000_250;

pub fn message(room: &str, seq: u64, draft: Option<&str>, text: &str) -> Message {
    Message {
        room: RoomName::parse(room).expect("a room name"),
        seq: Seq(seq),
        time: Timestamp(TIME_US + (seq as i64 - 1) * 1_000_000),
        author: UserName::parse("bob").expect("a user name"),
        draft: draft.and_then(DraftId::parse),
        text: Text::sanitise(text).expect("a text"),
    }
}

/// A directory of data with three commits, and the path of their segment.
fn written() -> (tempfile::TempDir, PathBuf) {
    written_with(&[
        message("r1", 1, None, "안녕"),
        message("r1", 2, Some("d-2"), "say \"hi\""),
        message("마당", 1, None, "하나"),
    ])
}

/// A directory of data with a commit of each of these, and the path of their segment.
pub fn written_with(said: &[Message]) -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let (shard, segment) = (ShardId(0), SegmentNumber::FIRST);
    let mut log = Appender::new(shard, segment, SEGMENT_BYTES, SEGMENT_BYTES, Durability::Commit);
    let header = SegmentHeader {
        shard,
        shard_count: 1,
        segment,
        created_us: TIME_US,
        capacity_bytes: SEGMENT_BYTES,
        generation: 0,
    };
    let mut bytes = header.encode().to_vec();
    for said in said {
        log.append(said);
        let batch = log.take_batch().expect("a message waits");
        bytes.extend(&batch.bytes);
        log.committed(batch);
    }
    bytes.resize(SEGMENT_BYTES as usize, 0);
    fs::create_dir(directory.path().join("shard-00")).expect("the directory is new");
    let path = directory.path().join("shard-00/00000000000000000001.seg");
    fs::write(&path, bytes).expect("the disk has room");
    (directory, path)
}

/// Flips a bit of the message whose text holds `text`.
fn damage(path: &PathBuf, text: &str) {
    let mut bytes = fs::read(path).expect("it was written");
    let at = bytes.windows(text.len()).position(|window| window == text.as_bytes());
    bytes[at.expect("it was said")] ^= 1;
    fs::write(path, bytes).expect("the disk has room");
}

fn printed(files: &StdFiles, selection: &Selection, printer: ExportPrinter<Vec<u8>>) -> String {
    let mut printer = printer;
    let mut sink = |exported: Exported<'_>| printer.print(exported);
    export(files, selection, &mut sink, &mut |_| ()).expect("the log can be read");
    String::from_utf8(printer.output).expect("it is UTF-8")
}

fn printer(format: LineFormat, names_rooms: bool) -> ExportPrinter<Vec<u8>> {
    let lines = RecordLines::new(names_rooms);
    ExportPrinter { output: Vec::new(), lines, format, since_us: i64::MIN, until_us: i64::MAX, printed: 0 }
}

#[test]
fn messages_are_printed_as_text_and_as_json() {
    let (directory, _) = written();
    let files = StdFiles::new(directory.path());
    let room = Selection::Rooms(vec![RoomName::parse("R1").expect("a room name")]);
    let text = printed(&files, &room, printer(LineFormat::Text, false));
    assert_eq!(text, "#1 2026-11-20 12:03:11 bob: 안녕\n#2 2026-11-20 12:03:12 bob: say \"hi\"\n");
    let json = printed(&files, &room, printer(LineFormat::Jsonl, false));
    let expected = concat!(
        r#"{"room":"r1","seq":1,"time":"2026-11-20T12:03:11.000250Z","author":"bob","draft":null,"text":"안녕"}"#,
        "\n",
        r#"{"room":"r1","seq":2,"time":"2026-11-20T12:03:12.000250Z","author":"bob","draft":"d-2","text":"say \"hi\""}"#,
        "\n"
    );
    assert_eq!(json, expected);
}

#[test]
fn all_rooms_are_named_and_a_time_range_begins_with_its_start_and_ends_before_its_end() {
    let (directory, _) = written();
    let files = StdFiles::new(directory.path());
    let all = printed(&files, &Selection::All, printer(LineFormat::Text, true));
    assert_eq!(all.lines().count(), 3);
    assert!(all.ends_with("마당 #1 2026-11-20 12:03:11 bob: 하나\n"), "{all}");
    let from = |since_us, until_us| {
        let ranged = ExportPrinter { since_us, until_us, ..printer(LineFormat::Text, true) };
        printed(&files, &Selection::All, ranged).lines().count()
    };
    assert_eq!(from(TIME_US, TIME_US + 1_000_000), 2);
    assert_eq!(from(TIME_US + 1, i64::MAX), 1);
    assert_eq!(from(i64::MIN, TIME_US), 0);
}

#[test]
fn verification_names_the_torn_and_the_damaged() {
    let (directory, path) = written();
    let files = StdFiles::new(directory.path());
    let printed = || {
        let verification = verify_log(&files, &mut |_| ()).expect("the log can be read");
        let mut output = Vec::new();
        verify::print(&mut output, &verification).expect("memory can be written");
        (String::from_utf8_lossy(&output).into_owned(), verification.all_faults().count())
    };
    let (output, faults) = printed();
    assert!(output.ends_with("1 segment, 1048576 bytes, 2 rooms, 3 messages, 0 faults\n"), "{output}");
    assert_eq!(faults, 0);
    damage(&path, "하나");
    let (output, faults) = printed();
    assert!(output.contains("are being written, or torn") && faults == 0, "{output}");
    let mut bytes = fs::read(&path).expect("it was written");
    bytes[20] ^= 1;
    fs::write(&path, &bytes).expect("the disk has room");
    let (output, faults) = printed();
    assert!(output.contains("fault: byte 0: its header is damaged") && faults == 1, "{output}");
}

#[test]
fn a_dump_shows_every_frame_and_the_damage_in_its_place() {
    let (directory, path) = written();
    damage(&path, "say");
    let files = StdFiles::new(directory.path());
    let dumped = |format| {
        let mut printer = dump::DumpPrinter::new(Vec::new(), format);
        let segments =
            madang_log::dump(&files, None, None, &mut |segment, entry| printer.print(segment, entry));
        assert_eq!(segments.expect("the log can be read").expect("memory can be written"), 1);
        assert_eq!(printer.faults, 1);
        String::from_utf8(printer.output).expect("it is UTF-8")
    };
    let text = dumped(LineFormat::Text);
    let lines: Vec<&str> = text.lines().collect();
    assert!(
        lines[0].ends_with("00001.seg: of 1 shard, created 2026-11-20 12:03:11, 1048576 bytes"),
        "{text}"
    );
    assert_eq!(
        lines[1],
        "  byte 64, 80 bytes, batch 1, synced 64: message r1 #1 2026-11-20 12:03:11 bob: 안녕"
    );
    assert!(lines[2].starts_with("  byte 144, ") && lines[2].ends_with(" bytes: DAMAGED"), "{text}");
    assert!(lines[3].ends_with("message 마당 #1 2026-11-20 12:03:11 bob: 하나"), "{text}");
    assert!(lines[4].ends_with(": end, open"), "{text}");
    for line in dumped(LineFormat::Jsonl).lines() {
        let object: serde_json::Value = serde_json::from_str(line).expect("a JSON object a line");
        assert!(object["file"].is_string() && object["offset"].is_u64() && object["kind"].is_string());
    }
}

#[test]
fn statistics_count_each_shard_and_all() {
    let (directory, _) = written();
    let counted = statistics(&StdFiles::new(directory.path()), &mut |_| ()).expect("the log can be read");
    let (mut text, mut json) = (Vec::new(), Vec::new());
    stats::print(&mut text, &counted, stats::Format::Text).expect("memory can be written");
    stats::print(&mut json, &counted, stats::Format::Json).expect("memory can be written");
    let text = String::from_utf8(text).expect("it is UTF-8");
    assert_eq!(text.lines().count(), 3, "{text}");
    assert!(text.contains("shard 0") && text.contains("2026-11-20 12:03:12"), "{text}");
    let json: serde_json::Value = serde_json::from_slice(&json).expect("one JSON object");
    assert_eq!(json["total"]["messages"], 3);
    assert_eq!(json["total"]["rooms"], 2);
    assert_eq!(json["shards"][0]["segments"]["open"], 1);
    assert_eq!(json["shards"][0]["oldest"], "2026-11-20T12:03:11.000250Z");
}

#[test]
fn a_repair_says_what_it_would_do_and_what_is_lost() {
    let (directory, path) = written();
    damage(&path, "안녕");
    let plan = plan_repair(&StdFiles::new(directory.path()), &mut |_| ()).expect("it can be repaired");
    let text = repair::described(&plan);
    for part in [
        "fault: ",
        "00001.seg at byte 64: 80 bytes are damaged",
        "set aside all 1048576 bytes, keep the 2 intact messages",
        "record as lost: message #1 is gone from room 'r1'",
    ] {
        assert!(text.contains(part), "{part} in:\n{text}");
    }
}

#[test]
fn a_repair_changes_nothing_without_yes_and_never_what_a_server_uses() {
    let (directory, path) = written();
    damage(&path, "안녕");
    let damaged = fs::read(&path).expect("it is there");
    let place = || LogPlace { data: DataOption::of(directory.path().to_owned()) };
    let arguments = |yes| repair::RepairArguments { place: place(), yes, forget_expired_rooms: false };
    assert_eq!(repair::run(&arguments(false)), Ok(Outcome::Faulty));
    let server = DataDirectory::take(directory.path(), "serve").expect("nobody has it");
    let refused = repair::run(&arguments(true)).expect_err("a server has it");
    assert!(refused.contains("is in use by process"), "{refused}");
    drop(server);
    assert_eq!(fs::read(&path).expect("it is there"), damaged);
    assert_eq!(repair::run(&arguments(true)), Ok(Outcome::Sound));
    let entries = fs::read_dir(directory.path()).expect("it can be listed");
    let names: Vec<_> = entries.map(|entry| entry.expect("it can be listed").path()).collect();
    let is_aside = |path: &&PathBuf| path.display().to_string().contains("/set-aside-2");
    let aside = names.iter().find(is_aside).expect("something was set aside");
    let kept = aside.join("shard-00/00000000000000000001.seg.bytes-0-1048576");
    assert_eq!(fs::read(kept).expect("it is kept"), damaged);
    let report = fs::read_to_string(aside.join("REPORT.txt")).expect("there is a report");
    assert!(report.contains("record as lost: message #1 is gone from room 'r1'"), "{report}");
    assert_eq!(repair::run(&arguments(true)), Ok(Outcome::Sound));
    let text = printed(&StdFiles::new(directory.path()), &Selection::All, printer(LineFormat::Text, true));
    assert!(text.contains("r1 * message #1 is lost, and recorded so by a repair\n"), "{text}");
}

#[test]
fn a_repair_makes_files_private_only_with_yes() {
    let (directory, path) = written();
    damage(&path, "안녕");
    let mode = || fs::metadata(&path).expect("it is there").permissions().mode() & 0o777;
    fs::set_permissions(&path, Permissions::from_mode(0o644)).expect("it is ours");
    let arguments = |yes| repair::RepairArguments {
        place: LogPlace { data: DataOption::of(directory.path().to_owned()) },
        yes,
        forget_expired_rooms: false,
    };
    assert_eq!(repair::run(&arguments(false)), Ok(Outcome::Faulty));
    assert_eq!(mode(), 0o644);
    assert_eq!(repair::run(&arguments(true)), Ok(Outcome::Sound));
    assert_eq!(mode(), 0o600);
}

#[test]
fn what_to_do_about_faults_names_the_directory() {
    assert_eq!(
        next_step(Path::new("/srv/chat")),
        "restore the damaged files from a copy, and then run `madang log erase --again --data /srv/chat`, as they may \
         hold what was erased since; or see what `madang log repair --data /srv/chat` would do"
    );
}

#[test]
fn a_start_that_is_refused_names_the_directory() {
    let (directory, path) = written();
    damage(&path, "안녕");
    let refused =
        madang_log::open_log(&StdFiles::new(directory.path()), 1).expect_err("it is damaged").to_string();
    let data = directory.path().display();
    for part in [
        format!("see all with `madang log verify --data {data}`"),
        format!("`madang log repair --data {data}`"),
        "message #1 of room 'r1' is missing".to_owned(),
    ] {
        assert!(refused.contains(&part), "{part} in:\n{refused}");
    }
}

#[test]
fn what_steers_a_terminal_is_shown_as_a_sign_and_escaped_in_json() {
    assert_eq!(visible("a\u{1b}[31m\u{9b}b\u{202e}c\r\n안녕"), "a�[31m�b�c��안녕");
    let mut json = Vec::new();
    let line = serde_json::json!({ "text": "\u{1b}\u{7f}\u{9b}é\u{202e}…안녕" });
    super::json::write_json_line(&mut json, &line).expect("memory can be written");
    let json = String::from_utf8(json).expect("it is UTF-8");
    assert_eq!(json, "{\"text\":\"\\u001b\\u007f\\u009bé\\u202e…안녕\"}\n");
    assert_eq!(serde_json::from_str::<serde_json::Value>(&json).expect("it is JSON"), line);
}
