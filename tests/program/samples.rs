//! Logs that earlier releases wrote, as they were kept.

use crate::harness::{Server, madang};
use madang_log::{ERASURES_FILE, ErasureEntry, ErasureList, ErasureListFile, ErasureRule};
use madang_model::{RoomName, Seq, Timestamp, UserName};
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

pub fn sample(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/samples").join(name)
}

/// A copy of a sample's data directory, as a server would find it.
pub fn copy_of(name: &str) -> TempDir {
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary directory");
    let data = directory.path().join("data");
    for shard in fs::read_dir(sample(name)).expect("the sample").map(|entry| entry.expect("an entry").path())
    {
        if shard.is_dir() {
            let copy = data.join(shard.file_name().expect("a name"));
            fs::create_dir_all(&copy).expect("space");
            for file in
                fs::read_dir(&shard).expect("a directory").map(|entry| entry.expect("an entry").path())
            {
                fs::copy(&file, copy.join(file.file_name().expect("a name"))).expect("space");
            }
        }
    }
    directory
}

fn tool(data: &Path, arguments: &[&str]) -> String {
    let output = madang().args(["log"]).args(arguments).arg("--data").arg(data).output().expect("madang");
    let words = String::from_utf8_lossy(&[&output.stdout[..], &output.stderr].concat()).into_owned();
    assert!(output.status.success(), "{arguments:?}: {words}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

fn sorted(lines: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = lines.lines().collect();
    lines.sort_unstable();
    lines
}

#[test]
fn a_log_of_format_2_is_read_by_every_tool_as_its_own_release_read_it() {
    let directory = copy_of("log-2");
    let data = directory.path().join("data");
    let kept = fs::read_to_string(sample("log-2").join("export.jsonl")).expect("the kept export");
    assert_eq!(sorted(&tool(&data, &["export", "--all", "--format", "jsonl"])), sorted(&kept));
    assert!(tool(&data, &["verify"]).ends_with("9 messages, 0 faults\n"));
    let all = tool(&data, &["stats"]).lines().last().map(str::to_owned).unwrap_or_default();
    assert_eq!(all.split_whitespace().take(6).collect::<Vec<_>>(), ["all", "5", "0", "0", "4", "9"]);
    let dumped = tool(&data, &["dump", "--format", "jsonl"]);
    let lines = dumped.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON"));
    let messages: Vec<_> = lines.filter(|line| line["kind"] == "message").collect();
    assert!(messages.len() == 9 && messages.iter().all(|message| message["author_kind"].is_null()));
    assert!(tool(&data, &["repair"]).contains("nothing to repair"));
}

#[test]
fn people_continue_a_log_of_format_2_whatever_the_number_of_shards() {
    for shards in [1, 2, 3, 5] {
        let mut server = Server::start_on(copy_of("log-2"), shards, &[]);
        let mut carol = server.login("carol");
        carol.ask("/history 10 general").iter().for_each(|line| assert!(!line.contains("gap"), "{line}"));
        for (room, before) in [("general", 4), ("마당", 3), ("r1", 1)] {
            carol.ask(&format!("/channel {room}"));
            carol.send("said in format 3");
            carol.expect("carol: said in format 3");
            let said = server.export(room);
            assert_eq!(said.len(), before + 1, "{room} with {shards} shards");
            assert!(said.iter().zip(1..).all(|(one, seq)| one.seq == seq), "{room} with {shards} shards");
        }
        // A draft that was sent to the release of before: it is older than ten minutes, so its id is a new one.
        let mut alice = server.login("alice");
        alice.send("/send d-1 with a draft");
        alice.settle("alice");
        assert_eq!(server.export("general").len(), 6, "with {shards} shards");
        server.kill_nine();
        server.start_again();
        server.verify();
        assert_eq!(server.export("마당").len(), 4, "with {shards} shards");
    }
}

#[test]
fn a_list_of_erasures_of_version_1_is_written_and_read_as_it_was() {
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary directory");
    let path = directory.path().join(ERASURES_FILE);
    let file = ErasureListFile::new(&path);
    let room = |name| RoomName::from_log(name).expect("a room");
    let author = |room| ErasureRule::Author { author: UserName::parse("홍길동").expect("a name"), room };
    let entries = ErasureRule::Entries { room: room("마당"), first: Seq(3), last: Seq(9) };
    let [first, second, third] = [1_700_000_000_000_000, 1_700_000_000_000_007, 1_700_000_000_000_008];
    let mut list = ErasureList::default();
    list.ask(&file, vec![entries], Timestamp(900), Timestamp(first)).expect("space");
    let of_author = vec![author(None), author(Some(room("alice&bob")))];
    list.ask(&file, of_author, Timestamp(second), Timestamp(second)).expect("space");
    list.done(&file, &[first, third], Timestamp(third)).expect("space");
    let kept = fs::read_to_string(sample("erasures-1")).expect("the kept list");
    assert_eq!(fs::read_to_string(&path).expect("a list"), kept);

    let read = ErasureList::read(&ErasureListFile::new(&sample("erasures-1"))).expect("a list");
    assert_eq!(read.log(), Some(first));
    let shown = |ErasureEntry { id, rule, until, done, .. }: &ErasureEntry| {
        format!("{id} {rule} until {} done {:?}", until.0, done.map(|done| done.0))
    };
    assert_eq!(
        read.entries().iter().map(shown).collect::<Vec<_>>(),
        [
            "1700000000000000 entries 마당 3 9 until 900 done Some(1700000000000008)",
            "1700000000000007 author 홍길동 * until 1700000000000007 done None",
            "1700000000000008 author 홍길동 alice&bob until 1700000000000007 done Some(1700000000000008)",
        ]
    );
}

/// One of a log that was restored: its life, and requests of that and of the one before it.
#[test]
fn a_list_of_erasures_of_version_2_is_written_and_read_as_it_was() {
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary directory");
    let path = directory.path().join(ERASURES_FILE);
    let file = ErasureListFile::new(&path);
    let room = RoomName::from_log("마당").expect("a room");
    let number = |seq| vec![ErasureRule::Entries { room: room.clone(), first: Seq(seq), last: Seq(seq) }];
    let [asked, restored, later] = [1_700_000_000_000_000, 1_700_000_000_000_500, 1_700_000_000_000_900];
    let mut list = ErasureList::default();
    list.ask(&file, number(3), Timestamp(asked), Timestamp(asked)).expect("space");
    list.begin_life(Timestamp(1_699_999_999_000_000), Timestamp(restored));
    list.ask(&file, number(4), Timestamp(later), Timestamp(later)).expect("space");
    let kept = fs::read_to_string(sample("erasures-2")).expect("the kept list");
    assert_eq!(fs::read_to_string(&path).expect("a list"), kept);

    let read = ErasureList::read(&ErasureListFile::new(&sample("erasures-2"))).expect("a list");
    let erases = |list: &ErasureList| {
        let asked = list.asked_erasures();
        let covers = |seq, time| asked.covers(room.key(), Seq(seq), Timestamp(time));
        [covers(3, asked_at(-1_000_000)), covers(4, asked_at(600)), covers(4, asked_at(901))]
    };
    assert_eq!(erases(&read), [true, true, false]);
    let mut other = ErasureList::default();
    other.name_log(Timestamp(asked));
    assert!(other.merge(&read));
    assert_eq!(erases(&other), [true, false, false], "in a log without that life");
}

/// So many microseconds after the first request.
fn asked_at(microseconds: i64) -> i64 {
    1_700_000_000_000_000 + microseconds
}
