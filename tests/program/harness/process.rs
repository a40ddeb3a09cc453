//! What the kernel says that a server uses.

use super::server::{LOOK, START_MAX};
use super::{PATIENCE, Server};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// What a process holds.
#[derive(Clone, Copy, Debug)]
pub struct Usage {
    /// Open descriptors.
    pub open_files: usize,
    /// Memory of its own that is no file's, in bytes.
    pub memory_bytes: u64,
}

impl Usage {
    /// What a process holds now.
    pub fn of(pid: u32) -> Usage {
        let open_files = fs::read_dir(format!("/proc/{pid}/fd")).expect("its descriptors").count();
        let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).expect("its memory");
        let line = rollup.lines().find_map(|line| line.strip_prefix("Anonymous:"));
        let kib = line.and_then(|rest| rest.trim().strip_suffix(" kB")?.parse::<u64>().ok());
        Usage { open_files, memory_bytes: kib.expect("its anonymous memory") * 1024 }
    }
}

impl Server {
    /// What it holds now.
    pub fn usage(&self) -> Usage {
        Usage::of(self.pid())
    }

    /// What it holds once each shard has its first segment open and the next one ready: they are made
    /// while people come already.
    #[track_caller]
    pub fn usage_with_segments(&self) -> Usage {
        let asked_at = Instant::now();
        while !self.has_segments_ready() {
            assert!(asked_at.elapsed() < START_MAX, "no two segments a shard; it said:\n{}", self.words());
            sleep(LOOK);
        }
        self.usage()
    }

    /// Waits until it holds no more descriptors than these.
    #[track_caller]
    pub fn expect_open_files_at_most(&self, most: usize) {
        let asked_at = Instant::now();
        while self.usage().open_files > most {
            assert!(asked_at.elapsed() < 2 * PATIENCE, "{:?}, {most} descriptors expected", self.usage());
            sleep(Duration::from_millis(20));
        }
    }
}

/// Lets this process have as many open files as it may, and says how many that is.
pub fn raise_open_files() -> usize {
    let most = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: most, maximum: most }).expect("raise the open-file limit");
    most.map_or(1 << 20, |most| usize::try_from(most).expect("a number of files"))
}
