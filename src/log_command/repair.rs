//! `madang log repair`.

use super::civil::Clock;
use super::output::{say, visible};
use super::progress::Progress;
use super::record::numbers_are;
use super::verify::summary;
use super::{LogPlace, Outcome};
use crate::privacy;
use crate::server::DataDirectory;
use crate::server::wall_time;
use clap::Args;
use madang_log::{
    FaultKind, HeaderFault, Keeper, LostRevisions, RepairChange, RepairPlan, RepairedFacts,
    SNAPSHOT_FILE_NAME, SegmentChange, StdFiles, StdKeeper, plan_repair, verify,
};
use madang_model::{Revision, Timestamp, counted, is_or_are, numbered};
use std::fmt::Write as _;
use std::fs::File;
use std::io::Write;
use std::path::Path;

pub const NOTES: &str = "\
Examples:
  madang log repair --data /var/lib/madang         show what is wrong, and what would be done
  madang log repair --data /var/lib/madang --yes   do it

Without --yes nothing is changed: it says what is wrong and what it would do. If a copy of the
damaged files exists, restore that instead: repair keeps what is intact, it cannot restore what is
not. Stop the server first.

If the snapshot of a shard and its copy are lost, the numbers of rooms whose messages have all expired
are unknown. To repair the log all the same, so that such rooms start again at #1, pass
--forget-expired-rooms as well.

With --yes, everything that is cut or replaced is first copied into DIR/set-aside-<time, UTC>,
named by file and byte range, with a REPORT.txt of what was done. Messages that are lost are
recorded by room and number: the server starts, `verify` passes, and history says what is missing.

Exit codes: 0 nothing is wrong, or all of it was repaired; 1 there is something to repair, and
nothing was changed; 2 it could not be read or repaired.";

const REPORT_FILE: &str = "REPORT.txt";

/// The arguments of `madang log repair`.
#[derive(Debug, Args)]
pub struct RepairArguments {
    #[command(flatten)]
    pub place: LogPlace,
    /// Do the repair
    #[arg(long)]
    pub yes: bool,
    /// Repair though the numbers of rooms whose messages have all expired are lost: they start again at 1
    #[arg(long)]
    pub forget_expired_rooms: bool,
}

/// Prints what is wrong and what would be done, and does it with `--yes`.
pub fn run(arguments: &RepairArguments) -> Result<Outcome, String> {
    let (data, files) = arguments.place.open()?;
    let _taken = DataDirectory::take(&data, "log repair").map_err(|error| error.to_string())?;
    if arguments.yes
        && let Some(words) = privacy::make_private(&data)
    {
        eprintln!("madang: {}", visible(&words));
    }
    let mut progress = Progress::begin(&files, 2);
    let planned = plan_repair(&files, &mut |bytes| progress.read(bytes));
    progress.clear();
    let plan = planned.map_err(|error| error.to_string())?;
    if plan.is_empty() {
        say("nothing to repair\n")?;
        return Ok(Outcome::Sound);
    }
    let mut report = described(&plan);
    if !arguments.yes {
        say(&format!("{report}nothing was changed; to do this, repeat with --yes\n"))?;
        return Ok(Outcome::Faulty);
    }
    if !plan.unknown_heads.is_empty() && !arguments.forget_expired_rooms {
        say(&format!(
            "{report}nothing was changed: numbers would be reused; restore '{SNAPSHOT_FILE_NAME}' from a \
             copy, or repeat with --yes --forget-expired-rooms\n"
        ))?;
        return Ok(Outcome::Faulty);
    }
    say(&report)?;
    let outcome = apply(&files, &plan, &data, &mut report)?;
    Ok(outcome)
}

fn apply(files: &StdFiles, plan: &RepairPlan, data: &Path, report: &mut String) -> Result<Outcome, String> {
    let mut done = replace(files, plan, data, report)?;
    let mut progress = Progress::begin(files, 1);
    let verified = verify(files, &mut |segment| progress.read(segment.file_bytes));
    progress.clear();
    let verification = verified.map_err(|error| error.to_string())?;
    let _ = writeln!(done, "afterwards: {}", summary(&verification));
    say(&done)?;
    Ok(Outcome::of_faults(verification.all_faults().count()))
}

/// Executes the plan, and returns what was set aside, one line each.
fn replace(files: &StdFiles, plan: &RepairPlan, data: &Path, report: &mut String) -> Result<String, String> {
    let now = wall_time();
    let keeper = StdKeeper::new(data, &free_name(data, now));
    let mut done = String::new();
    let staged = plan.stage(files, &keeper, now, &mut |path| {
        let _ = writeln!(done, "set aside: {}", path.display());
    });
    staged.map_err(|error| format!("{error}; nothing was changed"))?;
    report.push_str(&done);
    write_report(keeper.path(), report).map_err(|error| {
        keeper.give_up();
        format!("{error}; free some space, and repair again; nothing was changed")
    })?;
    let placed = plan.put_in_place(files, &keeper);
    placed.map_err(|error| format!("{error} (what was set aside is in '{}')", keeper.path().display()))?;
    Ok(done)
}

/// Repairs a copy that was made while a server wrote, so that a server can start from it: its files are of
/// different times, so the newest messages may be missing. If anything else is wrong, nothing is done; `can_expire`
/// says whether segments may have been removed meanwhile. Nothing is done either if numbers could be reused: an
/// operator must decide that with `log repair`.
pub fn repair_copy(files: &StdFiles, data: &Path, can_expire: bool) -> bool {
    let plan = match plan_repair(files, &mut |_| ()) {
        Ok(plan) if plan.is_of_a_copy && (can_expire || !plan.needs_expiry) => plan,
        _ => return false,
    };
    let reused_numbers = reused_numbers(&plan);
    if !reused_numbers.is_empty() {
        reused_numbers.iter().for_each(|words| {
            tracing::error!(
                "this copy was taken while a server wrote it, and is not repaired automatically: {words}"
            );
        });
        return false;
    }
    let mut report = described(&plan);
    for lost in &plan.lost {
        tracing::warn!(
            room = lost.room.as_str(),
            first = lost.gap.first.0,
            last = lost.gap.last.0,
            "messages are not in this copy; their numbers are not reused"
        );
    }
    for facts in plan.repaired_facts().filter(|facts| !facts.lost.is_empty()) {
        tracing::warn!(
            room = facts.room.as_str(),
            revision = facts.revision.0,
            "changes of a room's facts are not in this copy; see `madang room show`"
        );
    }
    match replace(files, &plan, data, &mut report) {
        Ok(_) => {
            tracing::warn!("this data directory was copied while a server wrote it, and has been repaired");
            true
        }
        Err(error) => {
            tracing::error!("a copy that was taken while a server wrote it cannot be repaired: {error}");
            false
        }
    }
}

/// Writes the report into the set-aside directory.
fn write_report(aside: &Path, report: &str) -> Result<(), String> {
    if !aside.is_dir() {
        return Ok(());
    }
    let path = aside.join(REPORT_FILE);
    let written = File::create_new(&path).and_then(|mut file| {
        file.write_all(report.as_bytes())?;
        file.sync_all()
    });
    written.map_err(|error| format!("cannot write '{}': {error}", path.display()))
}

/// The faults, the changes, and the losses.
pub fn described(plan: &RepairPlan) -> String {
    let mut text = String::new();
    for fault in &plan.faults {
        let _ = writeln!(text, "fault: {}", visible(&fault.to_string()));
        if let FaultKind::Header(HeaderFault::Elsewhere { .. }) = fault.kind {
            let _ = writeln!(text, "  its messages are intact: restore its own name first instead");
        }
    }
    for change in &plan.changes {
        let _ = writeln!(text, "{}: {}", change.path.display(), action(change));
    }
    for lost in &plan.lost {
        let (room, are) = (lost.room.as_str(), numbers_are(lost.gap));
        let _ = writeln!(text, "record as lost: {are} gone from room '{room}'");
    }
    plan.repaired_facts().for_each(|facts| describe_facts(facts, &mut text));
    for words in reused_numbers(plan) {
        let _ = writeln!(text, "{words}");
    }
    text
}

fn describe_facts(facts: &RepairedFacts, text: &mut String) {
    let (room, revision) = (facts.room.as_str(), facts.revision);
    let _ = writeln!(text, "store the facts of room '{room}' once more, as revision {revision}");
    for LostRevisions { first, last } in &facts.lost {
        let are = numbered(first, last, "revision", "");
        let _ = writeln!(text, "  {are} {} lost: what changed then is not in them", is_or_are(first == last));
        if *first == Revision(1) {
            let _ = writeln!(
                text,
                "  nobody knows how the room began: it is taken for a private one without guests, until somebody \
                 changes that; see `madang room show {room}`"
            );
        }
    }
}

/// Where numbers could be reused after the repair.
fn reused_numbers(plan: &RepairPlan) -> Vec<String> {
    let is_unproven =
        |change: &&SegmentChange| matches!(change.change, RepairChange::Fill { is_proven: false, .. });
    let unproven = plan.changes.iter().filter(is_unproven).map(|change| {
        format!(
            "{}: neither an index nor a snapshot shows what was in it: if it held the newest messages of a room, \
             their numbers will be reused",
            change.path.display()
        )
    });
    let unknown = plan.unknown_heads.iter().map(|shard| {
        format!(
            "shard {shard}: the snapshot is rebuilt from what is left; rooms whose messages have all expired and \
             that are not in it start again at #1: their numbers will be reused"
        )
    });
    unproven.chain(unknown).collect()
}

fn action(change: &SegmentChange) -> String {
    match &change.change {
        RepairChange::Rewrite { file_bytes, messages, dropped } => {
            let dropped = match dropped.len() {
                0 => String::new(),
                1 => ", drop 1 that is stored twice or is no message".to_owned(),
                count => format!(", drop {count} that are stored twice or are no messages"),
            };
            let intact = match messages {
                0 => "no message is intact".to_owned(),
                1 => "keep the 1 intact message".to_owned(),
                _ => format!("keep the {messages} intact messages"),
            };
            format!("set aside all {}, {intact}{dropped}", counted(*file_bytes, "byte"))
        }
        RepairChange::Cut { report, torn_bytes: 0 } => {
            format!("seal it at byte {}", report.verdict.end_bytes())
        }
        RepairChange::Cut { report, torn_bytes } => {
            let end = report.verdict.end_bytes();
            format!(
                "set aside the {} of an unfinished write from byte {end}, and seal it there",
                counted(*torn_bytes, "byte")
            )
        }
        RepairChange::Remove { torn_offset_bytes, torn_bytes } => {
            format!(
                "set aside the {} of an unfinished write from byte {torn_offset_bytes}, and remove it: nothing \
                 else is in it",
                counted(*torn_bytes, "byte")
            )
        }
        RepairChange::Fill { .. } => "create an empty segment where one is missing".to_owned(),
    }
}

/// `set-aside-20261120T120311Z`, with a number appended if that exists.
fn free_name(data: &Path, now: Timestamp) -> String {
    let time: String =
        Clock::default().second(now.0).replace(' ', "T").chars().filter(|c| !"-:".contains(*c)).collect();
    let name = format!("set-aside-{time}Z");
    let is_free = |name: &String| !data.join(name).exists();
    let numbered = (2_u32..).map(|number| format!("{name}-{number}"));
    std::iter::once(name.clone()).chain(numbered).find(is_free).unwrap_or(name)
}
