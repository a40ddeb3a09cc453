//! Messages whose drafts may be stored already, too long ago for their room to know: each waits until its draft was
//! looked for in the log, and what its session asks of the room after it waits behind it. Nobody else waits.

use super::{Effects, Homes, refuse_message};
use crate::room::DraftVerdict;
use crate::shard::Deadline;
use crate::shard::archive::{DraftAnswer, DraftFound, DraftQuestion};
use hashbrown::HashMap;
use madang_model::{
    DRAFT_WINDOW_US, DraftId, Moment, Now, Refusal, Reply, Request, RoomKey, Seq, SessionId, UserName,
};
use std::collections::VecDeque;
use std::time::Duration;

/// Requests that wait behind drafts that are looked for; more messages are refused.
const WAITING_MAX: usize = 4096;
/// How long a draft is known.
const WINDOW: Duration = Duration::from_micros(DRAFT_WINDOW_US.unsigned_abs());

/// What waits for the log.
#[derive(Debug, Default)]
pub struct DraftWaits {
    /// In order: the first has the draft that is looked for.
    waiting: HashMap<(RoomKey, SessionId), VecDeque<Request>>,
    /// How many wait.
    count: usize,
    /// What was found for the next message of a session in a room.
    found: HashMap<(RoomKey, SessionId), DraftAnswer>,
}

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

impl DraftWaits {
    /// Whether nobody waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.found.is_empty()
    }

    /// How many requests wait.
    pub fn count(&self) -> usize {
        self.count
    }
}

impl Homes {
    /// Lets a request wait behind a message of the same session in the same room; gives it back if none waits.
    pub(super) fn wait_behind_draft(
        &mut self,
        request: Request,
        effects: &mut Effects<'_>,
    ) -> Option<Request> {
        if self.drafts.waiting.is_empty() {
            return Some(request);
        }
        let (Some(room), Some(session)) = (request.room(), request.session()) else { return Some(request) };
        let Some(waiting) = self.drafts.waiting.get_mut(&(room, session)) else { return Some(request) };
        let is_message = matches!(
            request,
            Request::Publish { .. } | Request::PublishDirect { .. } | Request::Amend { .. }
        );
        if is_message && self.drafts.count >= WAITING_MAX {
            refuse_message(session, too_many(), effects);
        } else {
            waiting.push_back(request);
            self.drafts.count += 1;
        }
        None
    }

    /// What is to be done with a message that has a draft. One that is looked for is to be given to
    /// [`Homes::wait_for_draft`].
    pub(super) fn draft_state(&mut self, draft: DraftOf<'_>, effects: &mut Effects<'_>) -> DraftState {
        let DraftOf { session, author, room, id } = draft;
        let found = self.drafts.found.remove(&(room, session));
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
                if self.drafts.count < WAITING_MAX && self.archive.look_for_draft(question) {
                    return DraftState::LookedFor;
                }
                too_many()
            }
        };
        // In the order of the room.
        self.with_room(room, session, Reply::NotSaid, effects, |_, _, _| Err(refusal));
        DraftState::Answered
    }

    /// A message waits until its draft was looked for.
    pub(super) fn wait_for_draft(&mut self, room: RoomKey, session: SessionId, request: Request) {
        self.drafts.waiting.insert((room, session), VecDeque::from([request]));
        self.drafts.count += 1;
    }

    /// A draft was looked for. Returns what waited for that, in order.
    pub fn draft_found(
        &mut self,
        (room, session): (RoomKey, SessionId),
        answer: DraftAnswer,
    ) -> VecDeque<Request> {
        let waiting = self.drafts.waiting.remove(&(room, session)).unwrap_or_default();
        self.drafts.count -= waiting.len();
        #[cfg(any(test, feature = "deliberate-faults"))]
        let waiting = crate::mutation::forget_behind_draft(waiting);
        if !waiting.is_empty() {
            self.drafts.found.insert((room, session), answer);
        }
        waiting
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

fn too_many() -> Refusal {
    Refusal::NotStored { reason: "too many wait until it is known whether they are stored".into() }
}
