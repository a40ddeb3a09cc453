//! The data directory that a restore makes.

use super::error::{BackupError, Naming};
use super::place::{LOST_AND_FOUND, parent_of, sync_directory, take_unfinished, with_suffix};
use crate::server::{RESTORING, holder_serves};
use std::collections::HashSet;
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Lists what a restore into the root of a file system moves there, in the directory in which it is made.
const MOVES_FILE: &str = "madang.moves";

/// A data directory to be, and the directory in which it is made.
#[derive(Debug)]
pub struct Destination {
    data: PathBuf,
    /// Beside the data directory, which gets its name in one step; or in it, where it is the root of a file system, which
    /// nothing can be renamed to. A server does not start on a directory that has it.
    restoring: PathBuf,
    _lock: File,
}

impl Destination {
    /// Locks it, in the place of what an interrupted restore left. A data directory that has something else in it is
    /// refused.
    pub fn take(data: &Path) -> Result<Destination, BackupError> {
        let data = resolved(data);
        let is_root = is_free_root(&data)?;
        Destination::take_at(data, is_root)
    }

    fn take_at(data: PathBuf, is_root: bool) -> Result<Destination, BackupError> {
        let restoring = if is_root { data.join(RESTORING) } else { with_suffix(&data, RESTORING) };
        let in_use = || BackupError::InUse { path: restoring.clone(), holder: "another restore".to_owned() };
        let clear_around = || if is_root { remove_moved(&data, &restoring) } else { Ok(()) };
        let _lock = take_unfinished(&restoring, "remove unfinished restore", in_use, clear_around)?;
        Ok(Destination { _lock, data, restoring })
    }

    /// Where the restored files go.
    pub fn restoring(&self) -> &Path {
        &self.restoring
    }

    /// Gives the data directory what was restored. Returns its path.
    pub fn finish(self) -> Result<PathBuf, BackupError> {
        if self.restoring.parent() != Some(&self.data) {
            fs::rename(&self.restoring, &self.data).naming("create data directory", &self.data)?;
            sync_directory(parent_of(&self.data))?;
            return Ok(self.data);
        }
        let names = entries(&self.restoring)?;
        self.note_moves()?;
        for name in names {
            let path = self.data.join(&name);
            fs::rename(self.restoring.join(&name), &path).naming("create", &path)?;
        }
        sync_directory(&self.data)?;
        fs::remove_dir_all(&self.restoring).naming("remove", &self.restoring)?;
        sync_directory(&self.data)?;
        Ok(self.data)
    }

    /// Writes down what is moved, before anything is: whatever else is in the data directory when this was interrupted is
    /// somebody's.
    fn note_moves(&self) -> Result<(), BackupError> {
        let lines: String =
            files_in(&self.restoring)?.iter().map(|file| format!("{}\n", file.line)).collect();
        let path = self.restoring.join(MOVES_FILE);
        let write = || -> io::Result<()> {
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
            file.write_all(lines.as_bytes())?;
            file.sync_all()
        };
        write().naming("write", &path)?;
        sync_directory(&self.restoring)
    }

    /// Removes what was restored.
    pub fn abandon(self) {
        // That the space stays taken is said by the next one.
        let _ = fs::remove_dir_all(&self.restoring);
    }
}

/// Something in a directory, or in one of its directories.
#[derive(Debug)]
struct FoundFile {
    /// From there.
    path: PathBuf,
    /// What it is known by: its inode number, of a file its length and when it was written, and its path.
    line: String,
}

fn files_in(directory: &Path) -> Result<Vec<FoundFile>, BackupError> {
    let (mut found, mut waiting) = (Vec::new(), vec![PathBuf::new()]);
    while let Some(inner) = waiting.pop() {
        let is_top = inner.as_os_str().is_empty();
        let directory_names =
            if is_top { entries(directory)? } else { all_entries(&directory.join(&inner))? };
        for path in directory_names.into_iter().map(|name| inner.join(name)) {
            let whole = directory.join(&path);
            let metadata = fs::symlink_metadata(&whole).naming("read", &whole)?;
            let (number, shown) = (metadata.ino(), path.display());
            let line = match metadata.is_dir() {
                true => format!("{number} {shown}"),
                false => format!(
                    "{number} {} {}.{:09} {shown}",
                    metadata.len(),
                    metadata.mtime(),
                    metadata.mtime_nsec()
                ),
            };
            if metadata.is_dir() {
                waiting.push(path.clone());
            }
            found.push(FoundFile { path, line });
        }
    }
    Ok(found)
}

/// Removes what an interrupted restore has moved into the data directory. Where anything else is there, nothing is removed.
fn remove_moved(data: &Path, restoring: &Path) -> Result<(), BackupError> {
    let noted = match fs::read_to_string(restoring.join(MOVES_FILE)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        noted => noted.naming("read", &restoring.join(MOVES_FILE))?,
    };
    let noted: HashSet<&str> = noted.lines().collect();
    let mut around = files_in(data)?;
    around.retain(|file| !file.path.starts_with(RESTORING));
    let of_others = around.iter().filter(|file| !noted.contains(file.line.as_str()));
    if let Some(first) = of_others.map(|file| &file.path).min() {
        return Err(BackupError::NotOfRestore { data: data.to_owned(), found: data.join(first) });
    }
    let tops = around.iter().filter(|file| file.path.components().count() == 1);
    for path in tops.map(|file| data.join(&file.path)) {
        let removed = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        removed.naming("remove unfinished restore", &path)?;
    }
    sync_directory(data)
}

/// The data directory itself, where a link leads to it, without a slash at its end.
fn resolved(data: &Path) -> PathBuf {
    fs::canonicalize(data).unwrap_or_else(|_| data.components().collect())
}

/// Whether it is the root of a file system. It is refused where it has something in it, but for what an interrupted
/// restore left.
fn is_free_root(data: &Path) -> Result<bool, BackupError> {
    let entries = match fs::metadata(data) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        _ => entries(data)?,
    };
    if holder_serves(data) {
        return Err(BackupError::ServerRuns(data.to_owned()));
    }
    let device = |path: &Path| fs::metadata(path).map(|metadata| metadata.dev()).naming("read", path);
    let is_root = device(data)? != device(parent_of(data))?;
    match entries.is_empty() || is_root && entries.iter().any(|name| name == RESTORING) {
        true => Ok(is_root),
        false => Err(BackupError::NotEmpty(data.to_owned())),
    }
}

/// The names in a directory, but for what file systems put there.
fn entries(path: &Path) -> Result<Vec<OsString>, BackupError> {
    let mut names = all_entries(path)?;
    names.retain(|name| name != LOST_AND_FOUND);
    Ok(names)
}

fn all_entries(path: &Path) -> Result<Vec<OsString>, BackupError> {
    let list =
        || fs::read_dir(path)?.map(|entry| Ok(entry?.file_name())).collect::<io::Result<Vec<OsString>>>();
    list().naming("read directory", path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    const SEGMENT: &str = "shard-00/1.seg";
    const LIST: &str = "madang.erasures";

    /// Takes a directory as if that were the root of a file system. A process that another test is about to start may have
    /// the lock of the restore before for a moment: until it runs its program.
    fn taken(data: &Path) -> Result<Destination, BackupError> {
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            match Destination::take_at(data.to_owned(), true) {
                Err(BackupError::InUse { .. }) if Instant::now() < deadline => std::thread::yield_now(),
                taken => return taken,
            }
        }
    }

    /// A restore into it.
    fn begun(data: &Path) -> Destination {
        let destination = taken(data).expect("nothing else is there");
        fs::create_dir(destination.restoring().join("shard-00")).expect("space");
        fs::write(destination.restoring().join(SEGMENT), "restored").expect("space");
        fs::write(destination.restoring().join(LIST), "restored").expect("space");
        destination
    }

    /// The same, interrupted between two names.
    fn interrupted(data: &Path) {
        let destination = begun(data);
        destination.note_moves().expect("space");
        fs::rename(destination.restoring().join("shard-00"), data.join("shard-00")).expect("space");
    }

    fn refused(data: &Path, found: &str) {
        let error = taken(data).expect_err("that is somebody's").to_string();
        let named = format!("has '{}', which the restore that was interrupted", data.join(found).display());
        assert!(error.contains(&named) && error.contains("remove '"), "{found}: {error}");
    }

    #[test]
    fn a_restore_into_the_root_of_a_file_system_is_repeated_whenever_it_was_interrupted() {
        let root = tempfile::tempdir().expect("a directory");
        let data = root.path();
        fs::create_dir(data.join(LOST_AND_FOUND)).expect("space");
        drop(begun(data));
        interrupted(data);
        drop(begun(data));
        assert!(!data.join("shard-00").exists(), "what the first one had moved is gone");
        begun(data).finish().expect("space");
        let mut names = entries(data).expect("a directory");
        names.sort();
        assert_eq!(names, [LIST, "shard-00"]);
        assert_eq!(fs::read_to_string(data.join(SEGMENT)).expect("a file"), "restored");
    }

    #[test]
    fn what_was_put_there_after_an_interrupted_restore_is_named_and_stays() {
        type Change = fn(&Path);
        let changes: [(&str, Change); 6] = [
            ("shard-00/2.seg", |data| fs::write(data.join("shard-00/2.seg"), "said since").expect("space")),
            ("madang.lock", |data| fs::write(data.join("madang.lock"), "").expect("space")),
            // Of the same name and length.
            (SEGMENT, |data| {
                fs::remove_file(data.join(SEGMENT)).expect("a file");
                fs::write(data.join(SEGMENT), "another!").expect("space");
            }),
            (SEGMENT, |data| fs::write(data.join(SEGMENT), "restored, and said since").expect("space")),
            (LIST, |data| fs::write(data.join(LIST), "restored").expect("space")),
            // A whole log, and nothing says what was moved.
            ("shard-00", |data| {
                fs::remove_file(data.join(RESTORING).join(MOVES_FILE)).expect("a file");
            }),
        ];
        for (found, change) in changes {
            let root = tempfile::tempdir().expect("a directory");
            interrupted(root.path());
            change(root.path());
            let before = files_in(root.path()).expect("a directory").len();
            refused(root.path(), found);
            assert_eq!(files_in(root.path()).expect("a directory").len(), before, "nothing is removed");
        }
    }
}
