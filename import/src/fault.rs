//! What is wrong with a line, and what to do about it.

use madang_log::TEXT_BYTES_MAX;
use madang_model::NameError;

/// The longest line, in bytes: the longest text with every byte escaped, names, and members that are ignored.
pub const LINE_BYTES_MAX: usize = 1 << 20;

/// Times before this year, 100,000,000 s after 1970, are refused.
const OLDEST_YEAR: i16 = 1973;

/// Why a line cannot be stored.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum LineFault {
    /// Longer than a message can be.
    #[error("it has more than {LINE_BYTES_MAX} bytes; write one JSON object a line (`jq -c`)")]
    TooLong,
    /// No object, or one whose members have other types.
    #[error("it is not the JSON of a message: {what}; write one object a line (`jq -c`)")]
    Json {
        /// What was expected, and the column.
        what: String,
    },
    /// Text in another encoding: `jq -c`, which reads what is not UTF-8 as replacement characters, would destroy it.
    /// The name of the file belongs behind the words.
    #[error(
        "it is not UTF-8 (byte 0x{byte:02X} at column {column}); convert it first: iconv -f {encoding} -t UTF-8"
    )]
    NotUtf8 {
        /// The first byte that is none of UTF-8, or of JSON.
        byte: u8,
        /// Where it is, in bytes from 1.
        column: usize,
        /// In what it most likely is, as iconv names it.
        encoding: &'static str,
    },
    /// A member is missing, or is null.
    #[error("it has no \"{member}\"; a line needs \"room\", \"time\", \"author\" and \"text\"")]
    Missing {
        /// Which.
        member: &'static str,
    },
    /// The room cannot have this name.
    #[error("room {name:?}: {source}; rename it")]
    Room {
        /// As it was given.
        name: String,
        /// What is wrong with it.
        source: NameError,
    },
    /// A room of whispers in a line that no export wrote.
    #[error(
        "room {name:?}: a name with & is that of the whispers of two users, which only lines of `madang log export` \
         may have (with \"seq\" and \"draft\"); rename it"
    )]
    Direct {
        /// As it was given.
        name: String,
    },
    /// The author cannot have this name.
    #[error("author {name:?}: {source}; rename them")]
    Author {
        /// As it was given.
        name: String,
        /// What is wrong with it.
        source: NameError,
    },
    /// No time.
    #[error(
        "time {given:?} is none of RFC 3339 with an offset, nor a number of microseconds since 1970; write \
         2026-11-20T12:03:11.000250Z"
    )]
    Time {
        /// As it was given.
        given: String,
    },
    /// A number that is no time in microseconds.
    #[error(
        "time {given} would be in {year}: a number counts microseconds since 1970; multiply seconds by 1000000, \
         milliseconds by 1000"
    )]
    Unit {
        /// As it was given.
        given: i64,
        /// The year it would be in.
        year: i16,
    },
    /// A time before there was any chat to bring along: most likely a program's word for "none".
    #[error("time {given} is before {OLDEST_YEAR}; correct it, or leave the line out")]
    Past {
        /// The time.
        given: String,
    },
    /// A time that has not come.
    #[error(
        "time {given} is later than now, and the messages that follow it in its room would be older; correct it, or the \
         clock of this machine"
    )]
    Future {
        /// The time.
        given: String,
    },
    /// A text of which nothing would be seen.
    #[error("its text has nothing that can be seen; leave the line out")]
    NoText,
    /// A text that is longer than messages can be.
    #[error("its text has {bytes} bytes, and a message has at most {TEXT_BYTES_MAX}; split it")]
    LongText {
        /// How many.
        bytes: usize,
    },
}
