//! What is whispered to a client, and whether it may read that.

use super::super::truth::{Checked, Truth};
use super::hear::{ClientHearing, received};
use super::{Client, PendingRequest};
use std::collections::HashMap;

impl Client {
    /// It has a name now, and takes part in direct rooms as this one.
    pub(super) fn known_as(&mut self, side: &str, truth: &mut Truth) -> Checked {
        // A whisper from another shard may be faster than the name.
        if let Some(room) = self.early.iter().find(|room| !is_of(room, side)) {
            return Err(format!("client {} is {side} and has read a whisper of {room}", self.number));
        }
        self.early.clear();
        let is_new = self.sides.insert(side.to_owned());
        if is_new && self.account.is_none() && !truth.guests.insert(side.to_owned()) {
            return Err(format!("client {} has the direct rooms of another, {side}", self.number));
        }
        Ok(())
    }

    /// It does not get a name that it asked for, and waits for no other: no whisper can have been for it.
    pub(super) fn name_refused(&self) -> Checked {
        match self.early.first() {
            Some(room) if !self.waits_for_name() => {
                Err(format!("client {} has no name, and has read a whisper of {room}", self.number))
            }
            _ => Ok(()),
        }
    }

    fn waits_for_name(&self) -> bool {
        self.asked.iter().any(|asked| matches!(asked, PendingRequest::Name(_)))
    }

    pub(super) fn whispered(
        &mut self,
        is_receipt: bool,
        rest: &str,
        hearing: &mut ClientHearing<'_>,
    ) -> Checked {
        let mut words = rest.splitn(3, ' ');
        let (_from, _to) = (words.next(), words.next());
        let rest = words.next().ok_or("whisper FROM TO …")?;
        let (room, received) = received(rest, hearing.truth)?;
        let name = hearing.truth.name(room);
        if !self.sides.iter().any(|side| is_of(name, side)) {
            if !self.waits_for_name() {
                return Err(format!("client {} reads a whisper that was for another", self.number));
            }
            self.early.push(name.to_owned());
        }
        hearing.truth.received(room, received, hearing.step)?;
        if is_receipt {
            self.answered(received.text);
            return Ok(());
        }
        if !self.heard.insert((room, received.seq)) {
            return Err(format!("client {} receives a whisper again", self.number));
        }
        Ok(())
    }

    /// A whisper that another session of the account said.
    pub(super) fn sent(&mut self, rest: &str, hearing: &mut ClientHearing<'_>) -> Checked {
        if self.account.is_none() {
            return Err(format!("client {} has no other session", self.number));
        }
        self.whispered(false, rest, hearing)
    }

    /// Every session of a name receives what is whispered to it, or by another of them, once it has the name. `said_us` tells
    /// when.
    ///
    /// # Errors
    /// What it has not received.
    pub fn check_whispers(&self, said_us: &HashMap<&str, i64>, truth: &Truth) -> Checked {
        let Some(name) = self.name.as_deref() else { return Ok(()) };
        let side = self.account.map_or_else(|| name.to_owned(), |account| format!("~{account}"));
        for (room, seq, text) in truth.whispers_of(&side) {
            let is_later = said_us.get(text).is_some_and(|said_us| *said_us > self.named_us);
            let is_own = || self.whispered.iter().any(|(own, _)| own == text);
            if is_later && !is_own() && !self.heard.contains(&(room, seq)) {
                let room = truth.name(room);
                return Err(format!("client {} has not received #{seq} of {room}: {text:?}", self.number));
            }
        }
        Ok(())
    }
}

/// Whether this one takes part in a direct room.
fn is_of(room: &str, side: &str) -> bool {
    room.split('&').any(|one| one == side)
}
