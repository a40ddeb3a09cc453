//! What came while a user was away, or gone for less than the grace time.

use madang_model::connection::{CodingError, Decoder, Encoder};
use madang_model::{Away, RoomName, Seq, Text, UserName};
use std::fmt;

/// Whispers are counted by sender for this many; those of any others are counted together.
const SENDERS_MAX: usize = 100;

/// What one user has not seen. Only sessions that are or were away hold one.
#[derive(Default, Debug)]
pub struct Absence {
    /// What the user said on leaving; `None` for one who is here.
    away: Option<Away>,
    /// The messages of the room one is in that came meanwhile.
    unseen: Option<Unseen>,
    whispers: Vec<(UserName, u32)>,
    whispers_of_others: u32,
}

/// Invariant: `after <= until`.
#[derive(Clone, Copy, Debug)]
struct Unseen {
    after: Seq,
    /// The last that came before the user was back; `None` while away.
    until: Option<Seq>,
}

impl Absence {
    /// Writes it.
    pub fn write(&self, out: &mut Encoder) {
        out.option(self.away.as_ref(), |out, away| {
            out.option(away.text.as_ref(), |out, text| out.text(text.as_str()));
        });
        out.option(self.unseen, |out, unseen| {
            out.number(unseen.after.0);
            out.option(unseen.until, |out, until| out.number(until.0));
        });
        out.list(self.whispers.iter(), |out, (from, count)| {
            out.text(from.as_str());
            out.number(u64::from(*count));
        });
        out.number(u64::from(self.whispers_of_others));
    }

    /// Reads one.
    ///
    /// # Errors
    /// [`CodingError`] when it is none.
    pub fn read_from(from: &mut Decoder<'_>) -> Result<Absence, CodingError> {
        let text = |from: &mut Decoder<'_>| {
            Text::restore(from.text()?).ok_or(CodingError("what was said on going away is empty"))
        };
        let away = from.option(|from| Ok(Away { text: from.option(text)? }))?;
        let unseen = from.option(|from| {
            let (after, until) = (Seq(from.number()?), from.option(Decoder::number)?.map(Seq));
            match until {
                Some(until) if until < after => Err(CodingError("what is unseen ends before it begins")),
                until => Ok(Unseen { after, until }),
            }
        })?;
        let whispers = from.list(|from| {
            let name = UserName::parse(from.text()?).map_err(|_| CodingError("a user's name is none"))?;
            Ok((name, from.small()?))
        })?;
        if whispers.len() > SENDERS_MAX {
            return Err(CodingError("more senders than are counted"));
        }
        Ok(Absence { away, unseen, whispers, whispers_of_others: from.small()? })
    }

    /// Whether the user is away now.
    pub fn is_away(&self) -> bool {
        self.away.is_some()
    }

    /// What was said about being away, while it lasts.
    pub fn away(&self) -> Option<&Away> {
        self.away.as_ref()
    }

    /// The user goes while the room's newest message is `head`. What was unread stays so.
    pub fn leave(&mut self, away: Away, head: Seq) {
        self.away = Some(away);
        self.unseen = Some(Unseen { after: self.unseen.map_or(head, |unseen| unseen.after), until: None });
    }

    /// The user is back while the room's newest message is `head`. False when there was no absence.
    pub fn come_back(&mut self, head: Seq) -> bool {
        if let Some(unseen) = &mut self.unseen {
            unseen.until.get_or_insert(head.max(unseen.after));
        }
        self.away.take().is_some()
    }

    /// Everything up to `head` is seen. True when nothing needs to be remembered any more.
    pub fn read(&mut self, head: Seq) -> bool {
        self.whispers = Vec::new();
        self.whispers_of_others = 0;
        self.unseen = self.is_away().then_some(Unseen { after: head, until: None });
        !self.is_away()
    }

    /// The user is in another room, whose newest message is `head`. A membership that was kept
    /// through the grace time continues after `resumed_from`.
    pub fn enter(&mut self, head: Seq, resumed_from: Option<Seq>) {
        let after = resumed_from.unwrap_or(head).min(head);
        let until = (!self.is_away()).then_some(head);
        self.unseen = (self.is_away() || after < head).then_some(Unseen { after, until });
    }

    /// Counts whispers that the user may not have seen.
    pub fn whispered(&mut self, from: &UserName, count: u32) {
        if let Some((_, known)) = self.whispers.iter_mut().find(|(name, _)| name == from) {
            *known = known.saturating_add(count);
        } else if self.whispers.len() < SENDERS_MAX {
            self.whispers.push((from.clone(), count));
        } else {
            self.whispers_of_others = self.whispers_of_others.saturating_add(count);
        }
    }

    /// Whether there is nothing that the user has not seen.
    pub fn is_read(&self) -> bool {
        let is_seen = self.unseen.is_none_or(|unseen| unseen.until == Some(unseen.after));
        is_seen && self.whispers.is_empty() && self.whispers_of_others == 0
    }

    /// Lists what is unread, line by line. False when nothing is.
    pub fn list(&self, room: Option<&RoomName>, head: Seq, mut say: impl FnMut(fmt::Arguments<'_>)) -> bool {
        let mut is_any = false;
        if let (Some(room), Some(Unseen { after, until })) = (room, self.unseen) {
            let until = until.unwrap_or(head);
            let count = until.0.saturating_sub(after.0);
            if count > 0 {
                is_any = true;
                let first = after.next();
                let to = if first == until { String::new() } else { format!(" to #{until}") };
                say(format_args!("* {room}: {count} unread, #{first}{to} (try /history after {after})"));
            }
        }
        for (from, count) in &self.whispers {
            is_any = true;
            say(format_args!("* {from}: {count} unread {}", whispers(*count)));
        }
        if self.whispers_of_others > 0 {
            is_any = true;
            let count = self.whispers_of_others;
            say(format_args!("* others: {count} unread {}", whispers(count)));
        }
        is_any
    }
}

fn whispers(count: u32) -> &'static str {
    if count == 1 { "whisper" } else { "whispers" }
}
