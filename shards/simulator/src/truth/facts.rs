//! The facts of rooms that are stored, and what a server may say of them: nothing acknowledged is lost, and revisions
//! have no gap.

use super::super::disk::{DurableRecord, DurableSaid};
use super::Checked;
use madang_model::RoomFacts;
use std::collections::BTreeMap;

/// The facts that were stored, by room.
#[derive(Debug, Default)]
pub struct FactsTruth {
    /// After each revision, and in which step that was stored; revision `n` is at `n - 1`. Without read positions, which
    /// are stored later.
    rooms: BTreeMap<Box<str>, Vec<(RoomFacts, u64)>>,
}

impl FactsTruth {
    /// A record was stored.
    pub fn store(&mut self, (room, version, said): &DurableRecord, step: u64) -> Checked {
        let states = self.rooms.entry(room.clone()).or_default();
        let revision = version.revision.0;
        match said {
            Err(why) => Err(format!("facts of {room} are stored unreadable: {why}")),
            Ok(DurableSaid::All(facts)) => {
                let all = without_reads(facts);
                if revision == states.len() as u64 + 1 && version.edition == 0 {
                    states.push((all, step));
                    return Ok(());
                }
                match revision.checked_sub(1).and_then(|place| states.get(place as usize)) {
                    Some((known, _)) if *known == all => Ok(()),
                    known => Err(format!(
                        "revision {revision} of {room} is stored as {all:?}, behind {} revisions; it was {known:?}",
                        states.len()
                    )),
                }
            }
            Ok(DurableSaid::Changes(changes)) => {
                let first = revision + 1 - (changes.len() as u64).min(revision);
                for (revision, change) in (first..).zip(changes) {
                    let place = revision as usize - 1;
                    if place > states.len() {
                        let known = states.len();
                        return Err(format!(
                            "revision {revision} of {room} is stored behind revision {known}"
                        ));
                    }
                    let mut state =
                        place.checked_sub(1).map(|before| states[before].0.clone()).unwrap_or_default();
                    state.change(change).map_err(|why| format!("revision {revision} of {room}: {why}"))?;
                    let state = without_reads(&state);
                    match states.get(place) {
                        None => states.push((state, step)),
                        Some((known, _)) if *known == state => {}
                        Some((known, _)) => {
                            return Err(format!(
                                "revision {revision} of {room} is stored as {state:?}, and was {known:?}"
                            ));
                        }
                    }
                }
                Ok(())
            }
        }
    }

    /// A client was answered that its change is this revision, in bytes that the server wrote in `step`.
    pub fn acknowledged(&self, room: &str, revision: u64, step: u64) -> Checked {
        let states = self.rooms.get(room).map_or(&[][..], Vec::as_slice);
        match revision.checked_sub(1).and_then(|place| states.get(place as usize)) {
            Some((_, stored)) if *stored <= step => Ok(()),
            Some((_, stored)) => Err(format!(
                "revision {revision} of {room} is told in step {step}, and stored in step {stored}"
            )),
            None => Err(format!("revision {revision} of {room} is told, and not on disk")),
        }
    }

    /// What is found of a room is what was stored last.
    pub fn check(&self, room: &str, found: Option<&RoomFacts>) -> Checked {
        let newest = self.rooms.get(room).and_then(|states| states.last());
        let found = found.map(without_reads);
        if newest.map(|(facts, _)| facts) == found.as_ref() {
            return Ok(());
        }
        Err(format!("the facts of {room} are {found:?}, and were {newest:?}"))
    }

    /// The rooms that have facts.
    pub fn rooms(&self) -> impl Iterator<Item = &str> {
        self.rooms.iter().filter(|(_, states)| !states.is_empty()).map(|(room, _)| &**room)
    }

    /// How many revisions there are, of all rooms.
    pub fn revisions(&self) -> u64 {
        self.rooms.values().map(|states| states.len() as u64).sum()
    }
}

/// The same with read positions where they were at the beginning.
fn without_reads(facts: &RoomFacts) -> RoomFacts {
    let mut bare = facts.clone();
    for (account, member) in facts.members() {
        bare.move_read(*account, member.joined);
    }
    bare
}
