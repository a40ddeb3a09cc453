//! `madang log verify`.

use super::output::{finish, standard_output, visible};
use super::progress::Progress;
use super::record::numbers_are;
use super::{LogPlace, Outcome};
use madang_log::{Fault, FaultKind, Role, SegmentReport, Verification, verify};
use madang_model::{counted, is_or_are};
use std::io::{self, Write};

/// Checks a log: prints a line for each segment and fault, and a summary.
pub fn run(place: &LogPlace) -> Result<Outcome, String> {
    let (data, files) = place.open()?;
    let mut progress = Progress::begin(&files, 1);
    let verified = verify(&files, &mut |report| progress.read(report.file_bytes));
    progress.clear();
    let verification = verified.map_err(|error| error.to_string())?;
    let mut output = standard_output();
    let printed = print(&mut output, &verification);
    finish(output, printed)?;
    Ok(Outcome::reported(verification.all_faults().count(), &data))
}

pub fn print(output: &mut impl Write, verification: &Verification) -> io::Result<()> {
    let mut segments: Vec<&SegmentReport> = verification.segments.iter().collect();
    segments.sort_by_key(|report| (report.shard, report.segment));
    for report in &segments {
        writeln!(
            output,
            "{}: {}, {}, {}",
            report.path.display(),
            counted(report.file_bytes, "byte"),
            counted(report.counts.records, "message"),
            state(report)
        )?;
        for fault in &report.faults {
            let kind = fault.kind.to_string();
            writeln!(output, "  fault: byte {}: {}", fault.offset_bytes, visible(&kind))?;
        }
    }
    for fault in &verification.faults {
        writeln!(output, "fault: {}", visible(&fault.to_string()))?;
    }
    for note in &verification.snapshot_notes {
        writeln!(output, "note: {}", visible(&note.to_string()))?;
    }
    for lost in &verification.lost {
        let (room, are) = (lost.room.as_str(), numbers_are(lost.gap));
        writeln!(output, "known loss: {are} lost in room '{room}', and recorded so by a repair")?;
    }
    writeln!(output, "{}", summary(verification))
}

pub fn summary(verification: &Verification) -> String {
    let segments = &verification.segments;
    let records: u64 = segments.iter().map(|report| report.counts.records).sum();
    let bytes: u64 = segments.iter().map(|report| report.file_bytes).sum();
    let mut parts = vec![
        counted(segments.len(), "segment"),
        counted(bytes, "byte"),
        counted(verification.rooms, "room"),
        counted(records, "message"),
        counted(verification.all_faults().count(), "fault"),
    ];
    if verification.rooms_with_facts > 0 {
        parts.push(format!("{} with facts", counted(verification.rooms_with_facts, "room")));
    }
    if !verification.lost.is_empty() {
        parts.push(counted(verification.lost.len(), "known loss"));
    }
    parts.join(", ")
}

fn state(report: &SegmentReport) -> String {
    let is_cut = |fault: &Fault| matches!(fault.kind, FaultKind::Cut { .. } | FaultKind::CutOff);
    if report.faults.iter().any(is_cut) {
        return format!("cut off at byte {}", report.verdict.end_bytes());
    }
    if report.lacks_seal {
        return "whole; note: only its seal is missing (it is sealed again at the next start)".to_owned();
    }
    match (report.role, report.torn()) {
        (_, Some((offset, bytes))) => {
            format!(
                "open; note: {} at byte {offset} {} being written, or torn (cut at the next start)",
                counted(bytes, "byte"),
                is_or_are(bytes == 1)
            )
        }
        (Role::Sealed, None) => "sealed".to_owned(),
        (Role::Open, None) => format!("open, up to byte {}", report.verdict.end_bytes()),
        (Role::Abandoned, None) => format!("ended by a failure at byte {}", report.verdict.end_bytes()),
        (Role::Unused, None) => "prepared, unused".to_owned(),
    }
}
