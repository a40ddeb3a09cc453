//! Which rooms, recognised by their stored names, which may be written in more than one way.

use crate::types::{RoomKey, RoomName};
use hashbrown::HashMap;

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

/// What is remembered of each selected room.
pub struct RoomTable<'a, T> {
    selection: &'a Selection,
    /// By every way its name is written; `None` is a room that was not asked for.
    by_text: HashMap<Box<str>, Option<usize>>,
    by_key: HashMap<RoomKey, usize>,
    states: Vec<T>,
}

impl<'a, T: Default> RoomTable<'a, T> {
    pub fn new(selection: &'a Selection) -> RoomTable<'a, T> {
        RoomTable { selection, by_text: HashMap::new(), by_key: HashMap::new(), states: Vec::new() }
    }

    /// What is remembered of a room; `None` when it was not asked for, or its name is none.
    pub fn find(&mut self, stored: &str) -> Option<&mut T> {
        let index = match self.by_text.get(stored) {
            Some(index) => *index,
            None => {
                let index = self.index_of(stored);
                self.by_text.insert(stored.into(), index);
                index
            }
        };
        index.map(|index| &mut self.states[index])
    }

    fn index_of(&mut self, stored: &str) -> Option<usize> {
        let name = RoomName::from_log(stored).ok().filter(|name| self.selection.includes(name))?;
        let index = *self.by_key.entry(name.key()).or_insert_with(|| {
            self.states.push(T::default());
            self.states.len() - 1
        });
        Some(index)
    }

    pub fn into_states(self) -> Vec<T> {
        self.states
    }
}
