//! Sessions whose link is lost: all that they hold or may hold goes back to its home.

use super::session::{EdgeSession, Granted};
use madang_model::{LeaveReason, Request, SessionId};
use std::collections::VecDeque;

/// Sessions that are lost, and requests still to be sent for the one before them.
#[derive(Debug, Default)]
pub struct LostSessions {
    sessions: Vec<(SessionId, EdgeSession)>,
    requests: VecDeque<Request>,
}

impl LostSessions {
    /// Adds one.
    pub fn add(&mut self, id: SessionId, session: EdgeSession) {
        self.sessions.push((id, session));
    }

    /// Whether nothing is left to be sent.
    pub fn is_empty(&self) -> bool {
        self.sessions.is_empty() && self.requests.is_empty()
    }

    /// The next request for them. They are made one session at a time: sixty thousand may be lost at once.
    pub fn next_request(&mut self) -> Option<Request> {
        while self.requests.is_empty() {
            let (id, session) = self.sessions.pop()?;
            give_everything_back(id, session, &mut self.requests);
            if self.sessions.is_empty() {
                self.sessions = Vec::new();
            }
        }
        self.requests.pop_front()
    }
}

/// Also what was asked for is given back: its answer may be lost with the link. Where there is nothing, a home
/// ignores it; where the answer does come, it is for a session that is gone and goes back again.
fn give_everything_back(id: SessionId, session: EdgeSession, requests: &mut VecDeque<Request>) {
    let EdgeSession { name, claiming, renaming, rooms, joining, address, .. } = session;
    if let Some(Granted { user, .. }) = name {
        for room in rooms.iter().chain(&joining) {
            let (user, room) = (user.key(), room.key());
            requests.push_back(Request::Leave {
                session: id,
                user,
                room,
                reason: LeaveReason::Lost,
                everywhere: None,
            });
        }
        // The edge says itself in which rooms its sessions are to be again.
        requests.push_back(Request::Release {
            session: id,
            name: user,
            is_clean: false,
            leaving: None,
            room: None,
        });
    }
    for name in claiming.into_iter().chain(renaming.map(|renaming| renaming.granted.user)) {
        requests.push_back(Request::Release { session: id, name, is_clean: true, leaving: None, room: None });
    }
    if let Some(address) = address {
        requests.push_back(Request::Discharge { session: id, address });
    }
}
