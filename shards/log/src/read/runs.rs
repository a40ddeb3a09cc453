//! Runs: what the amendments of many segments amend, as one file. They follow from indexes, so that one that is lost is
//! made again.

use super::plan::ReadPlan;
use super::tails::{IndexError, read_header, read_table, rebuild_index};
use crate::files::{FilesError, IndexFiles};
use crate::format::SegmentNumber;
use crate::index::{
    AmendmentSource, KeyedGroups, RunRange, RunReader, SegmentTable, due_runs, groups_of_buckets,
    merge_tables, write_run,
};
use madang_model::ShardId;
use std::io;

/// The tables that say what became of messages, of all finished segments of a directory: runs as far as there are any,
/// and the indexes of the segments behind those. Of an index that has no amendments nothing is to be asked. All segments
/// behind `covers`, which the snapshot covers, have their index, or hold nothing.
///
/// # Errors
/// When a file cannot be read.
pub fn amendment_sources(
    files: &dyn IndexFiles,
    shard: ShardId,
    covers: Option<SegmentNumber>,
) -> Result<Vec<AmendmentSource>, FilesError> {
    let segments = files.segments(shard)?;
    let runs = outermost(files.runs(shard)?);
    let oldest = segments.first().copied().unwrap_or(SegmentNumber::FIRST);
    let mut sources: Vec<AmendmentSource> = Vec::new();
    for run in runs.iter().filter(|run| run.last >= oldest) {
        sources.push(AmendmentSource::Run(shard, *run));
    }
    let mut plan = None;
    for segment in segments.into_iter().filter(|segment| !runs.iter().any(|run| run.contains(*segment))) {
        let has_amendments = match read_header(files, shard, segment)? {
            Some(header) => header.amendments.is_some(),
            None if covers.is_none_or(|covers| segment > covers) => false,
            // It may have amendments, and gets its index when it is asked; but none is made of what holds nothing.
            None => {
                if plan.is_none() {
                    plan = Some(ReadPlan::of(files, shard)?);
                }
                let holds_nothing = |plan: &ReadPlan| plan.is_void(segment) || plan.is_empty(segment);
                !plan.as_ref().is_some_and(holds_nothing)
            }
        };
        if has_amendments {
            sources.push(AmendmentSource::Segment(shard, segment));
        }
    }
    Ok(sources)
}

/// Writes the runs that are due now that all segments up to `newest` are finished and have their index, and removes those
/// that are part of them. Returns the tables that there are, as [`amendment_sources`] does.
///
/// # Errors
/// [`IndexError`] when a file cannot be read or written: then what was there stays.
pub fn renew_runs(
    files: &dyn IndexFiles,
    shard: ShardId,
    newest: SegmentNumber,
) -> Result<Vec<AmendmentSource>, IndexError> {
    let segments = files.segments(shard)?;
    let oldest = segments.first().copied().unwrap_or(SegmentNumber::FIRST);
    let there = files.runs(shard)?;
    for range in due_runs(oldest, newest).into_iter().filter(|range| !there.contains(range)) {
        let within = segments.iter().copied().filter(|segment| range.contains(*segment));
        merge(files, shard, range, within.collect(), oldest)?;
    }
    let there = files.runs(shard)?;
    let runs = outermost(there.clone());
    for run in there {
        if !runs.contains(&run) || run.last < oldest {
            files.remove_run(shard, run)?;
        }
    }
    Ok(amendment_sources(files, shard, Some(newest))?)
}

/// Makes a run again that a lookup has missed.
///
/// # Errors
/// As [`renew_runs`].
pub fn mend_run(files: &dyn IndexFiles, shard: ShardId, range: RunRange) -> Result<(), IndexError> {
    if files.runs(shard)?.contains(&range) {
        files.remove_run(shard, range)?;
    }
    let segments = files.segments(shard)?;
    let oldest = segments.first().copied().unwrap_or(SegmentNumber::FIRST);
    let within = segments.into_iter().filter(|segment| range.contains(*segment));
    merge(files, shard, range, within.collect(), oldest)
}

/// Removes the runs of a directory whose segments have all expired.
///
/// # Errors
/// When one cannot be removed.
pub fn remove_expired_runs(
    files: &dyn IndexFiles,
    shard: ShardId,
    oldest: SegmentNumber,
) -> Result<(), FilesError> {
    files
        .runs(shard)?
        .into_iter()
        .filter(|run| run.last < oldest)
        .try_for_each(|run| files.remove_run(shard, run))
}

/// Those that are not part of another.
fn outermost(mut runs: Vec<RunRange>) -> Vec<RunRange> {
    runs.sort_unstable_by_key(|run| (run.first, std::cmp::Reverse(run.last)));
    let mut outermost: Vec<RunRange> = Vec::new();
    for run in runs {
        if outermost.last().is_none_or(|last| last.last < run.first) {
            outermost.push(run);
        }
    }
    outermost
}

type Groups<'a> = Box<dyn Iterator<Item = io::Result<(u64, KeyedGroups)>> + 'a>;

fn merge(
    files: &dyn IndexFiles,
    shard: ShardId,
    range: RunRange,
    segments: Vec<SegmentNumber>,
    oldest: SegmentNumber,
) -> Result<(), IndexError> {
    let inside = |run: &RunRange| range.contains(run.first) && range.contains(run.last) && *run != range;
    let mut runs: Vec<RunRange> = outermost(files.runs(shard)?.into_iter().filter(inside).collect());
    let mut expected = 0;
    let mut readable = Vec::new();
    for run in runs.drain(..) {
        let mut groups = 0;
        if let Some(reader) = open_run(files, shard, run)? {
            groups = groups_of_buckets(reader.bucket_bits);
            // Read through once before it is believed: a damaged one is not needed, as its indexes are there.
            if reader.into_iter().all(|group| group.is_ok()) {
                readable.push(run);
            }
        }
        expected += groups;
    }
    let mut indexes = Vec::new();
    for segment in segments.into_iter().filter(|segment| !readable.iter().any(|run| run.contains(*segment))) {
        let Some(table) = table_of(files, shard, segment)? else { continue };
        if !table.amendments().is_empty() {
            expected += table.amendments().len();
            indexes.push(segment);
        }
    }
    let unreadable = |error: FilesError| error.source;
    let tables = || -> io::Result<Vec<Groups<'_>>> {
        let mut tables: Vec<Groups<'_>> = Vec::new();
        for run in &readable {
            let reader = open_run(files, shard, *run).map_err(unreadable)?;
            tables.push(Box::new(reader.ok_or(io::ErrorKind::InvalidData)?));
        }
        for segment in &indexes {
            let table = read_table(files, shard, *segment).map_err(unreadable)?;
            let table = table.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))?;
            tables.push(Box::new(table.into_amendments().into_groups().map(Ok)));
        }
        Ok(tables)
    };
    files.write_run(shard, range, &mut |out| {
        let mut groups = || Ok(merge_tables(tables()?, oldest));
        write_run(shard, range, &mut groups, expected, out)
    })?;
    Ok(())
}

/// The index of a finished segment; it is made, if it is missing. `None` where the segment is gone meanwhile.
fn table_of(
    files: &dyn IndexFiles,
    shard: ShardId,
    segment: SegmentNumber,
) -> Result<Option<SegmentTable>, IndexError> {
    if let Some(table) = read_table(files, shard, segment)? {
        return Ok(Some(table));
    }
    rebuild_index(files, shard, segment)?;
    Ok(read_table(files, shard, segment)?)
}

fn open_run(
    files: &dyn IndexFiles,
    shard: ShardId,
    run: RunRange,
) -> Result<Option<RunReader<Box<dyn io::Read>>>, FilesError> {
    Ok(files.open_run(shard, run)?.and_then(|source| RunReader::new(source, shard, run).ok()))
}
