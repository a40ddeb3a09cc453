//! Places in few words, and the workloads that tables show apart.

use super::number::bytes;
use crate::machine::MachineFacts;

/// The workload that is the load measuring itself.
pub(crate) const FLOOR: &str = "floor";
/// The workload that measures the log by itself.
pub(crate) const LOG: &str = "log";

/// The machine in a line.
pub(crate) fn machine(facts: &MachineFacts) -> String {
    let processors = match (facts.processors_allowed, facts.processors) {
        (allowed, all) if allowed == all => format!("{all} processors"),
        (allowed, all) => format!("{allowed} of {all} processors"),
    };
    let mut parts =
        vec![facts.kernel.clone(), facts.processor.clone(), processors, bytes(facts.memory_bytes as f64)];
    parts.extend(facts.data.as_ref().map(|data| format!("data on {} ({})", data.file_system, data.device)));
    parts.join(" · ")
}

/// A number of things with their name: `1 round`, `5 rounds`.
pub(crate) fn counted(count: usize, thing: &str) -> String {
    if count == 1 { format!("1 {thing}") } else { format!("{count} {thing}s") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::example;

    #[test]
    fn the_machine_is_described_in_a_line() {
        let facts = example::run(&[]).machine;
        let expected =
            "Linux 6.18.5 x86_64 · Example 9000 · 2 processors · 24.0 GiB · data on ext4 (/dev/vda)";
        assert_eq!(machine(&facts), expected);
    }
}
