//! Says from which commit a release is built, where that is known: `MADANG_COMMIT` names it, or the checkout does. Other
//! profiles are not linked anew for each commit. Nothing is run and nothing fetched: an archive without `.git` has none.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

/// Its digits that are shown.
const DIGITS: usize = 12;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=MADANG_COMMIT");
    let given = env::var("MADANG_COMMIT").ok();
    let is_release = env::var("PROFILE").is_ok_and(|profile| profile == "release");
    let found = || is_release.then(|| checked_out(Path::new(".git"))).flatten();
    if let Some(commit) = given.or_else(found).as_deref().and_then(short) {
        println!("cargo::rustc-env=MADANG_BUILT_COMMIT={commit}");
    }
}

fn short(commit: &str) -> Option<&str> {
    let is_commit = commit.len() >= DIGITS && commit.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_commit.then(|| &commit[..DIGITS])
}

/// The commit of a checkout, as `gitrepository-layout(5)` says where it is.
fn checked_out(git: &Path) -> Option<String> {
    // A further worktree has a file that names its directory, and that one names what all share.
    let own = match read(git) {
        Some(link) => PathBuf::from(link.strip_prefix("gitdir: ")?),
        None => git.to_owned(),
    };
    let shared = read(&own.join("commondir")).map_or_else(|| own.clone(), |path| own.join(path));
    let head = watched(&own.join("HEAD"))?;
    let Some(reference) = head.strip_prefix("ref: ") else { return Some(head) };
    if let Some(commit) = watched(&shared.join(reference)) {
        return Some(commit);
    }
    let packed = watched(&shared.join("packed-refs"))?;
    packed
        .lines()
        .filter_map(|line| line.split_once(' '))
        .find(|(_, name)| *name == reference)
        .map(|(commit, _)| commit.to_owned())
}

/// What is in the file, and the script is run again when that changes.
fn watched(path: &Path) -> Option<String> {
    let text = read(path)?;
    println!("cargo::rerun-if-changed={}", path.display());
    Some(text)
}

fn read(path: &Path) -> Option<String> {
    fs::read_to_string(path).ok().map(|text| text.trim().to_owned())
}
