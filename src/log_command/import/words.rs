//! What people are told.

use super::super::civil::Clock;
use super::feed::{Counts, Stop};
use madang_import::{Conflict, Late};
use madang_model::counted;
use std::time::Instant;

/// Why a pass ended.
pub fn words_of(stop: &Stop) -> String {
    match stop {
        Stop::Line(words) | Stop::Input(words) | Stop::Sink(words) => words.clone(),
        Stop::Conflict(conflict) => conflict_words(conflict),
    }
}

fn conflict_words(conflict: &Conflict<String>) -> String {
    let Conflict { room, time, newest, late, item: place } = conflict;
    let (mut clock, mut other) = (Clock::default(), Clock::default());
    let (time, newest) = (clock.microsecond(time.0), other.microsecond(newest.0));
    match late {
        Late::Stored => format!(
            "{place}: room '{room}' already has a message of {newest}, and this one is of {time}: the times of a room \
             never fall. Import into another data directory, or pass --times now-or-later, which stores such messages \
             with the time of the room's newest"
        ),
        Late::Given => format!(
            "{place}: this message of room '{room}' is of {time}, and more than 32 MiB of lines before it came one of \
             {newest}. Sort the lines by their times first, for example \
             `jq -c '[.time, .]' FILE | sort | jq -c '.[1]'`"
        ),
    }
}

/// The last line.
pub fn summary(counts: &Counts, is_dry: bool, began: Instant) -> String {
    let Counts { imported, known, invalid, lost, amendments, facts, erased, rooms } = counts;
    let would = if is_dry { "would import" } else { "imported" };
    let lost = match lost {
        0 => String::new(),
        lost => format!(", {} of lost messages", counted(*lost, "line")),
    };
    let amendments = match amendments {
        0 => String::new(),
        lines => format!(", {} of edits, deletions and the like", counted(*lines, "line")),
    };
    let facts = match facts {
        0 => String::new(),
        lines => format!(", {} of facts of rooms", counted(*lines, "line")),
    };
    let erased = match erased {
        0 => String::new(),
        erased => format!(", {} of erased messages", counted(*erased, "line")),
    };
    format!(
        "{would} {} of {}; skipped {known} known, {invalid} invalid{lost}{amendments}{facts}{erased}; {:.1} s",
        counted(*imported, "message"),
        counted(rooms.len() as u64, "room"),
        began.elapsed().as_secs_f64()
    )
}
