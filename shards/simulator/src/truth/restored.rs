//! What is true of a copy of the log, and once it was put in the place of the log.

use super::super::disk::{DurableMessage, StoredEntries};
use super::{Checked, Erasure, RoomIndex, Truth, TruthEntry};
use std::collections::HashSet;

/// An entry, whatever log it is in: after a restore another has its number.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct KnownEntry {
    room: RoomIndex,
    seq: u64,
    time_us: i64,
    author: Box<str>,
    text: Box<str>,
}

/// What a list of erasures has.
#[derive(Clone, Debug, Default)]
pub struct AskedEntries {
    certain: HashSet<KnownEntry>,
    /// Asking for these has failed.
    perhaps: HashSet<KnownEntry>,
    /// The numbers that requests name: of a room from the first to the last.
    ranges: Vec<(RoomIndex, u64, u64)>,
}

impl AskedEntries {
    /// Adds what another list has.
    pub fn merge(&mut self, other: &AskedEntries) {
        self.certain.extend(other.certain.iter().cloned());
        self.perhaps.extend(other.perhaps.iter().cloned());
        self.ranges.extend(&other.ranges);
    }

    fn names(&self, room: RoomIndex, seq: u64) -> bool {
        self.ranges.iter().any(|(of, first, last)| *of == room && (*first..=*last).contains(&seq))
    }
}

/// What is true of a copy.
pub struct CopiedTruth {
    truth: Truth,
    /// The newest numbers of rooms that were stored when the copy was done: what a copy has behind them was written, and
    /// may become another message.
    heads: Vec<u64>,
}

impl Truth {
    /// The newest numbers of rooms, by their index.
    pub fn heads(&self) -> Vec<u64> {
        self.rooms.iter().map(|room| room.entries.len() as u64).collect()
    }

    pub(super) fn note_asked(&mut self, room: RoomIndex, (first, last): (u64, u64), is_certain: bool) {
        self.asked.ranges.push((room, first, last));
        for seq in first..=last {
            let Some(entry) = self.entry(room, seq).filter(|entry| entry.erasure != Erasure::No) else {
                continue;
            };
            let mut named = vec![known(room, seq, entry)];
            let edits: Vec<u64> = self.edits_of(room, seq).collect();
            for edit in edits {
                let Some(entry) = self.entry_mut(room, edit) else { continue };
                entry.is_apart &= !is_certain;
                named.push(known(room, edit, entry));
            }
            if is_certain { &mut self.asked.certain } else { &mut self.asked.perhaps }.extend(named);
        }
    }

    /// What is true of a copy in which this was found. It was begun when `begun` was true, and has everything of that, but
    /// for what has expired.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn copied(&mut self, begun: Truth, found: &StoredEntries, step: u64) -> Result<CopiedTruth, String> {
        let (begun_heads, heads) = (begun.heads(), self.heads());
        let mut truth = begun;
        // A room may be known by what was written alone.
        for message in &found.messages {
            self.room(&message.room);
        }
        truth.add_rooms_of(self);
        truth.follow(self);
        for message in &found.messages {
            let room = truth.room(&message.room);
            // It may have been erased since it was stored.
            if message.seq > truth.head(room)
                && let Some(entry) = self.entry(room, message.seq)
            {
                truth.store(&entry.durable(&message.room, message.seq), step)?;
                truth.follow(self);
            }
            truth.store(message, step).map_err(|wrong| format!("in a copy, {wrong}"))?;
        }
        for record in &found.facts {
            truth.facts.store(record, step).map_err(|wrong| format!("in a copy, {wrong}"))?;
        }
        truth.asked = self.asked.clone();
        truth.check_holds(&begun_heads, found).map_err(|wrong| format!("in a copy, {wrong}"))?;
        Ok(CopiedTruth { truth, heads })
    }

    /// Of what both have the same has expired, and is to be erased.
    fn follow(&mut self, later: &Truth) {
        for (of_room, of_later) in self.rooms.iter_mut().zip(&later.rooms) {
            for (entry, later) in of_room.entries.iter_mut().zip(&of_later.entries) {
                (entry.has_expired, entry.erasure) = (later.has_expired, later.erasure);
                entry.is_apart = later.is_apart;
            }
            of_room.expired = of_later.expired;
        }
    }

    /// Rooms keep their indexes, by which clients know them.
    fn add_rooms_of(&mut self, other: &Truth) {
        for room in &other.rooms[self.rooms.len()..] {
            self.room(&room.name);
        }
    }

    /// What was asked to be erased in another life of the log says nothing of edits that were not made there.
    fn part_edits(&mut self) {
        for room in 0..self.rooms.len() {
            let entries = self.rooms[room].entries.iter().zip(1..);
            let is_apart = |(entry, seq): (&TruthEntry, u64)| {
                let target = self.entry(room, Truth::edited_by(&entry.text)?)?;
                let is_named = self.asked.certain.contains(&known(room, seq, entry));
                (target.erasure == Erasure::Hidden && !is_named).then_some(seq)
            };
            let apart: Vec<u64> = entries.filter_map(is_apart).collect();
            for seq in apart {
                let Some(entry) = self.entry_mut(room, seq) else { continue };
                (entry.is_apart, entry.erasure) = (true, entry.erasure.max(Erasure::Perhaps));
            }
        }
    }

    /// Everything up to these numbers is there, but for what has expired.
    ///
    /// # Errors
    /// What is not.
    pub fn check_holds(&self, heads: &[u64], found: &StoredEntries) -> Checked {
        let there: HashSet<(&str, u64)> =
            found.messages.iter().map(|message| (&*message.room, message.seq)).collect();
        for (room, head) in heads.iter().enumerate() {
            let is_missing =
                |seq: &u64| !there.contains(&(self.name(room), *seq)) && !self.has_expired(room, *seq);
            if let Some(seq) = (1..=*head).find(is_missing) {
                return Err(format!("there is no #{seq} of {}, which was stored", self.name(room)));
            }
        }
        Ok(())
    }

    /// A copy is put in the place of the log, and everything is erased in it that `lists` have. `shared_us` is the latest
    /// time until which two lives of the log have the same messages.
    pub fn restored(&self, copy: &CopiedTruth, lists: &[&AskedEntries], shared_us: i64) -> Truth {
        let mut truth = copy.truth.clone();
        lists.iter().for_each(|list| truth.asked.merge(list));
        let asked = std::mem::take(&mut truth.asked);
        for (room, of_room) in truth.rooms.iter_mut().enumerate() {
            for (entry, seq) in of_room.entries.iter_mut().zip(1..) {
                let known = known(room, seq, entry);
                // A request for a number means what was said until then in that life: of what was on its way when a
                // copy was made nobody can say which it was.
                let is_unsure =
                    seq > copy.heads.get(room).copied().unwrap_or(0) || entry.time_us <= shared_us;
                if asked.certain.contains(&known) {
                    entry.erasure = Erasure::Hidden;
                } else if asked.perhaps.contains(&known) || (is_unsure && asked.names(room, seq)) {
                    entry.erasure = entry.erasure.max(Erasure::Perhaps);
                }
            }
        }
        truth.asked = asked;
        truth.part_edits();
        truth.incarnation = self.incarnation + 1;
        truth.now_us = self.now_us;
        truth.messages = self.messages;
        truth.guests.extend(self.guests.iter().cloned());
        truth.add_rooms_of(self);
        truth
    }
}

impl TruthEntry {
    /// As it was stored.
    fn durable(&self, room: &str, seq: u64) -> DurableMessage {
        let TruthEntry { at, time_us, account, .. } = *self;
        let (author, draft, text) = (self.author.clone(), self.draft.clone(), self.text.clone());
        DurableMessage { at, room: room.into(), seq, time_us, author, account, draft, text }
    }
}

fn known(room: RoomIndex, seq: u64, entry: &TruthEntry) -> KnownEntry {
    let TruthEntry { time_us, author, text, .. } = entry;
    KnownEntry { room, seq, time_us: *time_us, author: author.clone(), text: text.clone() }
}
