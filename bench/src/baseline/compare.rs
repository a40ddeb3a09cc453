//! What moved between two runs, and what only seems to.

use super::check::counterpart;
use super::mann_whitney::mann_whitney;
use crate::output::json::{Document, ServerRounds};
use crate::results::{Better, Figure, Spread};

/// Below it, chance is not believed.
pub const P_MAX: f64 = 0.05;
/// A smaller change of the median is of no interest, however sure.
pub const EFFECT_MIN: f64 = 0.05;
/// With fewer rounds on one side no p can be below [`P_MAX`]: three and three give 0.1 at best.
pub const ROUNDS_MIN: usize = 4;

/// A device that got faster or slower by more than this part is reported: what waits for it did too.
const SYNC_DRIFT_MAX: f64 = 0.2;

/// An earlier run and this one, figure by figure.
#[derive(Clone, PartialEq, Debug)]
pub struct Comparison {
    /// When the earlier one was made.
    pub before_at: String,
    /// The program that made it.
    pub before_version: String,
    /// How the machines differ.
    pub machine_differences: Vec<String>,
    /// Every figure that both have and that has a better and a worse.
    pub changes: Vec<Change>,
}

/// One figure, then and now.
#[derive(Clone, PartialEq, Debug)]
pub struct Change {
    /// Workload and parameters in words.
    pub title: String,
    /// The server.
    pub server: String,
    /// The figure now.
    pub now: Figure,
    /// Its values then.
    pub before: Vec<f64>,
    /// By which part of what it was the median moved; 0.1 is 10 % more.
    pub effect: f64,
    /// What is to be thought of it.
    pub verdict: Verdict,
}

/// What is to be thought of a change.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Verdict {
    /// It got better, beyond the noise.
    Better {
        /// How probable it is by chance.
        p: f64,
    },
    /// It got worse, beyond the noise.
    Worse {
        /// How probable it is by chance.
        p: f64,
    },
    /// It did not move beyond the noise, or not enough to matter.
    Unmoved,
    /// There are too few rounds to decide.
    TooFewRounds,
}

/// Compares two runs of which [`check`](super::check()) has said that they did the same work.
/// Rounds that were cut short are left out.
pub fn compare(before: &Document, now: &Document) -> Comparison {
    let mut changes = Vec::new();
    for workload in &now.workloads {
        let Some(then) = counterpart(workload, before) else { continue };
        for server in &workload.servers {
            let Some(server_then) = then.servers.iter().find(|then| then.name == server.name) else {
                continue;
            };
            let figures_then = whole_rounds(server_then).figures();
            for figure in whole_rounds(server).figures() {
                let found = figures_then.iter().find(|then| then.key == figure.key);
                let change = found.and_then(|then| change(&workload.title, &server.name, then, figure));
                changes.extend(change);
            }
        }
    }
    Comparison {
        before_at: before.started_at.clone(),
        before_version: before.program.version.clone(),
        machine_differences: machine_differences(before, now),
        changes,
    }
}

fn whole_rounds(server: &ServerRounds) -> ServerRounds {
    let rounds = server.rounds.iter().filter(|round| !round.is_cut_short).cloned().collect();
    ServerRounds { rounds, ..server.clone() }
}

/// `None` for what has no better and worse, and for the largest value of a round, which one hiccup
/// anywhere in the machine decides.
fn change(title: &str, server: &str, then: &Figure, now: Figure) -> Option<Change> {
    if now.better == Better::Neither || now.key.ends_with("_max_us") {
        return None;
    }
    let (spread_then, spread_now) = (then.spread()?, now.spread()?);
    let effect = relative(spread_then, spread_now);
    let verdict = if then.values.len().min(now.values.len()) < ROUNDS_MIN {
        Verdict::TooFewRounds
    } else {
        let p = mann_whitney(&then.values, &now.values)?.p;
        match effect {
            effect if p >= P_MAX || effect.abs() < EFFECT_MIN => Verdict::Unmoved,
            effect if (effect < 0.0) == (now.better == Better::Lower) => Verdict::Better { p },
            _ => Verdict::Worse { p },
        }
    };
    let (title, server) = (title.to_owned(), server.to_owned());
    Some(Change { title, server, before: then.values.clone(), now, effect, verdict })
}

fn relative(then: Spread, now: Spread) -> f64 {
    if now.median == then.median {
        return 0.0;
    }
    // From nothing to something is a change without bounds; it is shown as one.
    (now.median - then.median) / then.median.abs().max(f64::MIN_POSITIVE)
}

fn machine_differences(before: &Document, now: &Document) -> Vec<String> {
    let device = |document: &Document| {
        let data = document.machine.data.as_ref();
        data.map_or_else(|| "unknown".to_owned(), |data| format!("{} on {}", data.file_system, data.device))
    };
    let facts = |document: &Document| {
        let machine = &document.machine;
        [
            ("kernel", machine.kernel.clone()),
            ("processor", machine.processor.clone()),
            ("processors allowed", machine.processors_allowed.to_string()),
            ("data", device(document)),
        ]
    };
    let pairs = facts(before).into_iter().zip(facts(now));
    let mut differences: Vec<String> = pairs
        .filter(|((_, then), (_, now))| then != now)
        .map(|((what, then), (_, now))| format!("{what}: {then} then, {now} now"))
        .collect();
    let sync_us = |document: &Document| document.machine.sync.as_ref().map(|sync| sync.p50_us);
    if let Some((then, now)) = sync_us(before).zip(sync_us(now))
        && (now / then - 1.0).abs() > SYNC_DRIFT_MAX
    {
        differences.push(format!("the device's own synced write (p50): {then:.0} µs then, {now:.0} µs now"));
    }
    differences
}
