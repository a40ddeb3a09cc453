//! Rooms that look alike in pairs, and are seldom spoken in: whoever comes first has one made, and nobody the other.

use super::super::truth::Checked;
use super::Session;
use std::collections::BTreeSet;

/// What their names begin with.
const FIRST_LETTER: char = 'q';

/// Their names, of so many pairs: `q00` and `q0O`.
pub fn names(pairs: usize) -> impl Iterator<Item = String> {
    (0..pairs).flat_map(|n| ['0', 'O'].map(|last| format!("{FIRST_LETTER}{n}{last}")))
}

/// Whether a room is one of them.
pub fn is_one(room: &str) -> bool {
    room.starts_with(FIRST_LETTER)
}

impl Session {
    /// No two rooms of one pair are there at a time: in memory with people or messages, or on the disk.
    pub(super) fn check_twins(&self) -> Checked {
        let cells = self.server.iter().flat_map(|server| &server.cells);
        let used = cells.flat_map(|cell| cell.turn.shard.used_rooms()).map(|room| room.as_str());
        let there: BTreeSet<&str> =
            used.chain(self.truth.rooms().map(|(_, name)| name)).filter(|name| is_one(name)).collect();
        let twin = |name: &&&str| {
            let first = name.strip_suffix('0').map(|rest| format!("{rest}O"));
            first.is_some_and(|twin| there.contains(twin.as_str()))
        };
        match there.iter().find(twin) {
            Some(room) => Err(format!("{room} was made beside a room that looks like it: {there:?}")),
            None => Ok(()),
        }
    }
}
