//! What happened, step by step: the last of it for a failure, all of it on demand.

use super::options::SessionOptions;
use std::collections::VecDeque;
use std::fmt::{self, Write};

/// Lines kept for a failure.
const LINES_KEPT: usize = 60;

/// The record of a run. Its hash is the same for two runs that do the same.
#[derive(Debug)]
pub struct Trace {
    is_printed: bool,
    last: VecDeque<String>,
    hash: u64,
    pub step: u64,
}

impl Trace {
    pub fn new(is_printed: bool) -> Trace {
        // FNV-1a's offset basis.
        Trace { is_printed, last: VecDeque::new(), hash: 0xcbf2_9ce4_8422_2325, step: 0 }
    }

    /// Notes what happens.
    pub fn note(&mut self, words: fmt::Arguments<'_>) {
        let mut line = if self.last.len() >= LINES_KEPT {
            self.last.pop_front().unwrap_or_default()
        } else {
            String::new()
        };
        line.clear();
        // A string takes everything.
        let _ = write!(line, "{:>7}  {words}", self.step);
        self.mix(line.as_bytes());
        if self.is_printed {
            println!("{line}");
        }
        self.last.push_back(line);
    }

    /// Bytes that went somewhere: they belong to what must be the same.
    pub fn mix(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.hash = (self.hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }

    pub fn hash(&self) -> u64 {
        self.hash
    }

    pub fn last(&self) -> Vec<String> {
        self.last.iter().cloned().collect()
    }
}

/// What a run came to.
#[derive(Clone, Debug)]
pub struct SessionOutcome {
    /// What was run.
    pub options: SessionOptions,
    /// The same for runs that did the same.
    pub hash: u64,
    /// Steps taken.
    pub steps: u64,
    /// Messages stored.
    pub messages: u64,
    /// Messages that clients read, not counting pages.
    pub deliveries: u64,
    /// Lines that clients read.
    pub lines: u64,
    /// Lists of members that clients went through to the end.
    pub lists: u64,
    /// Pages of such lists.
    pub list_pages: u64,
    /// Lists of all rooms that edges went through to the end.
    pub room_lists: u64,
    /// Pages of such lists.
    pub room_pages: u64,
    /// Cursors of another epoch that were refused.
    pub refused_cursors: u64,
    /// Edits and deletions that guests were refused.
    pub refused_to_guests: u64,
    /// Deletions that the guests of edges were refused.
    pub refused_to_edges: u64,
    /// Starts of the server.
    pub starts: u64,
    /// Times the power was cut.
    pub power_cuts: u64,
    /// Connections made.
    pub connections: u64,
    /// Connections cut off because they did not read.
    pub slow_readers: u64,
    /// Connections cut off because all outboxes together were full.
    pub budget_cuts: u64,
    /// Idle rooms that were evicted.
    pub rooms_left: u64,
    /// Queries of stored messages.
    pub lookups: u64,
    /// Rounds of reads in which runs were asked where entries are, or what became of them.
    pub run_rounds: u64,
    /// Segments that expired.
    pub expired_segments: u64,
    /// Changes of facts that were stored.
    pub revisions: u64,
    /// The most entries that waited behind full channels.
    pub overflow_entries_max: u64,
    /// Times another process took over.
    pub upgrades: u64,
    /// Times that did not come about.
    pub failed_upgrades: u64,
    /// Edges that connected.
    pub links: u64,
    /// Links that ended because shards had more for them than could wait.
    pub overruns: u64,
    /// Messages that edges received.
    pub edge_messages: u64,
    /// Passes of erasures that were complete.
    pub passes: u64,
    /// Entries that were erased.
    pub erased: u64,
    /// Requests to erase what was deleted.
    pub deletions_found: u64,
    /// Copies of the log that were made while it was served.
    pub copies: u64,
    /// Times a copy took the place of the log.
    pub restores: u64,
    /// What was wrong.
    pub violation: Option<String>,
    /// What happened last.
    pub last: Vec<String>,
}

impl fmt::Display for SessionOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(violation) = &self.violation {
            self.last.iter().try_for_each(|line| writeln!(f, "{line}"))?;
            writeln!(f, "seed {}, step {}: {violation}", self.options.seed, self.steps)?;
            return write!(f, "again: {}", self.options.command());
        }
        write!(
            f,
            "seed {}: {} steps, {} messages, {} deliveries, {} lines, {} connections, {} starts, {} power \
             cuts, {} slow readers, {} by the budget of all, {} rooms evicted, {} lookups with {} rounds of runs, {} segments expired, {} revisions, \
             overflow up to {}, {} upgrades and {} that failed, {} links with {} overruns and {} messages, \
             {} passes that erased {}, {} requests for what was deleted, {} copies and {} restores, {} lists of {} pages, {} lists of rooms of {} pages, {} old cursors refused, {} and {} changes refused to guests, hash {:016x}",
            self.options.seed,
            self.steps,
            self.messages,
            self.deliveries,
            self.lines,
            self.connections,
            self.starts,
            self.power_cuts,
            self.slow_readers,
            self.budget_cuts,
            self.rooms_left,
            self.lookups,
            self.run_rounds,
            self.expired_segments,
            self.revisions,
            self.overflow_entries_max,
            self.upgrades,
            self.failed_upgrades,
            self.links,
            self.overruns,
            self.edge_messages,
            self.passes,
            self.erased,
            self.deletions_found,
            self.copies,
            self.restores,
            self.lists,
            self.list_pages,
            self.room_lists,
            self.room_pages,
            self.refused_cursors,
            self.refused_to_guests,
            self.refused_to_edges,
            self.hash
        )
    }
}
