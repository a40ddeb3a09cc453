//! What was wrong, what is promised, and what limits the truth of the figures.

use super::grid::{bold, wrapped};
use crate::output::words::{LOG, counted};
use crate::results::{Faults, Run};

/// Processors that are away for less of the time are not worth a word.
const STALLED_SHARE_TOLD: f64 = 0.001;
/// Examples of faults that are shown.
const EXAMPLES_MAX: usize = 8;

/// What each server promises.
pub(super) fn promises(run: &Run, is_bold: bool) -> String {
    let mut text = bold("PROMISES", is_bold) + "\n";
    for server in &run.servers {
        text += &wrapped(&format!("  {}: ", server.name), &server.promise);
    }
    text
}

/// Counts of faults, and the first of them.
pub(super) fn faults(run: &Run, is_bold: bool) -> String {
    // The log's measurement delivers nothing that could be accounted for.
    if run.entries.iter().all(|entry| entry.workload == LOG) {
        return String::new();
    }
    let mut sum = Faults::default();
    for measurement in run.measurements() {
        let faults = &measurement.faults;
        sum.lost += faults.lost;
        sum.repeated += faults.repeated;
        sum.disordered += faults.disordered;
        sum.damaged += faults.damaged;
        let server = &measurement.server;
        sum.examples.extend(faults.examples.iter().map(|example| format!("{server}: {example}")));
    }
    let Faults { lost, repeated, disordered, damaged, examples } = &sum;
    let counts = format!("lost {lost} · repeated {repeated} · disordered {disordered} · damaged {damaged}");
    let verdict = if sum.is_none() { "as promised" } else { "MUST ALL BE 0" };
    let mut text = format!("{}  {counts}  ({verdict})\n", bold("FAULTS", is_bold));
    for example in examples.iter().take(EXAMPLES_MAX) {
        text += &wrapped("  ", example);
    }
    if examples.len() > EXAMPLES_MAX {
        text += &format!("  and {} more, all in --json\n", examples.len() - EXAMPLES_MAX);
    }
    text
}

/// What must be known to read the figures rightly.
pub(super) fn limits(run: &Run, is_bold: bool) -> String {
    let sentences = limit_sentences(run);
    if sentences.is_empty() {
        return String::new();
    }
    let mut text = bold("WHAT LIMITS THIS", is_bold) + "\n";
    for sentence in sentences {
        text += &wrapped("  - ", &sentence);
    }
    text
}

/// The same, sentence by sentence: first what makes a figure doubtful.
pub(crate) fn limit_sentences(run: &Run) -> Vec<String> {
    let mut sentences: Vec<String> = run.notes.clone();
    let mut add = |sentence: String| {
        if !sentences.contains(&sentence) {
            sentences.push(sentence);
        }
    };
    if let Some(stalls) = run.machine.stalls.as_ref().filter(|stalls| stalls.share >= STALLED_SHARE_TOLD) {
        add(format!(
            "threads that only read the clock did not run for {}: the host gives this machine's processors to \
             others, and the highest latencies show that, not a server",
            stalls.described()
        ));
    }
    for entry in &run.entries {
        for column in &entry.columns {
            let place = format!("{} ({})", entry.label, column.server);
            let limited: Vec<&String> =
                column.rounds.iter().filter_map(|round| round.load_limit.as_ref()).collect();
            if let Some(limit) = limited.first() {
                let of = if column.rounds.len() > 1 {
                    format!(", {} of {}", limited.len(), counted(column.rounds.len(), "round"))
                } else {
                    String::new()
                };
                add(format!("{place}{of}: the load is the limit: {limit}"));
            }
            if column.rounds.iter().any(|round| round.is_cut_short) {
                add(format!("{place}: cut short"));
            }
        }
    }
    for note in run.measurements().flat_map(|measurement| &measurement.notes) {
        add(note.clone());
    }
    let rounds = run.entries.iter().flat_map(|entry| &entry.columns).map(|column| column.rounds.len()).max();
    if rounds == Some(1) {
        add("one round: the noise is not known; --rounds 5 gives medians with min and max".to_owned());
    }
    sentences
}
