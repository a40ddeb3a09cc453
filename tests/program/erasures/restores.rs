use super::{
    SECRET, erase, erased, is_nowhere, is_sound, messages, only_these_are_erased, refused, talked, text,
};
use crate::harness::{Server, files_with, madang};
use crate::samples::copy_of;
use std::fs;
use std::path::Path;
use std::process::Output;
use tempfile::TempDir;

fn new_directory() -> TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary directory")
}

#[track_caller]
fn back_up(data: &Path, to: &Path) {
    let output = madang().arg("backup").arg("--data").arg(data).arg(to).output().expect("madang");
    refused(&output, 0, &["backup "]);
}

fn restore(from: &Path, to: &Path, more: &[&str]) -> Output {
    madang().arg("restore").arg(from).arg("--data").arg(to).args(more).output().expect("madang")
}

/// The oldest backup in a directory.
fn oldest(backups: &Path) -> std::path::PathBuf {
    let entries = fs::read_dir(backups).expect("backups").flatten().map(|entry| entry.path());
    entries.filter(|path| path.is_dir()).min().expect("a backup")
}

#[test]
fn an_older_backup_is_restored_without_what_was_erased_since_and_is_served() {
    let server = talked();
    let data = server.data();
    let before = messages(&data);
    let place = new_directory();
    let backups = place.path().join("backups");
    back_up(&data, &backups);
    erased(&data, &["--author", "mallory", "--room", "r2"], "erased 60 messages");
    // The list of this moment lies beside the older backup from now on.
    back_up(&data, &backups);
    assert!(!files_with(&oldest(&backups), SECRET).is_empty(), "a backup stays as it is");
    let restored = new_directory();
    let to = restored.path().join("data");
    refused(
        &restore(&oldest(&backups), &to, &[]),
        0,
        &["restored ", "; 60 messages erased that were erased since"],
    );
    let of_r2 = |was: &serde_json::Value| was["author"] == "mallory" && was["room"] == "r2";
    only_these_are_erased(&before, &messages(&to), of_r2);
    for was in before.values().filter(|was| of_r2(was)) {
        is_nowhere(&to, was["text"].as_str().expect("a text"));
    }
    is_sound(&to);
    // What was erased after the last backup is in the list of the data directory.
    erased(&data, &["--author", "mallory"], "erased 60 messages");
    let second = new_directory();
    let list = data.to_string_lossy().into_owned();
    let to = second.path().join("data");
    refused(&restore(&oldest(&backups), &to, &["--erasures", &list]), 0, &["; 120 messages erased that"]);
    is_nowhere(&to, SECRET);
    // A server continues on it, and its own backups know it, too.
    let served = Server::start_on(second, 2, &[]);
    let mut carol = served.login_to("carol", "r2");
    let page = carol.ask("/history 100");
    assert_eq!(page.iter().filter(|line| line.ends_with("* [deleted / 삭제됨]")).count(), 60, "{page:?}");
    carol.send("next");
    carol.expect("carol: next");
    served.verify();
    back_up(&served.data(), &backups);
    let third = new_directory();
    let to = third.path().join("data");
    refused(&restore(&oldest(&backups), &to, &[]), 0, &["; 120 messages erased that were erased since"]);
    is_nowhere(&to, SECRET);
}

#[test]
fn a_backup_in_one_file_is_restored_without_what_was_erased_since_and_another_logs_with_everything() {
    let (server, other) = (talked(), talked());
    let place = new_directory();
    let at = |name: &str| place.path().join(name);
    back_up(&server.data(), &at("old.tar"));
    back_up(&other.data(), &at("other.tar"));
    erased(&server.data(), &["--author", "mallory"], "erased 120 messages");
    back_up(&server.data(), &at("new.tar"));
    let restored = new_directory();
    let to = |name: &str| restored.path().join(name);
    refused(&restore(&at("old.tar"), &to("old"), &[]), 0, &["; 120 messages erased that were erased since"]);
    is_nowhere(&to("old"), SECRET);
    refused(&restore(&at("new.tar"), &to("new"), &[]), 0, &["restored "]);
    is_nowhere(&to("new"), SECRET);
    refused(&restore(&at("other.tar"), &to("other"), &[]), 0, &["restored "]);
    assert_eq!(messages(&to("other")), messages(&other.data()));
    // Carried elsewhere it is alone, unless somebody has the list.
    fs::create_dir(at("elsewhere")).expect("space");
    fs::rename(at("old.tar"), at("elsewhere/old.tar")).expect("space");
    refused(&restore(&at("elsewhere/old.tar"), &to("alone"), &[]), 0, &["restored "]);
    assert!(!files_with(&to("alone"), SECRET).is_empty());
    let list = place.path().to_string_lossy().into_owned();
    refused(&restore(&at("elsewhere/old.tar"), &to("with"), &["--erasures", &list]), 0, &["; 120 messages"]);
    is_nowhere(&to("with"), SECRET);
    let wrong = restore(&at("other.tar"), &to("wrong"), &["--erasures", &server.data().to_string_lossy()]);
    refused(&wrong, 2, &["is of another log", "leave --erasures out"]);
    let none = restore(&at("new.tar"), &to("none"), &["--erasures", &restored.path().to_string_lossy()]);
    refused(&none, 2, &["has no list of erasures"]);
    assert!(!to("wrong").exists() && !to("none").exists(), "nothing is restored then");
}

#[test]
fn a_backup_of_an_older_release_is_restored_without_what_was_erased_since() {
    let directory = copy_of("log-2");
    let data = directory.path().join("data");
    let before = messages(&data);
    let was = before.values().next().expect("a message").clone();
    let (room, seq) = (was["room"].as_str().expect("a room"), was["seq"].to_string());
    let place = new_directory();
    let backups = place.path().join("backups");
    back_up(&data, &backups);
    refused(&erase(&data, &["--room", room, "--seq", &seq]), 0, &["erased 1 message"]);
    back_up(&data, &backups);
    let restored = new_directory();
    let to = restored.path().join("data");
    let kept = fs::read_dir(&backups).expect("backups").flatten().map(|entry| entry.path());
    let kept = kept.filter(|path| path.display().to_string().contains("madang.erasures.")).min();
    let kept = kept.expect("a list").display().to_string();
    refused(&restore(&oldest(&backups), &to, &[]), 2, &["does not say of which log it is", &kept]);
    assert!(!to.exists(), "whose list that is, nobody knows");
    refused(&restore(&oldest(&backups), &to, &["--erasures", &kept]), 0, &["; 1 message erased that"]);
    is_nowhere(&to, was["text"].as_str().expect("a text"));
    only_these_are_erased(&before, &messages(&to), |value| *value == was);
    is_sound(&to);
}

#[test]
fn of_a_log_under_several_numbers_each_list_is_named_and_each_that_is_given_is_used() {
    let directory = copy_of("log-2");
    let data = directory.path().join("data");
    let before = messages(&data);
    let said: Vec<serde_json::Value> = before.values().take(2).cloned().collect();
    let place = new_directory();
    let (backups, restored) = (place.path().join("backups"), new_directory());
    let to = |name: &str| restored.path().join(name);
    back_up(&data, &backups);
    let oldest = oldest(&backups);
    // The log gets a number when something is erased, and another one after it was put back to before that.
    let mut given = Vec::new();
    for was in &said {
        let again = copy_of("log-2");
        let data = again.path().join("data");
        let (room, seq) = (was["room"].as_str().expect("a room"), was["seq"].to_string());
        refused(&erase(&data, &["--room", room, "--seq", &seq]), 0, &["erased 1 message"]);
        let tar = place.path().join(format!("{seq}-{room}.tar"));
        let output = madang().arg("backup").arg("--data").arg(&data).arg(&tar).output().expect("madang");
        refused(&output, 0, &["backup "]);
        let lists = fs::read_dir(place.path()).expect("a directory").flatten().map(|entry| entry.path());
        let lists = lists.filter(|path| path.display().to_string().contains("madang.erasures."));
        for list in lists {
            let moved = backups.join(list.file_name().expect("a name"));
            fs::rename(&list, &moved).expect("one file system");
            given.push(moved.display().to_string());
        }
    }
    let [first, second] = &given[..] else { panic!("{given:?}") };
    refused(
        &restore(&oldest, &to("none"), &[]),
        2,
        &["does not say of which log it is", first, second, "for each of these", "that knows no erasures"],
    );
    let list = backups.display().to_string();
    refused(
        &restore(&oldest, &to("none"), &["--erasures", &list]),
        2,
        &["under several numbers", first, second],
    );
    // One was forgotten: it is named.
    refused(
        &restore(&oldest, &to("one"), &["--erasures", first]),
        0,
        &["that were not given", second, "; 1 message erased that was erased since"],
    );
    let output = restore(&oldest, &to("both"), &["--erasures", first, "--erasures", second]);
    refused(&output, 0, &["; 2 messages erased that were erased since"]);
    assert!(!super::words(&output).contains("not given"), "{}", super::words(&output));
    only_these_are_erased(&before, &messages(&to("both")), |value| said.contains(value));
    is_sound(&to("both"));
    // One that cannot be read is named.
    fs::write(second, "x").expect("space");
    let both = ["--erasures", first, "--erasures", second];
    refused(&restore(&oldest, &to("none"), &both), 2, &[&format!("cannot use '{second}': "), "line 1"]);
    refused(&erase(&to("both"), &["--again", second]), 2, &[&format!("cannot use '{second}': ")]);
    assert!(!to("none").exists(), "nothing is restored then");
}

/// Says something in r2, whose next number is 3061.
fn says(server: &Server, words: &str) {
    let mut client = server.login_to("alice", "r2");
    client.send(words);
    client.expect(&format!("alice: {words}"));
}

#[test]
fn a_number_that_was_given_again_after_a_restore_is_not_erased_in_what_was_before_it() {
    let server = talked();
    let place = new_directory();
    let at = |name: &str| place.path().join(name);
    back_up(&server.data(), &at("monday.tar"));
    says(&server, "said on tuesday");
    back_up(&server.data(), &at("tuesday.tar"));
    drop(server);
    // By mistake.
    let restored = new_directory();
    refused(&restore(&at("monday.tar"), &restored.path().join("data"), &[]), 0, &["restored "]);
    let server = Server::start_on(restored, 2, &[]);
    says(&server, "said on wednesday");
    erased(&server.data(), &["--room", "r2", "--seq", "3061"], "erased 1 message");
    erased(&server.data(), &["--room", "r2", "--seq", "3001"], "erased 1 message");
    is_nowhere(&server.data(), "said on wednesday");
    back_up(&server.data(), &at("wednesday.tar"));
    let second = new_directory();
    let to = second.path().join("data");
    refused(
        &restore(&at("tuesday.tar"), &to, &[]),
        0,
        &["; 1 message erased that was erased since", "restored "],
    );
    assert!(!files_with(&to, "said on tuesday").is_empty(), "nobody has erased that");
    is_nowhere(&to, &text("mallory", 100));
    refused(&restore(&at("wednesday.tar"), &second.path().join("other"), &[]), 0, &["restored "]);
    is_nowhere(&second.path().join("other"), "said on wednesday");
    // A copy of Wednesday, whose life it is, loses it too.
    let list = server.data().display().to_string();
    let third = new_directory();
    let to = third.path().join("data");
    refused(&restore(&at("monday.tar"), &to, &["--erasures", &list]), 0, &["; 1 message erased that"]);
    is_sound(&to);
}

#[test]
fn what_was_imported_under_an_erased_name_stays_when_the_newest_backup_is_restored() {
    let mut server = talked();
    let place = new_directory();
    let at = |name: &str| place.path().join(name);
    back_up(&server.data(), &at("old.tar"));
    erased(&server.data(), &["--author", "mallory"], "erased 120 messages");
    let data = server.data();
    assert!(server.terminate().0.success());
    let history = at("last-year.jsonl");
    let line = r#"{"room":"작년반","author":"mallory","time":"2025-03-02T09:00:00+09:00","text":"작년의 다른 사람","id":"1"}"#;
    fs::write(&history, format!("{line}\n")).expect("space");
    let imported =
        madang().args(["log", "import"]).arg(&history).arg("--data").arg(&data).output().expect("madang");
    refused(&imported, 0, &["imported 1 message"]);
    back_up(&data, &at("new.tar"));
    let restored = new_directory();
    let to = |name: &str| restored.path().join(name);
    let output = restore(&at("new.tar"), &to("new"), &[]);
    refused(&output, 0, &["restored "]);
    assert!(!String::from_utf8_lossy(&output.stdout).contains("erased"), "nothing was erased since");
    assert_eq!(files_with(&to("new"), "작년의 다른 사람").len(), 1);
    is_nowhere(&to("new"), SECRET);
    refused(&restore(&at("old.tar"), &to("old"), &[]), 0, &["; 120 messages erased that were erased since"]);
}
