//! The file system and the device under a directory.

use rustix::fs::{major, minor, stat};
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::{Path, PathBuf};

/// Where messages are stored.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct DataPlace {
    /// The directory.
    pub path: String,
    /// The type of its file system: `ext4`.
    pub file_system: String,
    /// What that is mounted from: `/dev/vda1`.
    pub device: String,
    /// The device's cache as the kernel knows it: `write back` must be flushed by a sync, `write
    /// through` need not.
    pub write_cache: Option<String>,
}

impl DataPlace {
    /// Reads what lies under a directory; `None` where the kernel does not say.
    pub(super) fn read(directory: &Path) -> Option<DataPlace> {
        let directory = fs::canonicalize(directory).ok()?;
        let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
        let (file_system, device) = mount_of(&mounts, &directory)?;
        let write_cache = write_cache(&directory);
        Some(DataPlace { path: directory.display().to_string(), file_system, device, write_cache })
    }
}

/// Type and source of the mount that holds `path`; see proc_pid_mountinfo(5).
fn mount_of(mountinfo: &str, path: &Path) -> Option<(String, String)> {
    let mounts = mountinfo.lines().filter_map(|line| {
        let (before, after) = line.split_once(" - ")?;
        let point = PathBuf::from(unescaped(before.split(' ').nth(4)?));
        let mut words = after.split(' ');
        let (file_system, device) = (words.next()?, words.next()?);
        path.starts_with(&point).then(|| (point, file_system.to_owned(), unescaped(device)))
    });
    // Of two mounts on one point the later covers the earlier, and is what `max_by_key` keeps.
    let (_, file_system, device) = mounts.max_by_key(|(point, ..)| point.components().count())?;
    Some((file_system, device))
}

/// Spaces and backslashes stand as `\040` and `\134` there.
fn unescaped(word: &str) -> String {
    [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")]
        .into_iter()
        .fold(word.to_owned(), |text, (escape, character)| text.replace(escape, character))
}

fn write_cache(directory: &Path) -> Option<String> {
    let device = stat(directory).ok()?.st_dev;
    let block = format!("/sys/dev/block/{}:{}", major(device), minor(device));
    // A partition has the queue of the disk that it lies on.
    let queues = [format!("{block}/queue/write_cache"), format!("{block}/../queue/write_cache")];
    queues.iter().find_map(|path| Some(fs::read_to_string(path).ok()?.trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "\
27 1 254:0 / / rw,relatime - ext4 /dev/vda rw
40 27 0:30 / /tmp rw - tmpfs tmpfs rw
41 27 254:16 / /srv/my\\040data rw,noatime shared:2 - xfs /dev/vdb rw
42 40 0:31 / /tmp rw - tmpfs over rw
";

    #[test]
    fn the_nearest_mount_and_of_two_the_upper_holds_a_directory() {
        let of = |path: &str| mount_of(MOUNTS, Path::new(path)).expect("a mount");
        assert_eq!(of("/var/lib/madang"), ("ext4".to_owned(), "/dev/vda".to_owned()));
        assert_eq!(of("/srv/my data/madang"), ("xfs".to_owned(), "/dev/vdb".to_owned()));
        assert_eq!(of("/tmp/x"), ("tmpfs".to_owned(), "over".to_owned()));
        assert_eq!(of("/tmpfile").0, "ext4");
    }

    #[test]
    fn the_directory_of_this_test_lies_somewhere() {
        assert!(DataPlace::read(Path::new(".")).is_some_and(|place| !place.file_system.is_empty()));
    }
}
