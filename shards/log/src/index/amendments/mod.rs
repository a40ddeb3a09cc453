//! What became of messages: which later entries amend which message, wherever those are. And where entries are.
//!
//! Entries that amend are listed by what they amend, in groups of 64 numbers of a room. A *table* of such
//! groups is part of the index of each segment, for the amendments in that segment; *runs* hold the tables of many
//! segments as one, so that a page asks a few tables however many segments came after it. A run says as well where each
//! entry of its segments is, by the same groups: so the same reads find both. Runs hold places and no text,
//! and can be made again from indexes, as indexes from segments.

mod changes;
mod group;
mod placed;
mod run;
mod table;

pub use changes::{AmendmentPlace, TargetChanges};
pub use group::{AmendmentGroup, KeyedGroups, PlacedEntries, group_key, group_of};
pub use placed::SegmentGroups;
#[cfg(test)]
pub use run::write_run_of_version;
pub use run::{
    RUN_HEADER_BYTES, RunRange, RunReader, due_runs, groups_of_buckets, run_file_name, run_file_range,
    run_identity, run_table, write_run,
};
pub use table::{AmendmentTable, TablePlace, merge_tables, push_table};
