//! `madang log erase`.

use super::output::{say, visible};
use super::progress::Progress;
use super::{LogPlace, next_step};
use crate::operator::{Answer, ClientError, Connection, ControlCommand, ask_current_server};
use crate::server::{DataDirectory, DataDirectoryError, wall_time};
use crate::terminal::StatusLine;
use clap::{Args, ValueHint};
use madang_log::{
    ERASURES_FILE, ErasureList, ErasureListFile, ErasureMatcher, ErasureRule, Erasures, Fault, PassOptions,
    PassOutcome, PassStep, StdFiles, StoredEntry, erase, read_messages,
};
use madang_model::{RoomName, Seq, Timestamp, UserName, counted};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread::sleep;
use std::time::{Duration, Instant};

pub const EXAMPLES: &str = "\
Examples:
  madang log erase --room general --seq 17 --data /var/lib/madang
  madang log erase --room 점심 --seq 120-138
  madang log erase --author mallory                everything said under this name
  madang log erase --author mallory --room general --dry-run
  madang log erase --again                         files were put back from an older copy

What was said is taken out of every file of the data directory: segments, and what repairs have
set aside. Numbers, times and rooms stay; readers see [deleted] in its place. What is said later
stays, also under the same name. For whispers, name the room as `madang log export` shows it.

While a server runs, it does the work: nobody is shown the text from then on (but slow readers get
what waits for them), and this command waits until the text is in no file. Backups that were made
before still hold it; a restore takes it out again, if the list of erasures is there (run `madang
backup` once more). Where files of the data directory were put back from any other copy, --again
does that; it needs the server stopped.

Exit codes: 0 it is erased, would be (--dry-run) or will be (--no-wait); 1 the log has no such
message, or is damaged where one may be, or something is in the way (it is named, and the request
is remembered); 2 it could not be done, or the command line is wrong.";

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
    /// The room; for whispers, its name as the export shows it
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
    /// Look for everything again that was ever asked for, as after files were put back from a copy; with LIST also what that
    /// madang.erasures has, or the one in that directory, which may be newer
    #[arg(
        long,
        value_name = "LIST",
        value_hint = ValueHint::AnyPath,
        conflicts_with_all = ["room", "seq", "author", "no_wait", "dry_run"]
    )]
    again: Option<Option<PathBuf>>,
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
    if let Some(further) = &arguments.again {
        return erase_again(arguments, further.as_deref());
    }
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
        _ => Err("say what is to be erased: --room ROOM --seq N, or --author NAME, or --again".to_owned()),
    }
}

/// What would be erased, by room: how many, with the first and the last number.
#[derive(Default)]
struct Survey {
    rooms: BTreeMap<String, (u64, Seq, Seq)>,
    /// Messages that were said by a clock that was ahead: by room and number, with their time.
    ahead: BTreeMap<(String, Seq), Timestamp>,
    /// The highest number that the log has in the room of a rule that names numbers, erased or not.
    head: Option<Seq>,
    /// When the newest entry of the log was accepted; `None` where there is none, or not all could be read.
    newest: Option<Timestamp>,
}

impl Survey {
    /// Looks for all that a rule includes, whatever its time.
    fn of(
        files: &StdFiles,
        rule: &ErasureRule,
        progress: &mut dyn FnMut(u64),
    ) -> Result<(Survey, Vec<Fault>), String> {
        let mut survey = Survey::default();
        let erasures = compiled(rule, Timestamp(i64::MAX));
        let mut matcher = ErasureMatcher::new(&erasures);
        let whole = match rule {
            ErasureRule::Entries { room, .. } => {
                let whole = ErasureRule::Entries { room: room.clone(), first: Seq(1), last: Seq(u64::MAX) };
                compiled(&whole, Timestamp(i64::MAX))
            }
            ErasureRule::Author { .. } => Erasures::default(),
        };
        let mut in_the_room = ErasureMatcher::new(&whole);
        let now = wall_time();
        let mut visit = |entry: &StoredEntry<'_>| {
            survey.newest = survey.newest.max(Some(entry.time()));
            if in_the_room.covers_place_of(entry) {
                survey.head = survey.head.max(Some(entry.seq()));
            }
            if matcher.wants_entry(entry) {
                survey.count(entry, now);
            }
        };
        let faults = read_messages(files, &mut visit, progress).map_err(|error| error.to_string())?;
        if !faults.is_empty() {
            // It may be in what is damaged.
            survey.newest = None;
            if let ErasureRule::Entries { last, .. } = rule {
                survey.head = survey.head.max(Some(*last));
            }
        }
        Ok((survey, faults))
    }

    /// What is to be erased: the rule for what was said until now, and what was said by a clock that was ahead by its
    /// numbers, so that what the same author says next stays. Where this clock is ahead, until the newest that is there:
    /// what is shown was written before.
    fn rules(&self, rule: &ErasureRule, now: Timestamp) -> Vec<(ErasureRule, Timestamp)> {
        let latest = self.ahead.values().copied().max().map_or(now, |latest| latest.max(now));
        if let ErasureRule::Entries { room, first, last } = rule {
            // Numbers that were not given yet will be other people's words.
            let last = self.head.map_or(Seq::ZERO, |head| head.min(*last));
            let known = ErasureRule::Entries { room: room.clone(), first: *first, last };
            return if *first <= last { vec![(known, latest)] } else { Vec::new() };
        }
        let mut rules = vec![(rule.clone(), self.newest.map_or(now, |newest| newest.min(now)))];
        for ((name, seq), time) in &self.ahead {
            match rules.last_mut() {
                Some((ErasureRule::Entries { room, last, .. }, until))
                    if room.as_str() == name && last.next() == *seq =>
                {
                    (*last, *until) = (*seq, (*time).max(*until));
                }
                _ => {
                    let Ok(room) = RoomName::from_log(name) else { continue };
                    rules.push((ErasureRule::Entries { room, first: *seq, last: *seq }, *time));
                }
            }
        }
        rules
    }

    fn count(&mut self, entry: &StoredEntry<'_>, now: Timestamp) {
        let seq = entry.seq();
        if entry.time() > now {
            self.ahead.insert((entry.room().to_owned(), seq), entry.time());
        }
        match self.rooms.get_mut(entry.room()) {
            Some((count, first, last)) => {
                (*count, *first, *last) = (*count + 1, seq.min(*first), seq.max(*last));
            }
            None => {
                self.rooms.insert(entry.room().to_owned(), (1, seq, seq));
            }
        }
    }

    fn lines(&self) -> String {
        let line = |(room, (count, first, last)): (&String, &(u64, Seq, Seq))| match count {
            1 => format!("room {}: message #{first}\n", visible(room)),
            count if first == last => format!("room {}: {count} messages #{first}\n", visible(room)),
            count => format!("room {}: {count} messages from #{first} to #{last}\n", visible(room)),
        };
        self.rooms.iter().map(line).collect()
    }

    /// What is said when nothing was found.
    fn none_found(&self, rule: &ErasureRule) -> String {
        match (rule, self.head) {
            (ErasureRule::Entries { room, .. }, None) => {
                format!("the log has nothing of room '{room}', so nothing is to be erased")
            }
            (ErasureRule::Entries { room, first, .. }, Some(head)) if *first > head => {
                format!(
                    "room '{room}' has messages up to #{head}, and no #{first} yet, so nothing is to be erased"
                )
            }
            _ => NOTHING_FOUND.to_owned(),
        }
    }

    fn messages(&self) -> u64 {
        self.rooms.values().map(|(count, ..)| count).sum()
    }
}

fn compiled(rule: &ErasureRule, until: Timestamp) -> Erasures {
    let mut erasures = Erasures::default();
    erasures.add(rule, until);
    erasures
}

fn look(files: &StdFiles, rule: &ErasureRule, data: &Path) -> Result<Erased, String> {
    let mut progress = Progress::begin(files, 1);
    let found = Survey::of(files, rule, &mut |bytes| progress.read(bytes));
    progress.clear();
    let (survey, faults) = found?;
    faults.iter().for_each(|fault| eprintln!("madang: {}", visible(&fault.to_string())));
    let messages = survey.messages();
    say(&format!("{}would erase {}\n", survey.lines(), counted(messages, "message")))?;
    Ok(match (faults.len(), messages) {
        (0, 0) => Erased::Not("the log has no such message, or all are erased already".to_owned()),
        (0, _) => Erased::Done,
        _ => Erased::Not(next_step(data)),
    })
}

/// The list of this path.
fn list_at(path: &Path) -> Result<ErasureList, String> {
    let list = ErasureList::read(&ErasureListFile::new(path));
    list.map_err(|error| format!("cannot use '{}': {error}", path.display()))
}

/// Erases while no server runs.
fn erase_here(files: &StdFiles, rule: ErasureRule, data: &Path) -> Result<Erased, String> {
    let mut list = list_at(&data.join(ERASURES_FILE))?;
    let (survey, faults) = Survey::of(files, &rule, &mut |_| ())?;
    let now = wall_time();
    let rules = survey.rules(&rule, now);
    if rules.is_empty() {
        return Ok(Erased::Not(survey.none_found(&rule)));
    }
    for (rule, until) in rules {
        list.ask(files, vec![rule], until, now).map_err(|error| error.to_string())?;
    }
    let outcome = erase_pending(files, &mut list)?;
    say(&summary(outcome.entries, outcome.files))?;
    let ended = ended(&outcome, data)?;
    // What the pass needs not read, as there is no file of it, is named all the same.
    let others = faults.iter().filter(|fault| !outcome.faults.iter().any(|named| named.path == fault.path));
    others.for_each(|fault| eprintln!("madang: {}", visible(&fault.to_string())));
    Ok(ended)
}

/// Erases everything again that was ever asked for, while no server runs.
fn erase_again(arguments: &EraseArguments, further: Option<&Path>) -> Result<Erased, String> {
    let (data, files) = arguments.place.open()?;
    let _lock = DataDirectory::take(&data, "log erase").map_err(|error| error.to_string())?;
    let mut list = list_at(&data.join(ERASURES_FILE))?;
    if let Some(further) = further {
        let named = if further.is_dir() { further.join(ERASURES_FILE) } else { further.to_owned() };
        let read = list_at(&named)?;
        if read.log().is_none() {
            return Err(format!("'{}' has no list of erasures", named.display()));
        }
        if !list.merge(&read) {
            return Err(format!("'{}' is of another log, so nothing was erased by it", named.display()));
        }
    }
    let requests = list.entries().len() as u64;
    if requests == 0 {
        return Ok(Erased::Not(
            "nothing was ever to be erased in this log; if another list says what was, name it: \
                               --again LIST"
                .to_owned(),
        ));
    }
    list.reopen();
    list.write(&files).map_err(|error| error.to_string())?;
    let outcome = erase_pending(&files, &mut list)?;
    let found = summary(outcome.entries, outcome.files);
    say(&format!("looked for {} again: {found}", counted(requests, "request")))?;
    match ended(&outcome, &data)? {
        // Nothing was put back.
        Erased::Not(_) if outcome.is_complete() => Ok(Erased::Done),
        ended => Ok(ended),
    }
}

fn command(rule: ErasureRule, until: Timestamp, may_wait: bool) -> ControlCommand {
    let (room, numbers, author) = match rule {
        ErasureRule::Entries { room, first, last } => (Some(room), Some((first.0, last.0)), None),
        ErasureRule::Author { author, room } => (room, None, Some(author.as_str().to_owned())),
    };
    let room = room.map(|room| room.as_str().to_owned());
    ControlCommand::Erase { room, numbers, author, until_us: Some(until.0), may_wait }
}

/// Has the server erase that runs there, and waits until it has.
fn erase_there(
    arguments: &EraseArguments,
    files: &StdFiles,
    rule: &ErasureRule,
    data: &Path,
) -> Result<Erased, String> {
    // What is damaged the server reports.
    let (survey, _) = Survey::of(files, rule, &mut |_| ())?;
    let rules = survey.rules(rule, wall_time());
    if rules.is_empty() {
        return Ok(Erased::Not(survey.none_found(rule)));
    }
    let mut server = Connection::open(data).map_err(|error| error.to_string())?;
    let mut last = 0;
    for (rule, until) in rules {
        let answer = server.ask_within(&command(rule, until, arguments.no_wait), ASK_MAX);
        last = match answer.map_err(|error| error.to_string())? {
            Answer::Erasing(id) => id.max(last),
            other => return Err(ClientError::Unexpected(format!("{other:?}")).to_string()),
        };
    }
    if arguments.no_wait {
        let words =
            format!("{} will be erased within log.erase_hours\n", counted(survey.messages(), "message"));
        return match survey.messages() {
            0 => Ok(Erased::Not(NOTHING_FOUND.to_owned())),
            _ => say(&words).map(|()| Erased::Done),
        };
    }
    let mut line = StatusLine::new();
    let began = Instant::now();
    let ended = loop {
        match ask_current_server(data, &ControlCommand::Erasure { id: last }) {
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
    let mut pass = |erasures: &Erasures, options: PassOptions| {
        let mut progress = Progress::begin(files, 1);
        let mut step = |step| {
            if let PassStep::Read(bytes) = step {
                progress.read(bytes);
            }
        };
        let passed = erase(files, erasures, options, &mut step);
        progress.clear();
        passed
    };
    madang_log::erase_pending(files, list, wall_time(), &mut pass).map_err(|error| error.to_string())
}

fn ended(outcome: &PassOutcome, data: &Path) -> Result<Erased, String> {
    for fault in &outcome.faults {
        eprintln!("madang: {}", visible(&fault.to_string()));
    }
    if !outcome.faults.is_empty() && outcome.faults.iter().all(Fault::is_unusable) {
        return Ok(Erased::Not(
            "what cannot be used may hold such messages, and the rest is erased; it is remembered: once that is mended, \
             repeat this, or start the server"
                .to_owned(),
        ));
    }
    if !outcome.faults.is_empty() {
        return Ok(Erased::Not(format!(
            "what is damaged may hold such messages; {}, then erase again",
            next_step(data)
        )));
    }
    if !outcome.open.is_empty() {
        for open in &outcome.open {
            let path = open.path.display().to_string();
            eprintln!(
                "madang: '{}' ends without a seal and with part of a write, and may hold such messages: it may be an \
                 older copy",
                visible(&path)
            );
        }
        return Ok(Erased::Not(format!("{}, then erase again", next_step(data))));
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
    // What a repair has set aside has no entries that are counted.
    if (outcome.entries, outcome.files) == (0, 0) {
        return Ok(Erased::Not(NOTHING_FOUND.to_owned()));
    }
    Ok(Erased::Done)
}

fn summary(entries: u64, files: u64) -> String {
    format!("erased {} in {}\n", counted(entries, "message"), counted(files, "file"))
}

#[cfg(test)]
mod tests;
