//! One process has a data directory, and everything that stands against it is named.

use super::*;
use std::os::unix::fs::PermissionsExt;
use tempfile::tempdir;

#[test]
fn a_missing_directory_is_made_for_its_owner_alone() {
    let above = tempdir().unwrap();
    let path = above.path().join("data");
    let data = DataDirectory::take(&path, SERVE).unwrap();
    assert_eq!(data.path(), path);
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o700);
}

#[test]
fn a_second_process_learns_who_has_it_and_the_lock_ends_with_its_holder() {
    let directory = tempdir().unwrap();
    let first = DataDirectory::take(directory.path(), SERVE).unwrap();
    let message = DataDirectory::take(directory.path(), SERVE).unwrap_err().to_string();
    let expected = format!(
        "data directory '{}' is in use by process {} (madang serve), since ",
        directory.path().display(),
        std::process::id()
    );
    assert!(message.starts_with(&expected), "{message}");
    assert!(message.ends_with("; stop it or pass another --data"), "{message}");
    drop(first);
    DataDirectory::take(directory.path(), SERVE).unwrap();
}

#[test]
fn a_holder_serves_until_it_ends_and_what_it_left_behind_deceives_nobody() {
    use std::process::{Command, Stdio};
    let directory = tempdir().unwrap();
    let _lock = DataDirectory::take(directory.path(), SERVE).unwrap();
    let is_named = |process: &str| {
        fs::write(
            directory.path().join(LOCK_FILE),
            format!("process {process} (madang serve), since then\n"),
        )
        .unwrap();
        holder_serves(directory.path())
    };
    assert!(!holder_serves(tempdir().unwrap().path()), "nobody was ever there");
    let mut holder = Command::new("sh");
    let mut holder = holder.args(["-c", "read line", "serve"]).stdin(Stdio::piped()).spawn().unwrap();
    let number = holder.id().to_string();
    // Until it runs the other program it has the words of this one.
    while !is_named(&number) {
        std::thread::yield_now();
    }
    drop(holder.stdin.take());
    // A zombie until it is waited for.
    while is_named(&number) {
        std::thread::yield_now();
    }
    holder.wait().unwrap();
    assert!(!is_named(&number));
    assert!(!is_named(&std::process::id().to_string()), "a number that another program has by now");
    assert!(!is_named("of some kind"));
}

#[test]
fn what_a_lock_file_says_is_shown_only_if_we_wrote_it() {
    let directory = tempdir().unwrap();
    let mut file = File::create(directory.path().join(LOCK_FILE)).unwrap();
    file.write_all(b"process \x1b[31m1").unwrap();
    file.lock().unwrap();
    let message = DataDirectory::take(directory.path(), SERVE).unwrap_err().to_string();
    assert!(message.contains("in use by another process;"), "{message}");
}

#[test]
fn a_file_or_a_missing_parent_is_refused() {
    let directory = tempdir().unwrap();
    let file = directory.path().join("file");
    File::create(&file).unwrap();
    assert!(matches!(DataDirectory::take(&file, SERVE), Err(DataDirectoryError::NotADirectory(_))));
    let message = DataDirectory::take(&directory.path().join("no/such"), SERVE).unwrap_err().to_string();
    assert!(message.contains("create the directory above it"), "{message}");
}

#[test]
fn root_does_not_spoil_the_directory_of_another() {
    if !geteuid().is_root() {
        return;
    }
    let directory = tempdir().unwrap();
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o700)).unwrap();
    std::os::unix::fs::chown(directory.path(), Some(65_534), Some(65_534)).unwrap();
    let refused = DataDirectory::take(directory.path(), SERVE);
    assert!(matches!(refused, Err(DataDirectoryError::OwnedByAnother { owner: 65_534, .. })));
}

/// Some file systems number their files anew each time they are mounted.
#[test]
fn only_a_lock_file_that_was_made_elsewhere_makes_a_copy() {
    let directory = tempdir().unwrap();
    drop(DataDirectory::take(directory.path(), SERVE).unwrap());
    let path = directory.path().join(LOCK_FILE);
    let own = InodeIdentity::of(&File::open(&path).unwrap()).unwrap();
    let Some(born_ns) = own.born_ns else {
        eprintln!("not tried: this file system does not know when a file was made");
        return;
    };
    let is_copy = |number, born_ns| {
        let identity = InodeIdentity { number, born_ns };
        fs::write(&path, format!("process 1 (madang serve), since then\n{identity}\n")).unwrap();
        DataDirectory::take(directory.path(), SERVE).unwrap().is_copy()
    };
    assert!(!is_copy(own.number, Some(born_ns)), "where it was served");
    assert!(!is_copy(own.number + 1, Some(born_ns)), "numbered anew");
    assert!(!is_copy(own.number + 1, None), "an earlier version wrote it, so that nobody knows");
    assert!(is_copy(own.number + 1, Some(born_ns - 1)));
    assert!(DataDirectory::take(directory.path(), SERVE).unwrap().is_copy(), "until it is served");
    let mut served = DataDirectory::take(directory.path(), SERVE).unwrap();
    served.record_holder();
    drop(served);
    assert!(!DataDirectory::take(directory.path(), SERVE).unwrap().is_copy());
}

#[test]
fn where_nobody_knows_when_a_lock_file_was_made_it_makes_no_copy() {
    let identity = |number, born_ns| InodeIdentity { number, born_ns };
    let was = identity(1, Some(7));
    assert!(was.is_another(identity(2, Some(8))));
    assert!(!was.is_another(identity(2, None)), "the file system does not tell");
    assert!(!identity(1, None).is_another(identity(2, Some(8))), "it did not");
    assert!(!identity(1, None).is_another(identity(2, None)));
}

#[test]
fn nothing_but_a_file_is_taken_for_the_lock_and_what_it_is_is_said() {
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;
    type Make = fn(&Path);
    let kinds: [(&str, Make); 4] = [
        ("it is a pipe,", |path| {
            assert!(std::process::Command::new("mkfifo").arg(path).status().unwrap().success());
        }),
        ("it is a directory,", |path| fs::create_dir(path).unwrap()),
        ("it is a socket,", |path| drop(UnixListener::bind(path).unwrap())),
        ("it is a symbolic link to nothing,", |path| symlink("nowhere", path).unwrap()),
    ];
    for name in [LOCK_FILE, PROBE_FILE] {
        for (kind, make) in kinds {
            let directory = tempdir().unwrap();
            let path = directory.path().join(name);
            make(&path);
            let message = DataDirectory::take(directory.path(), SERVE).unwrap_err().to_string();
            for part in [kind, "not a regular file; move it away", &path.display().to_string()] {
                assert!(message.contains(part), "{name}, {kind}: {message}");
            }
            assert!(!directory.path().join("nowhere").exists(), "a link is not followed to make a file");
            assert!(!holder_serves(directory.path()) && (name != LOCK_FILE || !was_served(directory.path())));
        }
    }
}
