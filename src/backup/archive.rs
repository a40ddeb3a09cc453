//! A backup as one file: a tar archive of its directory, with what it says of itself first.

use super::account::Account;
use super::error::{BackupError, Naming};
use super::place::{parent_of, sync_directory, take_unfinished, with_suffix};
use crate::server::BACKUP_FILE;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, BufReader, BufWriter, Read};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Component, Path, PathBuf};
use tar::{Archive, Builder, EntryType};

/// What a path ends with that names such a file.
const EXTENSION: &str = "tar";
/// Follows the name of the file while it is being made: a directory.
const UNFINISHED: &str = ".unfinished";
/// The archive, in that directory.
const NEW_ARCHIVE: &str = "archive";
const BUFFER_BYTES: usize = 1 << 20;

/// Whether a backup is to be, or is, one file.
pub fn is_archive(path: &Path) -> bool {
    !path.is_dir() && path.extension().is_some_and(|extension| extension == EXTENSION)
}

/// A file that is being made.
#[derive(Debug)]
pub struct NewArchive {
    path: PathBuf,
    unfinished: PathBuf,
    _lock: File,
}

impl NewArchive {
    /// Makes the directory beside the file in which its contents are copied first.
    pub fn begin(path: &Path) -> Result<NewArchive, BackupError> {
        if path.exists() {
            return Err(BackupError::Exists(path.to_owned()));
        }
        let unfinished = with_suffix(path, UNFINISHED);
        let in_use = || BackupError::InUse { path: path.to_owned(), holder: "another backup".to_owned() };
        let _lock = take_unfinished(&unfinished, "remove unfinished backup", in_use, || Ok(()))?;
        Ok(NewArchive { path: path.to_owned(), _lock, unfinished })
    }

    /// Where the contents go.
    pub fn contents(&self) -> PathBuf {
        self.unfinished.join("contents")
    }

    /// Writes the file, compares it with its contents, and gives it its name.
    pub fn finish(self) -> Result<(), BackupError> {
        let (contents, archive) = (self.contents(), self.unfinished.join(NEW_ARCHIVE));
        write(&contents, &archive).naming("write", &archive)?;
        if !is_same(&archive, &contents).naming("read", &archive)? {
            let unlike = io::Error::other("it does not read as it was written");
            return Err(unlike).naming("verify", &archive);
        }
        // Another may have been made meanwhile, and nothing is replaced; some file systems have no links.
        let named = fs::hard_link(&archive, &self.path).or_else(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => Err(error),
            _ => fs::rename(&archive, &self.path),
        });
        named.naming("create", &self.path)?;
        sync_directory(parent_of(&self.path))?;
        self.abandon();
        Ok(())
    }

    /// Removes what was made.
    pub fn abandon(self) {
        // If that fails, the next backup to the same file does it.
        let _ = fs::remove_dir_all(&self.unfinished);
    }
}

/// The files of a backup, relative to it.
fn names(contents: &Path) -> io::Result<Vec<PathBuf>> {
    let mut names = vec![PathBuf::from(BACKUP_FILE)];
    let mut found = Vec::new();
    for entry in fs::read_dir(contents)? {
        let (name, kind) =
            entry.and_then(|entry| Ok((PathBuf::from(entry.file_name()), entry.file_type()?)))?;
        if kind.is_dir() {
            found.push(name.clone());
            for inner in fs::read_dir(contents.join(&name))? {
                found.push(name.join(inner?.file_name()));
            }
        } else if name != Path::new(BACKUP_FILE) {
            found.push(name);
        }
    }
    found.sort();
    names.append(&mut found);
    Ok(names)
}

fn write(contents: &Path, archive: &Path) -> io::Result<()> {
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(archive)?;
    let mut builder = Builder::new(BufWriter::with_capacity(BUFFER_BYTES, file));
    for name in names(contents)? {
        builder.append_path_with_name(contents.join(&name), &name)?;
    }
    let file = builder.into_inner()?.into_inner().map_err(|error| error.into_error())?;
    file.sync_all()
}

fn is_same(archive: &Path, contents: &Path) -> io::Result<bool> {
    let mut archive = opened(archive)?;
    let mut wanted = names(contents)?.into_iter();
    for entry in archive.entries()? {
        let mut entry = entry?;
        let name = entry.path()?.into_owned();
        if wanted.next().as_ref() != Some(&name) {
            return Ok(false);
        }
        let path = contents.join(name);
        if !path.is_dir() && !is_equal(&mut entry, &mut File::open(path)?)? {
            return Ok(false);
        }
    }
    Ok(wanted.next().is_none())
}

fn is_equal(left: &mut dyn Read, right: &mut dyn Read) -> io::Result<bool> {
    let [mut left_bytes, mut right_bytes] = [vec![0; BUFFER_BYTES], vec![0; BUFFER_BYTES]];
    loop {
        let read = left.read(&mut left_bytes)?;
        if read == 0 {
            return Ok(right.read(&mut right_bytes)? == 0);
        }
        match right.read_exact(&mut right_bytes[..read]) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(false),
            filled => filled?,
        }
        if left_bytes[..read] != right_bytes[..read] {
            return Ok(false);
        }
    }
}

fn opened(archive: &Path) -> io::Result<Archive<BufReader<File>>> {
    Ok(Archive::new(BufReader::with_capacity(BUFFER_BYTES, madang_log::open_regular(archive)?)))
}

/// What a file says that it holds; `None` where it is no backup.
pub fn account(archive: &Path) -> io::Result<Option<Account>> {
    let mut archive = opened(archive)?;
    let Some(first) = archive.entries()?.next() else { return Ok(None) };
    // What is no archive has no first entry that can be read.
    let Ok(mut first) = first else { return Ok(None) };
    match first.path().is_ok_and(|path| path == Path::new(BACKUP_FILE)) {
        true => Ok(Account::read_from(&mut first)),
        false => Ok(None),
    }
}

/// Unpacks a file into an empty directory. `progress` receives the bytes of each entry.
pub fn unpack(archive: &Path, to: &Path, progress: &mut dyn FnMut(u64)) -> Result<(), BackupError> {
    let mut opened = opened(archive).naming("read", archive)?;
    for entry in opened.entries().naming("read", archive)? {
        let mut entry = entry.naming("read", archive)?;
        let name = entry.path().naming("read", archive)?.into_owned();
        let kind = entry.header().entry_type();
        let depth = name.components().count();
        let is_plain = name.components().all(|part| matches!(part, Component::Normal(_)));
        let is_ours = match kind {
            EntryType::Directory => depth == 1,
            EntryType::Regular | EntryType::GNUSparse => depth <= 2,
            _ => false,
        };
        let path = to.join(&name);
        if !is_plain || !is_ours || path.exists() {
            return Err(BackupError::NoArchive { path: archive.to_owned(), entry: name });
        }
        let bytes = entry.size();
        entry.unpack(&path).naming("write", &path)?;
        let mode = if kind == EntryType::Directory { 0o700 } else { 0o600 };
        fs::set_permissions(&path, Permissions::from_mode(mode)).naming("write", &path)?;
        File::open(&path).and_then(|file| file.sync_all()).naming("sync", &path)?;
        progress(bytes);
    }
    sync_directory(to)
}
