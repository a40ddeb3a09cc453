//! Edits, deletions, reactions, pins and topics; and what came after a number.

use super::drafts::{DraftOf, DraftState};
use super::queues::{LookupResult, too_many};
use super::{Acceptance, Effects, Homes, send_or_hold, send_reply};
use crate::mesh::Outbound;
use crate::room::{Amended, lacks_account};
use crate::shard::archive::{EntriesLookup, FirstAnswer, TargetLookup};
use madang_log::{Appender, NewEntry};
use madang_model::{
    AmendRequest, Amendment, Change, DraftId, Event, Now, Page, Refusal, Reply, Request, ResumedEntries,
    RoomKey, RoomName, Seq, SessionId, UserKey,
};

/// How often a message is looked up for one amendment: where so much is said meanwhile that what became of it is not in
/// memory, it is looked up again, and the amendment is refused in the end.
pub const TARGET_LOOKUPS_MAX: u8 = 3;

/// Who wants to change what.
#[derive(Debug)]
pub struct AmendQuestion {
    /// Who asks.
    pub session: SessionId,
    /// The author of the change.
    pub user: UserKey,
    /// The room.
    pub room: RoomKey,
    /// The author's own id of it.
    pub draft: Option<DraftId>,
    /// The message that it is about.
    pub target: Seq,
    /// What is to change.
    pub change: AmendRequest,
}

impl From<AmendQuestion> for Request {
    fn from(question: AmendQuestion) -> Request {
        let AmendQuestion { session, user, room, draft, target, change } = question;
        Request::Amend { session, user, room, draft, target, change }
    }
}

impl Homes {
    /// Lets a room decide about a change. `result` is what was looked up for it.
    pub(super) fn amend(
        &mut self,
        question: AmendQuestion,
        result: Option<LookupResult>,
        effects: &mut Effects<'_>,
    ) {
        let AmendQuestion { session, user, room, ref draft, target, ref change } = question;
        let target_lookups = result.as_ref().map_or(0, |result| result.target_lookups);
        let (draft_found, looked_up) = match result.map(|result| result.answer) {
            Some(FirstAnswer::Draft(found)) => (Some(found), None),
            Some(FirstAnswer::Target(found)) => (None, Some(found).filter(|found| found.target == target)),
            None => (None, None),
        };
        let loaded = self.rooms.get(&room);
        let author = loaded.and_then(|loaded| loaded.room.author_name(session, user).cloned());
        // What was looked up had its draft looked for before, and what was said since is known.
        let looked_up = looked_up.filter(|looked_up| {
            let (Some(loaded), Some(author)) = (loaded, &author) else { return true };
            draft.is_none() || loaded.room.knows_drafts_after(author, looked_up.head)
        });
        // The room refuses that, whatever could be looked up or stored.
        let is_refused = author.as_ref().is_some_and(|author| lacks_account(author, change));
        if let (Some(id), Some(author)) = (draft, &author)
            && looked_up.is_none()
            && !is_refused
        {
            let of = DraftOf { session, author, room, id };
            match self.draft_state(of, draft_found, effects) {
                DraftState::New => {}
                DraftState::Answered => return,
                DraftState::LookedFor => {
                    return self.queues.begin((room, session), question.into(), target_lookups);
                }
            }
        }
        if !is_refused && self.refuses_to_store(session, effects) {
            return;
        }
        let (now, has_draft, mut unknown, mut waits) = (effects.now, draft.is_some(), None, false);
        self.with_room(room, session, Reply::NotSaid, effects, |found, events, log| {
            let asked = (target, change.clone());
            match found.amend(session, user, draft.clone(), asked, looked_up, now, events)? {
                Amended::Accepted(amendment, before) => log.amend(&amendment, before),
                Amended::Waits => waits = true,
                Amended::Unknown => unknown = Some((found.name().clone(), found.head())),
            }
            Ok(())
        });
        if has_draft {
            self.drafts_changed(room, effects);
        }
        if waits
            && let Some(loaded) = self.rooms.get_mut(&room)
            && !std::mem::replace(&mut loaded.is_reacting, true)
        {
            self.reacting.push_back(room);
        }
        if let Some(newest) = unknown {
            self.look_target_up(question, newest, target_lookups, effects);
        }
    }

    /// An amendment waits until its message was looked up in a room with this newest entry; that was done so often.
    fn look_target_up(
        &mut self,
        question: AmendQuestion,
        (name, head): (RoomName, Seq),
        target_lookups: u8,
        effects: &mut Effects<'_>,
    ) {
        let AmendQuestion { session, room, target, .. } = question;
        let after = self.rooms.get(&room).map(|loaded| loaded.last_batch).unwrap_or_default();
        let lookup = TargetLookup { session, room: name, head, target, after };
        let asked = if target_lookups >= TARGET_LOOKUPS_MAX {
            Err(Refusal::NotStored {
                reason: "too much is said here while the message is looked up: try again".into(),
            })
        } else if !self.queues.has_place(session) {
            Err(too_many())
        } else {
            self.archive.ask_target(lookup)
        };
        match asked {
            Ok(()) => self.queues.begin((room, session), question.into(), target_lookups + 1),
            // In the order of the room.
            Err(refusal) => self.with_room(room, session, Reply::NotSaid, effects, |_, _, _| Err(refusal)),
        }
    }

    /// In how many rooms reactions wait.
    pub fn reacting(&self) -> usize {
        self.reacting.len()
    }

    /// Accepts the reactions that have waited in one room, if it is time.
    pub fn flush_reactions(&mut self, now: Now, log: &mut Appender, outbound: &mut Outbound) {
        let Some(key) = self.reacting.pop_front() else { return };
        let can_store = self.reason_not_to_store(log).is_none();
        let Some(loaded) = self.rooms.get_mut(&key) else { return };
        loaded.is_reacting = false;
        if !can_store {
            // Nobody was told that they are accepted.
            return loaded.room.drop_reactions();
        }
        let mut acceptance = Acceptance { log, archive: &mut self.archive, batch: None };
        if let Some((amendment, before)) = loaded.room.flush_reactions(now, &mut self.events) {
            acceptance.amend(&amendment, before);
        }
        if let Some(batch) = acceptance.batch {
            loaded.last_batch = batch;
        }
        if loaded.room.has_pending_reactions() {
            loaded.is_reacting = true;
            self.reacting.push_back(key);
        }
        send_or_hold(loaded.last_batch, &mut self.events, &mut self.held, log, outbound);
    }

    /// Answers with everything after a number, as far as it is in memory, or has the rest looked up first.
    pub fn resume(
        &mut self,
        session: SessionId,
        user: UserKey,
        room: RoomKey,
        (after, count): (Seq, u32),
        effects: &mut Effects<'_>,
    ) {
        let count = count.min(Page::MESSAGES_MAX);
        let mut question = None;
        let after_batch = self.rooms.get(&room).map(|loaded| loaded.last_batch).unwrap_or_default();
        self.with_room(room, session, Reply::Refused, effects, |found, events, _| {
            let (name, head) = (found.name().clone(), found.head());
            #[cfg_attr(not(any(test, feature = "deliberate-faults")), expect(unused_mut, reason = "a fault"))]
            let (mut entries, gap) = found.entries_after(user, after, count)?;
            #[cfg(any(test, feature = "deliberate-faults"))]
            crate::mutation::without_amendments(&mut entries);
            match gap {
                None => {
                    let reply = Reply::Resumed(ResumedEntries { room: name, entries, head, gap: None });
                    events.push((session.shard, Event::Reply { to: session.connection, reply }));
                }
                Some(range) => {
                    let after = after_batch;
                    question =
                        Some(EntriesLookup { session, room: name, head, range, recent: entries, after });
                }
            }
            Ok(())
        });
        if let Some(question) = question
            && let Some((session, reply)) = self.archive.ask_entries(question)
        {
            send_reply(session, reply, effects.outbound);
        }
    }
}

impl Acceptance<'_> {
    pub(super) fn amend(&mut self, amendment: &Amendment, before: u64) {
        let batch = self.log.append(NewEntry::amendment(amendment, before));
        self.archive.appended(batch, &amendment.room, amendment.seq, &amendment.author);
        if matches!(amendment.change, Change::Deletion) {
            self.archive.deletion_appended(batch);
        }
        self.batch = Some(batch);
    }
}
