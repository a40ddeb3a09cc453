//! What became of messages.

use super::super::words::state_words;
use super::{Checked, Erasure, ReceivedMessage, RoomIndex, Truth};

/// What an amendment does to one message.
#[derive(Clone, Debug)]
pub struct Amended {
    /// The entry.
    seq: u64,
    what: What,
}

#[derive(Clone, Debug)]
enum What {
    Edit(Box<str>),
    Deletion,
    Pin(bool),
    Reactions(u64),
}

/// What an amendment says, as it is written behind `~`: of which messages what.
fn parsed(text: &str) -> Option<Vec<(u64, What)>> {
    let (word, rest) = text.strip_prefix('~')?.split_once(' ')?;
    let number = |word: &str| word.parse::<u64>().ok();
    Some(match word {
        "edit" => {
            let (target, text) = rest.split_once(' ')?;
            vec![(number(target)?, What::Edit(text.into()))]
        }
        "delete" => vec![(number(rest)?, What::Deletion)],
        "pin" | "unpin" => vec![(number(rest)?, What::Pin(word == "pin"))],
        "react" => {
            let of = rest.split(',').map(|of| {
                let (message, sum) = of.split_once('=')?;
                Some((number(message)?, What::Reactions(number(sum)?)))
            });
            of.collect::<Option<_>>()?
        }
        _ => return None,
    })
}

/// What was said by an entry: of an edit the new text.
pub fn text_of(entry: &str) -> &str {
    let edit = entry.strip_prefix("~edit ").and_then(|rest| rest.split_once(' '));
    edit.map_or(entry, |(_, text)| text)
}

impl Truth {
    /// Whether what was said by an entry was to be erased: an edit is with its message.
    pub(super) fn erasure(&self, room: RoomIndex, seq: u64) -> Erasure {
        let Some(entry) = self.entry(room, seq) else { return Erasure::No };
        if entry.is_apart {
            return entry.erasure;
        }
        let target = entry.text.strip_prefix("~edit ").and_then(|rest| rest.split_once(' '));
        let target = target.and_then(|(target, _)| self.entry(room, target.parse().ok()?));
        target.map_or(entry.erasure, |target| target.erasure.max(entry.erasure))
    }

    /// The message that an entry gives another text.
    pub(super) fn edited_by(entry: &str) -> Option<u64> {
        entry.strip_prefix("~edit ")?.split_once(' ')?.0.parse().ok()
    }

    /// The edits of a message.
    pub(super) fn edits_of(&self, room: RoomIndex, message: u64) -> impl Iterator<Item = u64> {
        let amended = self.rooms[room].amended.get(&message).into_iter().flatten();
        amended.filter(|amended| matches!(amended.what, What::Edit(_))).map(|amended| amended.seq)
    }

    /// Whether of a message nothing may be shown any more: it was to be erased, or one of its edits, or perhaps.
    fn may_be_erased(&self, room: RoomIndex, seq: u64) -> bool {
        let amended = self.rooms[room].amended.get(&seq).into_iter().flatten();
        let mut entries = amended.map(|amended| amended.seq).chain([seq]);
        entries.any(|seq| self.entry(room, seq).is_some_and(|entry| entry.erasure != Erasure::No))
    }

    /// Messages that were deleted are to be erased. A deletion may have expired before its message, in another directory.
    pub fn erase_deleted(&mut self) {
        for room in 0..self.rooms.len() {
            let deleted = |(target, all): (&u64, &Vec<Amended>)| {
                let mut deletions = all.iter().filter(|amended| matches!(amended.what, What::Deletion));
                deletions.any(|deletion| !self.has_expired(room, deletion.seq)).then_some(*target)
            };
            let targets: Vec<u64> = self.rooms[room].amended.iter().filter_map(deleted).collect();
            targets.into_iter().for_each(|target| self.erase(room, target, target, true));
        }
    }

    /// Whether an entry is to be shown to nobody.
    pub fn is_hidden(&self, room: RoomIndex, seq: u64) -> bool {
        self.erasure(room, seq) == Erasure::Hidden
    }

    /// Whether an entry is a message.
    pub fn is_message(&self, room: RoomIndex, seq: u64) -> bool {
        self.entry(room, seq).is_some_and(|entry| !entry.text.starts_with('~'))
    }

    /// The messages up to a number, newest first.
    pub fn messages_down(&self, room: RoomIndex, last: u64) -> impl Iterator<Item = u64> {
        (1..=last.min(self.head(room))).rev().filter(move |seq| self.is_message(room, *seq))
    }

    /// The messages from a number to another, oldest first.
    pub fn messages_up(&self, room: RoomIndex, first: u64, last: u64) -> impl Iterator<Item = u64> {
        (first.max(1)..=last.min(self.head(room))).filter(move |seq| self.is_message(room, *seq))
    }

    /// Whether an entry says something of a message of this name.
    pub fn is_by(&self, room: RoomIndex, seq: u64, author: &str) -> bool {
        self.entry(room, seq).is_some_and(|entry| *entry.author == *author)
    }

    /// Whether an export gives an entry so: a message without its text where it was deleted or erased, and an amendment as
    /// `~`.
    pub(super) fn is_exported_as(&self, room: RoomIndex, seq: u64, text: Option<&str>) -> bool {
        let Some(entry) = self.entry(room, seq) else { return false };
        if entry.text.starts_with('~') {
            return text == Some("~");
        }
        let amended = self.rooms[room].amended.get(&seq).into_iter().flatten();
        let mut deletions = amended.filter(|amended| matches!(amended.what, What::Deletion));
        match text {
            None => entry.erasure != Erasure::No || deletions.next().is_some(),
            // A deletion may have expired before its message, in another directory.
            Some(text) => {
                *entry.text == *text
                    && matches!(entry.erasure, Erasure::No | Erasure::Perhaps)
                    && deletions.all(|amended| self.has_expired(room, amended.seq))
            }
        }
    }

    pub(super) fn has_expired(&self, room: RoomIndex, seq: u64) -> bool {
        self.entry(room, seq).is_some_and(|entry| entry.has_expired)
    }

    /// An amendment was stored: it must be about messages that are there, and where it may only be that, about its
    /// author's, who has an account.
    pub(super) fn store_amendment(
        &mut self,
        room: RoomIndex,
        seq: u64,
        (author, account): (&str, u64),
        text: &str,
    ) -> Checked {
        let name = self.name(room).to_owned();
        let Some(of) = parsed(text) else {
            return Err(format!("#{seq} of {name} says what nobody asked for: {text}"));
        };
        for (target, what) in of {
            let is_free = matches!(what, What::Pin(_) | What::Reactions(_));
            if target >= seq || !self.is_message(room, target) {
                return Err(format!("#{seq} of {name} is about #{target}, which is no message: {text}"));
            }
            if !is_free && !self.is_by(room, target, author) {
                return Err(format!("#{seq} of {name} by {author} is about another's #{target}: {text}"));
            }
            if !is_free && account == 0 {
                return Err(format!("#{seq} of {name} is by {author}, a guest: {text}"));
            }
            if !is_free && self.entry(room, target).is_some_and(|entry| entry.account != account) {
                return Err(format!("#{seq} of {name} is about another's #{target}: {text}"));
            }
            let known = self.rooms[room].amended.get(&target).into_iter().flatten();
            // One that has expired, in another directory than the message, is not known any more.
            let mut deletions = known.filter(|known| matches!(known.what, What::Deletion));
            if !is_free && !deletions.all(|deletion| self.has_expired(room, deletion.seq)) {
                return Err(format!("#{seq} of {name} is about #{target}, which was deleted: {text}"));
            }
            self.rooms[room].amended.entry(target).or_default().push(Amended { seq, what });
        }
        Ok(())
    }

    /// A message as it is once everything up to an entry has happened.
    fn state(&self, room: RoomIndex, message: u64, last: u64) -> String {
        let text = self.entry(room, message).map_or("", |entry| &entry.text);
        let (mut edited, mut pinned, mut reactions, mut text) = (0, false, 0, text);
        let all = self.rooms[room].amended.get(&message).into_iter().flatten();
        for Amended { seq, what } in all.take_while(|amended| amended.seq <= last) {
            match what {
                What::Edit(new) => (edited, text) = (*seq, new),
                What::Deletion => return "~deleted".to_owned(),
                What::Pin(is_pinned) => pinned = *is_pinned,
                What::Reactions(sum) => reactions = *sum,
            }
        }
        state_words(edited, pinned, reactions, text)
    }

    /// A client received a message as it was when its room had this head, or a little later, in bytes that the server
    /// wrote in `step`.
    pub fn received_as_of(
        &self,
        room: RoomIndex,
        received: ReceivedMessage<'_>,
        head: u64,
        step: u64,
    ) -> Checked {
        let (name, seq) = (self.name(room), received.seq);
        let Some(entry) = self.entry(room, seq).filter(|entry| entry.step <= step) else {
            return Err(format!("#{seq} of {name} is received and not on disk: {received:?}"));
        };
        let is_deleted = received.text == "~deleted";
        if is_deleted && self.may_be_erased(room, seq) {
            return Ok(());
        }
        let edit = received.text.strip_prefix('~').and_then(|words| words.split_once(','));
        let edit = edit.and_then(|(edit, _)| edit.parse().ok()).unwrap_or(0);
        if !is_deleted && (self.is_hidden(room, seq) || self.is_hidden(room, edit)) {
            return Err(format!("#{seq} of {name} is shown, and to be erased"));
        }
        let draft = if received.draft == "-" { "" } else { received.draft };
        if *entry.author != *received.author || (*entry.draft != *draft && !is_deleted) {
            return Err(format!("#{seq} of {name} was {entry:?} and is received as {received:?}"));
        }
        let amended = self.rooms[room].amended.get(&seq);
        let later = amended.into_iter().flatten().map(|amended| amended.seq).filter(|seq| *seq > head);
        let stored = |seq: &u64| self.entry(room, *seq).is_some_and(|entry| entry.step <= step);
        let mut states = std::iter::once(head).chain(later.filter(stored));
        // What has expired in another directory than the message is not known any more.
        let may_be_lost =
            || amended.is_some_and(|all| all.iter().any(|amended| self.has_expired(room, amended.seq)));
        if states.any(|last| self.state(room, seq, last) == received.text) || may_be_lost() {
            return Ok(());
        }
        let state = self.state(room, seq, head);
        Err(format!(
            "#{seq} of {name} is {state:?} as of #{head} and is received as {received:?}: {amended:?}"
        ))
    }

    /// A client that resumes received an entry as it was when its room had this head, or a little later.
    pub fn resumed(&self, room: RoomIndex, received: ReceivedMessage<'_>, head: u64, step: u64) -> Checked {
        if self.is_message(room, received.seq) {
            return self.received_as_of(room, received, head, step);
        }
        let seq = received.seq;
        let outdated = |last: u64| {
            let text = self.entry(room, seq).map_or("", |entry| &entry.text);
            let Some((target, What::Edit(_))) = parsed(text).and_then(|of| of.into_iter().next()) else {
                return false;
            };
            let all = self.rooms[room].amended.get(&target).into_iter().flatten();
            let is_later = |amended: &Amended| {
                amended.seq > seq
                    && amended.seq <= last
                    && matches!(amended.what, What::Edit(_) | What::Deletion)
            };
            all.clone().any(is_later)
        };
        match received.text {
            "~gone" if outdated(self.head(room)) || self.erasure(room, seq) != Erasure::No => Ok(()),
            "~gone" => Err(format!("#{seq} of {} is the last of its message, and gone", self.name(room))),
            _ if outdated(head) => Err(format!(
                "#{seq} of {} was edited away or deleted by #{head}, and is shown",
                self.name(room)
            )),
            _ => self.received(room, received, step),
        }
    }
}
