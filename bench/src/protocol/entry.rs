//! A client that connects, and how far its entry has come.

use std::hash::{BuildHasher, RandomState};

/// A client that connects.
#[derive(Clone, Debug)]
pub(crate) struct Guest {
    /// The name to say.
    pub(crate) name: String,
    /// The room to enter; none stays where the server puts it.
    pub(crate) room: Option<String>,
}

/// How far a guest has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Stage {
    /// It waits for the server to say what it is.
    Silent,
    /// Its name is not accepted yet.
    Naming,
    /// It has a name and is on its way to its room.
    Moving,
    /// It is where it should be.
    In,
}

/// Why a guest cannot enter.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum EntryFault {
    /// Its name was not accepted.
    Name(String),
    /// Something else was not accepted.
    Other(String),
}

/// Names of one measurement, which no other uses: not one before it, nor one at the same time.
#[derive(Clone, Debug)]
pub(crate) struct Names {
    tag: String,
}

impl Names {
    /// Names that are another measurement's with a chance of one in four thousand million.
    pub(crate) fn fresh() -> Names {
        // Consonants of which none looks like another, so that no two tags are confusable.
        const LETTERS: &[u8; 16] = b"bcdfghjkmnpqrtwx";
        let number = RandomState::new().hash_one("tag");
        let letter = |place: u32| char::from(LETTERS[(number >> (4 * place)) as usize & 15]);
        Names { tag: (0..8).map(letter).collect() }
    }

    /// The name of a connection.
    pub(crate) fn user(&self, number: usize) -> String {
        format!("w{}{number}", self.tag)
    }

    /// The name of a room.
    pub(crate) fn room(&self, number: usize) -> String {
        format!("bench{}{number}", self.tag)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn measurements_begun_at_once_have_names_of_their_own() {
        let tags: HashSet<String> = (0..100).map(|_| Names::fresh().tag).collect();
        assert_eq!(tags.len(), 100);
    }
}
