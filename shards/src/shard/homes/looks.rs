//! Which room has which look: no room is made beside one that it could be taken for.
//!
//! The home of a room asks the home of its looks before it makes it. Rooms that messages are stored of, and those that
//! the process before carries over, are let in whatever they look like: so a look may be several rooms'.
//!
//! **Invariant:** a room that was made in this life of the server has its looks from before anyone is in it, until it
//! is forgotten. If something was said in it, it has them for ever: a start reads the looks of all stored rooms.

use super::residence::refuse_to_take_up;
use super::{Effects, Homes, refuse};
use crate::log::StoredLooks;
use crate::mesh::Outbound;
use crate::shard::archive::TakenUp;
use crate::types::{
    Destination, Envelope, HomeKey, Looks, LooksAnswer, Refusal, Request, RoomKey, RoomName, Seq, ShardId,
    SkeletonKey,
};
use hashbrown::HashMap;
use smallvec::SmallVec;
use std::collections::VecDeque;

/// Rooms that are to be made and wait until the looks of stored rooms are read; more are refused.
const WAITING_MAX: usize = 65_536;

/// The rooms whose looks have their home here.
#[derive(Debug, Default)]
pub struct RoomLooks {
    /// Those that are in memory at their homes and were made in this life of the server, by each of their looks.
    made: HashMap<SkeletonKey, SmallVec<[RoomName; 1]>>,
    /// Those that something is stored of, as far as they are not above.
    stored: StoredLooks,
    reading: Reading,
    /// Rooms that are to be made, until the looks of stored ones are read.
    waiting: VecDeque<RoomName>,
}

/// How far the looks of stored rooms are known.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum Reading {
    /// All of them.
    #[default]
    Done,
    /// They are to be read.
    Due,
    UnderWay,
    /// They could not be read: it is tried again when a room is to be made.
    Failed,
}

impl RoomLooks {
    /// Where something is stored, its looks are to be read.
    pub fn new(has_stored: bool) -> RoomLooks {
        let reading = if has_stored { Reading::Due } else { Reading::Done };
        RoomLooks { reading, ..RoomLooks::default() }
    }

    /// A room whose messages are lost and whose numbers stay taken: no snapshot tells of it.
    pub fn add_lost(&mut self, room: &RoomName) {
        self.stored.add(room, room.looks());
    }

    /// Whether the looks of stored rooms are to be read now. [`Homes::looks_read`] says what came of it.
    pub fn begin_reading(&mut self) -> bool {
        let is_due = self.reading == Reading::Due;
        if is_due {
            self.reading = Reading::UnderWay;
        }
        is_due
    }

    fn take(&mut self, room: RoomName, is_there: bool) -> Option<LooksAnswer> {
        if is_there {
            self.note(room.looks(), &room);
            return None;
        }
        if self.reading == Reading::Done {
            return Some(self.decide(&room));
        }
        if self.waiting.len() >= WAITING_MAX {
            return Some(LooksAnswer::Unknown("too many wait for the disk"));
        }
        if self.reading == Reading::Failed {
            self.reading = Reading::Due;
        }
        self.waiting.push_back(room);
        None
    }

    fn decide(&mut self, room: &RoomName) -> LooksAnswer {
        let looks = room.looks();
        match self.look_alike(room.key(), looks) {
            Some(other) => LooksAnswer::LooksLike(other),
            None => {
                self.note(looks, room);
                LooksAnswer::Taken
            }
        }
    }

    fn look_alike(&self, room: RoomKey, looks: Looks) -> Option<RoomName> {
        #[cfg(test)]
        if crate::mutation::is_on(crate::mutation::Mutation::MakeLookAlike) {
            return None;
        }
        let made = each(looks).filter_map(|look| self.made.get(&look)).flatten();
        let made = made.into_iter().find(|other| other.key() != room).cloned();
        made.or_else(|| self.stored.look_alike(room, looks))
    }

    fn note(&mut self, looks: Looks, room: &RoomName) {
        for look in each(looks) {
            let having = self.made.entry(look).or_default();
            if having.iter().all(|other| other.key() != room.key()) {
                having.push(room.clone());
            }
        }
    }

    fn give(&mut self, room: &RoomName, is_stored: bool) {
        let looks = room.looks();
        for look in each(looks) {
            let Some(having) = self.made.get_mut(&look) else { continue };
            having.retain(|other| other.key() != room.key());
            if having.is_empty() {
                self.made.remove(&look);
            }
        }
        if is_stored {
            self.stored.add(room, looks);
        }
    }

    /// How many looks rooms have that were made in this life of the server.
    #[cfg(test)]
    pub fn made(&self) -> usize {
        self.made.len()
    }

    /// How many rooms wait until the looks of stored ones are read.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Gives back the memory of what is gone.
    pub fn shrink(&mut self) {
        self.made.shrink_to(2 * self.made.len());
        self.waiting.shrink_to(2 * self.waiting.len());
    }
}

fn confusable(room: &RoomName, with: &RoomName) -> Refusal {
    Refusal::RoomConfusable { room: room.as_str().into(), with: with.as_str().into() }
}

/// One look or two.
fn each(looks: Looks) -> impl Iterator<Item = SkeletonKey> {
    let shown = (looks.shown != looks.lower_case).then_some(looks.shown);
    std::iter::once(looks.lower_case).chain(shown)
}

impl Homes {
    /// The looks of stored rooms are read, or could not be: rooms that wait for it are made, or not.
    pub fn looks_read(&mut self, read: Option<StoredLooks>, outbound: &mut Outbound) {
        let is_read = read.is_some();
        if let Some(mut read) = read {
            read.absorb(&self.looks.stored);
            self.looks.stored = read;
        }
        self.looks.reading = if is_read { Reading::Done } else { Reading::Failed };
        for room in std::mem::take(&mut self.looks.waiting) {
            let answer = if is_read {
                self.looks.decide(&room)
            } else {
                LooksAnswer::Unknown("the disk reports errors")
            };
            self.send(Request::LooksAnswered { room, answer }, outbound);
        }
    }

    pub(super) fn take_looks(&mut self, room: RoomName, is_there: bool, outbound: &mut Outbound) {
        if let Some(answer) = self.looks.take(room.clone(), is_there) {
            self.send(Request::LooksAnswered { room, answer }, outbound);
        }
    }

    pub(super) fn give_looks(&mut self, room: &RoomName, is_stored: bool) {
        self.looks.give(room, is_stored);
    }

    /// Whether a room is made by those who want to be in it, so that it needs looks of its own.
    pub(super) fn is_made(&self, found: &TakenUp) -> bool {
        let TakenUp { name, head, .. } = found;
        *head == Seq::ZERO && !name.is_direct() && name.key() != self.settings.lobby.key()
    }

    /// Asks for the looks of a room that is to be made. At once comes what forbids it: the lobby.
    pub(super) fn ask_for_looks(&self, room: &RoomName, outbound: &mut Outbound) -> Result<(), Refusal> {
        let (looks, lobby) = (room.looks(), &self.settings.lobby);
        if looks.are_alike(lobby.looks()) {
            return Err(confusable(room, lobby));
        }
        self.send_take(room, looks.home, false, outbound);
        Ok(())
    }

    /// A room is there with those who were in it before: it has its looks.
    pub(super) fn keep_looks(&self, room: &RoomName, outbound: &mut Outbound) {
        #[cfg(test)]
        if crate::mutation::is_on(crate::mutation::Mutation::ForgetCarriedLooks) {
            return;
        }
        self.send_take(room, room.looks().home, true, outbound);
    }

    fn send_take(&self, room: &RoomName, home: HomeKey, is_there: bool, outbound: &mut Outbound) {
        self.send(Request::TakeLooks { room: room.clone(), home, is_there }, outbound);
    }

    /// A room that was made here is no longer in memory.
    pub(super) fn send_give(&self, room: &RoomName, is_stored: bool, outbound: &mut Outbound) {
        let home = room.looks().home;
        self.send(Request::GiveLooks { room: room.clone(), home, is_stored }, outbound);
    }

    fn send(&self, request: Request, outbound: &mut Outbound) {
        if let Destination::Home(home) = request.destination(self.settings.shard_count) {
            outbound.push(home, Envelope::Request(request));
        }
    }

    /// The home of a room's looks has answered. Returns what waited for the room and may go on, in order.
    pub(super) fn looks_answered(
        &mut self,
        room: RoomName,
        answer: LooksAnswer,
        effects: &mut Effects<'_>,
    ) -> VecDeque<Request> {
        let key = room.key();
        match answer {
            LooksAnswer::Taken => {
                let waiting = self.taking_up.remove(&key).unwrap_or_default();
                self.enter(key, TakenUp { name: room, head: Seq::ZERO, messages: Vec::new() });
                return waiting;
            }
            LooksAnswer::LooksLike(with) => {
                self.refuse_to_make(key, &confusable(&room, &with), effects);
            }
            LooksAnswer::Unknown(reason) => self.refuse_waiting(key, reason, effects),
        }
        VecDeque::new()
    }

    /// A room is not made: who wanted to be in it is refused.
    pub(super) fn refuse_to_make(&mut self, key: RoomKey, refusal: &Refusal, effects: &mut Effects<'_>) {
        for request in self.taking_up.remove(&key).unwrap_or_default() {
            match request {
                Request::Join { session, .. } => refuse(session, refusal.clone(), effects),
                // Nobody whispers into a channel, and no process before this one has people in it.
                Request::PublishDirect { .. } | Request::Carry(_) => {
                    refuse_to_take_up(request, "its name looks like another's", effects);
                }
                other => self.act(other, effects),
            }
        }
    }
}

/// The rooms among lost ones whose looks have their home here.
pub(super) fn lost_at_home<'a>(
    lost: impl Iterator<Item = &'a RoomName>,
    id: ShardId,
    shard_count: u16,
) -> impl Iterator<Item = &'a RoomName> {
    lost.filter(move |room| !room.is_direct() && room.looks().home.home(shard_count) == id)
}
