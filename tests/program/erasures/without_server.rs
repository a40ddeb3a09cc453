use super::{
    SECRET, erase, erased, is_nowhere, is_sound, messages, only_these_are_erased, refused, talked, text,
};
use crate::harness::long_talk;
use crate::harness::{Server, files_with, madang};
use crate::samples::copy_of;
use serde_json::Value;
use std::fs;
use std::process::Command;

#[test]
fn what_an_author_said_is_in_no_file_after_it_is_erased_and_nothing_else_changes() {
    let mut server = talked();
    assert!(server.terminate().0.success());
    let data = server.data();
    let before = messages(&data);
    let lengths = |files: &[std::path::PathBuf]| -> Vec<u64> {
        files.iter().map(|path| fs::metadata(path).expect("a file").len()).collect()
    };
    let segments = [server.files(0, "seg"), server.files(1, "seg")].concat();
    let (lengths_before, indexes) =
        (lengths(&segments), [server.files(0, "idx"), server.files(1, "idx")].concat());
    let index_bytes: Vec<Vec<u8>> = indexes.iter().map(|path| fs::read(path).expect("an index")).collect();
    refused(
        &erase(&data, &["--author", "mallory", "--dry-run"]),
        0,
        &["room 점심: 60 messages from #3001 to #3060", "room r2: 60 messages", "would erase 120 messages"],
    );
    assert_eq!(messages(&data), before, "nothing was changed");
    erased(&data, &["--author", "MALLORY", "--room", "r2"], "erased 60 messages");
    erased(&data, &["--author", "mallory"], "erased 60 messages");
    is_nowhere(&data, SECRET);
    // Only what was asked for is remembered.
    assert_eq!(files_with(&data, "mallory"), [data.join("madang.erasures")]);
    only_these_are_erased(&before, &messages(&data), |was| was["author"] == "mallory");
    assert_eq!(lengths(&segments), lengths_before, "offsets stay");
    let indexes_after: Vec<Vec<u8>> = indexes.iter().map(|path| fs::read(path).expect("an index")).collect();
    assert!(indexes_after == index_bytes, "indexes stay valid");
    is_sound(&data);
    refused(&erase(&data, &["--author", "mallory"]), 1, &["has no such message, or all were erased already"]);
    // A server continues on it, and shows what is left.
    server.start_again();
    let mut carol = server.login_to("carol", "점심");
    let page = carol.ask("/history 100");
    assert_eq!(page.iter().filter(|line| line.ends_with("* [deleted / 삭제됨]")).count(), 60, "{page:?}");
    carol.send("next");
    carol.expect("carol: next");
    server.verify();
}

#[test]
fn messages_are_erased_by_room_and_number_in_both_formats_and_what_a_repair_set_aside_too() {
    let directory = copy_of("log-2");
    let data = directory.path().join("data");
    let before = messages(&data);
    let wanted: Vec<&Value> = before.values().take(2).collect();
    let text = |value: &Value| value["text"].as_str().expect("a text").to_owned();
    let (room, first) =
        (wanted[0]["room"].as_str().expect("a room"), wanted[0]["seq"].as_u64().expect("a number"));
    // A copy of a segment, as a repair keeps it.
    let holder = files_with(&data, &text(wanted[0])).remove(0);
    let shard = holder.parent().and_then(|path| path.file_name()).expect("a shard").to_owned();
    let aside = data.join("set-aside-20261130T000000Z").join(&shard);
    fs::create_dir_all(&aside).expect("space");
    let name = holder.file_name().expect("a name").to_string_lossy().into_owned();
    let length = fs::metadata(&holder).expect("a segment").len();
    fs::copy(&holder, aside.join(format!("{name}.bytes-0-{length}"))).expect("space");
    fs::copy(&holder, holder.with_extension("repair")).expect("space");
    erased(&data, &["--room", room, "--seq", &format!("#{first}")], "erased");
    is_nowhere(&data, &text(wanted[0]));
    only_these_are_erased(&before, &messages(&data), |was| was == wanted[0]);
    is_sound(&data);
    // The seal of a start is no message more, and an import of an older export brings nothing back.
    let lines: String = before.values().map(|value| format!("{value}\n")).collect();
    let file = directory.path().join("old.jsonl");
    fs::write(&file, lines).expect("space");
    let output =
        madang().args(["log", "import"]).arg(&file).arg("--data").arg(&data).output().expect("madang");
    refused(&output, 0, &["imported 0 messages of 0 rooms; skipped 9 known"]);
    is_nowhere(&data, &text(wanted[0]));
    let output = madang().args(["log", "dump", "--data"]).arg(&data).output().expect("madang");
    refused(&output, 0, &[&format!("message {room} #{first} ")]);
    assert!(super::words(&output).contains(": erased"), "{}", super::words(&output));
}

#[test]
fn what_cannot_be_erased_is_said_with_the_remedy() {
    let directory = copy_of("log-2");
    let data = directory.path().join("data");
    for (arguments, parts) in [
        (&["--room", "r1"][..], &["--seq"][..]),
        (&["--seq", "3"], &["--room"]),
        (&["--room", "r1", "--seq", "0"], &["'0' is no number of a message; they begin with 1"]),
        (&["--room", "r1", "--seq", "9-3"], &["the first number, 9, is above the last, 3"]),
        (&["--room", "a b", "--seq", "3"], &["--room \"a b\" is not a room name"]),
        (&["--author", "<b>"], &["--author \"<b>\" is not a name"]),
        (&[], &["--room", "--author"]),
    ] {
        refused(&erase(&data, arguments), 2, parts);
    }
    refused(&erase(directory.path(), &["--author", "bob"]), 2, &["no log in"]);
    refused(&erase(&data, &["--room", "점심", "--seq", "3"]), 1, &["the log has nothing of room '점심'"]);
    fs::write(data.join("madang.erasures"), "madang erasures 7\n").expect("space");
    refused(&erase(&data, &["--author", "bob"]), 2, &["later madang", "'madang erasures 7'"]);
}

#[test]
fn a_damaged_segment_is_named_and_what_is_whole_in_it_is_erased() {
    let mut server = talked();
    assert!(server.terminate().0.success());
    let data = server.data();
    let holders = files_with(&data, SECRET);
    let path = &holders[0];
    let mut bytes = fs::read(path).expect("a segment");
    bytes[200] ^= 1;
    fs::write(path, bytes).expect("space");
    let name = path.display().to_string();
    refused(&erase(&data, &["--author", "mallory"]), 1, &[&name, "then erase again"]);
    is_nowhere(&data, SECRET);
    let list = fs::read_to_string(data.join("madang.erasures")).expect("a list");
    assert!(list.contains(" author mallory *") && !list.contains(" done "), "it is not done: {list}");
}

#[test]
fn a_list_that_cannot_be_read_is_named_with_the_remedy_and_nothing_is_served_without_it() {
    let mut server = talked();
    assert!(server.terminate().0.success());
    let data = server.data();
    erased(&data, &["--author", "mallory", "--room", "r2"], "erased 60 messages");
    let path = data.join("madang.erasures");
    let list = fs::read_to_string(&path).expect("a list");
    let name = path.display().to_string();
    for (damaged, line) in [
        (list.replace('\n', "\r\n"), "line 1"),
        (format!("\u{feff}{list}"), "line 1"),
        (String::new(), "line 1"),
        (list.replace(" log ", " log 1"), "line 2"),
        (list.replace(" mallory ", " malory "), "line 3"),
        (list.replace(" done ", " bone "), "line 4"),
    ] {
        assert_ne!(damaged, list);
        fs::write(&path, &damaged).expect("space");
        let output = madang().arg("serve").arg("--data").arg(&data).output().expect("madang");
        refused(&output, 2, &[&name, &format!("damaged in {line}"), "restore it from a copy"]);
        refused(&erase(&data, &["--author", "alice"]), 2, &["damaged in"]);
        assert_eq!(fs::read_to_string(&path).expect("a list"), damaged, "it is left as it is");
    }
    fs::write(&path, list).expect("space");
    server.start_again();
    server.verify();
}

#[test]
fn what_was_put_back_from_an_older_copy_is_erased_again() {
    let mut server = talked();
    assert!(server.terminate().0.success());
    let data = server.data();
    let none = erase(&data, &["--again"]);
    refused(&none, 1, &["nothing was ever to be erased in this log"]);
    let elsewhere = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary directory");
    let copy = elsewhere.path().join("data");
    let copied = Command::new("cp").arg("-a").args([&data, &copy]).status().expect("cp");
    assert!(copied.success());
    erased(&data, &["--author", "mallory"], "erased 120 messages");
    refused(&erase(&data, &["--again"]), 0, &["looked for 1 request again: erased 0 messages"]);
    // A segment is put back.
    let segment = files_with(&copy, SECRET).remove(0);
    fs::copy(&segment, data.join(segment.strip_prefix(&copy).expect("a file of it"))).expect("space");
    assert!(!files_with(&data, SECRET).is_empty());
    refused(&erase(&data, &["--again"]), 0, &["looked for 1 request again: erased ", " in 1 file"]);
    is_nowhere(&data, SECRET);
    is_sound(&data);
    // All of it is, as a plain copy: the list is that of the directory that it replaces.
    let list = data.display().to_string();
    refused(&erase(&copy, &["--again", &list]), 0, &["looked for 1 request again: erased 120 messages"]);
    is_nowhere(&copy, SECRET);
    let other = talked();
    refused(&erase(&other.data(), &["--again"]), 2, &["stop"]);
    let wrong = erase(&copy, &["--again", &other.data().display().to_string()]);
    refused(&wrong, 2, &["is of another log"]);
    refused(&erase(&copy, &["--again", "/nowhere"]), 2, &["'/nowhere' has no list of erasures"]);
    refused(&erase(&copy, &["--again", "--author", "mallory"]), 2, &["cannot be used with"]);
}

#[test]
fn numbers_that_were_not_given_yet_are_not_erased_once_they_are() {
    let mut server = talked();
    let data = server.data();
    refused(&erase(&data, &["--room", "없는방", "--seq", "1"]), 1, &["nothing of room '없는방'"]);
    refused(
        &erase(&data, &["--room", "r2", "--seq", "3061-3070"]),
        1,
        &["'r2' has messages up to #3060, and no #3061 yet"],
    );
    refused(&erase(&data, &["--author", "nobody", "--no-wait"]), 1, &["has no such message"]);
    assert!(server.terminate().0.success());
    refused(&erase(&data, &["--room", "r2", "--seq", "3070"]), 1, &["no #3070 yet"]);
    erased(&data, &["--room", "r2", "--seq", "3060-3070"], "erased 1 message");
    // Numbers that were erased were given. What a pass left that was killed behind the last of them is wiped.
    let left = data.join("shard-00/00000000000000000001.seg.erasing");
    fs::write(&left, text("mallory", 159)).expect("a file");
    refused(&erase(&data, &["--room", "r2", "--seq", "3060-3070"]), 1, &["were erased already"]);
    assert!(!left.exists());
    server.start_again();
    let mut alice = server.login_to("alice", "r2");
    alice.send("said later");
    alice.expect("alice: said later");
    refused(&erase(&data, &["--room", "r2", "--seq", "3060"]), 1, &["were erased already"]);
    assert!(server.terminate().0.success());
    refused(&erase(&data, &["--again"]), 0, &["looked for 4 requests again: erased 0 messages"]);
    assert!(!files_with(&data, "said later").is_empty());
    is_sound(&data);
}

#[test]
fn an_older_copy_of_a_segment_without_its_seal_is_erased_in_and_named_where_that_cannot_be() {
    // In the middle, and as the last one.
    for said_after in [900, 20] {
        let mut server = Server::start(1, &[]);
        let mut alice = server.login_to("alice", "r1");
        let data = server.data();
        long_talk::talk(&mut alice, 1, 410);
        let (secret, seq) = (long_talk::text(410), "410");
        let path = files_with(&data, &secret).remove(0);
        let bytes = fs::read(&path).expect("a segment");
        long_talk::talk(&mut alice, 411, 410 + said_after);
        assert!(server.terminate().0.success());
        erased(&data, &["--room", "r1", "--seq", seq], "erased 1 message");
        is_nowhere(&data, &secret);
        let finished = fs::read(&path).expect("a segment");
        assert!(bytes.len() > finished.len(), "it was not finished");
        fs::write(&path, &bytes).expect("space");
        refused(&erase(&data, &["--again"]), 0, &["looked for 1 request again: erased 1 message in 1 file"]);
        is_nowhere(&data, &secret);
        fs::write(&path, &bytes).expect("space");
        erased(&data, &["--room", "r1", "--seq", seq], "erased 1 message in 1 file");
        is_nowhere(&data, &secret);
        // Torn where it was written last.
        let mut torn = bytes.clone();
        let end = torn.iter().rposition(|byte| *byte != 0).expect("messages") + 64;
        torn[end] = 7;
        fs::write(&path, &torn).expect("space");
        let named = format!("'{}' ends without a seal", path.display());
        for arguments in [&["--again"][..], &["--room", "r1", "--seq", seq]] {
            refused(&erase(&data, arguments), 1, &[&named, "madang log repair", "then erase again"]);
        }
        let list = fs::read_to_string(data.join("madang.erasures")).expect("a list");
        assert_eq!(list.matches(" done ").count(), 0, "it is not done: {list}");
        fs::write(&path, &finished).expect("space");
        refused(&erase(&data, &["--again"]), 0, &["looked for 3 requests again: erased 0 messages"]);
        is_nowhere(&data, &secret);
        is_sound(&data);
        server.start_again();
        server.verify();
    }
}
