//! What is in files.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The files below a directory that hold these bytes.
pub fn files_with(directory: &Path, words: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut waiting = vec![directory.to_owned()];
    while let Some(directory) = waiting.pop() {
        for entry in fs::read_dir(directory).expect("a directory").flatten() {
            let path = entry.path();
            if path.is_dir() {
                waiting.push(path);
            } else if path.is_file() {
                let bytes = match fs::read(&path) {
                    // One may go while they are read.
                    Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
                    bytes => bytes.expect("a file"),
                };
                if bytes.windows(words.len()).any(|window| window == words.as_bytes()) {
                    found.push(path);
                }
            }
        }
    }
    found
}

/// Copies a directory as an operator would, into `to`, whoever writes to it meanwhile.
#[track_caller]
pub fn copy(data: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-a").arg(data).arg(to).output().expect("cp");
    // A file that has just been renamed is not there any more.
    let words = String::from_utf8_lossy(&copied.stderr);
    assert!(words.lines().all(|line| line.contains("No such file")), "{words}");
}
