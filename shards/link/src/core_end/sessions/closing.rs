//! How sessions end: everything goes back to its home, and the edge is notified when all of it has arrived.

use super::{SessionNotice, Sessions};
use crate::words::SessionEnd;
use madang_model::{LeaveReason, Leaving, Request, RoomName};

impl Sessions {
    /// Gives back what a session holds, unless it is closing already.
    pub(super) fn begin_closing(&mut self, number: u32, end: SessionEnd, is_clean: bool) {
        let (id, now) = (self.id(number), self.now);
        self.expect_no_answers(number);
        let Some(session) = self.sessions.get_mut(&number).filter(|session| session.end.is_none()) else {
            return;
        };
        session.end = Some(end);
        session.joins.clear();
        let rooms = std::mem::take(&mut session.rooms);
        let joining = session.joining.take();
        if let Some(name) = session.name.take() {
            let (name, user) = (name.user.clone(), name.user.key());
            let reason = if is_clean { LeaveReason::Quit } else { LeaveReason::Lost };
            // A room that it is about to be in is left behind that.
            if let Some(room) = &joining {
                let (room, everywhere) = (room.key(), None);
                self.requests.push_back(Request::Leave { session: id, user, room, reason, everywhere });
            }
            let leaving = Leaving { rooms: rooms.iter().map(RoomName::key).collect(), reason };
            let leaving = match leaving.goes_by_home(&name) {
                true => Some(Box::new(leaving)),
                false => {
                    self.requests.extend(leaving.requests(id, user, true, now));
                    None
                }
            };
            session.returns += 1;
            self.requests.push_back(Request::Release { session: id, name, is_clean, leaving, room: None });
        }
        if let Some(renaming) = session.renaming.take() {
            session.returns += 1;
            let name = renaming.granted.user;
            self.requests.push_back(Request::Release {
                session: id,
                name,
                is_clean: true,
                leaving: None,
                room: None,
            });
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
