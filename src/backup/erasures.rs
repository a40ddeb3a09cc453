//! Lists of what was erased. An older backup still holds it, so each backup has the list of its time, a newer list lies
//! beside the backups, and a restore erases what is in any of them.

use super::error::{BackupError, Naming};
use super::place::parent_of;
use crate::log_command::erase_pending;
use crate::server::wall_time;
use crate::terminal::visible;
use madang_log::{ERASURES_FILE, ErasureList, ErasureListError, ErasureListFile, ErasureListFiles, StdFiles};
use madang_model::Timestamp;
use std::fs;
use std::path::{Path, PathBuf};

/// Writes the list of a log into a backup of it, and beside that. In what was copied is nothing of what was done `before`.
pub fn keep(
    data: &StdFiles,
    before: &ErasureList,
    contents: &Path,
    beside: &Path,
) -> Result<(), BackupError> {
    let list = read(data)?;
    // One that no server with erasures ever had has none.
    let Some(log) = list.log() else { return Ok(()) };
    let mut copied = list.clone();
    copied.reopen_but(before);
    copied.write(&StdFiles::new(contents))?;
    if list.entries().is_empty() {
        return Ok(());
    }
    let kept = ErasureListFile::new(&beside.join(name_of(log)));
    let mut all = read(&kept)?;
    // They have the same number by the name.
    if all.merge(&list) {
        all.write(&kept)?;
    }
    Ok(())
}

/// The name of a list that lies beside backups.
fn name_of(log: i64) -> String {
    format!("{ERASURES_FILE}.{log}")
}

fn read(files: &impl ErasureListFiles) -> Result<ErasureList, ErasureListError> {
    ErasureList::read(files)
}

/// Everything that is to be erased in a copy of a backup. `own` has the list of the backup itself; `given` is a further list, or a directory that has one.
pub fn gather(backup: &Path, own: &Path, given: Option<&Path>) -> Result<ErasureList, BackupError> {
    let copied = read(&StdFiles::new(own))?;
    let mut list = copied.clone();
    if let Some(given) = given {
        let further = read_given(given, list.log())?;
        if !list.merge(&further) {
            return Err(BackupError::OfAnotherLog { list: given.to_owned(), backup: backup.to_owned() });
        }
    }
    let beside = parent_of(backup);
    let kept = match list.log() {
        Some(log) => Some(beside.join(name_of(log))),
        // Whose list that is, only a person knows.
        None => match &lists_in(beside)?[..] {
            [] => None,
            [one, ..] => {
                return Err(BackupError::OfUnknownLog { list: one.clone(), backup: backup.to_owned() });
            }
        },
    };
    if let Some(kept) = &kept
        && !kept.exists()
        && let [one, ..] = &lists_in(beside)?[..]
    {
        eprintln!(
            "madang: beside '{}' are only lists of what was erased in other logs, such as '{}'; if the list of this log \
             ({}) is left elsewhere, restore with --erasures",
            visible(&backup.display().to_string()),
            visible(&one.display().to_string()),
            visible(&kept.display().to_string())
        );
    }
    if let Some(kept) = kept
        && !list.merge(&read(&ErasureListFile::new(&kept))?)
    {
        return Err(BackupError::OfAnotherLog { list: kept, backup: backup.to_owned() });
    }
    // What was imported since under an erased name is nothing that was erased since.
    list.reopen_but(&copied);
    Ok(list)
}

/// The list of a log, before it is copied.
pub fn before_copy(data: &StdFiles) -> Result<ErasureList, BackupError> {
    Ok(read(data)?)
}

fn read_given(given: &Path, log: Option<i64>) -> Result<ErasureList, BackupError> {
    let missing = || BackupError::NoErasures(given.to_owned());
    if !given.is_dir() {
        let list = read(&ErasureListFile::new(given))?;
        return list.log().is_some().then_some(list).ok_or_else(missing);
    }
    let own = read(&StdFiles::new(given))?;
    if own.log().is_some() {
        return Ok(own);
    }
    let mut kept = lists_in(given)?;
    kept.retain(|path| log.is_none_or(|log| path.ends_with(name_of(log))));
    match &kept[..] {
        [one] => Ok(read(&ErasureListFile::new(one))?),
        _ => Err(missing()),
    }
}

/// The lists that lie beside backups in this directory.
fn lists_in(directory: &Path) -> Result<Vec<PathBuf>, BackupError> {
    let mut lists = Vec::new();
    for entry in fs::read_dir(directory).naming("list", directory)? {
        let name = entry.naming("list", directory)?.file_name();
        let log = name.to_str().and_then(|name| name.strip_prefix(ERASURES_FILE)?.strip_prefix('.'));
        if log.is_some_and(|log| log.parse::<i64>().is_ok()) {
            lists.push(directory.join(name));
        }
    }
    Ok(lists)
}

/// The restored log, whose newest entry was accepted then, is another life of the log: numbers are given again.
pub fn begin_life(restored: &Path, newest: Option<Timestamp>) -> Result<(), BackupError> {
    let files = StdFiles::new(restored);
    let mut list = read(&files)?;
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
