//! Who comes in, and how far it has come.

use std::time::{SystemTime, UNIX_EPOCH};

/// Someone who comes in.
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

/// Why a guest does not come in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum EntryFault {
    /// Its name was not accepted.
    Name(String),
    /// Something else was not accepted.
    Other(String),
}

/// Names of one measurement, which no earlier one has left behind.
#[derive(Clone, Debug)]
pub(crate) struct Names {
    tag: String,
}

impl Names {
    /// Names that are new in this half year.
    pub(crate) fn fresh() -> Names {
        // Consonants of which none looks like another, so that no two tags are confusable.
        const LETTERS: &[u8; 16] = b"bcdfghjkmnpqrtwx";
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        // Eight letters of four bits count steps of 4 ms for half a year.
        let step = since_epoch.as_micros() >> 12;
        let letter = |place: u32| char::from(LETTERS[(step >> (4 * place)) as usize & 15]);
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
