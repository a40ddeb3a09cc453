//! The data directory that a restore makes.

use super::error::{BackupError, Naming};
use super::place::{LOST_AND_FOUND, parent_of, sync_directory, take_unfinished, with_suffix};
use crate::server::{RESTORING, holder_serves};
use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

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
    /// Locks it, in the place of what an interrupted restore left. A data directory that has something in it is refused.
    pub fn take(data: &Path) -> Result<Destination, BackupError> {
        let data = resolved(data);
        let is_root = is_free_root(&data)?;
        let restoring = if is_root { data.join(RESTORING) } else { with_suffix(&data, RESTORING) };
        let in_use = || BackupError::InUse { path: restoring.clone(), holder: "another restore".to_owned() };
        let clear_around = || {
            // What had its name already is part of the same restore: before it there was nothing.
            let names = if is_root { entries(&data)? } else { Vec::new() };
            for name in names.into_iter().filter(|name| name != RESTORING) {
                let path = data.join(name);
                let removed = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
                removed.naming("remove unfinished restore", &path)?;
            }
            Ok(())
        };
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
        for name in entries(&self.restoring)? {
            let path = self.data.join(&name);
            fs::rename(self.restoring.join(&name), &path).naming("create", &path)?;
        }
        sync_directory(&self.data)?;
        fs::remove_dir(&self.restoring).naming("remove", &self.restoring)?;
        sync_directory(&self.data)?;
        Ok(self.data)
    }

    /// Removes what was restored.
    pub fn abandon(self) {
        // That the space stays taken is said by the next one.
        let _ = fs::remove_dir_all(&self.restoring);
    }
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
    let list =
        || fs::read_dir(path)?.map(|entry| Ok(entry?.file_name())).collect::<io::Result<Vec<OsString>>>();
    let mut names = list().naming("read directory", path)?;
    names.retain(|name| name != LOST_AND_FOUND);
    Ok(names)
}
