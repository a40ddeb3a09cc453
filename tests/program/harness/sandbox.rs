//! The system calls that the unit allows, and no others; or all but one.

use rustix::io::Errno;
use rustix::process::geteuid;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    apply_filter,
};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::ops::Range;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::str::FromStr;
use syscalls::Sysno;

/// What becomes of a call that the unit does not allow.
#[derive(Clone, Copy, Debug)]
pub enum Refusal {
    /// As in the unit: the call fails with EPERM.
    Fails,
    /// The process is killed (SIGSYS), so that no refused call stays unseen.
    Kills,
}

/// Makes a program run inside `SystemCallFilter=` of the server's unit, but for the calls in `without`.
pub fn inside_the_unit(command: &mut Command, refusal: Refusal, without: &[&str]) {
    inside_unit("madang.service", command, refusal, without);
}

/// The same of another unit.
pub fn inside_unit(unit: &str, command: &mut Command, refusal: Refusal, without: &[&str]) {
    let allowed = allowed(unit).into_iter().filter(|name| !without.contains(&name.as_str()));
    // Names of other architectures have no number here.
    let rules = allowed.filter_map(|name| Some((i64::from(Sysno::from_str(&name).ok()?.id()), Vec::new())));
    let refused = match refusal {
        Refusal::Fails => SeccompAction::Errno(Errno::PERM.raw_os_error().unsigned_abs()),
        Refusal::Kills => SeccompAction::KillProcess,
    };
    let architecture = std::env::consts::ARCH.try_into().expect("an architecture with filters");
    let filter = SeccompFilter::new(rules.collect(), refused, SeccompAction::Allow, architecture);
    let program: BpfProgram = filter.expect("a filter").try_into().expect("its program");
    // SAFETY: between fork and exec only prctl and seccomp are called, with a program that was made before the
    // fork; both are system calls that are safe there (signal-safety(7)).
    unsafe {
        command.pre_exec(move || apply_filter(&program).map_err(std::io::Error::other));
    }
}

/// Has a program refused one system call with this error, as containers do.
pub fn forbid(command: &mut Command, call: Sysno, error: Errno) {
    refuse(command, (call, Vec::new()), error);
}

/// Has a program refused to write so many bytes to a place in a file with this error, as a disk does.
pub fn forbid_writes(command: &mut Command, bytes: Range<u64>, error: Errno) {
    // pwrite(2): how many is its third argument.
    let condition =
        |how, limit| SeccompCondition::new(2, SeccompCmpArgLen::Qword, how, limit).expect("a condition");
    let bounds = vec![condition(SeccompCmpOp::Ge, bytes.start), condition(SeccompCmpOp::Lt, bytes.end)];
    refuse(command, (Sysno::pwrite64, vec![SeccompRule::new(bounds).expect("a rule")]), error);
}

fn refuse(command: &mut Command, (call, rules): (Sysno, Vec<SeccompRule>), error: Errno) {
    let refused = SeccompAction::Errno(error.raw_os_error().unsigned_abs());
    let rules = BTreeMap::from([(i64::from(call.id()), rules)]);
    let architecture = std::env::consts::ARCH.try_into().expect("an architecture with filters");
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, refused, architecture);
    let program: BpfProgram = filter.expect("a filter").try_into().expect("its program");
    // SAFETY: as above.
    unsafe {
        command.pre_exec(move || apply_filter(&program).map_err(std::io::Error::other));
    }
}

/// The calls that the unit allows: its lines in their order, as systemd.exec(5) says, and what is always allowed.
fn allowed(unit: &str) -> BTreeSet<String> {
    let sets = sets();
    let mut allowed = members("@default", &sets);
    let unit = Path::new(env!("CARGO_MANIFEST_DIR")).join("systemd").join(unit);
    let unit = fs::read_to_string(unit).expect("the unit");
    for line in unit.lines().filter_map(|line| line.strip_prefix("SystemCallFilter=")) {
        let (is_taken_out, names) = match line.strip_prefix('~') {
            Some(names) => (true, names),
            None => (false, line),
        };
        for call in names.split(' ').flat_map(|name| members(name, &sets)) {
            if is_taken_out {
                allowed.remove(&call)
            } else {
                allowed.insert(call)
            };
        }
    }
    if geteuid().is_root() {
        // SQLite sees to the owner of its files where it is root, which no unit is.
        allowed.insert("fchown".to_owned());
    }
    allowed
}

/// The calls of a set, or the call of this name.
fn members(name: &str, sets: &BTreeMap<String, Vec<String>>) -> BTreeSet<String> {
    if !name.starts_with('@') {
        return BTreeSet::from([name.to_owned()]);
    }
    let listed = sets.get(name).unwrap_or_else(|| panic!("systemd knows no set {name}"));
    listed.iter().flat_map(|member| members(member, sets)).collect()
}

/// The sets of calls as systemd defines them.
fn sets() -> BTreeMap<String, Vec<String>> {
    let output = Command::new("systemd-analyze").args(["syscall-filter", "--no-pager"]).output();
    let output = output.expect("systemd-analyze, which .ci/run installs");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let mut sets = BTreeMap::<String, Vec<String>>::new();
    let mut name = None;
    for line in text.lines() {
        match line.strip_prefix("    ") {
            Some(member) if !member.starts_with('#') => {
                let set = name.as_ref().and_then(|name| sets.get_mut(name));
                set.expect("a member of a set").push(member.to_owned());
            }
            Some(_) => {}
            None if line.starts_with('@') => {
                sets.insert(line.to_owned(), Vec::new());
                name = Some(line.to_owned());
            }
            // What the kernel knows and no set holds comes last, and under a heading.
            None => name = None,
        }
        if name.is_none() && !line.is_empty() {
            break;
        }
    }
    assert!(!sets.is_empty(), "systemd-analyze lists no sets: {text}");
    sets
}
