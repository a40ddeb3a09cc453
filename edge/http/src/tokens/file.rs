//! The file of token keys: text, a line a key, replaced as a whole.
//!
//! ```text
//! madang-token-keys 1
//! current KEY-ID SECRET MADE-AT-US
//! previous KEY-ID SECRET UNTIL-US
//! ```

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use madang_model::Timestamp;
use ring::rand::{SecureRandom, SystemRandom};
use rustix::fs::{FlockOperation, Gid, Mode, OFlags, Uid, fchown, flock, open};
use rustix::process::geteuid;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// The file, in the directory of keys.
pub const TOKEN_KEYS_FILE: &str = "tokens";
/// The first line.
const HEAD: &str = "madang-token-keys 1";
/// What the first line of every version begins with.
const HEAD_START: &str = "madang-token-keys ";
/// Bytes of a secret: as many as the hash has (RFC 7518, section 3.2).
const SECRET_BYTES: usize = 32;
/// Bytes of a key's name.
const ID_BYTES: usize = 9;
/// The longest file that is read.
const FILE_BYTES_MAX: u64 = 4_096;
/// The mode bits of the group and of all others.
const OTHERS: u32 = 0o077;

/// Why the keys cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// The system refuses.
    #[error("cannot use the token keys '{}': {error}; run as the user that owns them", .path.display())]
    Refused {
        /// The file or directory.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// Others can read them.
    #[error(
        "the token keys '{}' can be read by other users of this machine: remove the file, so that new keys are made (clients \
         refresh their access tokens), or close it with `chmod 0600` if nobody has read it",
        .path.display()
    )]
    Open {
        /// The file.
        path: PathBuf,
    },
    /// It is not what was written.
    #[error(
        "the token keys '{}' cannot be read ({said}): restore the file from a backup, or remove it, so that new keys are made",
        .path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        said: &'static str,
    },
    /// A later program has made it.
    #[error("a later madang has made the token keys '{}': use that version", .path.display())]
    LaterVersion {
        /// The file.
        path: PathBuf,
    },
}

/// A key as it is stored.
#[derive(Clone, PartialEq, Eq)]
pub struct StoredKey {
    /// What tokens name it by.
    pub id: String,
    /// What signs.
    pub secret: Vec<u8>,
}

impl StoredKey {
    fn new() -> StoredKey {
        StoredKey {
            id: URL_SAFE_NO_PAD.encode(random::<ID_BYTES>()),
            secret: random::<SECRET_BYTES>().to_vec(),
        }
    }
}

/// What the file holds.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyFile {
    /// What signs, and when it was made.
    pub current: StoredKey,
    made_at: Timestamp,
    /// What has signed before, and until when that holds.
    pub previous: Option<(StoredKey, Timestamp)>,
}

/// Which file it was: each is another one, as it is replaced as a whole.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KeyFileStamp {
    inode: u64,
    changed: (i64, i64),
}

impl KeyFileStamp {
    /// Of the file in a directory; `None` if it cannot be seen.
    pub fn of(directory: &Path) -> Option<KeyFileStamp> {
        fs::metadata(directory.join(TOKEN_KEYS_FILE)).ok().map(|metadata| KeyFileStamp::from(&metadata))
    }
}

impl From<&fs::Metadata> for KeyFileStamp {
    fn from(metadata: &fs::Metadata) -> KeyFileStamp {
        KeyFileStamp { inode: metadata.ino(), changed: (metadata.ctime(), metadata.ctime_nsec()) }
    }
}

impl KeyFile {
    /// The file in a directory; both are made where they are missing.
    ///
    /// # Errors
    /// [`KeyFileError`].
    pub fn read_or_make(directory: &Path, now: Timestamp) -> Result<(KeyFile, KeyFileStamp), KeyFileError> {
        let _alone = alone(directory)?;
        match KeyFile::read(directory) {
            Err(KeyFileError::Refused { error, .. }) if error.kind() == io::ErrorKind::NotFound => {}
            read => return read,
        }
        let file = KeyFile { current: StoredKey::new(), made_at: now, previous: None };
        file.write(directory)?;
        KeyFile::read(directory)
    }

    /// Puts a new key before the current one, which holds until `until`.
    ///
    /// # Errors
    /// [`KeyFileError`].
    pub fn rotate(directory: &Path, now: Timestamp, until: Timestamp) -> Result<(), KeyFileError> {
        let _alone = alone(directory)?;
        let (old, _) = KeyFile::read(directory)?;
        let previous = Some((old.current, until));
        KeyFile { current: StoredKey::new(), made_at: now, previous }.write(directory)
    }

    /// The file in a directory.
    ///
    /// # Errors
    /// [`KeyFileError`].
    pub fn read(directory: &Path) -> Result<(KeyFile, KeyFileStamp), KeyFileError> {
        let path = directory.join(TOKEN_KEYS_FILE);
        let refused = |error| KeyFileError::Refused { path: path.clone(), error };
        let file = File::open(&path).map_err(refused)?;
        let metadata = file.metadata().map_err(refused)?;
        if metadata.mode() & OTHERS != 0 {
            return Err(KeyFileError::Open { path });
        }
        let mut text = String::new();
        let damaged = |said| KeyFileError::Damaged { path: path.clone(), said };
        match file.take(FILE_BYTES_MAX).read_to_string(&mut text) {
            Err(error) if error.kind() == io::ErrorKind::InvalidData => return Err(damaged("it is no text")),
            read => read.map_err(refused)?,
        };
        let mut lines = text.lines();
        match lines.next() {
            Some(HEAD) => {}
            Some(head) if head.starts_with(HEAD_START) => return Err(KeyFileError::LaterVersion { path }),
            _ => return Err(damaged("its first line is another one")),
        }
        let current = lines.next().and_then(|line| parse(line, "current"));
        let (current, made_at) = current.ok_or_else(|| damaged("it has no current key"))?;
        let previous = lines.next().map(|line| parse(line, "previous"));
        let previous =
            previous.map(|key| key.ok_or_else(|| damaged("its previous key is none"))).transpose()?;
        Ok((KeyFile { current, made_at, previous }, KeyFileStamp::from(&metadata)))
    }

    /// Replaces the file, on disk.
    fn write(&self, directory: &Path) -> Result<(), KeyFileError> {
        let path = directory.join(TOKEN_KEYS_FILE);
        let refused = |error| KeyFileError::Refused { path: path.clone(), error };
        let mut text = format!("{HEAD}\n{}\n", line("current", &self.current, self.made_at));
        if let Some((key, until)) = &self.previous {
            text.push_str(&line("previous", key, *until));
            text.push('\n');
        }
        let new = directory.join(format!("{TOKEN_KEYS_FILE}.new"));
        // What a crash has left.
        let _ = fs::remove_file(&new);
        let mut file =
            OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new).map_err(refused)?;
        give_to_owner(&file, directory).map_err(refused)?;
        file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(refused)?;
        fs::rename(&new, &path).map_err(refused)?;
        File::open(directory).and_then(|directory| directory.sync_all()).map_err(refused)
    }
}

/// Makes the directory if it is missing, and holds its lock: of two processes that make keys one waits.
fn alone(directory: &Path) -> Result<File, KeyFileError> {
    let refused = |error: io::Error| KeyFileError::Refused { path: directory.to_owned(), error };
    match DirBuilder::new().mode(0o700).create(directory) {
        Ok(()) => {
            let made = File::open(directory).map_err(refused)?;
            let parent = directory.parent().filter(|parent| !parent.as_os_str().is_empty());
            give_to_owner(&made, parent.unwrap_or(Path::new("."))).map_err(refused)?;
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(refused(error)),
    }
    let opened = open(directory, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty());
    let opened = File::from(opened.map_err(|error| refused(error.into()))?);
    // Whoever may list it may not read the keys, but nobody needs to.
    let metadata = opened.metadata().map_err(refused)?;
    if metadata.mode() & OTHERS != 0 && metadata.uid() == geteuid().as_raw() {
        let closed = fs::Permissions::from_mode(metadata.mode() & 0o7777 & !OTHERS);
        fs::set_permissions(directory, closed).map_err(refused)?;
    }
    flock(&opened, FlockOperation::LockExclusive).map_err(|error| refused(error.into()))?;
    Ok(opened)
}

/// What root makes in the server's directory belongs to the server's user.
fn give_to_owner(file: &File, directory: &Path) -> io::Result<()> {
    if geteuid().is_root() {
        let owner = fs::metadata(directory)?;
        fchown(file, Some(Uid::from_raw(owner.uid())), Some(Gid::from_raw(owner.gid())))?;
    }
    Ok(())
}

fn line(word: &str, key: &StoredKey, time: Timestamp) -> String {
    format!("{word} {} {} {}", key.id, URL_SAFE_NO_PAD.encode(&key.secret), time.0)
}

fn parse(line: &str, word: &str) -> Option<(StoredKey, Timestamp)> {
    let mut parts = line.strip_prefix(word)?.strip_prefix(' ')?.split(' ');
    let id = parts.next()?.to_owned();
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let secret = URL_SAFE_NO_PAD.decode(parts.next()?).ok()?;
    let time = Timestamp(parts.next()?.parse().ok()?);
    let is_whole = parts.next().is_none() && secret.len() == SECRET_BYTES;
    (is_whole && !id.is_empty() && id.chars().all(is_name)).then_some((StoredKey { id, secret }, time))
}

/// New random bytes.
fn random<const BYTES: usize>() -> [u8; BYTES] {
    let mut bytes = [0; BYTES];
    SystemRandom::new().fill(&mut bytes).expect("the kernel has random bytes");
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_800_000_000_000_000);

    fn written(text: &str, mode: u32) -> Result<KeyFile, KeyFileError> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(TOKEN_KEYS_FILE);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        KeyFile::read(directory.path()).map(|(file, _)| file)
    }

    #[test]
    fn a_file_that_is_not_what_was_written_is_refused_with_the_remedy() {
        let secret = URL_SAFE_NO_PAD.encode([7; 32]);
        let right = format!("madang-token-keys 1\ncurrent k1 {secret} 1\nprevious k0 {secret} 2\n");
        let file = written(&right, 0o600).unwrap_or_else(|error| panic!("{error}"));
        assert!(
            file.current.id == "k1"
                && file.previous.is_some_and(|(key, until)| key.id == "k0" && until.0 == 2)
        );
        for (text, words) in [
            ("", "first line"),
            ("madang-token-keys 2\n", "later"),
            ("madang-token-keys 1\n", "no current key"),
            (&right.replace("k1 ", ""), "no current key"),
            (&right.replace("k1", "k\"1"), "no current key"),
            (&right.replace(&secret, &secret[..40]), "no current key"),
            (&right.replace("previous", "prior"), "previous key"),
        ] {
            let error = written(text, 0o600).map(|_| ()).unwrap_err().to_string();
            assert!(error.contains(words), "{text}: {error}");
        }
        let error = written(&right, 0o644).map(|_| ()).unwrap_err().to_string();
        assert!(error.contains("chmod 0600"), "{error}");
    }

    #[test]
    fn processes_that_start_at_once_make_one_key() {
        let data = tempfile::tempdir().unwrap();
        let directory = data.path().join("keys");
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|_| scope.spawn(|| KeyFile::read_or_make(&directory, NOW).map(|(file, _)| file)))
                .collect();
            let files: Vec<_> = threads
                .into_iter()
                .map(|thread| thread.join().unwrap().unwrap_or_else(|e| panic!("{e}")))
                .collect();
            assert!(files.iter().all(|file| *file == files[0]));
        });
    }
}
