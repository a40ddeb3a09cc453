//! A disk that is soon full, and what tests ask of the one they are on.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A file system of its own, in memory and small.
pub struct SmallDisk {
    at: PathBuf,
}

impl SmallDisk {
    /// `None` where this user may not mount, as in most containers.
    pub fn path(&self) -> &Path {
        &self.at
    }

    pub fn mount(at: PathBuf, size: &str) -> Option<SmallDisk> {
        fs::create_dir(&at).expect("a directory to mount on");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size}"), "madang-test"])
            .arg(&at)
            .stderr(Stdio::null())
            .status();
        mounted.is_ok_and(|status| status.success()).then_some(SmallDisk { at })
    }
}

impl SmallDisk {
    /// From now on it has another size.
    pub fn resize(&self, size: &str) {
        let resized =
            Command::new("mount").args(["-o", &format!("remount,size={size}")]).arg(&self.at).status();
        assert!(resized.expect("run mount").success());
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: the server may not have ended yet when a test fails.
        let _ = Command::new("umount").arg("--lazy").arg(&self.at).status();
    }
}

/// Says what is missing where a file system does not record when a file was made: by that a copy of a data directory
/// is known as one.
#[track_caller]
pub fn needs_birth_times() {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let born = fs::metadata(directory).and_then(|metadata| metadata.created());
    let place = directory.display();
    assert!(
        born.is_ok(),
        "the file system of '{place}' does not know when a file was made: use ext4, xfs or btrfs"
    );
}
