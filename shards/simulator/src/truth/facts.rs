//! The facts of rooms that are stored, and what a server may say of them: nothing acknowledged is lost, and revisions
//! have no gap.

use super::super::disk::{DurableRecord, DurableSaid};
use super::Checked;
use madang_log::FactsVersion;
use madang_model::{Revision, RoomFacts};
use std::collections::BTreeMap;

/// The facts that were stored, by room.
#[derive(Clone, Debug, Default)]
pub struct FactsTruth {
    /// After each revision, and in which step that was stored; revision `n` is at `n - 1`. Without read positions, which
    /// are stored later.
    rooms: BTreeMap<Box<str>, Vec<(RoomFacts, u64)>>,
    /// As the newest record that is stored leaves them, with read positions.
    newest: BTreeMap<Box<str>, (FactsVersion, RoomFacts)>,
}

impl FactsTruth {
    /// A record was stored.
    pub fn store(&mut self, record: &DurableRecord, step: u64) -> Checked {
        let (room, version, said) = record;
        self.follow(record);
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
            Ok(DurableSaid::Changes(changes, _)) => {
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

    /// Makes the newest facts what a record says, if none is newer. What is wrong with it, [`store`](Self::store) reports.
    fn follow(&mut self, (room, version, said): &DurableRecord) {
        let (newest, facts) = self.newest.entry(room.clone()).or_default();
        if version <= newest {
            return;
        }
        *newest = *version;
        match said {
            Err(_) => {}
            Ok(DurableSaid::All(all)) => facts.clone_from(all),
            Ok(DurableSaid::Changes(changes, reads)) => {
                let first = (version.revision.0 + 1).saturating_sub(changes.len() as u64);
                for (revision, change) in (first..).map(Revision).zip(changes) {
                    if revision > facts.revision() {
                        let _ = facts.replay(revision, change);
                    }
                }
                for (account, read) in reads {
                    facts.move_read(*account, *read);
                }
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

    /// What is found of a room is what was stored last, when everything was idle for longer than read positions wait to be
    /// stored.
    pub fn check(&self, room: &str, found: Option<&RoomFacts>) -> Checked {
        let newest = self.rooms.get(room).and_then(|states| states.last());
        if newest.map(|(facts, _)| facts) != found.map(without_reads).as_ref() {
            return Err(format!("the facts of {room} are {found:?}, and were {newest:?}"));
        }
        let read =
            |facts: &RoomFacts| facts.members().iter().map(|it| (*it.0, it.1.read)).collect::<Vec<_>>();
        let (is, was) = (found.map(read), self.newest.get(room).map(|(_, facts)| read(facts)));
        if is.as_ref().is_some_and(|is| Some(is) != was.as_ref()) {
            return Err(format!("members of {room} have read to {is:?}, and it is stored that to {was:?}"));
        }
        Ok(())
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
