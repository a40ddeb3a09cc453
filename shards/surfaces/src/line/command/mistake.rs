//! What is wrong with a line, in words that are safe to send back.

use madang_model::{NameError, Text};
use std::fmt;

/// The longest piece of somebody's own words that an error repeats, in characters.
const SHOWN_CHARS_MAX: usize = 40;

/// A value as an error may show it: without control characters, and short.
#[derive(PartialEq, Eq, Debug)]
pub struct Shown(String);

impl Shown {
    /// Cleans and shortens what somebody typed.
    pub fn of(raw: &str) -> Shown {
        if raw.is_empty() {
            return Shown(String::new());
        }
        let Some(text) = Text::sanitise(raw) else {
            return Shown("(nothing visible)".to_owned());
        };
        match text.char_indices().nth(SHOWN_CHARS_MAX) {
            Some((end, _)) => Shown(format!("{}…", &text[..end])),
            None => Shown(text.as_str().to_owned()),
        }
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a line could not be understood.
#[derive(PartialEq, Eq, Debug, thiserror::Error)]
pub enum Mistake {
    /// No command is called that.
    #[error("unknown command: /{word} (try /help)")]
    UnknownCommand {
        /// What was typed.
        word: Shown,
    },
    /// Elsewhere it is called that.
    #[error("unknown command: /{word}; {instead}")]
    OtherWord {
        /// What was typed.
        word: Shown,
        /// What to type here.
        instead: &'static str,
    },
    /// The command needs more than was typed.
    #[error("{question} (try {example})")]
    Missing {
        /// What is needed.
        question: &'static str,
        /// A line that would do.
        example: &'static str,
    },
    /// A name breaks a rule.
    #[error(transparent)]
    Name(#[from] NameError),
    /// Not a draft id.
    #[error("not an id of 1 to 64 printable ASCII characters: {found} (try /send 7f3a hello)")]
    NotADraftId {
        /// What was typed.
        found: Shown,
    },
    /// Neither on nor off.
    #[error("not on or off: {found} (try {example})")]
    NotASwitch {
        /// What was typed.
        found: Shown,
        /// A line that would do.
        example: &'static str,
    },
    /// Not a number at all.
    #[error("not a number: {found} (try {example})")]
    NotANumber {
        /// What was typed.
        found: Shown,
        /// A line that would do.
        example: &'static str,
    },
    /// Not a number of messages that one page can hold.
    #[error("not a count from 1 to {count_max}: {found} (try /history 20)")]
    CountOutOfRange {
        /// What was typed.
        found: Shown,
        /// The most.
        count_max: u32,
    },
    /// No message can have that number.
    #[error("not a message number from 0 to {seq_max}: {found} (try {example})")]
    SeqOutOfRange {
        /// What was typed.
        found: Shown,
        /// The highest there can be.
        seq_max: u64,
        /// A line that would do.
        example: &'static str,
    },
    /// `/history` was given something it does not know.
    #[error(
        "/history does not know: {found} (try /history 20, /history 20 before 100 or /history after 100)"
    )]
    NotAPage {
        /// What was typed.
        found: Shown,
    },
}

/// What is typed on other servers, and what does the same here.
const OTHER_WORDS: [(&[&str], &str); 11] = [
    (&["join", "j", "room"], "here it is /channel (try /channel r1)"),
    (&["part", "leave"], "here it is /quit (from a channel to the lobby, from there out)"),
    (&["names", "users"], "here it is /who"),
    (&["list", "channels"], "here it is /rooms"),
    (&["me", "action"], "there is no command for it, just say it (try I wave)"),
    (&["w", "m", "whisper", "tell", "pm", "dm", "query"], "here it is /msg (try /msg bob hi there)"),
    (&["exit", "bye", "q", "logout", "disconnect"], "here it is /quit"),
    (&["name"], "here it is /nick (try /nick bob)"),
    (&["afk"], "here it is /away (try /away at lunch)"),
    (&["whowas", "seen"], "here it is /whois (try /whois bob)"),
    (&["?", "h", "commands"], "here it is /help"),
];

impl Mistake {
    /// No command is called so.
    pub fn unknown(word: &str) -> Mistake {
        let is_it = |other: &&str| other.eq_ignore_ascii_case(word);
        let known = OTHER_WORDS.iter().find(|(others, _)| others.iter().any(is_it));
        let word = Shown::of(word);
        match known {
            Some((_, instead)) => Mistake::OtherWord { word, instead },
            None => Mistake::UnknownCommand { word },
        }
    }
}
