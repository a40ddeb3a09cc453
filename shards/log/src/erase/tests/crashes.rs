//! Stops at every step in turn, in every way, also while what was interrupted is finished.

use super::check::check;
use super::disk::{CRASHES, Crash, CrashDisk, DiskState};
use super::world::{World, has_secret, world};
use crate::erase::{Eraser, Erasures, PassOptions, PassOutcome};
use crate::files::{ErasureFiles, FilesError};
use crate::testing::Chance;

/// What the exploration has found.
#[derive(Default)]
pub struct Tally {
    pub crashes: usize,
    pub failures: Vec<String>,
    /// Ends with the secret in freed blocks.
    pub residue: usize,
}

impl Tally {
    /// Whether anything is wrong.
    pub fn has_found(&self) -> bool {
        !self.failures.is_empty() || self.residue > 0
    }
}

/// A pass with small chunks, so that it has many steps.
pub fn pass<F: ErasureFiles>(files: &F, erasures: &Erasures) -> Result<PassOutcome, FilesError> {
    let mut step = |_| ();
    let mut eraser = Eraser { chunk_bytes: 2_048, ..Eraser::new(files, PassOptions::default(), &mut step) };
    eraser.finish_leftovers(false)?;
    eraser.erase_all(erasures)?;
    Ok(eraser.outcome)
}

fn recover<F: ErasureFiles>(files: &F) -> Result<(), FilesError> {
    let mut step = |_| ();
    let mut eraser = Eraser { chunk_bytes: 2_048, ..Eraser::new(files, PassOptions::default(), &mut step) };
    eraser.finish_leftovers(false)
}

/// How the files of a disk are used: as they are, or with a deliberate mistake.
pub trait Using {
    type Files: ErasureFiles;
    fn of(&self, disk: CrashDisk) -> Self::Files;
    fn disk<'a>(&self, files: &'a Self::Files) -> &'a CrashDisk;
}

/// As they are.
pub struct Plainly;

impl Using for Plainly {
    type Files = CrashDisk;

    fn of(&self, disk: CrashDisk) -> CrashDisk {
        disk
    }

    fn disk<'a>(&self, files: &'a CrashDisk) -> &'a CrashDisk {
        files
    }
}

/// After a crash: what was interrupted is finished, then another pass does the rest. Nothing is wrong at any time, and at
/// the end the secret is in no file.
fn settle<U: Using>(using: &U, world: &World, state: DiskState, label: &str, tally: &mut Tally) {
    let run = || -> Result<bool, String> {
        let files = using.of(CrashDisk::new(state));
        recover(&files).map_err(|error| format!("recovery: {error}"))?;
        check(world, &using.disk(&files).state(), false)?;
        pass(&files, &world.erasures).map_err(|error| format!("the second pass: {error}"))?;
        check(world, &using.disk(&files).state(), true)?;
        // All is synced: a power cut changes nothing now.
        let mut end = using.disk(&files).state();
        end.crash(Crash::Lost, &mut Chance(1));
        check(world, &end, true)?;
        if let Some((name, ..)) = end.files().find(|(_, bytes, _)| has_secret(bytes)) {
            return Err(format!("the secret is in {name}"));
        }
        let again = pass(&files, &world.erasures).map_err(|error| format!("the third pass: {error}"))?;
        if again.written_bytes > 0 || again.files > 0 || !again.is_complete() {
            return Err(format!("the third pass did something: {again:?}"));
        }
        Ok(end.freed().any(has_secret))
    };
    match run() {
        Ok(has_residue) => tally.residue += usize::from(has_residue),
        Err(error) => tally.failures.push(format!("{label}: {error}")),
    }
}

/// Every step, every way, `seeds` times; with `is_deep` the recovery is stopped at each of its steps,
/// too. It ends with the first thing that is wrong.
pub fn explore<U: Using>(using: &U, world: &World, seeds: u64, is_deep: bool) -> Tally {
    let mut tally = Tally::default();
    let whole = using.of(CrashDisk::new(world.start.clone()));
    pass(&whole, &world.erasures).expect("nothing stops it");
    let steps = using.disk(&whole).steps();
    settle(using, world, using.disk(&whole).after(), "no crash", &mut tally);
    for step in 1..=steps {
        for mode in CRASHES {
            for seed in 0..if mode == Crash::Lost { 1 } else { seeds } {
                let files = using.of(CrashDisk::new(world.start.clone()));
                using.disk(&files).arm(step, mode, seed * 1000 + step as u64);
                let stopped = pass(&files, &world.erasures);
                assert!(
                    stopped.is_err() || mode == Crash::Failure,
                    "it is stopped at step {step} of {steps}"
                );
                tally.crashes += 1;
                let label = format!("step {step}, {mode:?}, seed {seed}");
                let after = using.disk(&files).after();
                if is_deep && seed == 0 {
                    explore_recovery(using, world, &after, &label, &mut tally);
                }
                settle(using, world, after, &label, &mut tally);
                if tally.has_found() {
                    return tally;
                }
            }
        }
    }
    tally
}

fn explore_recovery<U: Using>(using: &U, world: &World, after: &DiskState, label: &str, tally: &mut Tally) {
    let probe = using.of(CrashDisk::new(after.clone()));
    if recover(&probe).is_err() {
        return;
    }
    for step in 1..=using.disk(&probe).steps() {
        for mode in CRASHES {
            let files = using.of(CrashDisk::new(after.clone()));
            using.disk(&files).arm(step, mode, step as u64);
            let _ = recover(&files);
            tally.crashes += 1;
            let label = format!("{label}, then step {step} of the recovery, {mode:?}");
            settle(using, world, using.disk(&files).after(), &label, tally);
            if tally.has_found() {
                return;
            }
        }
    }
}

#[test]
fn wherever_an_erasure_is_interrupted_nothing_else_changes_and_in_the_end_the_text_is_nowhere() {
    let tally = explore(&Plainly, &world(), 2, true);
    assert!(
        tally.failures.is_empty(),
        "{} of {}: {}",
        tally.failures.len(),
        tally.crashes,
        tally.failures[0]
    );
    assert_eq!(tally.residue, 0, "freed blocks hold no text");
    assert!(tally.crashes > 5_000, "{} crashes", tally.crashes);
}
