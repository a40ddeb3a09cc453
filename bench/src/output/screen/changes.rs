//! What moved since an earlier run, in words.

use super::grid::{Grid, bold, wrapped};
use crate::baseline::{Change, Comparison, EFFECT_MIN, P_MAX, ROUNDS_MIN, Verdict};
use crate::output::number;
use crate::output::words::counted;
use crate::results::Spread;

/// The comparison as people read it.
pub fn changes_text(comparison: &Comparison, is_bold: bool) -> String {
    let title = format!("SINCE {} (madang {})", comparison.before_at, comparison.before_version);
    let mut text = bold(&title, is_bold) + "\n";
    for difference in &comparison.machine_differences {
        text += &wrapped("  differs: ", difference);
    }
    let of = |is_it: fn(&Verdict) -> bool| -> Vec<&Change> {
        comparison.changes.iter().filter(|change| is_it(&change.verdict)).collect()
    };
    let moved = of(|verdict| matches!(verdict, Verdict::Better { .. } | Verdict::Worse { .. }));
    let undecided = of(|verdict| *verdict == Verdict::TooFewRounds);
    let tested = comparison.changes.len() - undecided.len();
    if tested > 0 {
        text += &wrapped("  ", &summary(moved.len(), tested));
        text += &table(&moved);
    }
    if !undecided.is_empty() {
        let sentence = format!(
            "Nothing can be concluded about {}: that takes {ROUNDS_MIN} rounds on both sides (--rounds {ROUNDS_MIN} \
             or more). The changes alone:",
            if tested > 0 { "these" } else { "any figure" }
        );
        text += &wrapped("  ", &sentence);
        text += &table(&undecided);
    }
    if comparison.changes.is_empty() {
        text += "  No figure was measured both times.\n";
    }
    text
}

fn summary(moved: usize, tested: usize) -> String {
    let by_chance = (tested as f64 * P_MAX).ceil();
    let test = format!(
        "Mann–Whitney U over the rounds, two-sided p < {P_MAX}, and a median moved by at least {:.0} %",
        100.0 * EFFECT_MIN
    );
    if moved == 0 {
        return format!("Nothing moved beyond the noise ({} tested: {test}).", counted(tested, "figure"));
    }
    format!(
        "{moved} of {} moved ({test}); with so many tests, up to {by_chance} may do so by chance.",
        counted(tested, "figure")
    )
}

fn table(changes: &[&Change]) -> String {
    let mut grid = Grid::default();
    for (position, change) in changes.iter().enumerate() {
        let is_new = position == 0
            || changes[position - 1].title != change.title
            || changes[position - 1].server != change.server;
        if is_new {
            grid.title(format!("  {} ({})", change.title, change.server), false);
        }
        grid.row(cells(change));
    }
    grid.text(false)
}

fn cells(change: &Change) -> Vec<String> {
    let (word, p) = match change.verdict {
        Verdict::Better { p } => ("better", format!("p {p:.3}")),
        Verdict::Worse { p } => ("WORSE", format!("p {p:.3}")),
        Verdict::Unmoved | Verdict::TooFewRounds => ("", String::new()),
    };
    let median = |values: &[f64]| {
        Spread::of(values).map_or_else(String::new, |spread| number::value(&change.now, spread.median))
    };
    vec![
        format!("    {}", change.now.label),
        median(&change.before),
        format!("→ {}", median(&change.now.values)),
        percent(change.effect),
        word.to_owned(),
        p,
    ]
}

/// By how much: `+12.3 %`.
pub(crate) fn percent(effect: f64) -> String {
    if effect.abs() < 100.0 { format!("{:+.1} %", 100.0 * effect) } else { "from next to 0".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::baseline::compare;
    use crate::output::json::Document;
    use crate::results::example;

    fn text(before: &[u64], now: &[u64]) -> String {
        let document = |scales| Document::of(&example::run(&[("madang", scales)])).expect("a document");
        changes_text(&compare(&document(before), &document(now)), false)
    }

    #[test]
    fn what_moved_is_named_with_its_test() {
        let text = text(&[100; 5], &[120; 5]);
        assert!(text.contains("6 of 6 figures moved (Mann–Whitney U"), "{text}");
        assert!(text.contains("500 µs    → 600 µs  +20.0 %  WORSE  p 0.008"), "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
    }

    #[test]
    fn the_same_has_not_moved_and_few_rounds_conclude_nothing() {
        assert!(text(&[100; 4], &[100; 4]).contains("Nothing moved beyond the noise (6 figures tested"));
        let few = text(&[100], &[120]);
        assert!(
            few.contains("Nothing can be concluded about any figure") && few.contains("+20.0 %"),
            "{few}"
        );
        assert!(!few.contains("WORSE"));
    }
}
