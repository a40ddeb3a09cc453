//! One line as JSON: its members, not checked yet.

use super::fault::{LINE_BYTES_MAX, LineFault};
use serde::de::{Error, IgnoredAny, Visitor};
use serde::{Deserialize, Deserializer};
use std::borrow::Cow;
use std::fmt;

/// What files of UTF-16 begin with, in either order of bytes.
const UTF16_MARKS: [&[u8]; 2] = [b"\xff\xfe", b"\xfe\xff"];

/// The members of a line. Others are ignored.
#[derive(Deserialize)]
pub struct Line<'a> {
    #[serde(borrow)]
    pub room: Option<Words<'a>>,
    pub time: Option<Time<'a>>,
    pub author: Option<Words<'a>>,
    pub text: Option<Words<'a>>,
    pub id: Option<Words<'a>>,
    /// What `madang log export` writes of an id, also if it is null.
    #[serde(default, deserialize_with = "present")]
    pub draft: Option<Option<Words<'a>>>,
    /// It is only looked at whether it is there: numbers are given anew.
    pub seq: Option<IgnoredAny>,
    /// The numbers of messages that a repair recorded as lost: `madang log export` writes that, too.
    pub lost: Option<IgnoredAny>,
    /// What became of a message or of the room, as `madang log export` writes it.
    pub amends: Option<IgnoredAny>,
    /// Whether the message was deleted, likewise.
    pub deleted: Option<IgnoredAny>,
    /// The facts of a room, as `madang log export --facts` writes them.
    pub facts: Option<IgnoredAny>,
    /// Whether all that was said was erased: `madang log export` writes that, too.
    pub erased: Option<bool>,
}

/// A string, borrowed where nothing in it is escaped.
pub struct Words<'a>(pub Cow<'a, str>);

/// When a message was sent.
pub enum Time<'a> {
    Words(Cow<'a, str>),
    /// Microseconds since 1970.
    Number(i64),
}

impl<'a> Line<'a> {
    /// Reads the members.
    ///
    /// # Errors
    /// [`LineFault`] when the line is too long or no object with members of these types.
    pub fn read(bytes: &'a [u8]) -> Result<Line<'a>, LineFault> {
        if bytes.len() > LINE_BYTES_MAX {
            return Err(LineFault::TooLong);
        }
        // serde would take an array for the members in their order.
        if bytes.trim_ascii_start().first() != Some(&b'{') {
            return Err(fault_of(bytes, "an object begins with {".to_owned()));
        }
        serde_json::from_slice(bytes).map_err(|error| {
            // There is only one line.
            fault_of(bytes, error.to_string().replace(" at line 1 column ", " at column "))
        })
    }
}

/// Why a line is not the JSON of a message: its encoding, else `what`.
fn fault_of(bytes: &[u8], what: String) -> LineFault {
    // Of two bytes for each character of JSON's own, one is zero.
    let zero = bytes.iter().take(2).position(|byte| *byte == 0);
    let is_utf16 = zero.is_some() || UTF16_MARKS.iter().any(|mark| bytes.starts_with(mark));
    let other = std::str::from_utf8(bytes).err().map(|error| error.valid_up_to()).or(zero);
    match other.and_then(|at| Some((at, *bytes.get(at)?))) {
        Some((at, byte)) => {
            LineFault::NotUtf8 { byte, column: at + 1, encoding: if is_utf16 { "UTF-16" } else { "CP949" } }
        }
        None => LineFault::Json { what },
    }
}

/// Distinguishes what is null from what is not there.
fn present<'de, D, T>(deserializer: D) -> Result<Option<Option<T>>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    Option::deserialize(deserializer).map(Some)
}

struct WordsVisitor;

impl<'de> Visitor<'de> for WordsVisitor {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_borrowed_str<E: Error>(self, words: &'de str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Borrowed(words))
    }

    fn visit_str<E: Error>(self, words: &str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Owned(words.to_owned()))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Words<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Words<'a>, D::Error> {
        deserializer.deserialize_str(WordsVisitor).map(Words)
    }
}

struct TimeVisitor;

impl<'de> Visitor<'de> for TimeVisitor {
    type Value = Time<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a time of RFC 3339 or a whole number of microseconds")
    }

    fn visit_borrowed_str<E: Error>(self, words: &'de str) -> Result<Time<'de>, E> {
        Ok(Time::Words(Cow::Borrowed(words)))
    }

    fn visit_str<E: Error>(self, words: &str) -> Result<Time<'de>, E> {
        Ok(Time::Words(Cow::Owned(words.to_owned())))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Time<'de>, E> {
        Ok(Time::Number(number))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Time<'de>, E> {
        Ok(Time::Number(i64::try_from(number).unwrap_or(i64::MAX)))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Time<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Time<'a>, D::Error> {
        deserializer.deserialize_any(TimeVisitor)
    }
}
