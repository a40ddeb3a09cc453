//! Which room has which look: no room is made beside one that it could be taken for.
//!
//! The home of a room asks the home of its looks before it makes it. Rooms that messages are stored of, and those that
//! the old process carries over, are admitted whatever their looks: so a look may be several rooms'.
//!
//! **Invariant:** a room that was made by this process has its looks before it has members, until it
//! is forgotten. If something was said in it, it has them forever: a start reads the looks of all stored rooms.

use super::loading::{makes_no_room, refuse_to_load, refuse_to_make_for, wanted};
use super::{Effects, Homes, refuse};
use crate::mesh::Outbound;
use crate::room::RoomHistory;
use crate::shard::archive::RoomContents;
use hashbrown::HashMap;
use madang_log::StoredLooks;
use madang_model::{
    Destination, HomeKey, Looks, LooksAnswer, MeshEntry, Refusal, Request, RoomKey, RoomName, Seq, ShardId,
    SkeletonKey,
};
use smallvec::SmallVec;
use std::collections::VecDeque;

/// Rooms that are to be made and wait until the looks of stored rooms are read; more are refused.
const WAITING_MAX: usize = 65_536;
/// At most this many of them are decided in a turn, at some 3 µs each.
const DECIDED_PER_TURN: usize = 64;
/// Looks that could not be read are read again after this many seconds; until then no room is made.
const RETRY_SECONDS: u8 = 30;

/// The rooms whose looks have their home here.
#[derive(Debug)]
pub struct RoomLooks {
    /// Those that are in memory at their homes and were made by this process, by each of their looks.
    made: HashMap<SkeletonKey, SmallVec<[RoomName; 1]>>,
    /// Those that something is stored of, as far as they are not above.
    stored: StoredLooks,
    reading: ReadingState,
    /// Rooms that are to be made, until the looks of stored ones are read.
    waiting: VecDeque<RoomName>,
    /// The looks of the lobby.
    lobby: Looks,
}

/// How far the looks of stored rooms are known.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum ReadingState {
    /// All of them.
    Done,
    /// They are to be read.
    Due,
    UnderWay,
    /// They could not be read, and are to be read again in this many seconds.
    Failed {
        seconds_left: u8,
    },
}

impl RoomLooks {
    /// Where something is stored, its looks are to be read.
    pub fn new(has_stored: bool, lobby: Looks) -> RoomLooks {
        RoomLooks {
            made: HashMap::new(),
            stored: StoredLooks::default(),
            reading: if has_stored { ReadingState::Due } else { ReadingState::Done },
            waiting: VecDeque::new(),
            lobby,
        }
    }

    /// A room whose messages are lost and whose numbers stay taken: no snapshot covers it.
    pub fn add_lost(&mut self, room: &RoomName) {
        self.stored.add(room, room.looks());
    }

    /// Whether the looks of stored rooms are to be read now. [`Homes::looks_read`] says what came of it.
    pub fn begin_reading(&mut self) -> bool {
        let is_due = self.reading == ReadingState::Due;
        if is_due {
            self.reading = ReadingState::UnderWay;
        }
        is_due
    }

    fn take(&mut self, room: RoomName, is_there: bool) -> Option<LooksAnswer> {
        if is_there {
            self.note(room.looks(), &room);
            return None;
        }
        match self.reading {
            ReadingState::Done => return Some(self.decide(&room)),
            ReadingState::Failed { .. } => return Some(LooksAnswer::Unknown(UNREADABLE)),
            ReadingState::Due | ReadingState::UnderWay if self.waiting.len() >= WAITING_MAX => {
                return Some(LooksAnswer::Unknown("too many wait for the disk"));
            }
            ReadingState::Due | ReadingState::UnderWay => self.waiting.push_back(room),
        }
        None
    }

    /// Whether rooms wait that can be decided now. Where the shard `ends`, they are refused: nothing waits for
    /// what is read beside.
    pub fn may_answer(&self, ends: bool) -> bool {
        !self.waiting.is_empty() && (ends || self.reading == ReadingState::Done)
    }

    /// A second has passed.
    pub fn tick(&mut self) {
        if let ReadingState::Failed { seconds_left } = &mut self.reading {
            *seconds_left = seconds_left.saturating_sub(1);
            if *seconds_left == 0 {
                self.reading = ReadingState::Due;
            }
        }
    }

    /// What it holds of stored rooms, in bytes.
    pub fn stored_bytes(&self) -> usize {
        self.stored.bytes()
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
        #[cfg(any(test, feature = "deliberate-faults"))]
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

    /// How many looks the rooms have that were made by this process.
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

const UNREADABLE: &str = "the names of the rooms that are there cannot be read";

fn confusable(room: &RoomName, with: &RoomName) -> Refusal {
    Refusal::RoomConfusable { room: room.as_str().into(), with: with.as_str().into() }
}

/// One look or two.
fn each(looks: Looks) -> impl Iterator<Item = SkeletonKey> {
    let shown = (looks.shown != looks.lower_case).then_some(looks.shown);
    std::iter::once(looks.lower_case).chain(shown)
}

impl Homes {
    /// The looks of stored rooms are read, or could not be: rooms that wait for it are made in the next turns, or not.
    pub fn looks_read(&mut self, read: Option<StoredLooks>, outbound: &mut Outbound) {
        let Some(mut read) = read else {
            self.looks.reading = ReadingState::Failed { seconds_left: RETRY_SECONDS };
            return self.refuse_undecided(UNREADABLE, outbound);
        };
        read.absorb(&self.looks.stored);
        self.looks.stored = read;
        self.looks.reading = ReadingState::Done;
    }

    /// Decides some of the rooms that wait; or refuses them all, where the shard `ends`.
    pub fn answer_looks(&mut self, ends: bool, outbound: &mut Outbound) {
        if ends {
            return self.refuse_undecided("the server is about to stop or to be replaced", outbound);
        }
        let count = self.looks.waiting.len().min(DECIDED_PER_TURN);
        for room in self.looks.waiting.drain(..count).collect::<Vec<_>>() {
            let answer = self.looks.decide(&room);
            self.send(Request::LooksAnswered { room, answer }, outbound);
        }
    }

    fn refuse_undecided(&mut self, reason: &'static str, outbound: &mut Outbound) {
        for room in std::mem::take(&mut self.looks.waiting) {
            self.send(Request::LooksAnswered { room, answer: LooksAnswer::Unknown(reason) }, outbound);
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

    /// Whether a room is made by the sessions that join it, as nothing of it is stored, so that it needs looks of its own.
    pub(super) fn is_made(&self, found: &RoomContents) -> bool {
        let RoomContents { name, stored: RoomHistory { head, .. }, facts } = found;
        *head == Seq::ZERO && facts.is_none() && !name.is_direct() && name.key() != self.settings.lobby.key()
    }

    /// Asks for the looks of a room that is to be made. At once comes what forbids it: the lobby.
    pub(super) fn ask_for_looks(&self, room: &RoomName, outbound: &mut Outbound) -> Result<(), Refusal> {
        let looks = room.looks();
        if looks.are_alike(self.looks.lobby) {
            return Err(confusable(room, &self.settings.lobby));
        }
        self.send_take(room, looks.home, false, outbound);
        Ok(())
    }

    /// A room is there with the members it had before: it has its looks.
    pub(super) fn keep_looks(&self, room: &RoomName, outbound: &mut Outbound) {
        #[cfg(any(test, feature = "deliberate-faults"))]
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
            outbound.push(home, MeshEntry::Request(request));
        }
    }

    /// The home of a room's looks has answered. Returns what waited for the room and may continue, in order.
    pub fn looks_answered(
        &mut self,
        room: RoomName,
        answer: LooksAnswer,
        effects: &mut Effects<'_>,
    ) -> VecDeque<Request> {
        let key = room.key();
        match answer {
            LooksAnswer::Taken => {
                let waiting = self.loading.remove(&key).unwrap_or_default();
                let stored = RoomHistory::default();
                self.enter(key, RoomContents { name: room, stored, facts: None });
                return waiting;
            }
            LooksAnswer::LooksLike(with) => {
                self.refuse_to_make(key, &confusable(&room, &with), effects);
            }
            LooksAnswer::Unknown(reason) => {
                let refusal = Refusal::RoomNotMade { room: room.as_str().into(), reason: reason.into() };
                self.refuse_to_make(key, &refusal, effects);
            }
        }
        VecDeque::new()
    }

    /// A room is not made: the joins that waited for it are refused.
    pub(super) fn refuse_to_make(&mut self, key: RoomKey, refusal: &Refusal, effects: &mut Effects<'_>) {
        for request in self.loading.remove(&key).unwrap_or_default() {
            match request {
                Request::Join { session, .. } => refuse(session, refusal.clone(), effects),
                request if makes_no_room(&request) => refuse_to_make_for(request, effects),
                // Nobody whispers into a channel, and no old process has members in it.
                request if wanted(&request).is_some() => {
                    refuse_to_load(request, "its name looks like another's, or that is not known", effects);
                }
                other => self.act(other, None, effects),
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
