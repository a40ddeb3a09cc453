//! What people write, whispers too, is for the server alone: other users of the machine cannot read what it keeps.

use rustix::fs::Mode;
use rustix::process::{geteuid, umask};
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

/// What a mode grants to the group and to everyone.
const OTHERS: u32 = 0o077;
/// Directories in directories: the data directory, what a repair set aside, a shard.
const DEPTH_MAX: usize = 2;

/// From now on this process makes files and directories for its own user alone, whoever started it.
pub fn keep_to_ourselves() {
    umask(Mode::RWXG | Mode::RWXO);
}

/// Closes to other users what lies in a data directory, and the directory, as far as it is this user's. Returns
/// what the operator should know of it.
pub fn close(data: &Path) -> Option<String> {
    let path = data.display();
    match close_below(data, DEPTH_MAX) {
        Ok(0) => None,
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Ok(count) => Some(format!(
            "data directory '{path}' was open to other users of this machine: {} now private to this user \
             (modes 0600 and 0700)",
            if count == 1 {
                "1 file or directory is".to_owned()
            } else {
                format!("{count} files and directories are")
            }
        )),
        Err(error) => Some(format!(
            "data directory '{path}' cannot be closed to other users of this machine: {error}; close it with \
             `chmod -R go= {path}`"
        )),
    }
}

fn close_below(directory: &Path, depth: usize) -> io::Result<usize> {
    let mut closed = close_one(directory)?;
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        // At the top may lie what is somebody else's.
        let is_ours = depth < DEPTH_MAX || name.to_str().is_some_and(is_ours);
        let kind = entry.file_type()?;
        if !is_ours || kind.is_symlink() {
            continue;
        }
        let outcome = match kind.is_dir() {
            true if depth > 0 => close_below(&entry.path(), depth - 1),
            _ => close_one(&entry.path()),
        };
        match outcome {
            // A server that runs removes what has expired.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            outcome => closed += outcome?,
        }
    }
    Ok(closed)
}

/// What a server and `log repair` put into a data directory.
fn is_ours(name: &str) -> bool {
    name == "control.sock"
        || name.starts_with("madang.")
        || name.starts_with("set-aside-")
        || name.starts_with("shard-")
}

fn close_one(path: &Path) -> io::Result<usize> {
    let metadata = fs::metadata(path)?;
    if metadata.mode() & OTHERS == 0 || metadata.uid() != geteuid().as_raw() {
        return Ok(0);
    }
    fs::set_permissions(path, Permissions::from_mode(metadata.mode() & 0o7777 & !OTHERS))?;
    Ok(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o777
    }

    #[test]
    fn what_is_ours_is_closed_and_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        let data = directory.path();
        let shelf = data.join("set-aside-20261120T120311Z").join("shard-00");
        fs::create_dir_all(&shelf).unwrap();
        fs::create_dir(data.join("shard-00")).unwrap();
        let ours = [data.join("shard-00/1.seg"), shelf.join("1.seg.bytes-0-9"), data.join("madang.lock")];
        let foreign = data.join("backup.sh");
        for file in ours.iter().chain([&foreign]) {
            fs::write(file, "").unwrap();
            fs::set_permissions(file, Permissions::from_mode(0o755)).unwrap();
        }
        for directory in [data, &data.join("shard-00"), &shelf, shelf.parent().unwrap()] {
            fs::set_permissions(directory, Permissions::from_mode(0o2755)).unwrap();
        }
        assert!(close(data).unwrap().contains(" 7 files and directories"));
        for path in ours.iter().map(|path| path.as_path()).chain([data, &shelf]) {
            assert_eq!(mode(path), 0o700, "{}", path.display());
        }
        assert_eq!(mode(&foreign), 0o755);
        assert_eq!(close(data), None, "there is nothing more to mend");
        fs::set_permissions(&ours[0], Permissions::from_mode(0o644)).unwrap();
        assert!(close(data).unwrap().contains(" 1 file or directory is now private to this user"));
    }
}
