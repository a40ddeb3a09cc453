//! What of the lines is stored, and in which order.

use super::window::{RoomIndex, WAIT_BYTES, Window};
use hashbrown::{HashMap, HashSet};
use madang_model::{RoomKey, RoomName, Timestamp};

/// What is done with a message that is older than the newest of its room.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Times {
    /// It is refused.
    Given,
    /// It is stored with the time of the newest.
    NowOrLater,
}

/// A message that was read.
#[derive(Clone, Copy, Debug)]
pub struct Given<T> {
    /// When it was sent.
    pub time: Timestamp,
    /// Author and id, as the log has them.
    pub id_hash: u64,
    /// The length of its line.
    pub line_bytes: usize,
    /// What the caller keeps of it.
    pub item: T,
}

/// A message that is to be stored next in its room.
#[derive(Clone, Copy, Debug)]
pub struct Accepted<T> {
    /// Where.
    pub room: RoomIndex,
    /// The time to store it with.
    pub time: Timestamp,
    /// As it was given.
    pub item: T,
}

/// What has the later time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Late {
    /// A message of the log.
    Stored,
    /// A message of an earlier line.
    Given,
}

/// A message that is older than the newest of its room.
#[derive(Clone, Debug)]
pub struct Conflict<T> {
    /// The room.
    pub room: RoomName,
    /// The message's time.
    pub time: Timestamp,
    /// The time of the newest.
    pub newest: Timestamp,
    /// Which that is.
    pub late: Late,
    /// As it was given.
    pub item: T,
}

/// Takes messages in any order, as far as a window reaches, and gives those that are not stored yet, each room's in
/// the order of their times. It holds eight bytes (up to twice as many in a table) for each message of the rooms, and
/// the messages of the window.
#[derive(Debug)]
pub struct Intake<T> {
    times: Times,
    by_key: HashMap<RoomKey, RoomIndex>,
    rooms: Vec<RoomState>,
    window: Window<T>,
    accepted: Vec<Accepted<T>>,
}

#[derive(Debug)]
struct RoomState {
    name: RoomName,
    /// What the log has.
    stored: HashSet<u64>,
    /// The times of what was erased in the log, of which no id is known.
    erased: HashSet<i64>,
    /// What was given since.
    given: HashSet<u64>,
    /// The time of the newest message that the log has.
    stored_newest: Option<Timestamp>,
    /// The time of the newest that was accepted since.
    given_newest: Option<Timestamp>,
}

impl RoomState {
    fn newest(&self) -> Option<(Timestamp, Late)> {
        let given = self.given_newest.map(|time| (time, Late::Given));
        given.or(self.stored_newest.map(|time| (time, Late::Stored)))
    }
}

impl<T> Intake<T> {
    /// Knows nothing yet.
    pub fn new(times: Times) -> Intake<T> {
        Intake::with_window(times, WAIT_BYTES)
    }

    fn with_window(times: Times, wait_bytes: usize) -> Intake<T> {
        let (by_key, rooms, accepted) = (HashMap::new(), Vec::new(), Vec::new());
        Intake { times, by_key, rooms, window: Window::new(wait_bytes), accepted }
    }

    /// Begins anew, with all that is known of the log and with the rooms.
    pub fn begin_again<U>(self) -> Intake<U> {
        let Intake { times, by_key, mut rooms, window: _, accepted: _ } = self;
        for room in &mut rooms {
            room.given.clear();
            room.given_newest = None;
        }
        Intake { by_key, rooms, ..Intake::new(times) }
    }

    /// The rooms, by their index.
    pub fn rooms(&self) -> impl ExactSizeIterator<Item = &RoomName> {
        self.rooms.iter().map(|room| &room.name)
    }

    /// A room that was named before.
    pub fn find(&self, room: RoomKey) -> Option<RoomIndex> {
        self.by_key.get(&room).copied()
    }

    /// The room, from now on known.
    pub fn room(&mut self, name: &RoomName) -> RoomIndex {
        *self.by_key.entry(name.key()).or_insert_with(|| {
            self.rooms.push(RoomState {
                name: name.clone(),
                stored: HashSet::new(),
                erased: HashSet::new(),
                given: HashSet::new(),
                stored_newest: None,
                given_newest: None,
            });
            RoomIndex(self.rooms.len() - 1)
        })
    }

    /// The log has this message.
    pub fn know(&mut self, room: RoomIndex, time: Timestamp, id_hash: u64) {
        let room = &mut self.rooms[room.0];
        room.stored.insert(id_hash);
        room.stored_newest = room.stored_newest.max(Some(time));
    }

    /// The log had a message without an id, which was erased: what was said in the room at that moment must not come
    /// back.
    pub fn know_erased(&mut self, room: RoomIndex, time: Timestamp) {
        let room = &mut self.rooms[room.0];
        room.erased.insert(time.0);
        room.stored_newest = room.stored_newest.max(Some(time));
    }

    /// Takes the next message. Whether it is new.
    ///
    /// # Errors
    /// [`Conflict`] of a message that has waited: nothing more can be taken then.
    pub fn take(&mut self, room: &RoomName, given: Given<T>) -> Result<bool, Conflict<T>> {
        let index = self.room(room);
        let state = &mut self.rooms[index.0];
        let is_known = state.stored.contains(&given.id_hash) || state.erased.contains(&given.time.0);
        if is_known || !state.given.insert(given.id_hash) {
            return Ok(false);
        }
        if self.window.push(index, given.time, given.line_bytes, given.item) {
            self.release(Window::take_old)?;
        }
        Ok(true)
    }

    /// No more messages come.
    ///
    /// # Errors
    /// [`Conflict`] of a message that has waited.
    pub fn finish(&mut self) -> Result<(), Conflict<T>> {
        self.release(Window::take_all)
    }

    /// Those that are to be stored now, in this order.
    pub fn accepted(&mut self) -> impl Iterator<Item = Accepted<T>> {
        self.accepted.drain(..)
    }

    fn release(
        &mut self,
        take: impl FnOnce(&mut Window<T>, &mut dyn FnMut(RoomIndex, Timestamp, T)),
    ) -> Result<(), Conflict<T>> {
        let Intake { times, rooms, window, accepted, .. } = self;
        let mut conflict = None;
        take(window, &mut |index, time, item| {
            if conflict.is_some() {
                return;
            }
            let room = &mut rooms[index.0];
            let stored_time = match (room.newest(), *times) {
                (Some((newest, late)), Times::Given) if newest > time => {
                    conflict = Some(Conflict { room: room.name.clone(), time, newest, late, item });
                    return;
                }
                (Some((newest, _)), _) => newest.max(time),
                (None, _) => time,
            };
            room.given_newest = Some(stored_time);
            accepted.push(Accepted { room: index, time: stored_time, item });
        });
        conflict.map_or(Ok(()), Err)
    }
}

#[cfg(test)]
mod tests;
