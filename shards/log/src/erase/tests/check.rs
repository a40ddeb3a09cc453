//! Every record that is not erased is as it was, and each segment is wholly the old or wholly the new one.

use super::disk::DiskState;
use super::world::{World, has_secret, name, place};
use crate::format::{Scan, ScanItem, SegmentHeader, SegmentNumber, SegmentVerdict, StoredRecord};
use crate::testing::SHARD;
use rkyv::util::AlignedVec;
use std::collections::BTreeMap;

/// Frames by offset, with their end, and whether each is erased.
type Frames = BTreeMap<usize, (usize, bool)>;

fn frames(bytes: &[u8], number: u64, limit: Option<usize>) -> Result<Frames, String> {
    let mut lined_up = AlignedVec::<16>::new();
    lined_up.extend_from_slice(bytes);
    let mut found = BTreeMap::new();
    let mut scan = Scan::new(&lined_up, place(number), limit);
    for item in &mut scan {
        match item {
            ScanItem::Entry(frame, entry) => {
                found.insert(frame.offset_bytes, (frame.end_bytes, entry.is_erased()));
            }
            ScanItem::Note(frame, _) => {
                found.insert(frame.offset_bytes, (frame.end_bytes, false));
            }
            ScanItem::Damage { offset_bytes, .. } => return Err(format!("damage at {offset_bytes}")),
        }
    }
    match scan.verdict() {
        Some(SegmentVerdict::Sealed { .. }) => Ok(found),
        Some(SegmentVerdict::End { .. }) if limit.is_some() => Ok(found),
        verdict => Err(format!("it ends with {verdict:?}")),
    }
}

/// Checks all segments. With `must_be_done` those that held a secret are the new ones.
pub fn check(world: &World, state: &DiskState, must_be_done: bool) -> Result<(), String> {
    for &(number, limit) in &world.segments {
        check_segment(world, state, (number, limit), must_be_done)
            .map_err(|error| format!("segment {number}: {error}"))?;
    }
    Ok(())
}

fn check_segment(
    world: &World,
    state: &DiskState,
    (number, limit): (u64, Option<usize>),
    must_be_done: bool,
) -> Result<(), String> {
    let (before, time_before) = world.start.file(&name(number)).ok_or("it was not there")?;
    let (after, time) = state.file(&name(number)).ok_or("it is gone")?;
    if before.len() != after.len() {
        return Err(format!("it has another length: {}", after.len()));
    }
    let header = |bytes: &[u8]| SegmentHeader::decode(bytes, SHARD, SegmentNumber(number));
    let was = header(before).map_err(|fault| fault.to_string())?;
    let is = header(after).map_err(|fault| fault.to_string())?;
    let (old, new) = (frames(before, number, limit)?, frames(after, number, limit)?);
    if old.keys().ne(new.keys()) {
        return Err("other frames".to_owned());
    }
    let (mut erased, mut wanted) = (0, 0);
    for (offset, (end, _)) in &old {
        let (then, now) = (&before[*offset..*end], &after[*offset..*end]);
        let (new_end, is_erased) = new[offset];
        wanted += usize::from(has_secret(then));
        erased += usize::from(is_erased);
        if new_end != *end || !is_erased && then != now || is_erased && !has_secret(then) {
            return Err(format!("the frame at {offset} is another"));
        }
        if is_erased && (then[8..16] != now[8..16] || has_secret(now)) {
            return Err(format!("the frame at {offset} is not erased well"));
        }
    }
    let is_new = is.generation != was.generation;
    match is_new {
        false if before == after && time == time_before => {}
        false => return Err(format!("it changed in its generation: {erased} of {wanted} erased")),
        true if erased == wanted && time == time_before + 1 => {}
        true => return Err(format!("the new one is not whole: {erased} of {wanted} erased, time {time}")),
    }
    let has_remains = limit.is_some_and(|limit| before[limit..].iter().any(|byte| *byte != 0));
    if must_be_done && (wanted > 0 || has_remains) != is_new {
        return Err("it is the old one still".to_owned());
    }
    Ok(())
}

/// What an erased message shows.
pub fn erased_messages(bytes: &[u8], number: u64) -> Vec<(u64, u64)> {
    let mut lined_up = AlignedVec::<16>::new();
    lined_up.extend_from_slice(bytes);
    let scan = Scan::new(&lined_up, place(number), None);
    let erased = |item: ScanItem<'_>| match item {
        ScanItem::Entry(frame, _) => match frame.record() {
            Some(StoredRecord::Message(stored)) if stored.is_erased => {
                Some((stored.seq.0, stored.draft_hash))
            }
            _ => None,
        },
        _ => None,
    };
    scan.filter_map(erased).collect()
}
