//! What authors have deleted is found in the log and is to be erased, beside everything else, as the thread that erases does.

use super::super::truth::Checked;
use super::Session;
use super::running::RunningLog;
use madang_engine::mutation::{Mutation, is_on};
use madang_log::{Durability, ErasureRule, FoundDeletions, PassOutcome};

/// One in so many steps looks for deletions.
const STEPS: usize = 120;
/// Changes of the disk before the power is cut while something is asked for, at most.
const CHANGES_MAX: usize = 4;
/// Looks that find everything, and rounds in which segments are finished, at most.
const LOOKS_MAX: usize = 1_000;
const ROUNDS_MAX: usize = 2_000;

impl Session {
    /// Now and then the log is looked through.
    pub(super) fn deletion_moves(&mut self) -> Checked {
        let is_served = self.upgrade.is_none() && self.stale_server.is_none();
        if !is_served || self.is_log_read || !self.chance.one_in(STEPS) {
            return Ok(());
        }
        self.look_for_deletions()?;
        if self.disk.is_off() { self.power_cut("while deletions are to be erased") } else { Ok(()) }
    }

    /// How many deletions were committed since the process began.
    fn deletions(&self) -> u64 {
        let cells = self.server.iter().flat_map(|server| &server.cells);
        cells.map(|cell| cell.turn.shard.deletions()).sum()
    }

    /// Looks once, and asks to erase what was found, unless the process ends meanwhile.
    fn look_for_deletions(&mut self) -> Checked {
        // Before the look: what is counted can be read.
        let count = self.deletions();
        if !self.deleted.is_due(count) {
            return Ok(());
        }
        let process = (self.counts.starts, self.counts.upgrades);
        let asked = self.erasures.asked_erasures();
        let count_max = [1, 3, 8_192][self.chance.below(3)];
        let (search, now) = (std::mem::take(&mut self.deleted), self.now.wall);
        self.is_log_read = true;
        let running = RunningLog::new(self);
        let found = search.look(&running, &asked, now, count_max, &mut || ());
        let is_powered = running.end();
        self.is_log_read = false;
        let is_same = is_powered? && process == (self.counts.starts, self.counts.upgrades);
        if !is_same || self.upgrade.is_some() {
            // Another process looks anew; one that may be followed by another asks for nothing.
            if is_same {
                self.deleted = search;
            }
            return Ok(());
        }
        self.deleted = search;
        let mut found = found.map_err(|error| format!("a look for deletions fails: {error}"))?;
        let rules = std::mem::take(&mut found.rules);
        if !rules.is_empty() {
            if self.chance.one_in(8) {
                // Between the look and the request.
                return self.kill();
            }
            if !self.ask_for_deleted(rules) {
                return Ok(());
            }
            if self.chance.one_in(8) {
                return self.kill();
            }
        }
        found.is_complete |= is_on(Mutation::StopLookingEarly);
        self.deleted.asked(&found, count);
        Ok(())
    }

    /// Whether it is remembered.
    fn ask_for_deleted(&mut self, rules: Vec<ErasureRule>) -> bool {
        self.trace.note(format_args!("{} rules are to erase what was deleted", rules.len()));
        if self.conditions.start.durability == Durability::Commit && self.chance.one_in(8) {
            let changes = self.chance.between(1, CHANGES_MAX) as u32;
            self.disk.cut_power_after(changes);
        }
        let asked = self.erasures.ask(&*self.disk, rules.clone(), FoundDeletions::UNTIL, self.now.wall);
        if !self.disk.is_off() {
            self.disk.keep_power_on();
        }
        for rule in &rules {
            if let ErasureRule::Entries { room, first, last } = rule {
                let room = self.truth.room(room.as_str());
                self.truth.erase(room, first.0, last.0, asked.is_ok());
            }
        }
        self.counts.deletions_found += rules.len() as u64;
        asked.is_ok()
    }

    /// When everything is idle, everything that was deleted is found and erased by the running process.
    pub(super) fn erase_deleted(&mut self) -> Checked {
        if !self.options.has_deletions {
            return Ok(());
        }
        for look in 0.. {
            // A process that starts may find the disk full.
            self.clear_disk_faults();
            self.disk.keep_power_on();
            if !self.deleted.is_due(self.deletions()) {
                break;
            }
            if look == LOOKS_MAX {
                return Err("the look for deletions does not come to an end".to_owned());
            }
            self.look_for_deletions()?;
            if self.disk.is_off() {
                self.power_cut("while deletions are to be erased")?;
            }
        }
        self.finish_all_segments()?;
        self.hide();
        self.truth.hide_erased();
        let erased = self.erase_once(true);
        self.truth.erase_deleted();
        match erased {
            Some(outcome) if outcome.is_complete() => self.check_erased(),
            // A process was killed behind a seal, before it cut off the rest of the file, and its shard has not written since,
            // or is none any more: beside a server this counts as not finished. It is erased once that ends.
            Some(PassOutcome { open, held: 0, faults, .. })
                if faults.is_empty() && open.iter().all(|open| !open.is_followed) =>
            {
                self.trace.note(format_args!("{} segments wait for the end of the server", open.len()));
                Ok(())
            }
            other => Err(format!("an erasure of what was deleted ends with {other:?}")),
        }
    }

    /// Segments are finished that may hold what was deleted, and what is to be written for that is written: each shard does
    /// it once it has a segment to continue in.
    fn finish_all_segments(&mut self) -> Checked {
        for _ in 0..ROUNDS_MAX {
            let has_finished = self.has_finished_segments();
            if !has_finished {
                self.finish_segments();
            }
            let has_done = self.round()?;
            if has_finished && !has_done {
                return Ok(());
            }
            self.pass_ms(100);
        }
        Err("segments are not finished".to_owned())
    }
}
