//! What is said in rooms, whispered, and read back.

use super::drafts::{DraftOf, DraftState};
use super::queues::LookupResult;
use super::{Effects, Homes, refuse_message, send_reply};
use crate::room::{PageReader, RecentPage, Room, ShardEvent};
use crate::shard::Storage;
use crate::shard::archive::{PageLookup, TimeQuestion};
use madang_log::Appender;
use madang_model::{
    DraftId, Event, HistoryPage, Message, Page, Refusal, Reply, Request, RoomKey, RoomName, SessionId, Text,
    Timestamp, UserKey, UserName,
};
use std::sync::Arc;

/// A whisper whose reader was found.
#[derive(Debug)]
pub struct DirectMessage {
    pub session: SessionId,
    pub readers: Vec<SessionId>,
    pub copies_to: Box<[SessionId]>,
    pub room: RoomName,
    pub from: UserName,
    pub to: UserName,
    pub draft: Option<DraftId>,
    pub text: Text,
}

impl Homes {
    pub(super) fn publish(
        &mut self,
        (session, user): (SessionId, UserKey),
        room: RoomKey,
        (draft, looked_up): (Option<DraftId>, Option<LookupResult>),
        text: Text,
        effects: &mut Effects<'_>,
    ) {
        // Who may say nothing here is not told what is known.
        let author = || self.rooms.get(&room)?.room.author_name(session, user).cloned();
        if let Some(id) = &draft
            && let Some(author) = author()
        {
            let of = DraftOf { session, author: &author, room, id };
            match self.draft_state(of, looked_up.and_then(LookupResult::draft), effects) {
                DraftState::New => {}
                DraftState::Answered => return,
                DraftState::LookedFor => {
                    let request = Request::Publish { session, user, room, draft, text };
                    return self.queues.begin((room, session), request, 0);
                }
            }
        }
        if self.refuses_to_store(session, effects) {
            return;
        }
        let (now, has_draft) = (effects.now, draft.is_some());
        self.with_room(room, session, Reply::NotSaid, effects, |room, events, log| {
            let message = room.publish(session, user, draft, text, now, events)?;
            log.accept(&message, room.amendments());
            said(session, &message);
            Ok(())
        });
        if has_draft {
            self.drafts_changed(room, effects);
        }
    }

    /// What an account says in a room that it need not be in.
    pub(super) fn publish_as(
        &mut self,
        (session, author): (SessionId, UserName),
        room: RoomName,
        (draft, looked_up): (Option<DraftId>, Option<LookupResult>),
        text: Text,
        effects: &mut Effects<'_>,
    ) {
        let key = room.key();
        if let Some(id) = &draft {
            let of = DraftOf { session, author: &author, room: key, id };
            match self.draft_state(of, looked_up.and_then(LookupResult::draft), effects) {
                DraftState::New => {}
                DraftState::Answered => return,
                DraftState::LookedFor => {
                    let request = Request::PublishAs { session, author, room, draft, text };
                    return self.queues.begin((key, session), request, 0);
                }
            }
        }
        let (now, has_draft) = (effects.now, draft.is_some());
        self.accept_from_outside((session, &room), has_draft, effects, |found, events| {
            found.publish_as(session, author, draft, text, now, events)
        });
    }

    /// Has a room accept a message whose author need not be in it. The room may have been loaded for this alone.
    fn accept_from_outside(
        &mut self,
        (session, room): (SessionId, &RoomName),
        has_draft: bool,
        effects: &mut Effects<'_>,
        publish: impl FnOnce(&mut Room, &mut Vec<ShardEvent>) -> Result<Arc<Message>, Refusal>,
    ) {
        let key = room.key();
        if self.refuses_to_store(session, effects) {
            return self.evict_if_idle(key, effects.now, effects.outbound);
        }
        self.with_room(key, session, Reply::NotSaid, effects, |found, events, log| {
            if !found.name().is_same_as(room) {
                return Err(Refusal::RoomNameCollides { room: room.as_str().into() });
            }
            let message = publish(found, events)?;
            log.accept(&message, found.amendments());
            said(session, &message);
            Ok(())
        });
        if has_draft {
            self.drafts_changed(key, effects);
        }
    }

    pub(super) fn publish_direct(
        &mut self,
        whisper: DirectMessage,
        looked_up: Option<LookupResult>,
        effects: &mut Effects<'_>,
    ) {
        let DirectMessage { session, readers, copies_to, room, from, to, draft, text } = whisper;
        if let Some(id) = &draft {
            let of = DraftOf { session, author: &from, room: room.key(), id };
            match self.draft_state(of, looked_up.and_then(LookupResult::draft), effects) {
                DraftState::New => {}
                DraftState::Answered => return,
                DraftState::LookedFor => {
                    let key = room.key();
                    let request =
                        Request::PublishDirect { session, readers, copies_to, room, from, to, draft, text };
                    return self.queues.begin((key, session), request, 0);
                }
            }
        }
        let (now, has_draft) = (effects.now, draft.is_some());
        self.accept_from_outside((session, &room), has_draft, effects, |found, events| {
            found.publish_direct(session, (&readers, &copies_to), &from, &to, draft, text, now, events)
        });
    }

    /// Answers with what is in memory, or has the rest looked up first.
    pub fn history(
        &mut self,
        session: SessionId,
        reader: PageReader,
        room: RoomKey,
        page: Page,
        effects: &mut Effects<'_>,
    ) {
        if let Some(time) = page.time() {
            return self.history_by_time(session, reader, room, (page, time), effects);
        }
        let mut question = None;
        let after = self.rooms.get(&room).map(|loaded| loaded.last_batch).unwrap_or_default();
        self.with_room(room, session, Reply::Refused, effects, |found, events, _| {
            let (room, head) = (found.name().clone(), found.head());
            let RecentPage { messages, rest } = found.history(reader, page)?;
            let is_sparse = found.amendments() > 0;
            match rest {
                None => {
                    let reply = Reply::History(HistoryPage { room, messages, is_sparse, head, gap: None });
                    events.push((session.shard, Event::Reply { to: session.connection, reply }));
                }
                Some(rest) => {
                    let (asked, recent) = (page, messages);
                    question =
                        Some(PageLookup { session, room, head, asked, rest, recent, is_sparse, after });
                }
            }
            Ok(())
        });
        if let Some(question) = question
            && let Some((session, reply)) = self.archive.ask(question)
        {
            send_reply(session, reply, effects.outbound);
        }
    }

    /// The same for a page by time: finds where it begins, which may have to be looked up.
    fn history_by_time(
        &mut self,
        session: SessionId,
        reader: PageReader,
        room: RoomKey,
        (page, time): (Page, Timestamp),
        effects: &mut Effects<'_>,
    ) {
        let (mut known, mut question) = (None, None);
        let after = self.rooms.get(&room).map(|loaded| loaded.last_batch).unwrap_or_default();
        self.with_room(room, session, Reply::Refused, effects, |found, _, _| {
            // Who is no member gets no answer to when something was said either.
            found.history(reader, Page::Last { count: 0 })?;
            match found.first_since(time) {
                Ok(first) => known = Some(first),
                Err(below) => {
                    let asked = TimeQuestion { session, reader, page, time, below, after };
                    question = Some((found.name().clone(), found.head(), asked));
                }
            }
            Ok(())
        });
        if let Some(first) = known {
            self.history(session, reader, room, page.at(first), effects);
        }
        if let Some((room, head, question)) = question
            && let Some((session, reply)) = self.archive.search(room, head, question)
        {
            send_reply(session, reply, effects.outbound);
        }
    }

    /// Why nothing can be stored, if that is so.
    pub(super) fn reason_not_to_store(&self, log: &Appender) -> Option<&'static str> {
        match self.storage {
            Storage::Ready | Storage::Preparing | Storage::Beginning => None,
            Storage::LastSegment(_) if log.has_room() => None,
            Storage::LastSegment(reason) | Storage::NoSegment(reason) | Storage::Failing(reason) => {
                Some(reason)
            }
        }
    }

    /// Answers an author that nothing can be stored. At once: what waits for the log waits for the disk.
    pub(super) fn refuses_to_store(&self, session: SessionId, effects: &mut Effects<'_>) -> bool {
        let Some(reason) = self.reason_not_to_store(effects.log) else { return false };
        refuse_message(session, Refusal::NotStored { reason: reason.into() }, effects);
        true
    }
}

/// What is said stays between the members of the room: log events say where and how much.
fn said(session: SessionId, message: &Message) {
    tracing::trace!(
        shard = session.shard.0,
        connection = %session.connection,
        room = message.room.as_str(),
        seq = message.seq.0,
        bytes = message.text.as_str().len(),
        "said"
    );
}
