//! Messages, including whispers, are private to the server: other users of the machine cannot read its files.

use rustix::fs::Mode;
use rustix::process::{geteuid, umask};
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

/// The mode bits of the group and of all others.
const OTHERS: u32 = 0o077;
/// Levels of directories: the data directory, a set-aside directory of a repair, a shard.
const DEPTH_MAX: usize = 2;

/// From now on this process creates files and directories that only its own user can access.
pub fn restrict_umask() {
    umask(Mode::RWXG | Mode::RWXO);
}

/// Makes a data directory and the server's files in it private, as far as they belong to this user. Returns a
/// message for the operator if anything was open or could not be changed.
pub fn make_private(data: &Path) -> Option<String> {
    let path = data.display();
    match make_private_below(data, DEPTH_MAX) {
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

fn make_private_below(directory: &Path, depth: usize) -> io::Result<usize> {
    let mut closed = make_one_private(directory)?;
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        // At the top level there may be files of others.
        let is_ours = depth < DEPTH_MAX || name.to_str().is_some_and(is_ours);
        let kind = entry.file_type()?;
        if !is_ours || kind.is_symlink() {
            continue;
        }
        let outcome = match kind.is_dir() {
            true if depth > 0 => make_private_below(&entry.path(), depth - 1),
            _ => make_one_private(&entry.path()),
        };
        match outcome {
            // A running server removes expired files.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            outcome => closed += outcome?,
        }
    }
    Ok(closed)
}

/// Whether a server or `log repair` creates files of this name in a data directory.
fn is_ours(name: &str) -> bool {
    ["control.sock", "link.sock", "edge.sock", "edge.lock", "keys"].contains(&name)
        || name.starts_with("directory.sqlite")
        || name.starts_with("madang.")
        || name.starts_with("set-aside-")
        || name.starts_with("shard-")
}

fn make_one_private(path: &Path) -> io::Result<usize> {
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
        assert!(make_private(data).unwrap().contains(" 7 files and directories"));
        for path in ours.iter().map(|path| path.as_path()).chain([data, &shelf]) {
            assert_eq!(mode(path), 0o700, "{}", path.display());
        }
        assert_eq!(mode(&foreign), 0o755);
        assert_eq!(make_private(data), None, "there is nothing more to mend");
        fs::set_permissions(&ours[0], Permissions::from_mode(0o644)).unwrap();
        assert!(make_private(data).unwrap().contains(" 1 file or directory is now private to this user"));
    }
}
