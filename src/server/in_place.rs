//! Descriptors that the program before has left open in this process, as it became this program by `execve`.

use rustix::fd::RawFd;

/// Names the process, and the numbers of the descriptors.
pub const VARIABLE: &str = "MADANG_LEFT";

/// The value of the variable for the program that this process becomes next.
pub fn value_for_next(numbers: impl IntoIterator<Item = RawFd>) -> String {
    let numbers: Vec<String> = numbers.into_iter().map(|number| number.to_string()).collect();
    format!("{}:{}", std::process::id(), numbers.join(","))
}

/// The numbers of the descriptors that the program before has left to this process, if it has: the lock, the
/// state, queues.
pub fn left_here() -> Option<Vec<RawFd>> {
    let variable = std::env::var(VARIABLE).ok()?;
    let (process, numbers) = variable.split_once(':')?;
    // Children see the variable, too.
    if process.parse() != Ok(std::process::id()) {
        return None;
    }
    numbers.split(',').map(|number| number.parse().ok()).collect()
}
