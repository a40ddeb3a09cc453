//! One screen for people.

mod changes;
mod grid;
mod latency;
pub(crate) mod short;
mod side_by_side;
#[cfg(test)]
mod tests;
pub(crate) mod truth;
mod work;

pub use changes::changes_text;

use super::words;
use crate::results::Run;
use grid::{bold, wrapped};

/// All of a run, at most 100 columns wide. `is_bold` sets headings apart with terminal escapes.
pub fn screen(run: &Run, is_bold: bool) -> String {
    let program = format!("madang bench {}", run.program_version);
    let rounds = words::counted(run.rounds, "round");
    let mut text = format!("{} · {} · {rounds}\n", bold(&program, is_bold), run.started_at);
    text += &wrapped("  ", &words::machine(&run.machine));
    let mut sections = vec![truth::promises(run, is_bold)];
    if run.is_comparison() {
        sections.push(side_by_side::tables(run, is_bold));
        sections.push(latency::floor_table(run, is_bold));
    } else {
        sections.push(latency::table(run, is_bold));
        sections.push(work::table(run, is_bold));
    }
    sections.push(truth::faults(run, is_bold));
    sections.push(truth::limits(run, is_bold));
    for section in sections.iter().filter(|section| !section.is_empty()) {
        text += "\n";
        text += section;
    }
    text
}
