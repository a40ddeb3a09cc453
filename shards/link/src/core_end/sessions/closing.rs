//! How sessions end: everything goes back to its home, and the edge is notified when all of it has arrived.

use super::{SessionNotice, Sessions};
use crate::words::SessionEnd;
use madang_model::{LeaveReason, Request};

impl Sessions {
    /// Gives back what a session holds, unless it is closing already.
    pub(super) fn begin_closing(&mut self, number: u32, end: SessionEnd, is_clean: bool) {
        let id = self.id(number);
        self.expect_no_answers(number);
        let Some(session) = self.sessions.get_mut(&number).filter(|session| session.end.is_none()) else {
            return;
        };
        session.end = Some(end);
        session.joins.clear();
        let rooms = std::mem::take(&mut session.rooms);
        let joining = session.joining.take();
        if let Some(name) = session.name.take() {
            // A room that it is about to be in is left behind that.
            for room in rooms.iter().chain(&joining) {
                let (user, room) = (name.user.key(), room.key());
                let reason = if is_clean { LeaveReason::Quit } else { LeaveReason::Lost };
                self.requests.push_back(Request::Leave { session: id, user, room, reason });
            }
            session.returns += 1;
            self.requests.push_back(Request::Release { session: id, name: name.user, is_clean });
        }
        if let Some(renaming) = session.renaming.take() {
            session.returns += 1;
            let name = renaming.granted.user;
            self.requests.push_back(Request::Release { session: id, name, is_clean: true });
        }
        if let Some(address) = session.address.take() {
            session.returns += 1;
            self.requests.push_back(Request::Discharge { session: id, address });
        }
        for room in rooms {
            self.leave_room(room.key());
        }
        self.finish_closing(number);
    }

    /// Forgets a session that has given everything back, and notifies the edge.
    pub(super) fn finish_closing(&mut self, number: u32) {
        let is_over = self.sessions.get(&number).is_some_and(|session| session.is_over());
        if is_over
            && let Some(session) = self.sessions.remove(&number)
            && let Some(end) = session.end
        {
            self.notices.push_back(SessionNotice::Closed(number, end));
        }
    }
}
