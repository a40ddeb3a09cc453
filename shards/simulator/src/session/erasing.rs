//! What was said is erased, beside everything else: by a list, and by passes over the files that are interrupted.

use super::super::truth::{Checked, RoomIndex};
use super::Session;
use madang_log::{
    DeletionSearch, Durability, ErasureList, ErasureRule, PassOptions, PassOutcome, PassStep, erase, open_log,
};
use madang_model::{RoomName, Seq};
use std::collections::HashMap;
use std::io::BufRead;
use std::sync::Arc;

/// Changes of the disk in a pass before the power is cut, at most.
const CHANGES_MAX: usize = 80;
/// The bytes up to the first space of a text, at most.
const START_BYTES_MAX: usize = 16;
/// Messages that one request names, at most.
const MESSAGES_MAX: usize = 5;

impl Session {
    /// Now and then something is asked for, or done. In an upgrade nothing is, as in the runtime.
    pub(super) fn erasure_moves(&mut self) -> Checked {
        if self.upgrade.is_some() || self.stale_server.is_some() {
            return Ok(());
        }
        match self.chance.below(500) {
            0..=7 => self.ask_to_erase()?,
            8..=15 => self.finish_segments(),
            16..=23 => self.pass()?,
            _ => return Ok(()),
        }
        if self.disk.is_off() { self.power_cut("in the middle of an erasure") } else { Ok(()) }
    }

    /// A process that starts reads the list, and writes it again.
    pub(super) fn read_erasures(&mut self) -> Checked {
        self.deleted = DeletionSearch::new();
        self.finished_to = i64::MIN;
        self.erasures = ErasureList::read(&*self.disk).map_err(|error| error.to_string())?;
        let is_nameless = self.options.has_restores && self.erasures.log().is_none();
        if is_nameless || !self.erasures.entries().is_empty() {
            // Backups of this log name it from now on.
            self.erasures.name_log(self.now.wall);
            // What was read may be in memory only.
            self.erasures.write(&*self.disk).map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    fn ask_to_erase(&mut self) -> Checked {
        let rooms: Vec<RoomIndex> = self.truth.rooms().map(|(room, _)| room).collect();
        if rooms.is_empty() {
            return Ok(());
        }
        let index = rooms[self.chance.below(rooms.len())];
        let head = self.truth.head(index);
        // What was said last more often than the rest.
        let reach = if self.chance.one_in(2) { head.min(20) } else { head };
        let first = head - self.chance.below(reach as usize) as u64;
        let last = head.min(first + self.chance.below(MESSAGES_MAX) as u64);
        let room = RoomName::from_log(self.truth.name(index)).map_err(|error| error.to_string())?;
        self.trace.note(format_args!("#{first} to #{last} of {room} are to be erased"));
        let rule = ErasureRule::Entries { room, first: Seq(first), last: Seq(last) };
        let asked = self.erasures.ask(&*self.disk, vec![rule], self.now.wall, self.now.wall);
        self.truth.erase(index, first, last, asked.is_ok());
        if asked.is_ok() {
            self.hide();
        }
        Ok(())
    }

    pub(super) fn hide(&mut self) {
        let erasures = Arc::new(self.erasures.pending_erasures());
        let Some(server) = &mut self.server else { return };
        for cell in &mut server.cells {
            cell.turn.shard.hide(&erasures);
        }
    }

    pub(super) fn finish_segments(&mut self) {
        if self.erasures.pending().next().is_none() {
            return;
        }
        let Some(server) = &mut self.server else { return };
        let begun = server.cells.iter_mut().filter_map(|cell| cell.turn.shard.finish_segment().then_some(()));
        let begun = begun.count();
        if begun == server.cells.len() {
            self.finished_to = self.last_pending();
        }
        self.trace.note(format_args!("{begun} segments are to be finished"));
    }

    fn last_pending(&self) -> i64 {
        self.erasures.pending().map(|entry| entry.id).max().unwrap_or(i64::MIN)
    }

    /// Whether the segments are finished that may hold what was accepted before the last request: only then a pass has seen
    /// all of it, as the server's eraser knows.
    pub(super) fn has_finished_segments(&self) -> bool {
        let cells = self.server.iter().flat_map(|server| &server.cells);
        self.last_pending() <= self.finished_to
            && cells.into_iter().all(|cell| !cell.turn.shard.is_finishing_segment())
    }

    /// Goes through the files once, perhaps not to the end.
    fn pass(&mut self) -> Checked {
        let is_cut = self.conditions.start.durability == Durability::Commit && self.chance.one_in(3);
        if is_cut {
            let changes = self.chance.between(1, CHANGES_MAX) as u32;
            self.disk.cut_power_after(changes);
        }
        if self.options.has_deletions {
            // Nobody may read during the pass what is to be erased in it.
            self.hide();
        }
        let has_finished = self.has_finished_segments();
        let passed = self.erase_once(true);
        if self.disk.is_off() {
            self.trace.note(format_args!("an erasure is interrupted"));
            // The process alone ends, now and then: then what it wrote is there.
            return if self.chance.one_in(2) { self.kill() } else { Ok(()) };
        }
        self.disk.keep_power_on();
        let Some(outcome) = passed.filter(|passed| passed.is_complete() && has_finished) else {
            return Ok(());
        };
        self.counts.passes += 1;
        self.check_erased()?;
        self.trace.note(format_args!("{} entries are erased", outcome.entries));
        let ids: Vec<i64> = self.erasures.pending().map(|entry| entry.id).collect();
        if self.erasures.done(&*self.disk, &ids, self.now.wall).is_ok() {
            self.hide();
        }
        Ok(())
    }

    /// `None` when the disk failed.
    pub(super) fn erase_once(&mut self, is_served: bool) -> Option<PassOutcome> {
        let options = PassOptions { is_served, is_last_call: false, is_opened: false };
        let passed = erase(&*self.disk, &self.erasures.pending_erasures(), options, &mut |_: PassStep| {});
        let outcome = passed.ok()?;
        self.counts.erased += outcome.entries;
        Some(outcome)
    }

    /// After the last drain everything that was asked for is erased.
    pub(super) fn erase_all(&mut self) -> Checked {
        if !self.options.has_erasures {
            return Ok(());
        }
        let shard_count = self.conditions.start.settings.shard_count;
        open_log(&*self.disk, shard_count).map_err(|error| format!("the drained log: {error}"))?;
        match self.erase_once(false) {
            Some(outcome) if outcome.is_complete() => self.check_erased(),
            other => Err(format!("the last erasure ends with {other:?}")),
        }
    }

    /// What was to be erased is in no file, whatever a power cut would leave of it.
    pub(super) fn check_erased(&self) -> Checked {
        let repeated = self.clients.iter().flat_map(|client| &client.repeated);
        let repeated: HashMap<&str, i64> =
            repeated.map(|(text, sent_us)| (text.as_str(), *sent_us)).collect();
        let texts = self.truth.erased_texts(&repeated);
        // By who says it and their count, which is how a text begins.
        let by_start = |text: &&str| Some((text.split_once(' ')?.0.as_bytes().to_vec(), (*text).to_owned()));
        let texts: HashMap<Vec<u8>, String> = texts.iter().filter_map(by_start).collect();
        let mut wrong = None;
        self.disk.visit_files(&mut |name, bytes| {
            let (mut rest, mut at) = (bytes, 0);
            while let Ok(skipped @ 1..) = rest.skip_until(b'#') {
                at += skipped;
                let text = &bytes[at - 1..];
                let length = text.iter().take(START_BYTES_MAX).position(|byte| *byte == b' ');
                let found = length.and_then(|length| texts.get(&text[..length]));
                if let Some(erased) = found.filter(|erased| text.starts_with(erased.as_bytes())) {
                    let start = at - 1;
                    wrong.get_or_insert(format!(
                        "{erased:?} was to be erased and is in {name:?} at byte {start}"
                    ));
                }
            }
        });
        wrong.map_or(Ok(()), Err)
    }
}
