//! Descriptors that the old program left open in this process for this program (`execve`).

use rustix::fd::RawFd;

/// The process id and the descriptor numbers.
pub const VARIABLE: &str = "MADANG_LEFT";

/// The value of the variable for the program that this process executes next.
pub fn value_for_next(numbers: impl IntoIterator<Item = RawFd>) -> String {
    let numbers: Vec<String> = numbers.into_iter().map(|number| number.to_string()).collect();
    format!("{}:{}", std::process::id(), numbers.join(","))
}

/// The numbers of the descriptors that the old program left in this process, if any: the lock, the state, queues.
pub fn inherited_in_place() -> Option<Vec<RawFd>> {
    let variable = std::env::var(VARIABLE).ok()?;
    let (process, numbers) = variable.split_once(':')?;
    // Child processes inherit the variable, too.
    if process.parse() != Ok(std::process::id()) {
        return None;
    }
    numbers.split(',').map(|number| number.parse().ok()).collect()
}
