//! What home shards answer, and what it means for the sessions.

use super::answers::{Question, question_of};
use super::asking::ask_for_next_room;
use super::session::{Granted, Renaming};
use super::{SessionNotice, Sessions};
use crate::words::SessionEnd;
use madang_model::{
    ConnectionId, Everywhere, Joined, LeaveReason, Refusal, Reply, Request, RoomKey, RoomName, SessionId,
    UserName,
};

impl Sessions {
    /// An answer came.
    pub fn reply(&mut self, to: ConnectionId, reply: Reply) {
        let number = self.number_in_life(to).filter(|number| self.is_open(*number));
        let Some(number) = number else { return self.undo(to, reply) };
        let reply = match reply {
            Reply::Claimed { user, claim, missed_whispers, room: _ } => {
                return self.claimed(number, Granted { user, claim }, missed_whispers);
            }
            Reply::Refused(Refusal::TooManyFromAddress { connections_max }) => {
                let end = SessionEnd::TooManyFromAddress { connections_max };
                return self.begin_closing(number, end, true);
            }
            reply => reply,
        };
        match &reply {
            Reply::Joined(_)
            | Reply::History(_)
            | Reply::Resumed(_)
            | Reply::Who(_)
            | Reply::Rooms(_)
            | Reply::Members(_)
            | Reply::RoomsPart(_) => self.answered(number),
            Reply::Refused(refusal) if self.was_long(number, refusal) => self.answered(number),
            Reply::Refused(_)
            | Reply::NotSaid(_)
            | Reply::Claimed { .. }
            | Reply::Left { .. }
            | Reply::Renamed { .. }
            | Reply::Whisper { .. }
            | Reply::WhisperSent { .. }
            | Reply::Said { .. }
            | Reply::WhisperReaderAway { .. }
            | Reply::Whois(_)
            | Reply::FactsChanged { .. } => {}
        }
        match &reply {
            Reply::Joined(joined) => self.joined(number, joined),
            Reply::Left { room } => self.left(number, room.key()),
            Reply::Who(page) => self.seen.look((), page.room.key()),
            Reply::Members(page) => self.seen.look((), page.room.key()),
            Reply::Refused(refusal) => self.refused(number, refusal),
            _ => {}
        }
        self.notices.push_back(SessionNotice::Reply(number, reply));
    }

    /// Whether what is refused would have had a long answer; also of a room that is left, which is not told apart.
    fn was_long(&self, number: u32, refusal: &Refusal) -> bool {
        match question_of(refusal) {
            Question::Join | Question::Other => true,
            Question::ClaimOrJoin => {
                self.sessions.get(&number).is_some_and(|session| session.joining.is_some())
            }
            Question::Claim | Question::Address | Question::Short => false,
        }
    }

    pub(super) fn is_open(&self, number: u32) -> bool {
        self.sessions.get(&number).is_some_and(|session| session.end.is_none())
    }

    /// A name is granted. Others see it once the old name's home has that one back: then they can claim the old name.
    fn claimed(&mut self, number: u32, granted: Granted, missed_whispers: Vec<(UserName, u32)>) {
        let id = self.id(number);
        let Some(session) = self.sessions.get_mut(&number) else { return };
        session.claiming = None;
        let renaming = Renaming { granted, missed_whispers };
        // Of two names that look alike one entry was renamed.
        let old = session.name.as_ref().map(|name| &name.user);
        let old = old.filter(|old| old.skeleton() != renaming.granted.user.skeleton());
        match old.cloned() {
            Some(name) => {
                session.returns += 1;
                session.renaming = Some(renaming);
                self.requests.push_back(Request::GiveUp { session: id, name });
            }
            None => self.take_name(number, renaming),
        }
    }

    /// The session has its name everywhere.
    fn take_name(&mut self, number: u32, Renaming { granted, missed_whispers }: Renaming) {
        let id = self.id(number);
        let Some(session) = self.sessions.get_mut(&number) else { return };
        let Granted { user, claim } = granted.clone();
        if let Some(old) = session.name.replace(granted) {
            let rooms: Vec<RoomKey> = session.rooms.iter().map(RoomName::key).collect();
            let everywhere = Everywhere::of_rename(id, (&old.user, &user, claim), self.now, &rooms);
            for room in rooms {
                let (old, new, everywhere) = (old.user.clone(), user.clone(), everywhere.clone());
                self.requests.push_back(Request::Rename { session: id, room, old, new, claim, everywhere });
            }
        }
        let reply = Reply::Claimed { user, claim, missed_whispers, room: None };
        self.notices.push_back(SessionNotice::Reply(number, reply));
    }

    fn joined(&mut self, number: u32, joined: &Joined) {
        let is_new = self.counting(number, |id, session, requests| {
            session.joining = None;
            let is_new = session.rooms.iter().all(|room| room.key() != joined.room.key());
            if is_new {
                session.rooms.push(joined.room.clone());
            }
            ask_for_next_room(id, session, requests);
            is_new
        });
        if is_new == Some(true) {
            self.enter_room(&joined.room);
        }
    }

    fn left(&mut self, number: u32, room: RoomKey) {
        let Some(session) = self.sessions.get_mut(&number) else { return };
        let place = session.rooms.iter().position(|there| there.key() == room);
        if let Some(place) = place {
            session.rooms.swap_remove(place);
            self.leave_room(room);
        }
    }

    fn refused(&mut self, number: u32, refusal: &Refusal) {
        self.counting(number, |id, session, requests| {
            match question_of(refusal) {
                Question::Claim => session.claiming = None,
                Question::Join => session.joining = None,
                Question::ClaimOrJoin => {
                    session.claiming = None;
                    session.joining = None;
                }
                Question::Address | Question::Short | Question::Other => {}
            }
            ask_for_next_room(id, session, requests);
        });
    }

    /// A home has taken back what a session gave back.
    pub fn given_back(&mut self, to: ConnectionId) {
        let Some(number) = self.number_in_life(to) else { return };
        let Some(session) = self.sessions.get_mut(&number) else { return };
        session.returns = session.returns.saturating_sub(1);
        if let Some(renaming) = session.renaming.take() {
            self.take_name(number, renaming);
        }
        self.finish_closing(number);
    }

    /// An answer came for a session that is gone, or about to be: what it gained is given back.
    fn undo(&mut self, to: ConnectionId, reply: Reply) {
        let id = SessionId { shard: self.shard, connection: to };
        match reply {
            Reply::Claimed { user, .. } => {
                self.requests.push_back(Request::Release {
                    session: id,
                    name: user,
                    is_clean: true,
                    leaving: None,
                    room: None,
                });
                self.claim_answered(to, 1);
            }
            Reply::Refused(refusal) if is_of_claim(&refusal) => self.claim_answered(to, 0),
            Reply::Joined(joined) => {
                let (user, room) = (joined.user.key(), joined.room.key());
                self.requests.push_back(Request::Leave {
                    session: id,
                    user,
                    room,
                    reason: LeaveReason::Quit,
                    everywhere: None,
                });
            }
            Reply::Whisper { from, to, is_receipt: false, .. } => {
                self.requests.push_back(Request::WhisperMissed { from, to });
            }
            _ => {}
        }
    }

    /// A session that is closing has its answer to a name, and gives as much back as it got.
    fn claim_answered(&mut self, to: ConnectionId, returns: u32) {
        let Some(number) = self.number_in_life(to) else { return };
        let Some(session) = self.sessions.get_mut(&number) else { return };
        session.claiming = None;
        session.returns += returns;
        self.finish_closing(number);
    }
}

fn is_of_claim(refusal: &Refusal) -> bool {
    matches!(question_of(refusal), Question::Claim | Question::ClaimOrJoin)
}
