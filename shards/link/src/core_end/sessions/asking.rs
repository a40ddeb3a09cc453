//! What the edge asks for its sessions, as requests to home shards.

use super::session::{EdgeSession, Granted};
use super::{SessionNotice, Sessions};
use crate::bounds::{ROOMS_PER_SESSION_MAX, SESSIONS_MAX};
use crate::format::WireFault;
use crate::words::{EdgeRequest, RequestFault, SessionEnd};
use madang_model::{
    Away, CursorFault, LeaveReason, ListStart, LogEpoch, Reply, Request, RoomName, SessionId, UserName,
};
use std::collections::VecDeque;
use std::net::IpAddr;

impl Sessions {
    /// A session begins, and counts against an address if there is one.
    ///
    /// # Errors
    /// [`WireFault`] when its number is not above all before, or there are too many.
    pub fn open(&mut self, number: u32, counted: Option<IpAddr>) -> Result<(), WireFault> {
        if number <= self.last_opened {
            return Err(WireFault::Session { session: number, last: self.last_opened });
        }
        if self.sessions.len() >= SESSIONS_MAX as usize {
            return Err(WireFault::Sessions { sessions_max: SESSIONS_MAX });
        }
        self.last_opened = number;
        self.sessions.insert(number, EdgeSession { address: counted, ..EdgeSession::default() });
        if let Some(address) = counted {
            let session = self.id(number);
            self.requests.push_back(Request::Admit { session, address });
        }
        Ok(())
    }

    /// The edge closes a session. Nothing changes for one that is closing already.
    ///
    /// # Errors
    /// [`WireFault`] when it was never opened.
    pub fn close(&mut self, number: u32, is_clean: bool) -> Result<(), WireFault> {
        self.check(number)?;
        self.begin_closing(number, SessionEnd::Asked, is_clean);
        Ok(())
    }

    /// A session sends an invalid request.
    ///
    /// # Errors
    /// [`WireFault`] when it was never opened.
    pub fn refuse(&mut self, number: u32, fault: RequestFault, words: Box<str>) -> Result<(), WireFault> {
        self.check(number)?;
        self.notices.push_back(SessionNotice::BadRequest(number, fault, words));
        Ok(())
    }

    /// A session sends a request; cursors are of this epoch. One that is closing, or closed, as the edge may not know yet, is not answered.
    ///
    /// # Errors
    /// [`WireFault`] when it was never opened.
    pub fn ask(
        &mut self,
        number: u32,
        request: EdgeRequest,
        epoch: &dyn Fn() -> LogEpoch,
    ) -> Result<(), WireFault> {
        self.check(number)?;
        if !self.is_open(number) {
            return Ok(());
        }
        match self.counting(number, |id, session, requests| ask_as(id, session, (request, epoch), requests)) {
            Some(Ok(Some(reply))) => self.notices.push_back(SessionNotice::Reply(number, reply)),
            Some(Err((fault, words))) => {
                self.notices.push_back(SessionNotice::BadRequest(number, fault, words.into()));
            }
            Some(Ok(None)) | None => {}
        }
        Ok(())
    }

    fn check(&self, number: u32) -> Result<(), WireFault> {
        if (1..=self.last_opened).contains(&number) {
            return Ok(());
        }
        Err(WireFault::Session { session: number, last: self.last_opened })
    }
}

type RefusedRequest = (RequestFault, String);

/// Asks for a session; what is known without its home is answered at once.
fn ask_as(
    id: SessionId,
    session: &mut EdgeSession,
    (request, epoch): (EdgeRequest, &dyn Fn() -> LogEpoch),
    requests: &mut VecDeque<Request>,
) -> Result<Option<Reply>, RefusedRequest> {
    let request = match request {
        EdgeRequest::Claim { name } => claim(id, session, name)?,
        EdgeRequest::Whois { name } => Request::Whois { session: id, name },
        EdgeRequest::Who { room } => Request::Who { session: id, room },
        EdgeRequest::Rooms { pattern } => Request::Rooms { session: id, pattern },
        EdgeRequest::Members { room, cursor, count } => {
            let epoch = epoch();
            let after = cursor.map(|cursor| cursor.member(epoch, room.key())).transpose();
            let start = ListStart { epoch, after: after.map_err(refused_cursor)?, count };
            Request::Members { session: id, room, start }
        }
        EdgeRequest::RoomsInOrder { pattern, cursor, count } => {
            let epoch = epoch();
            let after = cursor.map(|cursor| cursor.room(epoch, &pattern)).transpose();
            let start = ListStart { epoch, after: after.map_err(refused_cursor)?, count };
            Request::RoomsInOrder { session: id, pattern, start }
        }
        EdgeRequest::SetAway { away } => {
            let Granted { user, .. } = named(session)?;
            set_away(&user, session, away, requests);
            return Ok(None);
        }
        EdgeRequest::Whisper { to, draft, text } => {
            let Granted { user: from, .. } = named(session)?;
            if to == from {
                return Err((RequestFault::ToOneself, format!("{to} is the one who whispers")));
            }
            Request::Whisper { session: id, from, to, draft, text, copies_to: None }
        }
        EdgeRequest::Join { room } => {
            join(session, room)?;
            ask_for_next_room(id, session, requests);
            return Ok(None);
        }
        EdgeRequest::Leave { room } => {
            let Granted { user, .. } = named(session)?;
            if forget_join(session, &room) {
                return Ok(Some(Reply::Left { room }));
            }
            let (user, room, reason) = (user.key(), room.key(), LeaveReason::Left);
            Request::Leave { session: id, user, room, reason, everywhere: None }
        }
        EdgeRequest::Publish { room, draft, text } => {
            let Granted { user, .. } = named(session)?;
            Request::Publish { session: id, user: user.key(), room: room.key(), draft, text }
        }
        EdgeRequest::Amend { room, draft, target, change } => {
            let Granted { user, .. } = named(session)?;
            Request::Amend { session: id, user: user.key(), room: room.key(), draft, target, change }
        }
        EdgeRequest::Resume { room, after, count } => {
            let Granted { user, .. } = named(session)?;
            Request::Resume { session: id, user: user.key(), room: room.key(), after, count }
        }
        EdgeRequest::History { room, page } => {
            let Granted { user, .. } = named(session)?;
            Request::History { session: id, user: user.key(), room: room.key(), page }
        }
        // An account acts, whatever the session's name.
        EdgeRequest::PublishAs { room, author, draft, text } => {
            Request::PublishAs { session: id, author, room, draft, text }
        }
        EdgeRequest::HistoryOf { room, page } => Request::HistoryOf { session: id, room, page },
        EdgeRequest::ChangeFacts { room, by, change } => {
            Request::ChangeFacts { session: id, room, by, change }
        }
        EdgeRequest::MoveRead { room, account, read } => Request::MoveRead { room, account, read },
    };
    requests.push_back(request);
    Ok(None)
}

fn refused_cursor(fault: CursorFault) -> RefusedRequest {
    let kind = match fault {
        CursorFault::Unreadable | CursorFault::OtherList => RequestFault::Cursor,
        CursorFault::OtherEpoch { .. } => RequestFault::CursorOfOtherEpoch,
    };
    (kind, fault.to_string())
}

fn named(session: &EdgeSession) -> Result<Granted, RefusedRequest> {
    session
        .name
        .clone()
        .ok_or_else(|| (RequestFault::NoName, "the session has no name yet; claim one".into()))
}

/// A room is asked for under the name that the session has: neither changes while the other is waited for.
fn claim(id: SessionId, session: &mut EdgeSession, name: UserName) -> Result<Request, RefusedRequest> {
    if session.is_naming() || session.is_joining() {
        let words = format!("the session waits for a name or a room; claim {name} after that");
        return Err((RequestFault::Waiting, words));
    }
    session.claiming = Some(name.clone());
    Ok(Request::Claim { session: id, name })
}

fn join(session: &mut EdgeSession, room: RoomName) -> Result<(), RefusedRequest> {
    named(session)?;
    if session.is_naming() {
        let words = format!("the session waits for another name; join {room} after that");
        return Err((RequestFault::Waiting, words));
    }
    if session.room_count() >= ROOMS_PER_SESSION_MAX {
        let words = format!("a session is in {ROOMS_PER_SESSION_MAX} rooms at most; leave one before {room}");
        return Err((RequestFault::TooManyRooms, words));
    }
    session.joins.push_back(room);
    Ok(())
}

/// Asks for the next room that a session wants to be in, when the one before it is answered.
pub fn ask_for_next_room(id: SessionId, session: &mut EdgeSession, requests: &mut VecDeque<Request>) {
    if session.joining.is_some() {
        return;
    }
    let Some(Granted { user, claim }) = session.name.clone() else { return };
    let Some(room) = session.joins.pop_front() else { return };
    session.joining = Some(room.clone());
    requests.push_back(Request::Join { session: id, user, claim, room, is_away: session.is_away });
}

/// A room that was not asked for yet need not be left. Returns whether that is all there is to do.
fn forget_join(session: &mut EdgeSession, room: &RoomName) -> bool {
    let count = session.joins.len();
    session.joins.retain(|wanted| wanted.key() != room.key());
    let is_there = session.rooms.iter().chain(&session.joining).any(|there| there.key() == room.key());
    session.joins.len() < count && !is_there
}

/// Notifies the user's home and those of its rooms: each answers for what it owns.
fn set_away(
    user: &UserName,
    session: &mut EdgeSession,
    away: Option<Away>,
    requests: &mut VecDeque<Request>,
) {
    session.is_away = away.is_some();
    for room in session.rooms.iter().chain(&session.joining) {
        let (user, away) = (user.clone(), away.clone());
        requests.push_back(Request::SetAway { user, room: Some(room.key()), away });
    }
    requests.push_back(Request::SetAway { user: user.clone(), room: None, away });
}
