//! A line becomes a message, under the rules that the server has for what people send.

use super::fault::{LINE_BYTES_MAX, LineFault};
use super::id::{derived_id, given_id};
use super::line::{Line, Time};
use hashbrown::HashMap;
use madang_log::{AuthorKind, TEXT_BYTES_MAX, draft_hash};
use madang_model::{DraftId, NameError, RoomName, Text, Timestamp, UserName};
use std::borrow::Cow;

/// Names that are kept checked: checking one takes longer than all else. When there are more, it begins again.
const NAMES_MAX: usize = 1 << 17;
/// Times before this, in 1973, are refused; numbers below it are seconds or milliseconds: 100,000,000 s.
const TIME_US_MIN: i64 = 100_000_000_000_000;
/// How `madang log export --facts` begins a line of facts: those of a large room are longer than any message.
const FACTS_BEGINNING: &[u8] = br#"{"facts":{"#;

/// A message as it was sent, still without its number.
#[derive(Clone, Debug)]
pub struct SentMessage {
    /// Where.
    pub room: RoomName,
    /// When.
    pub time: Timestamp,
    /// By whom.
    pub author: UserName,
    /// What it is known by: its id, or a hash of all that is known of it.
    pub id: DraftId,
    /// Author and id, as the log has them.
    pub id_hash: u64,
    /// What was said.
    pub text: Text,
}

/// What a line holds.
#[derive(Clone, Debug)]
pub enum ReadLine {
    /// A message.
    Message(SentMessage),
    /// Numbers of messages that a repair recorded as lost before an export: there is nothing to store.
    Lost,
    /// What became of a message before an export, or a message that was deleted: nothing is stored of it.
    Amendment,
    /// The facts of a room before an export: nothing is stored of them, as the accounts and numbers in them are those of
    /// the log that they come from.
    Facts,
    /// A message whose text was erased before an export: there is nothing to store.
    Erased,
    /// Nothing but space.
    Blank,
}

/// Reads lines. It keeps the names that it has checked.
#[derive(Debug)]
pub struct LineReader {
    now: Timestamp,
    rooms: HashMap<Box<str>, RoomName>,
    authors: HashMap<Box<str>, UserName>,
}

impl LineReader {
    /// Later times than `now` are refused.
    pub fn new(now: Timestamp) -> LineReader {
        LineReader { now, rooms: HashMap::new(), authors: HashMap::new() }
    }

    /// Reads one line, without its end.
    ///
    /// # Errors
    /// [`LineFault`] says why it cannot be stored.
    pub fn read(&mut self, line: &[u8]) -> Result<ReadLine, LineFault> {
        if line.trim_ascii().is_empty() {
            return Ok(ReadLine::Blank);
        }
        if line.len() > LINE_BYTES_MAX && line.starts_with(FACTS_BEGINNING) {
            return Ok(ReadLine::Facts);
        }
        let Line { room, time, author, text, id, draft, seq, lost, amends, deleted, facts, erased } =
            Line::read(line)?;
        if lost.is_some() && author.is_none() && text.is_none() {
            return Ok(ReadLine::Lost);
        }
        if facts.is_some() && author.is_none() && text.is_none() {
            return Ok(ReadLine::Facts);
        }
        if erased == Some(true) && author.is_none() && text.is_none() {
            return Ok(ReadLine::Erased);
        }
        if (amends.is_some() || deleted.is_some()) && text.is_none() {
            return Ok(ReadLine::Amendment);
        }
        let missing = |member| LineFault::Missing { member };
        let given_room = room.ok_or(missing("room"))?.0;
        let time = self.time(time.ok_or(missing("time"))?)?;
        let given_author = author.ok_or(missing("author"))?.0;
        let given_text = text.ok_or(missing("text"))?.0;
        let room = self.room(&given_room)?;
        let is_exported = draft.is_some() && seq.is_some();
        if room.is_direct() && !is_exported {
            return Err(LineFault::Direct { name: given_room.into_owned() });
        }
        let author = self.author(&given_author)?;
        let text = text_of(&given_text)?;
        let id = match id.or(draft.flatten()).filter(|id| !id.0.is_empty()) {
            Some(id) => given_id(&id.0),
            None => derived_id(&given_room, &given_author, time, &given_text),
        };
        let id_hash = draft_hash((AuthorKind::Guest, 0), author.key(), &id);
        Ok(ReadLine::Message(SentMessage { room, time, author, id, id_hash, text }))
    }

    fn room(&mut self, given: &str) -> Result<RoomName, LineFault> {
        checked(&mut self.rooms, given, RoomName::from_log)
            .map_err(|source| LineFault::Room { name: given.to_owned(), source })
    }

    fn author(&mut self, given: &str) -> Result<UserName, LineFault> {
        checked(&mut self.authors, given, UserName::parse)
            .map_err(|source| LineFault::Author { name: given.to_owned(), source })
    }

    fn time(&self, given: Time<'_>) -> Result<Timestamp, LineFault> {
        let time = match given {
            Time::Number(given) if given < TIME_US_MIN => {
                let utc = jiff::tz::TimeZone::UTC;
                let year = jiff::Timestamp::from_microsecond(given).map(|time| time.to_zoned(utc).year());
                return Err(LineFault::Unit { given, year: year.unwrap_or(i16::MIN) });
            }
            Time::Number(given) => Timestamp(given),
            Time::Words(given) => match given.parse::<jiff::Timestamp>() {
                Ok(time) if time.as_microsecond() < TIME_US_MIN => {
                    return Err(LineFault::Past { given: given.into_owned() });
                }
                Ok(time) => Timestamp(time.as_microsecond()),
                Err(_) => return Err(LineFault::Time { given: given.into_owned() }),
            },
        };
        if time > self.now {
            let shown = jiff::Timestamp::from_microsecond(time.0);
            let given = shown.map_or_else(|_| time.0.to_string(), |time| time.to_string());
            return Err(LineFault::Future { given });
        }
        Ok(time)
    }
}

fn checked<N: Clone>(
    known: &mut HashMap<Box<str>, N>,
    given: &str,
    check: impl FnOnce(&str) -> Result<N, NameError>,
) -> Result<N, NameError> {
    if let Some(name) = known.get(given) {
        return Ok(name.clone());
    }
    let name = check(given)?;
    if known.len() >= NAMES_MAX {
        known.clear();
    }
    known.insert(given.into(), name.clone());
    Ok(name)
}

/// A message is one line: where the text has several, a space stands between them. All else is as for what people send.
fn text_of(given: &str) -> Result<Text, LineFault> {
    let text = Text::sanitise(&joined(given)).ok_or(LineFault::NoText)?;
    match text.len() {
        0..=TEXT_BYTES_MAX => Ok(text),
        bytes => Err(LineFault::LongText { bytes }),
    }
}

fn joined(given: &str) -> Cow<'_, str> {
    let is_break =
        |c: char| matches!(c, '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}');
    if Text::is_plain(given) || !given.contains(is_break) {
        return Cow::Borrowed(given);
    }
    let lines = given.split(is_break).map(str::trim).filter(|line| !line.is_empty());
    Cow::Owned(lines.collect::<Vec<_>>().join(" "))
}

#[cfg(test)]
mod tests;
