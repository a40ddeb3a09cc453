//! Edits, deletions, reactions, pins and topics; and what came after a number.

use super::drafts::{DraftOf, DraftState};
use super::{Acceptance, Effects, Homes, refuse_message, send_or_hold, send_reply};
use crate::mesh::Outbound;
use crate::room::{Amended, LookedUpTarget};
use crate::shard::archive::{AmendQuestion, EntriesLookup, TargetLookup};
use madang_log::{Appender, NewEntry};
use madang_model::{
    Amendment, Change, Event, Now, Page, Reply, Request, ResumedEntries, RoomKey, Seq, SessionId, UserKey,
};

impl Homes {
    /// Lets a room decide about a change.
    pub(super) fn amend(&mut self, question: AmendQuestion, effects: &mut Effects<'_>) {
        let AmendQuestion { session, user, room, ref draft, target, ref change } = question;
        let at = (room, session);
        let is_looked_up = self.targets.get(&at).is_some_and(|looked_up| looked_up.target == target);
        let looked_up = if is_looked_up { self.targets.remove(&at) } else { None };
        let author = || self.rooms.get(&room)?.room.author_name(session, user).cloned();
        // What was looked up had its draft looked for before, and what was said since is known.
        let looked_up = looked_up.filter(|looked_up| {
            let (Some(loaded), Some(author)) = (self.rooms.get(&room), author()) else { return true };
            draft.is_none() || loaded.room.knows_drafts_after(&author, looked_up.head)
        });
        if let Some(id) = draft.as_ref().filter(|_| looked_up.is_none())
            && let Some(author) = author()
        {
            let of = DraftOf { session, author: &author, room, id };
            match self.draft_state(of, effects) {
                DraftState::New => {}
                DraftState::Answered => return,
                DraftState::LookedFor => return self.wait_for_draft(room, session, question.into()),
            }
        }
        if self.refuses_to_store(session, effects) {
            return;
        }
        let (now, has_draft, mut unknown, mut waits) = (effects.now, draft.is_some(), None, false);
        let after = self.rooms.get(&room).map(|loaded| loaded.last_batch).unwrap_or_default();
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
        if let Some((name, head)) = unknown
            && let Err(refusal) = self.archive.ask_target(TargetLookup { question, name, head, after })
        {
            refuse_message(session, refusal, effects);
        }
    }

    /// A message that is to be amended was looked up. Returns the request, which finds it now.
    pub fn target_found(&mut self, question: AmendQuestion, found: LookedUpTarget) -> Request {
        self.targets.insert((question.room, question.session), found);
        question.into()
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
