//! Two versions of the program, of which a link names the current one.

use super::{Server, ours, tested_program};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use tempfile::TempDir;

/// Two versions side by side, as deployments keep them, and a link to the current one.
pub struct Versions(TempDir);

impl Versions {
    /// Both are the program under test, and the first is the current one.
    pub fn new() -> Versions {
        let versions = Versions(tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory"));
        for version in ["v1", "v2"] {
            fs::create_dir(versions.path(version)).expect("a directory");
            let program = versions.path(version).join("madang");
            fs::hard_link(tested_program(), &program)
                .or_else(|_| fs::copy(tested_program(), &program).map(drop))
                .expect("a copy");
        }
        symlink("v1", versions.path("current")).expect("a link");
        versions
    }

    /// The path of a version, or of the link.
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// The link leads to the second, and the first is gone.
    pub fn move_on(&self) {
        symlink("v2", self.path("next")).expect("a link");
        fs::rename(self.path("next"), self.path("current")).expect("put it in its place");
        fs::remove_dir_all(self.path("v1")).expect("remove the first");
    }

    /// The process runs the second.
    #[track_caller]
    pub fn expect_second(&self, pid: &serde_json::Value) {
        let program = fs::read_link(format!("/proc/{pid}/exe")).expect("its program");
        let second = self.path("v2").join("madang").canonicalize().expect("its path");
        assert_eq!(program, second);
    }

    /// The link leads to a script that stands in for the program; `REAL` in it is the program.
    #[track_caller]
    pub fn move_on_to(&self, script: &str) {
        let program = self.path("v2").join("madang");
        fs::remove_file(&program).expect("remove the program");
        // Written by a child: no file is open for writing when another is started.
        let written = ours("sh")
            .args(["-c", "printf '%s' \"$1\" > \"$0\" && chmod 755 \"$0\""])
            .arg(&program)
            .arg(format!("#!/bin/sh\n{}\n", script.replace("REAL", tested_program())))
            .status();
        assert!(written.is_ok_and(|status| status.success()));
        self.move_on();
    }

    /// A server that is started as the first.
    pub fn start(&self, settings: &[&str]) -> Server {
        let program = ours(&self.path("current").join("madang").display().to_string());
        Server::start_by(program, 2, settings)
    }
}
