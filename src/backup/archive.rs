//! A backup as one file: a tar archive of its directory, with what it says of itself first.

use super::account::Account;
use super::error::{BackupError, Naming};
use super::place::{parent_of, sync_directory, take_unfinished, with_suffix};
use crate::server::BACKUP_FILE;
use madang_directory::SQLITE_FILE;
use madang_log::ERASURES_FILE;
use std::cell::Cell;
use std::fs::{self, DirBuilder, File, FileTimes, OpenOptions};
use std::io::{self, BufReader, BufWriter, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Component, Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};
use tar::{Archive, Builder, EntryType};

/// What a path ends with that names such a file.
const EXTENSION: &str = "tar";
/// Follows that where the backup has faults.
const FAULTY_EXTENSION: &str = "faulty";
/// Follows the name of the file while it is being made: a directory.
const UNFINISHED: &str = ".unfinished";
/// The archive, in that directory.
const NEW_ARCHIVE: &str = "archive";
const BUFFER_BYTES: usize = 1 << 20;
/// The files of a backup that are in no directory. Others would be used by a server, as what belongs to these.
const FILES: [&str; 3] = [BACKUP_FILE, ERASURES_FILE, SQLITE_FILE];

/// Whether a backup is to be one file.
pub fn names_archive(path: &Path) -> bool {
    !path.is_dir() && path.extension().is_some_and(|extension| extension == EXTENSION)
}

/// Whether a backup is one file.
pub fn is_archive(path: &Path) -> bool {
    let faulty = path.extension().is_some_and(|extension| extension == FAULTY_EXTENSION);
    names_archive(path) || faulty && !path.is_dir() && names_archive(&path.with_extension(""))
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
        if let Some(there) = [path.to_owned(), faulty(path)].into_iter().find(|path| path.exists()) {
            return Err(BackupError::Exists(there));
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

    /// Writes the file, compares it with its contents, and gives it its name, another one where it has faults. Returns it.
    pub fn finish(self, has_faults: bool) -> Result<PathBuf, BackupError> {
        let path = if has_faults { faulty(&self.path) } else { self.path.clone() };
        let (contents, archive) = (self.contents(), self.unfinished.join(NEW_ARCHIVE));
        write(&contents, &archive).naming("write", &archive)?;
        if !is_same(&archive, &contents).naming("read", &archive)? {
            let unlike = io::Error::other("it does not read as it was written");
            return Err(unlike).naming("verify", &archive);
        }
        // Another may have been made meanwhile, and nothing is replaced; some file systems have no links.
        let named = fs::hard_link(&archive, &path).or_else(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => Err(error),
            _ => fs::rename(&archive, &path),
        });
        named.naming("create", &path)?;
        sync_directory(parent_of(&path))?;
        self.abandon();
        Ok(path)
    }

    /// Removes what was made.
    pub fn abandon(self) {
        // If that fails, the next backup to the same file does it.
        let _ = fs::remove_dir_all(&self.unfinished);
    }
}

/// The name of a file that has faults.
fn faulty(path: &Path) -> PathBuf {
    with_suffix(path, &format!(".{FAULTY_EXTENSION}"))
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
    let mut buffer = vec![0; BUFFER_BYTES];
    let file = madang_log::open_regular(archive).naming("read", archive)?;
    let left_bytes = Cell::new(file.metadata().naming("read", archive)?.len());
    let mut opened =
        Archive::new(Metered { file: BufReader::with_capacity(BUFFER_BYTES, file), left_bytes: &left_bytes });
    // What reads to the end and wants more was cut off there.
    let unread = |source: io::Error| match left_bytes.get() {
        0 => BackupError::CutOff(archive.to_owned()),
        _ => BackupError::Refused { doing: "read", path: archive.to_owned(), source },
    };
    for entry in opened.entries().naming("read", archive)? {
        let mut entry = entry.map_err(unread)?;
        let name = entry.path().naming("read", archive)?.into_owned();
        let kind = entry.header().entry_type();
        let depth = name.components().count();
        let is_plain = name.components().all(|part| matches!(part, Component::Normal(_)));
        let is_ours = match kind {
            EntryType::Directory => depth == 1,
            EntryType::Regular | EntryType::GNUSparse if depth == 1 => {
                FILES.iter().any(|file| name == Path::new(file))
            }
            EntryType::Regular | EntryType::GNUSparse => depth == 2,
            _ => false,
        };
        let path = to.join(&name);
        if !is_plain || !is_ours || path.exists() {
            return Err(BackupError::NoArchive { path: archive.to_owned(), entry: name });
        }
        if kind == EntryType::Directory {
            DirBuilder::new().mode(0o700).create(&path).naming("create directory", &path)?;
            continue;
        }
        let modified = entry.header().mtime().naming("read", archive)?;
        let mut options = OpenOptions::new();
        let mut file = options.write(true).create_new(true).mode(0o600).open(&path).naming("write", &path)?;
        let (wanted_bytes, mut read_bytes) = (entry.size(), 0);
        loop {
            let read = entry.read(&mut buffer).map_err(unread)?;
            if read == 0 {
                break;
            }
            // What is not written yet of an open segment takes no space.
            let written = match buffer[..read].iter().all(|byte| *byte == 0) {
                true => file.seek_relative(read as i64),
                false => file.write_all(&buffer[..read]),
            };
            written.naming("write", &path)?;
            read_bytes += read as u64;
        }
        file.set_len(read_bytes).naming("write", &path)?;
        if read_bytes < wanted_bytes {
            return Err(BackupError::CutOff(archive.to_owned()));
        }
        // Messages expire by the time of their segment.
        let times = FileTimes::new().set_modified(UNIX_EPOCH + Duration::from_secs(modified));
        file.set_times(times).and_then(|()| file.sync_all()).naming("sync", &path)?;
        progress(read_bytes);
    }
    sync_directory(to)
}

/// A file that counts what is left of it to be read.
struct Metered<'a> {
    file: BufReader<File>,
    left_bytes: &'a Cell<u64>,
}

impl Read for Metered<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(into)?;
        self.left_bytes.set(self.left_bytes.get().saturating_sub(read as u64));
        Ok(read)
    }
}
