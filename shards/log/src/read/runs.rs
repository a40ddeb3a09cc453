//! Runs: where the entries of many segments are and what the amendments among them amend, as one file. They follow from
//! indexes, so that one that is lost is made again.

use super::plan::ReadPlan;
use super::snapshots::snapshot_info;
use super::tails::{IndexError, read_header, rebuild_index};
use crate::files::{FilesError, IndexFiles};
use crate::format::SegmentNumber;
use crate::index::{
    AmendmentSource, KeyedGroups, RunRange, RunReader, SegmentGroups, SegmentTable, due_runs,
    groups_of_buckets, merge_tables, write_run,
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

/// Writes the runs that are due now that all segments up to `newest` are finished and have their index, and those that an
/// earlier release has written, and removes those that are part of them. Returns the tables that there are, as [`amendment_sources`] does.
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
    for range in due_runs(oldest, newest) {
        // One that cannot be read is made again when it is missed.
        let is_outdated = |run: RunReader<_>| !run.is_of_newest_format();
        if there.contains(&range) && !open_run(files, shard, range)?.is_some_and(is_outdated) {
            continue;
        }
        merge(files, shard, range, &within(&segments, range), oldest)?;
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
    merge(files, shard, range, &within(&segments, range), oldest)?;
    // What it was made of is part of it.
    for part in files.runs(shard)?.into_iter().filter(|run| range.contains_run(*run)) {
        files.remove_run(shard, part)?;
    }
    Ok(())
}

fn within(segments: &[SegmentNumber], range: RunRange) -> Vec<SegmentNumber> {
    segments.iter().copied().filter(|segment| range.contains(*segment)).collect()
}

/// Removes the runs of a directory that are about segments which its snapshot does not cover: each is written after the
/// snapshot of its segments. They are of a copy that was made file by file; in it later entries get numbers that the run
/// knows for others.
///
/// # Errors
/// When a file cannot be read or removed.
pub fn remove_unproven_runs(files: &dyn IndexFiles, shard: ShardId) -> Result<(), FilesError> {
    let runs = files.runs(shard)?;
    if runs.is_empty() {
        return Ok(());
    }
    let covers = snapshot_info(files, shard)?.map(|snapshot| snapshot.scope.covers);
    let is_unproven = |run: &RunRange| covers.is_none_or(|covers| run.last > covers);
    runs.into_iter().filter(is_unproven).try_for_each(|run| files.remove_run(shard, run))
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

/// Writes a run of these segments, from the runs that are part of it and the indexes of the others. At most four of those are in
/// memory: where more segments are in no run, there will be smaller ones first.
fn merge(
    files: &dyn IndexFiles,
    shard: ShardId,
    range: RunRange,
    segments: &[SegmentNumber],
    oldest: SegmentNumber,
) -> Result<(), IndexError> {
    let (mut readable, mut left) = readable(files, shard, range, segments)?;
    if left.len() as u64 > RunRange::MERGED {
        let is_missing = |part: &RunRange| part.segments() > 1 && !within(&left, *part).is_empty();
        for part in range.parts().filter(is_missing) {
            merge(files, shard, part, &within(segments, part), oldest)?;
        }
        (readable, left) = self::readable(files, shard, range, segments)?;
    }
    let mut expected = 0;
    for run in &readable {
        expected += open_run(files, shard, *run)?.map_or(0, |run| groups_of_buckets(run.bucket_bits));
    }
    let mut indexes = Vec::new();
    for segment in left {
        let Some(groups) = groups_of(files, shard, segment)? else { continue };
        expected += groups.len();
        indexes.push(segment);
    }
    let unreadable = |error: FilesError| error.source;
    let tables = || -> io::Result<Vec<Groups<'_>>> {
        let mut tables: Vec<Groups<'_>> = Vec::new();
        for run in &readable {
            let reader = open_run(files, shard, *run).map_err(unreadable)?;
            tables.push(Box::new(reader.ok_or(io::ErrorKind::InvalidData)?));
        }
        for segment in &indexes {
            let groups = read_groups(files, shard, *segment).map_err(unreadable)?;
            let groups = groups.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))?;
            tables.push(Box::new(groups.into_groups().map(Ok)));
        }
        Ok(tables)
    };
    files.write_run(shard, range, &mut |out| {
        let mut groups = || Ok(merge_tables(tables()?, oldest));
        write_run(shard, range, &mut groups, expected, out)
    })?;
    Ok(())
}

/// The runs that are part of another and can be read, and the segments that are in none of them.
fn readable(
    files: &dyn IndexFiles,
    shard: ShardId,
    range: RunRange,
    segments: &[SegmentNumber],
) -> Result<(Vec<RunRange>, Vec<SegmentNumber>), FilesError> {
    let inside = files.runs(shard)?.into_iter().filter(|run| range.contains_run(*run));
    let mut readable = Vec::new();
    for run in outermost(inside.collect()) {
        // Read through once before it is believed: a damaged one is not needed, as its indexes are there.
        let reader = open_run(files, shard, run)?.filter(RunReader::is_of_newest_format);
        if reader.is_some_and(|reader| reader.into_iter().all(|group| group.is_ok())) {
            readable.push(run);
        }
    }
    let left = segments.iter().copied().filter(|segment| !readable.iter().any(|run| run.contains(*segment)));
    let left = left.collect();
    Ok((readable, left))
}

/// What the index of a finished segment says; it is made, if it is missing. `None` where the segment is gone meanwhile.
fn groups_of(
    files: &dyn IndexFiles,
    shard: ShardId,
    segment: SegmentNumber,
) -> Result<Option<SegmentGroups>, IndexError> {
    if let Some(groups) = read_groups(files, shard, segment)? {
        return Ok(Some(groups));
    }
    rebuild_index(files, shard, segment)?;
    Ok(read_groups(files, shard, segment)?)
}

fn read_groups(
    files: &dyn IndexFiles,
    shard: ShardId,
    segment: SegmentNumber,
) -> Result<Option<SegmentGroups>, FilesError> {
    let bytes = files.read_index(shard, segment)?;
    Ok(bytes.and_then(|bytes| SegmentTable::decode(&bytes, shard, segment).ok()?.into_groups(&bytes)))
}

fn open_run(
    files: &dyn IndexFiles,
    shard: ShardId,
    run: RunRange,
) -> Result<Option<RunReader<Box<dyn io::Read + Send>>>, FilesError> {
    Ok(files.open_run(shard, run)?.and_then(|source| RunReader::new(source, shard, run).ok()))
}
