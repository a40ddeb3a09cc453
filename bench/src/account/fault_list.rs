//! Faults with the first examples of each kind.

use crate::results::Faults;

/// Examples kept of each kind.
const EXAMPLES_MAX: usize = 3;

/// What was wrong with a delivery.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum FaultKind {
    /// It never came.
    Lost,
    /// It came again.
    Repeated,
    /// It came behind a later one, or in another order than others saw.
    Disordered,
    /// It was not what was sent, or went to somebody it was not meant for.
    Damaged,
}

/// Faults found so far.
#[derive(Debug, Default)]
pub(crate) struct FaultList {
    faults: Faults,
    /// Examples by kind.
    examples: [Vec<String>; 4],
}

impl FaultList {
    /// Counts one fault, and keeps its words when it is among the first of its kind.
    pub(crate) fn add(&mut self, kind: FaultKind, words: impl FnOnce() -> String) {
        self.add_many(kind, 1, words);
    }

    /// Counts several of a kind under one example.
    pub(crate) fn add_many(&mut self, kind: FaultKind, count: u64, words: impl FnOnce() -> String) {
        if count == 0 {
            return;
        }
        let Faults { lost, repeated, disordered, damaged, .. } = &mut self.faults;
        *match kind {
            FaultKind::Lost => lost,
            FaultKind::Repeated => repeated,
            FaultKind::Disordered => disordered,
            FaultKind::Damaged => damaged,
        } += count;
        let examples = &mut self.examples[kind as usize];
        if examples.len() < EXAMPLES_MAX {
            examples.push(words());
        }
    }

    /// What a report shows.
    pub(crate) fn into_faults(self) -> Faults {
        Faults { examples: self.examples.into_iter().flatten().collect(), ..self.faults }
    }
}
