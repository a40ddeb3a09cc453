//! Of rooms that look alike one at most is there.

use super::super::truth::Checked;
use super::super::twins::is_one;
use super::Session;
use std::collections::BTreeSet;

impl Session {
    /// No two rooms of one pair exist at a time: in memory with members or messages, or on the disk.
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
