//! Lists of what was erased. An older backup still holds it, so each backup has the list of its time, a newer list lies
//! beside the backups, and a restore erases what is in any of them.

use super::error::{BackupError, Naming, quoted};
use super::place::parent_of;
use crate::log_command::erase_pending;
use crate::server::wall_time;
use crate::terminal::visible;
use madang_log::{ERASURES_FILE, ErasureList, ErasureListFile, StdFiles};
use madang_model::Timestamp;
use std::fs;
use std::path::{Path, PathBuf};

/// Writes the list of a log into a backup of it, and beside that. In what was copied is nothing of what was done `before`.
pub fn keep(data: &Path, before: &ErasureList, contents: &Path, beside: &Path) -> Result<(), BackupError> {
    let list = read_in(data)?;
    // One that no server with erasures ever had has none.
    let Some(log) = list.log() else { return Ok(()) };
    let mut copied = list.clone();
    copied.reopen_but(before);
    copied.write(&StdFiles::new(contents))?;
    if list.entries().is_empty() {
        return Ok(());
    }
    let kept = beside.join(name_of(log));
    let mut all = read_at(&kept)?;
    // They have the same number by the name.
    if all.merge(&list) {
        all.write(&ErasureListFile::new(&kept))?;
    }
    Ok(())
}

/// The name of a list that lies beside backups.
fn name_of(log: i64) -> String {
    format!("{ERASURES_FILE}.{log}")
}

/// That of a data directory or of a backup.
fn read_in(directory: &Path) -> Result<ErasureList, BackupError> {
    let named = |source| BackupError::Erasures { path: directory.join(ERASURES_FILE), source };
    ErasureList::read(&StdFiles::new(directory)).map_err(named)
}

/// The one of this path.
fn read_at(path: &Path) -> Result<ErasureList, BackupError> {
    let named = |source| BackupError::Erasures { path: path.to_owned(), source };
    ErasureList::read(&ErasureListFile::new(path)).map_err(named)
}

/// Everything that is to be erased in a copy of a backup. `own` has the list of the backup itself; `given` are further lists,
/// or directories that have one.
pub fn gather(backup: &Path, own: &Path, given: &[PathBuf]) -> Result<ErasureList, BackupError> {
    // One file is read where it was unpacked, which is gone when this is read.
    let named = |source| BackupError::Erasures { path: backup.join(ERASURES_FILE), source };
    let copied = ErasureList::read_whole(&StdFiles::new(own)).map_err(named)?;
    let mut list = copied.clone();
    for given in given {
        let (path, further) = read_given(given, copied.log(), backup)?;
        match copied.log() {
            // Whose lists they are, a person has said.
            None => list.merge_renumbered(&further),
            Some(_) if list.merge(&further) => {}
            Some(_) => return Err(BackupError::OfAnotherLog { list: path, backup: backup.to_owned() }),
        }
    }
    let beside = parent_of(backup);
    let Some(log) = list.log() else {
        return match lists_in(beside)? {
            lists if lists.is_empty() => Ok(list),
            lists => Err(BackupError::OfUnknownLog { lists, backup: backup.to_owned() }),
        };
    };
    let kept = beside.join(name_of(log));
    if !list.merge(&read_at(&kept)?) {
        return Err(BackupError::OfAnotherLog { list: kept, backup: backup.to_owned() });
    }
    warn_of_others(backup, &kept, given, copied.log().is_some())?;
    // What was imported since under an erased name is nothing that was erased since.
    list.reopen_but(&copied);
    Ok(list)
}

/// Names lists beside a backup that are not used.
fn warn_of_others(
    backup: &Path,
    kept: &Path,
    given: &[PathBuf],
    is_numbered: bool,
) -> Result<(), BackupError> {
    let is_used = |path: &PathBuf| {
        let is_same = |given: &PathBuf| given.canonicalize().ok() == path.canonicalize().ok();
        path == kept || given.iter().any(is_same)
    };
    let mut others = lists_in(parent_of(backup))?;
    others.retain(|path| !is_used(path));
    if others.is_empty() {
        return Ok(());
    }
    let (backup, others) = (backup.display().to_string(), quoted(&others));
    if !is_numbered {
        eprintln!(
            "madang: beside '{}' are lists of what was erased that were not given: {}; if one of them is of the same \
             log, restore again with --erasures for it, too",
            visible(&backup),
            visible(&others)
        );
    } else if !kept.exists() {
        eprintln!(
            "madang: beside '{}' are only lists of what was erased in other logs: {}; if the list of this log ({}) is \
             left elsewhere, restore with --erasures",
            visible(&backup),
            visible(&others),
            visible(&kept.display().to_string())
        );
    }
    Ok(())
}

/// Which log a data directory or a backup is of, if it says so.
pub fn log_of(directory: &Path) -> Option<i64> {
    read_in(directory).ok()?.log()
}

/// The list of a log, before it is copied.
pub fn before_copy(data: &Path) -> Result<ErasureList, BackupError> {
    read_in(data)
}

/// The list that is meant by a path, and where it is. `log` is the number that the backup has.
fn read_given(given: &Path, log: Option<i64>, backup: &Path) -> Result<(PathBuf, ErasureList), BackupError> {
    let missing = || BackupError::NoErasures(given.to_owned());
    if !given.is_dir() {
        let list = read_at(given)?;
        return list.log().is_some().then_some((given.to_owned(), list)).ok_or_else(missing);
    }
    let own = read_in(given)?;
    if own.log().is_some() {
        return Ok((given.to_owned(), own));
    }
    let lists = lists_in(given)?;
    let of_log = log.and_then(|log| lists.iter().find(|path| path.ends_with(name_of(log))));
    match (of_log, &lists[..]) {
        (Some(one), _) => Ok((one.clone(), read_at(one)?)),
        (None, []) => Err(missing()),
        (None, [one, ..]) if log.is_some() => {
            Err(BackupError::OfAnotherLog { list: one.clone(), backup: backup.to_owned() })
        }
        (None, [one]) => Ok((one.clone(), read_at(one)?)),
        (None, _) => Err(BackupError::SeveralErasures { directory: given.to_owned(), lists }),
    }
}

/// The lists that lie beside backups in this directory, in order.
fn lists_in(directory: &Path) -> Result<Vec<PathBuf>, BackupError> {
    let mut lists = Vec::new();
    for entry in fs::read_dir(directory).naming("list", directory)? {
        let name = entry.naming("list", directory)?.file_name();
        let log = name.to_str().and_then(|name| name.strip_prefix(ERASURES_FILE)?.strip_prefix('.'));
        if log.is_some_and(|log| log.parse::<i64>().is_ok()) {
            lists.push(directory.join(name));
        }
    }
    lists.sort();
    Ok(lists)
}

/// The restored log, whose newest entry was accepted then, is another life of the log: numbers are given again.
pub fn begin_life(restored: &Path, newest: Option<Timestamp>) -> Result<(), BackupError> {
    let files = StdFiles::new(restored);
    let mut list = read_in(restored)?;
    list.begin_life(newest.unwrap_or(Timestamp(i64::MIN)), wall_time());
    Ok(list.write(&files)?)
}

/// Erases all of it in a restored log, which has the list from now on. Returns how many messages that were, and
/// whether that is all. What cannot be erased now is named, and stays to be erased by a server.
pub fn apply(restored: &Path, mut list: ErasureList) -> Result<(u64, bool), BackupError> {
    if list.log().is_none() {
        return Ok((0, true));
    }
    let files = StdFiles::new(restored);
    list.write(&files)?;
    if list.pending().next().is_none() {
        return Ok((0, true));
    }
    let trouble = match erase_pending(&files, &mut list) {
        Ok(outcome) if outcome.is_complete() => return Ok((outcome.entries, true)),
        Ok(outcome) => match (outcome.faults.first(), outcome.open.first()) {
            (Some(fault), _) => format!("what is damaged may hold it ({fault})"),
            (_, Some(open)) => format!("'{}' ends without a seal and may hold it", open.path.display()),
            _ => "it is in use".to_owned(),
        },
        Err(trouble) => trouble,
    };
    eprintln!(
        "madang: what was erased since the backup may still be in the copy: {}; it is remembered, and a server shows it to \
         nobody: repair the log, and erase once more",
        visible(&trouble)
    );
    Ok((0, false))
}
