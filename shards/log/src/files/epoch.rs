//! The file that names the epoch of a log, and by what it and the directories of the log are recognised.

use super::identity::InodeIdentity;
use super::{Files, StdFiles, open_regular};
use crate::format::directory_name;
use rustix::fs::fstatvfs;
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Its name.
pub const EPOCH_FILE: &str = "madang.epoch";
/// It is written beside, and renamed.
const NEW_EPOCH_FILE: &str = "madang.epoch.new";
/// The maximum of bytes that are read: more than so many lines as there may be shards.
const FILE_BYTES_MAX: u64 = 128 * 1024;

/// The data directory, which is `.`, and those of the shards in it, by their names.
pub type EpochPlaces = BTreeMap<String, InodeIdentity>;

/// The file as it was found.
#[derive(Debug)]
pub struct FoundEpochFile {
    /// What stands in it.
    pub text: String,
    /// Which file it is; `None` where that cannot be found out.
    pub identity: Option<InodeIdentity>,
    /// The identifier of its file system; `None` where that cannot be found out.
    pub system: Option<u64>,
}

/// Where the epoch of a log is kept. It blocks, as [`Files`] does.
pub trait EpochFiles {
    /// The directories that there are now.
    ///
    /// # Errors
    /// What the system says.
    fn places(&self) -> io::Result<EpochPlaces>;

    /// Reads the file.
    ///
    /// # Errors
    /// What the system says; of the kind `NotFound` when there is none.
    fn read_epoch(&self) -> io::Result<FoundEpochFile>;

    /// Puts another file in the place of this one, whole or not at all, and makes sure of it. `text` makes of the identity
    /// of the new file, and of the identifier of its file system, what stands in it.
    ///
    /// # Errors
    /// What the system says.
    fn replace_epoch(&self, text: &dyn Fn(InodeIdentity, u64) -> String) -> io::Result<()>;
}

impl EpochFiles for StdFiles {
    fn places(&self) -> io::Result<EpochPlaces> {
        let identity = |path: &Path| -> io::Result<InodeIdentity> {
            InodeIdentity::of(&File::open(path)?).ok_or(io::ErrorKind::Unsupported.into())
        };
        let mut places = EpochPlaces::from([(".".to_owned(), identity(&self.directory)?)]);
        for shard in self.shards().map_err(io::Error::other)? {
            let name = directory_name(shard);
            places.insert(name.clone(), identity(&self.directory.join(name))?);
        }
        Ok(places)
    }

    fn read_epoch(&self) -> io::Result<FoundEpochFile> {
        let file = open_regular(&self.directory.join(EPOCH_FILE))?;
        let mut bytes = Vec::new();
        (&file).take(FILE_BYTES_MAX).read_to_end(&mut bytes)?;
        Ok(FoundEpochFile {
            text: String::from_utf8_lossy(&bytes).into_owned(),
            identity: InodeIdentity::of(&file),
            system: system_of(&file).ok(),
        })
    }

    fn replace_epoch(&self, text: &dyn Fn(InodeIdentity, u64) -> String) -> io::Result<()> {
        let beside = self.directory.join(NEW_EPOCH_FILE);
        match fs::remove_file(&beside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
        // It keeps its identity when it is renamed.
        let identity = InodeIdentity::of(&file).ok_or(io::ErrorKind::Unsupported)?;
        file.write_all(text(identity, system_of(&file)?).as_bytes())?;
        file.sync_all()?;
        fs::rename(&beside, self.directory.join(EPOCH_FILE))?;
        File::open(&self.directory)?.sync_all()
    }
}

fn system_of(file: &File) -> io::Result<u64> {
    Ok(fstatvfs(file)?.f_fsid)
}
