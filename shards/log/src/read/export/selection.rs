//! Which rooms, recognised by their stored names, which may be written in more than one way.

use hashbrown::HashMap;
use madang_model::{RoomKey, RoomName};

/// Which rooms to read.
#[derive(Clone, Debug)]
pub enum Selection {
    /// Every room.
    All,
    /// These.
    Rooms(Vec<RoomName>),
}

impl Selection {
    fn includes(&self, name: &RoomName) -> bool {
        match self {
            Selection::All => true,
            Selection::Rooms(rooms) => rooms.iter().any(|room| room.key() == name.key()),
        }
    }
}

/// Where a [`RoomTable`] remembers a room.
#[derive(Clone, Copy, Debug)]
pub struct RoomPlace(usize);

/// What is remembered of each selected room.
pub struct RoomTable<'a, T> {
    selection: &'a Selection,
    /// By every way its name is written; `None` is a room that was not asked for.
    by_text: HashMap<Box<str>, Option<RoomPlace>>,
    by_key: HashMap<RoomKey, RoomPlace>,
    states: Vec<T>,
}

impl<'a, T: Default> RoomTable<'a, T> {
    pub fn new(selection: &'a Selection) -> RoomTable<'a, T> {
        RoomTable { selection, by_text: HashMap::new(), by_key: HashMap::new(), states: Vec::new() }
    }

    /// What is remembered of a room; `None` when it was not asked for, or its name is none.
    pub fn find(&mut self, stored: &str) -> Option<&mut T> {
        let place = self.place(stored)?;
        Some(&mut self.states[place.0])
    }

    /// Where it is remembered. Best asked for many messages in one go: of 100,000 rooms each is a
    /// wait for memory, and the processor then waits for several at a time.
    pub fn place(&mut self, stored: &str) -> Option<RoomPlace> {
        match self.by_text.get(stored) {
            Some(place) => *place,
            None => {
                let place = self.place_of_new(stored);
                self.by_text.insert(stored.into(), place);
                place
            }
        }
    }

    /// What is remembered there.
    pub fn at(&mut self, place: RoomPlace) -> &mut T {
        &mut self.states[place.0]
    }

    fn place_of_new(&mut self, stored: &str) -> Option<RoomPlace> {
        let name = RoomName::from_log(stored).ok().filter(|name| self.selection.includes(name))?;
        let place = *self.by_key.entry(name.key()).or_insert_with(|| {
            self.states.push(T::default());
            RoomPlace(self.states.len() - 1)
        });
        Some(place)
    }

    pub fn into_states(self) -> Vec<T> {
        self.states
    }
}
