//! `madang log erase`.

use super::output::{finish, standard_output, visible};
use super::progress::Progress;
use super::{LogPlace, next_step, now};
use crate::operator::{Answer, ClientError, Connection, ControlCommand, ask_current_server};
use crate::server::{DataDirectory, DataDirectoryError};
use crate::terminal::StatusLine;
use clap::Args;
use madang_log::{
    ErasureList, ErasureRule, Erasures, Files, PassOptions, PassOutcome, PassStep, StdFiles, StoredMessage,
    erase, find_erasable, open_log,
};
use madang_model::{PARTITIONS, RoomName, Seq, Timestamp, UserName, counted};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::thread::sleep;
use std::time::{Duration, Instant};

pub const EXAMPLES: &str = "\
Examples:
  madang log erase --room general --seq 17 --data /var/lib/madang
  madang log erase --room 점심 --seq 120-138
  madang log erase --author mallory                everything said under this name
  madang log erase --author mallory --room general --dry-run

What was said is taken out of every file of the data directory: segments, and what repairs have
set aside. Numbers, times and rooms stay; readers see [deleted] in its place. What is said later
stays, also under the same name. For whispers, name the room with & between both names.

While a server runs, it does the work: nobody is shown the text from then on, and this command
waits until the text is in no file. Backups that were made before still hold it; a restore takes
it out again, if the list of erasures is there (run `madang backup` once more).

Exit codes: 0 it is erased, or would be; 1 the log has no such message (it is remembered for
restores), or it is damaged where such a message may be; 2 it could not be done, or the command
line is wrong.";

/// What is said when there was nothing to erase.
const NOTHING_FOUND: &str = "the log has no such message, or all were erased already; it is remembered, so that a restored \
                             backup loses them";
/// How long a server may take to remember it.
const ASK_MAX: Duration = Duration::from_secs(10);
/// How often a server is asked how far it is.
const LOOK: Duration = Duration::from_millis(100);
/// How long something may be in the way before that is the answer.
const TROUBLE_MAX: Duration = Duration::from_secs(20);

/// The arguments of `madang log erase`.
#[derive(Debug, Args)]
pub struct EraseArguments {
    #[command(flatten)]
    place: LogPlace,
    /// The room; for whispers, both names with & between them
    #[arg(long, value_name = "ROOM")]
    room: Option<String>,
    /// The number of a message, or the first and the last of several
    #[arg(long, value_name = "N[-M]", value_parser = parse_numbers, conflicts_with = "author")]
    seq: Option<(Seq, Seq)>,
    /// Whose messages; with --room in that room alone
    #[arg(long, value_name = "NAME")]
    author: Option<String>,
    /// Do not wait for the running server: it shows the text to nobody from now on, and takes it out of the files together
    /// with others, within log.erase_hours
    #[arg(long, conflicts_with = "dry_run")]
    no_wait: bool,
    /// Only say what would be erased; works beside a running server
    #[arg(long)]
    dry_run: bool,
}

fn parse_numbers(given: &str) -> Result<(Seq, Seq), String> {
    let number = |given: &str| {
        let digits = given.strip_prefix('#').unwrap_or(given);
        let number = digits.parse::<u64>().ok().filter(|number| *number > 0);
        number.map(Seq).ok_or_else(|| format!("'{given}' is no number of a message; they begin with 1"))
    };
    let (first, last) = given.split_once('-').unwrap_or((given, given));
    let (first, last) = (number(first)?, number(last)?);
    if first > last {
        return Err(format!("the first number, {first}, is above the last, {last}"));
    }
    Ok((first, last))
}

/// How it ended.
enum Erased {
    Done,
    /// Nothing was found, or damage: the words say which.
    Not(String),
}

/// Erases, or says what would be.
pub fn run(arguments: &EraseArguments) -> ExitCode {
    match try_erase(arguments) {
        Ok(Erased::Done) => ExitCode::SUCCESS,
        Ok(Erased::Not(words)) => {
            eprintln!("madang: {}", visible(&words));
            ExitCode::from(1)
        }
        Err(words) => {
            eprintln!("madang: {}", visible(&words));
            ExitCode::from(2)
        }
    }
}

fn try_erase(arguments: &EraseArguments) -> Result<Erased, String> {
    let rule = rule(arguments)?;
    let (data, files) = arguments.place.open()?;
    if arguments.dry_run {
        return look(&files, &rule, &data);
    }
    match DataDirectory::take(&data, "log erase") {
        Ok(_lock) => erase_here(&files, rule, &data),
        Err(DataDirectoryError::InUse { .. }) => erase_there(arguments, &files, &rule, &data),
        Err(error) => Err(error.to_string()),
    }
}

fn rule(arguments: &EraseArguments) -> Result<ErasureRule, String> {
    let room = |given: &String| {
        RoomName::from_log(given).map_err(|error| format!("--room {given:?} is not a room name: {error}"))
    };
    let room = arguments.room.as_ref().map(room).transpose()?;
    match (room, arguments.seq, &arguments.author) {
        (Some(room), Some((first, last)), _) => Ok(ErasureRule::Entries { room, first, last }),
        (room, _, Some(given)) => {
            let author = UserName::parse(given);
            let author = author.map_err(|error| format!("--author {given:?} is not a name: {error}"))?;
            Ok(ErasureRule::Author { author, room })
        }
        _ => Err("say what is to be erased: --room ROOM --seq N, or --author NAME".to_owned()),
    }
}

/// What would be erased, by room: how many, with the first and the last number.
#[derive(Default)]
struct Survey(BTreeMap<String, (u64, Seq, Seq)>);

impl Survey {
    fn count(&mut self, message: &StoredMessage<'_>) {
        let seq = message.seq;
        match self.0.get_mut(message.room) {
            Some((count, first, last)) => {
                (*count, *first, *last) = (*count + 1, seq.min(*first), seq.max(*last));
            }
            None => {
                self.0.insert(message.room.to_owned(), (1, seq, seq));
            }
        }
    }

    fn lines(&self) -> String {
        let line = |(room, (count, first, last)): (&String, &(u64, Seq, Seq))| match count {
            1 => format!("room {}: message #{first}\n", visible(room)),
            count => format!("room {}: {count} messages from #{first} to #{last}\n", visible(room)),
        };
        self.0.iter().map(line).collect()
    }

    fn messages(&self) -> u64 {
        self.0.values().map(|(count, ..)| count).sum()
    }
}

fn compiled(rule: &ErasureRule, until: Timestamp) -> Erasures {
    let mut erasures = Erasures::default();
    erasures.add(rule, until);
    erasures
}

fn look(files: &StdFiles, rule: &ErasureRule, data: &Path) -> Result<Erased, String> {
    let mut survey = Survey::default();
    let mut progress = Progress::begin(files, 1);
    let erasures = compiled(rule, now());
    let found = find_erasable(files, &erasures, &mut |message| survey.count(message), &mut |bytes| {
        progress.read(bytes);
    });
    progress.clear();
    let faults = found.map_err(|error| error.to_string())?;
    faults.iter().for_each(|fault| eprintln!("madang: {}", visible(&fault.to_string())));
    let messages = survey.messages();
    say(&format!("{}would erase {}\n", survey.lines(), counted(messages, "message")))?;
    Ok(match (faults.len(), messages) {
        (0, 0) => Erased::Not("the log has no such message, or all are erased already".to_owned()),
        (0, _) => Erased::Done,
        _ => Erased::Not(next_step(data)),
    })
}

/// Erases while no server runs.
fn erase_here(files: &StdFiles, rule: ErasureRule, data: &Path) -> Result<Erased, String> {
    let mut list = ErasureList::read(files).map_err(|error| error.to_string())?;
    let now = now();
    list.ask(files, vec![rule], now, now).map_err(|error| error.to_string())?;
    let outcome = erase_pending(files, &mut list)?;
    say(&summary(outcome.entries, outcome.files))?;
    ended(&outcome, data)
}

/// Has the server erase that runs there, and waits until it has.
fn erase_there(
    arguments: &EraseArguments,
    files: &StdFiles,
    rule: &ErasureRule,
    data: &Path,
) -> Result<Erased, String> {
    let mut survey = Survey::default();
    let erasures = compiled(rule, now());
    // What is damaged the server reports.
    find_erasable(files, &erasures, &mut |message| survey.count(message), &mut |_| ())
        .map_err(|error| error.to_string())?;
    let numbers = arguments.seq.map(|(first, last)| (first.0, last.0));
    let (room, author) = (arguments.room.clone(), arguments.author.clone());
    let command = ControlCommand::Erase { room, numbers, author, may_wait: arguments.no_wait };
    let mut server = Connection::open(data).map_err(|error| error.to_string())?;
    let id = match server.ask_within(&command, ASK_MAX).map_err(|error| error.to_string())? {
        Answer::Erasing(id) => id,
        other => return Err(ClientError::Unexpected(format!("{other:?}")).to_string()),
    };
    if arguments.no_wait {
        let words =
            format!("{} will be erased within log.erase_hours\n", counted(survey.messages(), "message"));
        return say(&words).map(|()| Erased::Done);
    }
    let mut line = StatusLine::new();
    let began = Instant::now();
    let ended = loop {
        match ask_current_server(data, &ControlCommand::Erasure { id }) {
            Ok((Answer::Erasure { is_done: true, .. }, _)) => break Ok(()),
            Ok((Answer::Erasure { trouble: Some(trouble), .. }, _)) if began.elapsed() > TROUBLE_MAX => {
                break Err(format!("it is not shown, and not erased yet: {trouble}; the server tries again"));
            }
            Ok((Answer::Erasure { .. }, _)) => {
                line.show(|| format!("the server erases, {} s", began.elapsed().as_secs()));
            }
            Ok((other, _)) => return Err(ClientError::Unexpected(format!("{other:?}")).to_string()),
            Err(error) => {
                break Err(format!("{error}; it is remembered, and done when the server runs again"));
            }
        }
        sleep(LOOK);
    };
    line.clear();
    let messages = survey.messages();
    match ended {
        Err(words) => Ok(Erased::Not(words)),
        Ok(()) if messages == 0 => Ok(Erased::Not(NOTHING_FOUND.to_owned())),
        Ok(()) => say(&format!("erased {}\n", counted(messages, "message"))).map(|()| Erased::Done),
    }
}

/// Erases what a list has and what is not done, in a log that no server has open, and notes in the list's file what is done.
///
/// # Errors
/// A sentence; what is not erased yet stays in the list.
pub fn erase_pending(files: &StdFiles, list: &mut ErasureList) -> Result<PassOutcome, String> {
    let mut outcome = pass(files, list)?;
    if outcome.open > 0 {
        // What a crash or a backup left open is finished.
        open_log(files, shard_count(files)?).map_err(|error| error.to_string())?;
        let erased = (outcome.entries, outcome.files);
        outcome = pass(files, list)?;
        outcome.entries += erased.0;
        outcome.files += erased.1;
    }
    if outcome.is_complete() {
        let pending: Vec<i64> = list.pending().map(|entry| entry.id).collect();
        list.done(files, &pending, now()).map_err(|error| error.to_string())?;
    }
    Ok(outcome)
}

fn pass(files: &StdFiles, list: &ErasureList) -> Result<PassOutcome, String> {
    let mut progress = Progress::begin(files, 1);
    let mut step = |step| {
        if let PassStep::Read(bytes) = step {
            progress.read(bytes);
        }
    };
    // No server has a file open.
    let options = PassOptions { is_served: false, is_last_call: false };
    let passed = erase(files, &list.pending_erasures(), options, &mut step);
    progress.clear();
    passed.map_err(|error| {
        format!("{error}; what is not erased yet is remembered: repeat this, or start the server")
    })
}

fn ended(outcome: &PassOutcome, data: &Path) -> Result<Erased, String> {
    for fault in &outcome.faults {
        eprintln!("madang: {}", visible(&fault.to_string()));
    }
    if !outcome.faults.is_empty() {
        return Ok(Erased::Not(format!(
            "what is damaged may hold such messages; {}, then erase again",
            next_step(data)
        )));
    }
    if outcome.held > 0 {
        return Ok(Erased::Not(format!(
            "{} still being read by a backup or an export and hold such messages; repeat this when it has ended",
            if outcome.held == 1 {
                "an old file is".to_owned()
            } else {
                format!("{} old files are", outcome.held)
            }
        )));
    }
    if outcome.entries == 0 {
        return Ok(Erased::Not(NOTHING_FOUND.to_owned()));
    }
    Ok(Erased::Done)
}

fn summary(entries: u64, files: u64) -> String {
    format!("erased {} in {}\n", counted(entries, "message"), counted(files, "file"))
}

/// As many as the log has directories.
fn shard_count(files: &StdFiles) -> Result<u16, String> {
    let shards = files.shards().map_err(|error| error.to_string())?;
    Ok(shards.last().map_or(1, |last| last.0.saturating_add(1).min(PARTITIONS)))
}

fn say(text: &str) -> Result<(), String> {
    let mut output = standard_output();
    let said = output.write_all(text.as_bytes());
    finish(output, said)
}
