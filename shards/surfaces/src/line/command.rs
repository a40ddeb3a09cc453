//! What a person typed, as something that can be done.

mod cost;
mod history;
mod mistake;
#[cfg(test)]
mod tests;

use madang_model::{DraftId, NameError, Page, RoomName, Text, UserName, from_first_seen};
pub use mistake::{Mistake, Shown};
use std::borrow::Cow;

/// One line, understood. What it names is checked; whether it exists is for its home to say.
#[derive(Debug)]
pub enum Command {
    /// Say something in the room.
    Talk {
        /// The author's own id of it, from `/send`.
        draft: Option<DraftId>,
        /// What is said.
        text: Text,
    },
    /// Say something to one user.
    Whisper {
        /// To whom.
        to: UserName,
        /// What is said.
        text: Text,
    },
    /// Go to another room.
    Channel(RoomName),
    /// Leave the room, or from the lobby the server.
    Quit,
    /// Every command in a line each.
    Help,
    /// The members of a room, or of this one.
    Who(Option<RoomName>),
    /// Rooms whose name contains this; all when it is empty.
    Rooms(Box<str>),
    /// What is known of a user.
    Whois(UserName),
    /// Stored messages.
    History(Page),
    /// Another name.
    Nick(UserName),
    /// Not here for a while.
    Away(Option<Text>),
    /// Here again.
    Back,
    /// What came while away.
    Unread,
    /// That has been seen.
    Read,
    /// Whether one's own messages come back.
    Echo(bool),
    /// Whether messages are shown with their time.
    Time(bool),
    /// Is anyone there?
    Ping,
}

impl Command {
    /// Understands a line as others would see it: what nobody sees is no part of it, so that no
    /// unseen character before a command turns it into talk. `None` when there is nothing in it
    /// that anyone could see.
    ///
    /// # Errors
    /// [`Mistake`] names the value and the remedy.
    pub fn parse(line: &str) -> Result<Option<Command>, Mistake> {
        match line.strip_prefix('/') {
            Some(command) if Text::is_plain(command) => Command::of_clean(command),
            // Most lines: what begins so is talk still when it is clean.
            None if line.starts_with(|c| matches!(c, ' '..='~')) => Ok(talk(line)),
            _ => match Text::sanitise(line) {
                None => Ok(None),
                Some(text) => match from_first_seen(&text).strip_prefix('/') {
                    Some(command) => Command::of_clean(command),
                    None => Ok(Some(Command::Talk { draft: None, text })),
                },
            },
        }
    }

    /// Understands what follows a slash.
    fn of_clean(command: &str) -> Result<Option<Command>, Mistake> {
        let command = from_first_seen(command);
        if command.starts_with('/') {
            return Ok(talk(command));
        }
        let (word, rest) = split_word(command);
        // Command words are ASCII and short: what is longer is none of them.
        let mut lower_case = [0; 8];
        let known = lower_case.get_mut(..word.len()).map(|place| {
            place.copy_from_slice(word.as_bytes());
            place.make_ascii_lowercase();
            &*place
        });
        Ok(Some(match known.unwrap_or_default() {
            b"channel" => Command::Channel(room_of(required(rest, "which channel?", "/channel r1")?)?),
            b"quit" => Command::Quit,
            b"msg" => whisper(rest)?,
            b"send" => send(rest)?,
            b"help" => Command::Help,
            b"who" if rest.is_empty() => Command::Who(None),
            b"who" => Command::Who(Some(room_of(rest)?)),
            b"rooms" => {
                Command::Rooms(Text::sanitise(rest).map_or_else(Box::default, |text| text.as_str().into()))
            }
            b"whois" => Command::Whois(user_of(required(rest, "who?", "/whois bob")?)?),
            b"history" => Command::History(history::page_of(rest)?),
            b"nick" => Command::Nick(user_of(required(rest, "which name?", "/nick bob")?)?),
            b"away" => Command::Away(Text::sanitise(rest)),
            b"back" => Command::Back,
            b"unread" => Command::Unread,
            b"read" => Command::Read,
            b"echo" => Command::Echo(switch(rest, "/echo off")?),
            b"time" => Command::Time(switch(rest, "/time on")?),
            b"ping" => Command::Ping,
            _ => return Err(Mistake::unknown(word)),
        }))
    }
}

/// A line before there is a name, as others would see it.
pub fn cleaned(line: &str) -> Cow<'_, str> {
    match Text::sanitise(line) {
        Some(text) if text.as_str() == line => Cow::Borrowed(from_first_seen(line)),
        Some(text) => Cow::Owned(from_first_seen(&text).to_owned()),
        None => Cow::Borrowed(""),
    }
}

fn talk(line: &str) -> Option<Command> {
    Text::sanitise(line).map(|text| Command::Talk { draft: None, text })
}

fn whisper(rest: &str) -> Result<Command, Mistake> {
    let (name, text) = split_word(rest);
    match Text::sanitise(text) {
        Some(text) => Ok(Command::Whisper { to: user_of(name)?, text }),
        None => Err(Mistake::Missing { question: "to whom, and what?", example: "/msg bob hi there" }),
    }
}

fn send(rest: &str) -> Result<Command, Mistake> {
    let (id, text) = split_word(rest);
    let Some(text) = Text::sanitise(text) else {
        return Err(Mistake::Missing { question: "which id, and what?", example: "/send 7f3a hello" });
    };
    let draft = DraftId::parse(id).ok_or_else(|| Mistake::NotADraftId { found: Shown::of(id) })?;
    Ok(Command::Talk { draft: Some(draft), text })
}

fn switch(rest: &str, example: &'static str) -> Result<bool, Mistake> {
    match rest {
        _ if rest.eq_ignore_ascii_case("on") => Ok(true),
        _ if rest.eq_ignore_ascii_case("off") => Ok(false),
        "" => Err(Mistake::Missing { question: "on or off?", example }),
        _ => Err(Mistake::NotASwitch { found: Shown::of(rest), example }),
    }
}

fn required<'a>(rest: &'a str, question: &'static str, example: &'static str) -> Result<&'a str, Mistake> {
    if rest.is_empty() { Err(Mistake::Missing { question, example }) } else { Ok(rest) }
}

fn user_of(raw: &str) -> Result<UserName, NameError> {
    UserName::parse(raw)
}

fn room_of(raw: &str) -> Result<RoomName, NameError> {
    RoomName::parse(raw)
}

/// The first word, and what follows it without white space around.
fn split_word(line: &str) -> (&str, &str) {
    match line.split_once(char::is_whitespace) {
        Some((word, rest)) => (word, rest.trim()),
        None => (line, ""),
    }
}
