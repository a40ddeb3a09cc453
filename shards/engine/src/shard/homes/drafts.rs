//! Messages whose drafts may be stored already, too long ago for their room to know: each waits until its draft was
//! looked for in the log ([`super::queues`]).

use super::queues::too_many;
use super::{Effects, Homes};
use crate::room::DraftVerdict;
use crate::shard::Deadline;
use crate::shard::archive::{DraftAnswer, DraftFound, DraftQuestion};
use madang_model::{
    DRAFT_WINDOW_US, DraftId, Moment, Now, Refusal, Reply, RoomKey, Seq, SessionId, UserName,
};
use std::time::Duration;

/// How long a draft is known.
const WINDOW: Duration = Duration::from_micros(DRAFT_WINDOW_US.unsigned_abs());

/// Whose message with a draft it is.
#[derive(Clone, Copy, Debug)]
pub struct DraftOf<'a> {
    pub session: SessionId,
    pub author: &'a UserName,
    pub room: RoomKey,
    pub id: &'a DraftId,
}

/// What is to be done with a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DraftState {
    /// It is accepted, if everything else permits it.
    New,
    /// It was refused, or answered with the number that it has: nothing is stored.
    Answered,
    /// It has to wait until its draft was looked for.
    LookedFor,
}

impl Homes {
    /// What is to be done with a message that has a draft; `found` is what was found when it was looked for. One that
    /// is looked for is to be given to [`super::queues::LookupQueues::begin`].
    pub(super) fn draft_state(
        &mut self,
        draft: DraftOf<'_>,
        found: Option<DraftAnswer>,
        effects: &mut Effects<'_>,
    ) -> DraftState {
        let DraftOf { session, author, room, id } = draft;
        let Some(loaded) = self.rooms.get(&room) else { return DraftState::New };
        let (verdict, hash) = loaded.room.verdict(author, id, effects.now);
        let found = found.filter(|answer| answer.hash == hash).map(|answer| match answer.found {
            // It may have been said meanwhile, by another session, and that be forgotten again.
            DraftFound::Absent if !loaded.room.knows_drafts_after(author, answer.head) => None,
            found => Some(found),
        });
        let refusal = match (verdict, found.flatten()) {
            (DraftVerdict::Stored(seq), _) | (_, Some(DraftFound::Stored(seq))) => {
                Refusal::DraftRepeated { seq, draft: id.clone() }
            }
            (DraftVerdict::New, _) | (_, Some(DraftFound::Absent)) => return DraftState::New,
            (DraftVerdict::TooOld, _) | (_, Some(DraftFound::OutOfReach)) => {
                Refusal::DraftTooOld { draft: id.clone() }
            }
            (_, Some(DraftFound::Unreadable)) => {
                Refusal::NotStored { reason: "whether it is stored already cannot be read".into() }
            }
            (DraftVerdict::Unknown { from }, None) => {
                let (name, head) = (loaded.room.name().clone(), loaded.room.head());
                let after = loaded.last_batch;
                let question = DraftQuestion { session, room: name, head, hash, from, after };
                if head == Seq::ZERO {
                    return DraftState::New;
                }
                if self.queues.has_place(session) && self.archive.look_for_draft(question) {
                    return DraftState::LookedFor;
                }
                too_many()
            }
        };
        // In the order of the room.
        self.with_room(room, session, Reply::NotSaid, effects, |_, _, _| Err(refusal));
        DraftState::Answered
    }

    /// The drafts of a room are other ones: they are known for their time, and then their memory is given back.
    pub(super) fn drafts_changed(&mut self, room: RoomKey, effects: &mut Effects<'_>) {
        let Some(loaded) = self.rooms.get_mut(&room) else { return };
        effects.counters.drafts_forgotten_early += loaded.room.take_drafts_forgotten_early();
        if !loaded.awaits_draft_deadline && loaded.room.has_drafts() {
            loaded.awaits_draft_deadline = true;
            effects.wheel.add(effects.now.monotonic.after(WINDOW), Deadline::Drafts(room));
        }
    }

    /// The time of a room's drafts may have passed. Returns when it is to be looked at again, if others are left.
    pub fn expire_drafts(&mut self, room: RoomKey, now: Now) -> Option<Moment> {
        let loaded = self.rooms.get_mut(&room)?;
        loaded.awaits_draft_deadline = loaded.room.expire_drafts(now.wall);
        loaded.awaits_draft_deadline.then(|| now.monotonic.after(WINDOW))
    }
}
