//! What a server keeps is for its own user, whatever the umask and whatever was there before.

use crate::harness::{Server, tested_program};
use std::fs::{self, Permissions};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The program under test, started by one whose files everybody may read.
fn careless() -> Command {
    let mut program = Command::new("sh");
    let script = "umask 0; exec \"$0\" \"$@\"";
    program.args(["-c", script, tested_program()]);
    program
}

/// Everything in a data directory, and the directory.
fn all(data: &Path) -> Vec<PathBuf> {
    let mut found = vec![data.to_owned()];
    let mut next = 0;
    while next < found.len() {
        if found[next].is_dir() {
            found
                .extend(fs::read_dir(&found[next]).expect("a directory").flatten().map(|entry| entry.path()));
        }
        next += 1;
    }
    found
}

#[track_caller]
fn assert_private(data: &Path) {
    for path in all(data) {
        // What is made ready has another name a moment later.
        let Ok(metadata) = fs::metadata(&path) else { continue };
        assert_eq!(metadata.mode() & 0o077, 0, "{} has mode {:o}", path.display(), metadata.mode());
    }
}

/// Opens everything to everyone, as `chmod -R a+rX` and a copy do.
fn open_up(data: &Path) {
    for path in all(data) {
        let mode = if path.is_dir() { 0o755 } else { 0o644 };
        // What is made ready has another name a moment later.
        let _ = fs::set_permissions(&path, Permissions::from_mode(mode));
    }
}

fn talk(server: &Server, name: &str) {
    let mut client = server.login(name);
    for number in 0..400 {
        client.send(&format!("{number} {}", "x".repeat(3_000)));
        client.read_line();
    }
}

#[test]
fn what_is_written_is_private_whatever_the_umask() {
    let mut server = Server::start_by(careless(), 2, &[]);
    talk(&server, "alice");
    let is_socket = |path: &PathBuf| fs::metadata(path).is_ok_and(|found| found.file_type().is_socket());
    assert!(all(&server.data()).iter().any(is_socket), "there is a control socket");
    assert_private(&server.data());
    assert!(server.terminate().0.success());
    assert!(
        !server.files(0, "idx").is_empty() || !server.files(1, "idx").is_empty(),
        "indexes are written, too"
    );
    assert_private(&server.data());
}

#[test]
fn what_was_open_is_closed_and_it_is_told_once() {
    let mut server = Server::start(1, &[]);
    talk(&server, "alice");
    assert!(server.terminate().0.success());
    open_up(&server.data());
    server.start_again_by(careless());
    talk(&server, "bob");
    assert_private(&server.data());
    let told = "was open to other users of this machine";
    assert_eq!(server.words().matches(told).count(), 1, "{}", server.words());
    // A server that takes over looks as well.
    open_up(&server.data());
    server.take_over(1);
    assert_private(&server.data());
    assert_eq!(server.words().matches(told).count(), 1, "{}", server.words());
    server.take_over(1);
    assert!(!server.words().contains(told), "{}", server.words());
}

#[test]
fn a_repair_leaves_nothing_open() {
    let mut server = Server::start(1, &[]);
    talk(&server, "alice");
    assert!(server.terminate().0.success());
    let segment = server.files(0, "seg").remove(0);
    let mut bytes = fs::read(&segment).expect("a segment");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0xff;
    fs::write(&segment, bytes).expect("damage it");
    open_up(&server.data());
    let output = careless()
        .args(["log", "repair", "--yes", "--data"])
        .arg(server.data())
        .output()
        .expect("run madang");
    let set_aside = fs::read_dir(server.data()).expect("the data directory").flatten();
    let is_set_aside = |name: std::ffi::OsString| name.to_string_lossy().starts_with("set-aside-");
    assert!(set_aside.map(|entry| entry.file_name()).any(is_set_aside), "{output:?}");
    assert_private(&server.data());
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(words.matches("was open to other users").count(), 1, "{words}");
}
