//! The processor, from `/proc/cpuinfo` and `/sys/devices/system/cpu`.

use std::fs;

const SYSTEM: &str = "/sys/devices/system/cpu";
const UNKNOWN: &str = "unknown";

pub(super) fn model() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    model_of(&text).unwrap_or_else(|| UNKNOWN.to_owned())
}

/// x86 says `model name`; most ARM machines say only numbers.
fn model_of(cpuinfo: &str) -> Option<String> {
    let value = |name: &str| {
        cpuinfo.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            (key.trim() == name && !value.trim().is_empty()).then(|| value.trim().to_owned())
        })
    };
    let numbers = || Some(format!("implementer {} part {}", value("CPU implementer")?, value("CPU part")?));
    value("model name").or_else(|| value("Model")).or_else(numbers)
}

pub(super) fn online() -> usize {
    let text = fs::read_to_string(format!("{SYSTEM}/online")).unwrap_or_default();
    count_of(text.trim()).unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from))
}

/// How many numbers a list such as `0-3,8` holds.
fn count_of(list: &str) -> Option<usize> {
    let count = |range: &str| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last): (usize, usize) = (first.parse().ok()?, last.parse().ok()?);
        last.checked_sub(first).map(|more| more + 1)
    };
    list.split(',').map(count).sum()
}

pub(super) fn governor() -> Option<String> {
    let text = fs::read_to_string(format!("{SYSTEM}/cpu0/cpufreq/scaling_governor")).ok()?;
    Some(text.trim().to_owned())
}

pub(super) fn mitigations() -> Vec<(String, String)> {
    let entries = fs::read_dir(format!("{SYSTEM}/vulnerabilities")).into_iter().flatten().flatten();
    let mut found: Vec<(String, String)> = entries
        .filter_map(|entry| {
            let text = fs::read_to_string(entry.path()).ok()?;
            Some((entry.file_name().to_string_lossy().into_owned(), text.trim().to_owned()))
        })
        .collect();
    found.sort();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_are_found_on_x86_and_on_arm() {
        let x86 = "processor\t: 0\nmodel\t\t: 17\nmodel name\t: AMD EPYC 9R14\n";
        assert_eq!(model_of(x86).as_deref(), Some("AMD EPYC 9R14"));
        let arm = "processor\t: 0\nCPU implementer\t: 0x41\nCPU part\t: 0xd40\n";
        assert_eq!(model_of(arm).as_deref(), Some("implementer 0x41 part 0xd40"));
        assert_eq!(model_of(""), None);
    }

    #[test]
    fn lists_of_processors_are_counted() {
        assert_eq!(
            [count_of("0-3,8"), count_of("0"), count_of(""), count_of("3-1")],
            [Some(5), Some(1), None, None]
        );
    }
}
