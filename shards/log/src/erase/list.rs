//! The list of what was to be erased: it says what a server is still to do, and what must not come back with an older copy
//! of the log.
//!
//! A title, a line that names the log, one for each life that it has begun, then a line for each request and for each that
//! is done. A line begins with the CRC-32C of what follows it. A line at the end that was not written whole was never
//! acknowledged.
//!
//! **Lives.** Where an older backup was restored, the log begins another life: numbers are given again, to other messages.
//! Requests for numbers say in which life they were made, so that a log without that life loses only what both share.

use super::rules::{ErasureRule, Erasures};
use crate::files::{ErasureListFiles, FilesError};
use hashbrown::HashMap;
use madang_model::{RoomName, Seq, Timestamp, UserName};
use std::fmt;
use std::io;
use std::ops::RangeInclusive;
use std::sync::Arc;

/// The first line; a number behind it is the version: 1, or 2 where there are lives.
const TITLE_WORDS: &str = "madang erasures ";
const VERSIONS: RangeInclusive<u32> = 1..=2;
/// More lives are not told apart: what the log is after another restore counts as the last of them.
const LIVES_MAX: usize = 64;
/// More requests that are done than this are not remembered: the oldest are forgotten first.
const DONE_MAX: usize = 1_000_000;
/// Ids are at most this, in the year 148,000: a line with a higher one is damaged, as nothing could be asked for behind it.
const ID_MAX: i64 = i64::MAX / 2;
/// By how much the id of a request is raised at most that another list has given to another request.
const MOVE_US_MAX: i64 = 1_000_000;
/// Where more is to be noted than this, the list is written anew: it is synced once then.
const APPENDED_BYTES_MAX: usize = 16 * UNSYNCED_BYTES_MAX;
/// Stands for all rooms.
const EVERY_ROOM: &str = "*";

/// Something that was to be erased.
#[derive(Clone, Debug)]
pub struct ErasureEntry {
    /// When it was asked for, in microseconds since 1970; another number for each.
    pub id: i64,
    /// What.
    pub rule: ErasureRule,
    /// What was said later stays.
    pub until: Timestamp,
    /// When it was done.
    pub done: Option<Timestamp>,
    /// The lives of the log in which it was asked for.
    lives: Arc<[LogLife]>,
}

impl ErasureEntry {
    /// What was said later stays, in a log with these lives. What somebody said is to go from every life.
    fn until_in(&self, lives: &[LogLife]) -> Timestamp {
        let asked_elsewhere = self.lives.iter().filter(|life| !lives.contains(life));
        let begun_since = lives.iter().filter(|life| !self.lives.contains(life));
        let shared = asked_elsewhere.chain(begun_since).map(|life| life.shared);
        match self.rule {
            ErasureRule::Entries { .. } => shared.fold(self.until, Timestamp::min),
            ErasureRule::Author { .. } => self.until,
        }
    }

    /// What tells it from others: all but its id and what became of it.
    fn words(&self) -> String {
        let mut words = format!("{} {}", self.until.0, self.rule);
        for LogLife { id, shared } in self.lives.iter() {
            words.push_str(&format!(" {id}:{}", shared.0));
        }
        words
    }

    fn is_same(&self, other: &ErasureEntry) -> bool {
        self.until == other.until && self.words() == other.words()
    }

    /// How far its id moves where another request has it: as far in every list, in whatever order lists are merged.
    fn move_us(&self) -> i64 {
        i64::from(crc32c::crc32c(self.words().as_bytes())) % MOVE_US_MAX + 1
    }

    /// The ids that it may have: its own, and what that was, or becomes, where another request has it.
    fn possible_ids(&self) -> [i64; 3] {
        [0, -self.move_us(), self.move_us()].map(|by_us| (self.id + by_us).rem_euclid(ID_MAX))
    }
}

/// What a log is from a restore on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct LogLife {
    /// When it was restored, in microseconds since 1970; another number for each.
    id: i64,
    /// What was said until then is in the backup, too.
    shared: Timestamp,
}

/// Why a list cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ErasureListError {
    /// Its file cannot be used.
    #[error(transparent)]
    Files(#[from] FilesError),
    /// A later program has written it.
    #[error("the list of erasures was written by a later madang, with form '{form}'; use that version")]
    LaterVersion {
        /// Its first line.
        form: String,
    },
    /// Something in it is no request.
    #[error(
        "the list of erasures is damaged in line {line}; restore it from a copy (each backup has one), and ask again for what \
         was to be erased since that copy; or, to forget what that line asks for, remove it"
    )]
    Damaged {
        /// Which, from 1.
        line: usize,
    },
    /// It does not say what it is, or of which log.
    #[error(
        "the list of erasures is damaged in line {line}, before which nothing was asked for: it may say what it is, and of \
         which log; restore it from a copy (each backup has one), and ask again for what was to be erased since that copy; \
         without that line nothing of it is known to be erased in backups"
    )]
    Nameless {
        /// Which, from 1.
        line: usize,
    },
}

/// Bytes that are added to the file before it is synced, at most, where no line is longer: all that a power cut can leave
/// in part.
const UNSYNCED_BYTES_MAX: usize = 4096;

/// The lines that say what a list is, and of which log.
const NAMING_LINES: usize = 2;

/// Everything that was to be erased, in the order in which it was asked for.
#[derive(Clone, Debug, Default)]
pub struct ErasureList {
    /// Which log this is of; `None` where nothing was ever written.
    log: Option<i64>,
    /// The lives that the log has begun, in their order.
    lives: Arc<[LogLife]>,
    entries: Vec<ErasureEntry>,
    /// By their ids.
    places: HashMap<i64, usize>,
    /// The file does not end with what is here.
    is_file_unsure: bool,
}

impl ErasureList {
    /// Reads the list of a data directory, or of a directory of backups; an empty one where there is none.
    ///
    /// # Errors
    /// [`ErasureListError`].
    pub fn read<F: ErasureListFiles>(files: &F) -> Result<ErasureList, ErasureListError> {
        ErasureList::read_by(files, files.is_appended())
    }

    /// The same, of a list that was written as a whole and never added to, as that of a backup: a line that is not whole is
    /// damage, though it is the last.
    ///
    /// # Errors
    /// [`ErasureListError`].
    pub fn read_whole<F: ErasureListFiles>(files: &F) -> Result<ErasureList, ErasureListError> {
        ErasureList::read_by(files, false)
    }

    fn read_by<F: ErasureListFiles>(files: &F, is_appended: bool) -> Result<ErasureList, ErasureListError> {
        let bytes = files.read_list()?;
        bytes.map_or_else(|| Ok(ErasureList::default()), |bytes| ErasureList::decode(&bytes, is_appended))
    }

    fn decode(bytes: &[u8], is_appended: bool) -> Result<ErasureList, ErasureListError> {
        let mut list = ErasureList::default();
        let ends_whole = bytes.ends_with(b"\n");
        let lines: Vec<&[u8]> =
            bytes.strip_suffix(b"\n").unwrap_or(bytes).split(|byte| *byte == b'\n').collect();
        let mut end = 0;
        for (index, line) in lines.iter().enumerate() {
            end += line.len() + 1;
            let text = std::str::from_utf8(line).ok();
            if index == 0 {
                match text.and_then(version_of) {
                    Some((version, _)) if VERSIONS.contains(&version) => continue,
                    Some((version, form)) if version > *VERSIONS.end() => {
                        return Err(ErasureListError::LaterVersion { form: form.to_owned() });
                    }
                    _ => return Err(ErasureListError::Nameless { line: 1 }),
                }
            }
            let is_cut = index + 1 == lines.len() && !ends_whole;
            // Where a power cut left what was not synced in part, there are zeros.
            let may_be_unsynced =
                || is_cut || line.contains(&0) && bytes.len().saturating_sub(end) <= UNSYNCED_BYTES_MAX;
            if is_appended && index >= NAMING_LINES && may_be_unsynced() {
                // It was never acknowledged.
                list.is_file_unsure = true;
            } else if is_cut || !text.and_then(checked).is_some_and(|words| list.take(words)) {
                // Before all requests are the lines that say what it is, and lives.
                let line = index + 1;
                return Err(match list.entries.is_empty() {
                    true => ErasureListError::Nameless { line },
                    false => ErasureListError::Damaged { line },
                });
            }
        }
        // A new number would part it from the backups of its log; and one that ends with its title was cut there.
        if list.log.is_none() && (!list.entries.is_empty() || lines.len() < NAMING_LINES) {
            return Err(ErasureListError::Nameless { line: NAMING_LINES });
        }
        Ok(list)
    }

    fn take(&mut self, line: &str) -> bool {
        let mut words = line.split(' ');
        match words.next() {
            Some("log") => {
                let log = number(&mut words);
                let is_other = self.log.is_some() && self.log != log;
                self.log = log;
                log.is_some() && !is_other
            }
            Some("life") => {
                let life = number(&mut words).zip(number(&mut words));
                let Some((id, shared)) = life.filter(|_| words.next().is_none()) else { return false };
                self.add_life(LogLife { id, shared: Timestamp(shared) });
                true
            }
            Some("ask") => match read_entry(&mut words).filter(|entry| entry.id <= ID_MAX) {
                Some(entry) if self.place_of(&entry).is_none() && self.places.contains_key(&entry.id) => {
                    false
                }
                Some(entry) => {
                    self.insert(entry);
                    true
                }
                None => false,
            },
            Some("done") => {
                let (id, at) = (number(&mut words), number(&mut words));
                let place = id.and_then(|id| self.places.get(&id));
                let Some((place, at)) = place.zip(at) else { return false };
                self.entries[*place].done = Some(Timestamp(at));
                true
            }
            _ => false,
        }
    }

    /// Of two requests with one id, as a clock that was set back may give them in two copies of a log, one gets another id:
    /// the same one of them, and the same id, in whichever order lists are merged, and however often.
    fn insert(&mut self, mut entry: ErasureEntry) {
        while let Some(place) = self.places.get(&entry.id) {
            let known = &mut self.entries[*place];
            if known.is_same(&entry) {
                known.done = known.done.max(entry.done);
                return;
            }
            if entry.words() < known.words() {
                std::mem::swap(known, &mut entry);
            }
            entry.id = (entry.id + entry.move_us()).rem_euclid(ID_MAX);
        }
        self.places.insert(entry.id, self.entries.len());
        self.entries.push(entry);
    }

    /// Where a request is in this list that another list has, though its id may be another here.
    fn place_of(&self, entry: &ErasureEntry) -> Option<usize> {
        let places = entry.possible_ids().into_iter().filter_map(|id| self.places.get(&id).copied());
        places.into_iter().find(|place| self.entries[*place].is_same(entry))
    }

    /// Which log this is of: copies of a log have the same number, and others another.
    pub fn log(&self) -> Option<i64> {
        self.log
    }

    /// Gives the log a number, if it has none: when that was, in microseconds since 1970.
    pub fn name_log(&mut self, now: Timestamp) {
        if self.log.is_none() {
            self.log = Some(now.0);
            self.is_file_unsure = true;
        }
    }

    /// The log is restored from a backup in which nothing was said after `shared`, and begins another life.
    pub fn begin_life(&mut self, shared: Timestamp, now: Timestamp) {
        if self.lives.len() < LIVES_MAX {
            let after = self.lives.last().map_or(i64::MIN, |life| life.id.saturating_add(1));
            self.add_life(LogLife { id: now.0.max(after), shared });
        }
    }

    fn add_life(&mut self, life: LogLife) {
        self.lives = self.lives.iter().copied().chain([life]).collect();
        self.is_file_unsure = true;
    }

    /// What is not done yet.
    pub fn pending(&self) -> impl Iterator<Item = &ErasureEntry> {
        self.entries.iter().filter(|entry| entry.done.is_none())
    }

    /// Everything.
    pub fn entries(&self) -> &[ErasureEntry] {
        &self.entries
    }

    /// Everything that was ever asked for and is remembered.
    pub fn asked_erasures(&self) -> Erasures {
        self.compiled(self.entries.iter())
    }

    /// What is not done yet, to be looked for.
    pub fn pending_erasures(&self) -> Erasures {
        self.compiled(self.pending())
    }

    fn compiled<'a>(&self, entries: impl Iterator<Item = &'a ErasureEntry>) -> Erasures {
        let mut erasures = Erasures::default();
        // In the order in which they are kept: the other way each would have its place made before all others.
        let mut entries: Vec<&ErasureEntry> = entries.collect();
        entries.sort_by_key(|entry| match entry.rule {
            ErasureRule::Entries { first, .. } => first,
            ErasureRule::Author { .. } => Seq::ZERO,
        });
        entries.into_iter().for_each(|entry| erasures.add(&entry.rule, entry.until_in(&self.lives)));
        erasures
    }

    /// Adds requests, and makes sure that they are remembered. Returns their ids.
    ///
    /// # Errors
    /// [`FilesError`]: then nothing is asked for.
    pub fn ask<F: ErasureListFiles>(
        &mut self,
        files: &F,
        rules: Vec<ErasureRule>,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<Vec<i64>, FilesError> {
        self.name_log(now);
        let last = self.entries.iter().map(|entry| entry.id).max().unwrap_or(i64::MIN);
        let now_us = now.0.clamp(0, ID_MAX / 2);
        let is_far = last > ID_MAX - rules.len() as i64;
        let first = if is_far { now_us } else { now_us.max(last.saturating_add(1)) };
        let ids = (first..).filter(|id| !self.places.contains_key(id));
        let lives = &self.lives;
        let entry = |(id, rule)| ErasureEntry { id, rule, until, done: None, lives: Arc::clone(lives) };
        let entries: Vec<ErasureEntry> = ids.zip(rules).map(entry).collect();
        self.append(files, &entries.iter().map(asked).collect::<String>())?;
        let ids = entries.iter().map(|entry| entry.id).collect();
        entries.into_iter().for_each(|entry| self.insert(entry));
        Ok(ids)
    }

    /// Notes that requests are done.
    ///
    /// # Errors
    /// [`FilesError`]: then they count as not done.
    pub fn done<F: ErasureListFiles>(
        &mut self,
        files: &F,
        ids: &[i64],
        now: Timestamp,
    ) -> Result<(), FilesError> {
        if ids.is_empty() {
            return Ok(());
        }
        let lines: String = ids.iter().map(|id| line(&format!("done {id} {}", now.0))).collect();
        if lines.len() > APPENDED_BYTES_MAX {
            return self.write_done(files, ids, now);
        }
        self.append(files, &lines)?;
        self.note_done(ids, now);
        Ok(())
    }

    fn note_done(&mut self, ids: &[i64], now: Timestamp) {
        for place in ids.iter().filter_map(|id| self.places.get(id)) {
            self.entries[*place].done = Some(now);
        }
    }

    /// Notes that many requests are done, with one write.
    fn write_done<F: ErasureListFiles>(
        &mut self,
        files: &F,
        ids: &[i64],
        now: Timestamp,
    ) -> Result<(), FilesError> {
        let before = self.entries.clone();
        self.note_done(ids, now);
        self.is_file_unsure = true;
        let written = self.write_remembered(files);
        if written.is_err() {
            self.entries = before;
            self.keep(|_| true);
        }
        written
    }

    fn append<F: ErasureListFiles>(&mut self, files: &F, lines: &str) -> Result<(), FilesError> {
        if self.is_file_unsure {
            self.write_remembered(files)?;
        }
        // Until it has succeeded, what stands there at the end is unknown.
        self.is_file_unsure = true;
        match append_in_parts(files, lines) {
            // There is none yet, or someone has taken it away.
            Err(error) if error.source.kind() == io::ErrorKind::NotFound => {
                self.write_remembered(files)?;
                self.is_file_unsure = true;
                append_in_parts(files, lines)?;
            }
            appended => appended?,
        }
        self.is_file_unsure = false;
        Ok(())
    }

    /// Writes it anew, without what need not be remembered any more.
    fn write_remembered<F: ErasureListFiles>(&mut self, files: &F) -> Result<(), FilesError> {
        self.forget_oldest();
        self.write(files)
    }

    /// Adds the requests of another list. `false` when that is of another log: then nothing was added.
    #[must_use]
    pub fn merge(&mut self, other: &ErasureList) -> bool {
        if self.log.is_some() && other.log.is_some() && self.log != other.log {
            return false;
        }
        self.log = self.log.or(other.log);
        other.entries.iter().for_each(|entry| self.insert(entry.clone()));
        self.is_file_unsure = true;
        true
    }

    /// Adds the requests of a list of the same log under another number: a log of a release without erasures gets a number at
    /// its first start, and another one where it was restored from before that and is started again. Of two numbers it has
    /// the later one.
    pub fn merge_renumbered(&mut self, other: &ErasureList) {
        self.log = self.log.max(other.log);
        other.entries.iter().for_each(|entry| self.insert(entry.clone()));
        self.is_file_unsure = true;
    }

    /// Everything is to be erased again: an older copy of the log still has it.
    pub fn reopen(&mut self) {
        self.reopen_but(&ErasureList::default());
    }

    /// The same, but for what a copy of the log, made after this list, cannot have any more.
    pub fn reopen_but(&mut self, copied: &ErasureList) {
        for entry in &mut self.entries {
            entry.done = copied.place_of(entry).and_then(|place| copied.entries[place].done);
        }
        self.is_file_unsure = true;
    }

    fn forget_oldest(&mut self) {
        let done = self.entries.iter().filter(|entry| entry.done.is_some()).count();
        let mut surplus = done.saturating_sub(DONE_MAX);
        self.keep(|entry| {
            let is_surplus = surplus > 0 && entry.done.is_some();
            surplus -= usize::from(is_surplus);
            !is_surplus
        });
    }

    fn keep(&mut self, is_kept: impl FnMut(&ErasureEntry) -> bool) {
        self.entries.retain(is_kept);
        self.places = self.entries.iter().enumerate().map(|(place, entry)| (entry.id, place)).collect();
    }

    /// Writes all of it in the place of what is there.
    ///
    /// # Errors
    /// [`FilesError`].
    pub fn write<F: ErasureListFiles>(&mut self, files: &F) -> Result<(), FilesError> {
        files.replace_list(self.encode().as_bytes())?;
        self.is_file_unsure = false;
        Ok(())
    }

    fn encode(&self) -> String {
        let has_lives = !self.lives.is_empty() || self.entries.iter().any(|entry| !entry.lives.is_empty());
        let version = if has_lives { VERSIONS.end() } else { VERSIONS.start() };
        let mut text = format!("{TITLE_WORDS}{version}\n");
        if let Some(log) = self.log {
            text.push_str(&line(&format!("log {log}")));
        }
        for LogLife { id, shared } in self.lives.iter() {
            text.push_str(&line(&format!("life {id} {}", shared.0)));
        }
        for entry in &self.entries {
            text.push_str(&asked(entry));
            if let Some(done) = entry.done {
                text.push_str(&line(&format!("done {} {}", entry.id, done.0)));
            }
        }
        text
    }
}

/// The version that a first line tells, and that line.
fn version_of(form: &str) -> Option<(u32, &str)> {
    let digits = form.strip_prefix(TITLE_WORDS)?;
    let version: u32 = digits.parse().ok()?;
    (version.to_string() == digits).then_some((version, form))
}

/// Adds lines to a file, each part synced before the next, so that a power cut leaves at most one in part.
fn append_in_parts<F: ErasureListFiles>(files: &F, lines: &str) -> Result<(), FilesError> {
    let mut rest = lines;
    while !rest.is_empty() {
        let end = rest.floor_char_boundary(UNSYNCED_BYTES_MAX);
        let end = rest[..end].rfind('\n').or_else(|| rest.find('\n')).map_or(rest.len(), |end| end + 1);
        let (part, later) = rest.split_at(end);
        files.append_list(part.as_bytes())?;
        rest = later;
    }
    Ok(())
}

fn asked(entry: &ErasureEntry) -> String {
    line(&format!("ask {} {}", entry.id, entry.words()))
}

fn line(words: &str) -> String {
    format!("{:08x} {words}\n", crc32c::crc32c(words.as_bytes()))
}

/// A line without its checksum, if that is right.
fn checked(line: &str) -> Option<&str> {
    let (checksum, words) = line.split_once(' ')?;
    (format!("{:08x}", crc32c::crc32c(words.as_bytes())) == checksum).then_some(words)
}

fn number<'a>(words: &mut impl Iterator<Item = &'a str>) -> Option<i64> {
    words.next()?.parse().ok()
}

fn read_entry<'a>(words: &mut impl Iterator<Item = &'a str>) -> Option<ErasureEntry> {
    let (id, until) = (number(words)?, Timestamp(number(words)?));
    let rule = match words.next()? {
        "entries" => {
            let room = RoomName::from_log(words.next()?).ok()?;
            let seq = |word: Option<&str>| Some(Seq(word?.parse().ok()?));
            ErasureRule::Entries { room, first: seq(words.next())?, last: seq(words.next())? }
        }
        "author" => {
            let author = UserName::parse(words.next()?).ok()?;
            let room = match words.next()? {
                EVERY_ROOM => None,
                room => Some(RoomName::from_log(room).ok()?),
            };
            ErasureRule::Author { author, room }
        }
        _ => return None,
    };
    let life = |word: &str| {
        let (id, shared) = word.split_once(':')?;
        Some(LogLife { id: id.parse().ok()?, shared: Timestamp(shared.parse().ok()?) })
    };
    let lives = words.map(life).collect::<Option<_>>()?;
    Some(ErasureEntry { id, rule, until, done: None, lives })
}

/// As it stands in the list. No name has a space or is a star.
impl fmt::Display for ErasureRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ErasureRule::Entries { room, first, last } => write!(f, "entries {room} {first} {last}"),
            ErasureRule::Author { author, room } => {
                let room = room.as_ref().map_or(EVERY_ROOM, RoomName::as_str);
                write!(f, "author {} {room}", author.as_str())
            }
        }
    }
}
