//! Workloads and places in few words: a table has no room for all parameters.

use super::number::{bytes, grouped};
use crate::machine::MachineFacts;
use crate::results::{Entry, Parameter};

/// The workload that is the load measuring itself.
pub(crate) const FLOOR: &str = "floor";
/// The workload that measures the log by itself.
pub(crate) const LOG: &str = "log";

/// A workload and what of its parameters tells it from others of its kind.
pub(crate) fn short_title(entry: &Entry) -> String {
    let value = |name: &str| value_of(&entry.parameters, name);
    let short = match entry.workload.as_str() {
        "echo" => value("size").map(|size| format!("echo, one at a time, {size} B")),
        FLOOR => Some("bare sockets, no chat (the load's floor)".to_owned()),
        "fanout" => value("rooms")
            .zip(value("members"))
            .zip(pace(&entry.parameters))
            .map(|((rooms, members), pace)| format!("fan-out {rooms} × {members}, {pace}")),
        "whisper" => value("pairs")
            .zip(value("rate"))
            .map(|(pairs, rate)| format!("whispers, {pairs} pairs, {rate} /s")),
        "idle" => value("connections").map(|connections| format!("idle, {connections} connections")),
        "storm" => {
            value("connections").map(|connections| format!("reconnect storm, {connections} connections"))
        }
        "history" => value("messages")
            .zip(value("rate"))
            .map(|(messages, rate)| format!("history, 50 of {messages}, {rate} /s")),
        "mixed" => value("rooms")
            .zip(value("members"))
            .zip(value("rate"))
            .map(|((rooms, members), rate)| format!("mixed {rooms} × {members}, {rate} actions/s")),
        "slow-readers" => value("members")
            .zip(value("slow"))
            .map(|(members, slow)| format!("slow readers, {slow} of {members}+{slow}")),
        "upgrade" => value("connections").map(|connections| format!("upgrades, {connections} connections")),
        LOG => value("part").zip(value("messages")).map(|(part, messages)| match part.as_str() {
            "starts" => format!("log, starts, {messages} messages"),
            "pages" => "log, cold pages of 50".to_owned(),
            _ => format!("log, {part}"),
        }),
        _ => None,
    };
    short.unwrap_or_else(|| entry.title.clone())
}

fn pace(parameters: &[Parameter]) -> Option<String> {
    let rate = value_of(parameters, "rate").map(|rate| format!("{rate} messages/s"));
    rate.or_else(|| value_of(parameters, "in-flight").map(|count| format!("saturated ({count} in flight)")))
}

/// A parameter's value, grouped when it is a whole number.
fn value_of(parameters: &[Parameter], name: &str) -> Option<String> {
    let value = &parameters.iter().find(|parameter| parameter.name == name)?.value;
    Some(value.parse::<u64>().map_or_else(|_| value.clone(), |number| grouped(number as f64)))
}

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
    use crate::log::{LogOptions, LogPart};
    use crate::results::example;
    use crate::workload::{EchoOptions, FanOutOptions, IdleOptions};
    use crate::workload::{
        HistoryOptions, MixedOptions, SlowReadersOptions, StormOptions, WhisperOptions, Workload,
    };

    #[test]
    fn every_workload_has_a_title_that_fits_a_table() {
        let workloads = [
            Workload::Echo(EchoOptions::default()),
            Workload::FanOut(FanOutOptions::default()),
            Workload::Whisper(WhisperOptions::default()),
            Workload::Idle(IdleOptions::default()),
            Workload::Storm(StormOptions::default()),
            Workload::History(HistoryOptions::default()),
            Workload::Mixed(MixedOptions::default()),
            Workload::SlowReaders(SlowReadersOptions::default()),
            Workload::Log(LogOptions::of(LogPart::Starts)),
        ];
        for workload in workloads {
            let entry = Entry {
                workload: workload.name().to_owned(),
                title: workload.title(),
                parameters: workload.parameters(),
                columns: Vec::new(),
            };
            let title = short_title(&entry);
            assert!(title.chars().count() <= 42 && title != entry.title, "{title}");
        }
    }

    #[test]
    fn the_machine_is_told_in_a_line() {
        let facts = example::run(&[]).machine;
        let expected =
            "Linux 6.18.5 x86_64 · Example 9000 · 2 processors · 24.0 GiB · data on ext4 (/dev/vda)";
        assert_eq!(machine(&facts), expected);
    }
}
