//! `madang account`, `madang key`, `madang directory`: what an operator does with accounts.

use crate::harness::{Server, files_with, madang};
use serde_json::Value;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Output, Stdio};
use tempfile::TempDir;

const PASSWORD: &str = "네 개의 조용한 초록 등불";

fn words(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr].concat()).into_owned()
}

/// Runs a command on a data directory, with something at standard input.
fn typed(data: &Path, arguments: &[&str], input: &str) -> Output {
    let mut program = madang();
    program.args(arguments).arg("--data").arg(data).args(["--config", "/dev/null"]);
    let pipes = program.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = pipes.spawn().expect("madang");
    // One that reads nothing may have ended.
    let _ = child.stdin.take().expect("standard input").write_all(input.as_bytes());
    child.wait_with_output().expect("madang ends")
}

fn run(data: &Path, arguments: &[&str]) -> Output {
    typed(data, arguments, "")
}

#[track_caller]
fn done(data: &Path, arguments: &[&str]) -> String {
    let output = run(data, arguments);
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", words(&output));
    String::from_utf8(output.stdout).expect("UTF-8")
}

#[track_caller]
fn refused(data: &Path, arguments: &[&str], code: i32, part: &str) {
    let output = run(data, arguments);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", words(&output));
    assert!(words(&output).contains(part), "{part:?} in {}", words(&output));
}

#[track_caller]
fn added(data: &Path, name: &str, more: &[&str]) {
    let arguments = [&["account", "add", name, "--password-stdin"], more].concat();
    let output = typed(data, &arguments, &format!("{PASSWORD}\n"));
    assert_eq!(output.status.code(), Some(0), "{}", words(&output));
}

fn shown(data: &Path, name: &str) -> Value {
    serde_json::from_str(&done(data, &["account", "show", name, "--json"])).expect("JSON")
}

#[test]
fn accounts_are_made_listed_banned_and_deleted_without_a_server_and_beside_one() {
    let server = Server::start(1, &[]);
    let stopped = TempDir::new().expect("a directory");
    for data in [stopped.path(), &server.data()] {
        refused(data, &["account", "list"], 2, "madang account add");
        added(data, "홍길동", &["--role", "admin"]);
        added(data, "alice", &["--display-name", "Alice of 서울"]);
        assert_eq!(done(data, &["account", "list"]), "alice  (Alice of 서울)\n홍길동  admin\n");
        assert_eq!(done(data, &["account", "list", "ㅎㄱ"]), "홍길동  admin\n");
        refused(data, &["account", "list", "없는"], 1, "no name begins with '없는'");
        refused(data, &["account", "show", "nobody"], 1, "there is no account nobody");
        done(data, &["account", "ban", "ALICE", "--until", "2999-12-24", "--reason", "광고"]);
        let alice = shown(data, "alice");
        assert_eq!(alice["ban"]["until"], "2999-12-24T00:00:00.000000Z");
        assert_eq!((alice["ban"]["reason"].as_str(), alice["chat_ban"].is_null()), (Some("광고"), true));
        assert_eq!(
            done(data, &["account", "chat-ban", "alice"]),
            "alice may not post for ever\n",
            "without an end"
        );
        assert!(shown(data, "alice")["chat_ban"]["until"].is_null());
        done(data, &["account", "unban", "alice"]);
        refused(data, &["account", "unban", "alice"], 1, "not banned");
        assert!(shown(data, "alice")["ban"].is_null());
        refused(data, &["account", "ban", "홍길동"], 1, "last admin");
        refused(data, &["account", "role", "홍길동", "user"], 1, "last admin");
        assert_eq!(done(data, &["account", "role", "alice", "admin"]), "alice has the role admin\n");
        done(data, &["account", "delete", "홍길동", "--yes"]);
        refused(data, &["account", "show", "홍길동"], 1, "there is no account");
        let again = typed(data, &["account", "add", "홍길동", "--password-stdin"], PASSWORD);
        assert!(words(&again).contains("홍길동 is taken"), "{}", words(&again));
        assert!(files_with(data, "홍길동").is_empty(), "nothing of its name is left");
        done(data, &["directory", "check"]);
    }
}

#[test]
fn a_name_or_password_that_cannot_be_is_refused_with_the_reason() {
    let data = TempDir::new().expect("a directory");
    let data = data.path();
    added(data, "alice", &[]);
    for (name, input, part) in [
        ("aIice", PASSWORD, "looks like one that is taken"),
        ("Alice", PASSWORD, "is taken"),
        ("two words", PASSWORD, "name"),
        ("bob", "short", "at least 8"),
        ("charlotte", "charlotte2024", "made of the name"),
        ("bob", "bob bob bob", "repeats the same few"),
        ("bob", "", "at least 8"),
        ("bob", &"long".repeat(500_000), "longer than 1024 bytes"),
    ] {
        let output = typed(data, &["account", "add", name, "--password-stdin"], input);
        assert_eq!(output.status.code(), Some(1), "{name}: {}", words(&output));
        assert!(words(&output).contains(part), "{part:?} in {}", words(&output));
    }
    refused(data, &["account", "add", "bob"], 2, "--password-stdin");
    refused(&data.join("nowhere"), &["account", "add", "bob"], 2, "start the server once");
    refused(data, &["account", "delete", "alice"], 2, "--yes");
    for wrong in ["7", "soon", "0d"] {
        refused(data, &["account", "ban", "alice", "--for", wrong], 2, "30m, 12h");
    }
    refused(data, &["account", "ban", "alice", "--until", "2001-01-01"], 1, "after now");
    assert_eq!(done(data, &["account", "list"]), "alice\n");
}

#[test]
fn what_is_stored_of_a_password_is_no_password_and_for_the_owner_alone() {
    let data = TempDir::new().expect("a directory");
    let data = data.path();
    added(data, "alice", &[]);
    let reset =
        typed(data, &["account", "reset", "alice", "--password-stdin"], "five other quiet green lamps\n");
    assert_eq!(words(&reset), "alice has another password, and all its sessions have ended\n");
    for password in [PASSWORD, "five other quiet green lamps"] {
        assert!(files_with(data, password).is_empty(), "{password}");
    }
    for entry in fs::read_dir(data).expect("a directory").flatten() {
        let mode = entry.metadata().expect("a file").permissions().mode();
        assert_eq!(mode & 0o077, 0, "{} {mode:o}", entry.path().display());
    }
}

#[test]
fn a_key_is_told_once_and_its_old_secret_holds_as_long_as_was_said() {
    let data = TempDir::new().expect("a directory");
    let data = data.path();
    let secret = done(data, &["key", "add", "game1", "--scope", "rooms:write", "--prefix", "game1."]);
    assert!(secret.starts_with("mdk_") && secret.trim().len() > 30, "{secret}");
    assert!(files_with(data, secret.trim()).is_empty());
    refused(data, &["key", "add", "GAME1", "--scope", "rooms:write"], 1, "there is a key game1 already");
    refused(
        data,
        &["key", "add", "game2", "--scope", "rooms:write", "--prefix", "game1.a."],
        1,
        "may belong to the key game1",
    );
    let other = done(data, &["key", "rotate", "game1", "--overlap", "12h"]);
    assert_ne!(secret, other);
    let listed: Value = serde_json::from_str(&done(data, &["key", "list", "--json"])).expect("JSON");
    assert_eq!((listed["name"].as_str(), listed["prefix"].as_str()), (Some("game1"), Some("game1.")));
    assert!(listed["old_secret_until"].is_string() && !listed.to_string().contains("mdk_"));
    refused(data, &["key", "rotate", "game1", "--overlap", "2w"], 1, "a week at most");
    let full = File::options().write(true).open("/dev/full").expect("a device");
    let mut program = madang();
    program.args(["key", "rotate", "game1", "--config", "/dev/null", "--data"]).arg(data);
    let unread = program.stdout(full).stderr(Stdio::piped()).output().expect("madang");
    assert_eq!(unread.status.code(), Some(2), "{}", words(&unread));
    assert!(words(&unread).contains("make another with `madang key rotate`"), "{}", words(&unread));
    assert_eq!(done(data, &["key", "remove", "game1"]), "key game1 removed\n");
    refused(data, &["key", "remove", "game1"], 1, "no such key");
}

#[test]
fn a_directory_is_copied_into_an_empty_file_and_checked_there() {
    let data = TempDir::new().expect("a directory");
    let data = data.path();
    added(data, "alice", &[]);
    let other = data.join("other.sqlite");
    let copied = done(data, &["directory", "copy", "--to", &other.display().to_string()]);
    assert!(copied.contains("accounts: 1\n"), "{copied}");
    refused(
        data,
        &["directory", "copy", "--to", &other.display().to_string()],
        1,
        "exists, and a copy replaces",
    );
    for wrong in ["host=localhost password=hunter22", "postgres:/u:hunter22@x/y", "postgres://u:hunter22/x"] {
        let output = run(data, &["directory", "copy", "--to", wrong]);
        assert_eq!(output.status.code(), Some(1), "{}", words(&output));
        assert!(!words(&output).contains("hunter22"), "{}", words(&output));
    }
    refused(data, &["directory", "copy", "--to", "mysql://x@y/z"], 1, "postgres://");
    let elsewhere = TempDir::new().expect("a directory");
    fs::copy(&other, elsewhere.path().join("directory.sqlite")).expect("a copy");
    assert!(done(elsewhere.path(), &["directory", "check"]).contains("is whole"));
    assert_eq!(done(elsewhere.path(), &["account", "list"]), "alice\n");
    // A page of it is overwritten.
    let file = elsewhere.path().join("directory.sqlite");
    let mut bytes = fs::read(&file).expect("a file");
    let middle = bytes.len() / 2;
    bytes[middle..middle + 4_096].fill(0xa5);
    fs::write(&file, bytes).expect("a file");
    let output = run(elsewhere.path(), &["directory", "check"]);
    assert_ne!(output.status.code(), Some(0), "{}", words(&output));
    assert!(words(&output).contains("madang restore"), "{}", words(&output));
}

/// A server on which somebody has said something, and its backups.
fn backed_up(to: &Path) -> Server {
    let server = Server::start(1, &[]);
    let mut bob = server.login_to("bob", "r1");
    bob.send("hello");
    bob.expect("bob: hello");
    added(&server.data(), "alice", &[]);
    backup(&server.data(), to, 0);
    server
}

#[track_caller]
fn backup(data: &Path, to: &Path, code: i32) -> String {
    let mut program = madang();
    let output =
        program.arg("backup").arg(to).arg("--data").arg(data).args(["--config", "/dev/null"]).output();
    let output = output.expect("madang");
    assert_eq!(output.status.code(), Some(code), "{}", words(&output));
    words(&output)
}

#[track_caller]
fn restored(from: &Path, to: &Path, code: i32) -> String {
    let output = madang().arg("restore").arg(from).arg("--data").arg(to).output().expect("madang");
    assert_eq!(output.status.code(), Some(code), "{}", words(&output));
    words(&output)
}

#[test]
fn a_backup_of_a_running_server_has_its_accounts_as_a_directory_and_as_one_file() {
    let place = TempDir::new().expect("a directory");
    let (backups, archive) = (place.path().join("backups"), place.path().join("one.tar"));
    let server = backed_up(&backups);
    let said = backup(&server.data(), &archive, 0);
    assert!(said.contains("1 message in 1 room, 1 account, "), "{said}");
    added(&server.data(), "later", &[]);
    for (index, from) in [&backups, &archive].into_iter().enumerate() {
        let data = place.path().join(format!("data{index}"));
        let said = restored(from, &data, 0);
        assert!(said.contains("1 message in 1 room, 1 account, "), "{said}");
        assert_eq!(done(&data, &["account", "list"]), "alice\n");
        let mode = fs::metadata(data.join("directory.sqlite")).expect("a file").permissions().mode();
        assert_eq!(mode & 0o077, 0, "{mode:o}");
        assert!(done(&data, &["directory", "check"]).contains("is whole"));
        added(&data, "bob", &[]);
    }
}

#[test]
fn a_damaged_directory_is_named_and_the_log_is_backed_up_all_the_same() {
    let place = TempDir::new().expect("a directory");
    let backups = place.path().join("backups");
    let mut server = backed_up(&backups);
    let found = fs::read_dir(&backups).expect("a directory").flatten().map(|entry| entry.path());
    let newest = found.into_iter().find(|path| path.is_dir()).expect("a backup");
    fs::write(newest.join("directory.sqlite"), [0xa5; 8_192]).expect("a file");
    let data = place.path().join("data");
    let said = restored(&newest, &data, 1);
    assert!(said.contains("directory.sqlite") && !data.exists(), "{said}");
    assert!(server.terminate().0.success());
    fs::write(server.data().join("directory.sqlite"), [0xa5; 8_192]).expect("a file");
    let other = place.path().join("other");
    let said = backup(&server.data(), &other, 1);
    assert!(said.contains("directory.sqlite") && said.contains("1 message in 1 room"), "{said}");
    let names: Vec<_> =
        fs::read_dir(&other).expect("a directory").flatten().map(|entry| entry.path()).collect();
    assert!(names.iter().any(|path| path.extension().is_some_and(|is| is == "faulty")), "{names:?}");
}

#[test]
fn accounts_that_are_gone_or_changed_are_never_taken_for_a_whole_backup() {
    let place = TempDir::new().expect("a directory");
    let backups = place.path().join("backups");
    let server = backed_up(&backups);
    let found = fs::read_dir(&backups).expect("a directory").flatten().map(|entry| entry.path());
    let newest = found.into_iter().find(|path| path.is_dir()).expect("a backup");
    let (data, file) = (place.path().join("data"), newest.join("directory.sqlite"));
    let sound = fs::read(&file).expect("a file");
    let at = sound.windows(6).position(|bytes| bytes == b"argon2").expect("a hash") + 40;
    let mut rotten = sound.clone();
    rotten[at] ^= 1;
    fs::write(&file, rotten).expect("a file");
    assert!(restored(&newest, &data, 1).contains("are not those that were copied"));
    fs::remove_file(&file).expect("a file");
    assert!(restored(&newest, &data, 1).contains("are not those that were copied"));
    fs::write(place.path().join("elsewhere"), &sound).expect("a file");
    symlink(place.path().join("elsewhere"), &file).expect("a link");
    assert!(restored(&newest, &data, 2).contains("symbolic link"));
    assert!(!data.exists());
    fs::remove_file(&file).expect("a link");
    fs::write(&file, sound).expect("a file");
    restored(&newest, &data, 0);
    // Where it should be is nothing: a disk that is not mounted, or a file that was cut.
    for is_cut in [false, true] {
        let of_server = server.data().join("directory.sqlite");
        fs::remove_file(&of_server).expect("a file");
        match is_cut {
            true => fs::write(&of_server, "").expect("a file"),
            false => symlink("/nowhere/directory.sqlite", &of_server).expect("a link"),
        }
        refused(&server.data(), &["account", "list"], 2, "directory.sqlite");
        backup(&server.data(), &place.path().join(format!("other{is_cut}")), 2 - i32::from(is_cut));
    }
    refused(&newest, &["account", "list"], 2, "is a backup");
}

#[test]
fn a_file_with_more_than_a_backup_has_is_not_restored() {
    let place = TempDir::new().expect("a directory");
    let (archive, data) = (place.path().join("one.tar"), place.path().join("data"));
    let server = backed_up(&place.path().join("backups"));
    backup(&server.data(), &archive, 0);
    for name in ["directory.sqlite-wal", ".restoring", "madang.lock"] {
        fs::write(place.path().join(name), "more").expect("a file");
        let more = place.path().join("more.tar");
        fs::copy(&archive, &more).expect("a copy");
        let mut tar = std::process::Command::new("tar");
        let added = tar.arg("-rf").arg(&more).arg("-C").arg(place.path()).arg(name).status().expect("tar");
        assert!(added.success());
        let said = restored(&more, &data, 2);
        assert!(said.contains(name) && said.contains("that no backup has") && !data.exists(), "{said}");
    }
}

#[test]
fn accounts_in_a_database_are_said_to_be_no_part_of_a_backup() {
    let place = TempDir::new().expect("a directory");
    let backups = place.path().join("backups");
    let server = backed_up(&backups);
    let mut program = madang();
    program.arg("backup").arg(place.path().join("other")).arg("--data").arg(server.data());
    let url = "directory.url=postgres://madang@localhost/chat";
    let output = program.args(["--config", "/dev/null", "--set", url]).output().expect("madang");
    let said = words(&output);
    assert!(output.status.success() && said.contains("pg_dump") && !said.contains("1 account"), "{said}");
}

#[test]
fn a_url_of_the_configuration_is_used_and_checked() {
    let data = TempDir::new().expect("a directory");
    let set = |url: &str| {
        let mut program = madang();
        program
            .args(["account", "list", "--config", "/dev/null", "--set"])
            .arg(format!("directory.url={url}"));
        program.arg("--data").arg(data.path()).output().expect("madang")
    };
    for (url, part) in [
        ("mysql://a@b/c", "not the URL of a database"),
        ("mysql://a:secret@b/c", "not the URL of a database"),
        ("postgres://a:secret@b/c", "password does not belong in it"),
        ("postgres://a:sec?secret@b/c", "password does not belong in it"),
        ("postgres://madang@%2Fnowhere/chat", "start the database server"),
    ] {
        let output = set(url);
        assert_eq!(output.status.code(), Some(2), "{}", words(&output));
        assert!(words(&output).contains(part) && !words(&output).contains("secret"), "{}", words(&output));
    }
}
