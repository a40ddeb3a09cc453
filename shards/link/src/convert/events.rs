//! What the edge receives, as bodies.

use super::entries::entry_body;
use super::page::said_body;
use crate::body::{EventBody, LeaveReasonBody, NameBody, RequestFaultBody, SessionEndBody};
use crate::words::{RequestFault, SessionEnd};
use madang_model::{LeaveReason, LogEpoch, RoomEvent};

/// What happened in a room; `author_session` is the edge's session that a message came from, or 0.
pub fn room_event_body<'a>(room: &'a str, event: &'a RoomEvent, author_session: u32) -> EventBody<'a> {
    match event {
        RoomEvent::Amended { amendment, author: _ } => {
            EventBody::Amended { author_session, room: amendment.room.as_str(), entry: entry_body(amendment) }
        }
        RoomEvent::Message { message, author: _ } => {
            EventBody::Message { author_session, room: message.room.as_str(), said: said_body(message) }
        }
        RoomEvent::Joined { user } => EventBody::UserJoined { room, user: user.as_str() },
        RoomEvent::Left { user, reason, .. } => {
            EventBody::UserLeft { room, user: user.as_str(), reason: leave_reason_body(*reason) }
        }
        RoomEvent::Renamed { old, new, .. } => {
            EventBody::UserRenamed { room, old: old.as_str(), new: new.as_str() }
        }
    }
}

/// What happened at once in all of these rooms; none where it is not known to be in several.
pub fn event_in_all_body<'a>(rooms: &[&'a str], event: &'a RoomEvent) -> Option<EventBody<'a>> {
    let is_one = rooms.len() < 2;
    let rooms = || rooms.iter().map(|room| NameBody { name: room }).collect();
    match event {
        _ if is_one => None,
        RoomEvent::Left { user, reason, .. } => {
            let (user, reason) = (user.as_str(), leave_reason_body(*reason));
            Some(EventBody::UserLeftAll { rooms: rooms(), user, reason })
        }
        RoomEvent::Renamed { old, new, .. } => {
            Some(EventBody::UserRenamedInAll { rooms: rooms(), old: old.as_str(), new: new.as_str() })
        }
        RoomEvent::Message { .. } | RoomEvent::Amended { .. } | RoomEvent::Joined { .. } => None,
    }
}

fn leave_reason_body(reason: LeaveReason) -> LeaveReasonBody {
    match reason {
        LeaveReason::Left => LeaveReasonBody::Left,
        LeaveReason::Quit => LeaveReasonBody::Quit,
        LeaveReason::Lost => LeaveReasonBody::Lost,
        LeaveReason::Kicked => LeaveReasonBody::Kicked,
        LeaveReason::Renamed => LeaveReasonBody::Renamed,
    }
}

/// The link begins, in this epoch of the log.
pub fn began_body(epoch: LogEpoch) -> EventBody<'static> {
    EventBody::Began { epoch: epoch.0.to_be_bytes() }
}

/// A session has ended.
pub fn closed_body(session: u32, reason: SessionEnd) -> EventBody<'static> {
    let reason = match reason {
        SessionEnd::Asked => SessionEndBody::Asked,
        SessionEnd::TooManyFromAddress { connections_max } => {
            SessionEndBody::TooManyFromAddress { connections_max }
        }
    };
    EventBody::Closed { session, reason }
}

/// A request of a session is invalid.
pub fn bad_request_body(session: u32, fault: RequestFault, words: &str) -> EventBody<'_> {
    let fault = match fault {
        RequestFault::UserName => RequestFaultBody::UserName,
        RequestFault::RoomName => RequestFaultBody::RoomName,
        RequestFault::DraftId => RequestFaultBody::DraftId,
        RequestFault::EmptyText => RequestFaultBody::EmptyText,
        RequestFault::LongText => RequestFaultBody::LongText,
        RequestFault::Pattern => RequestFaultBody::Pattern,
        RequestFault::NoName => RequestFaultBody::NoName,
        RequestFault::ToOneself => RequestFaultBody::ToOneself,
        RequestFault::Waiting => RequestFaultBody::Waiting,
        RequestFault::TooManyRooms => RequestFaultBody::TooManyRooms,
        RequestFault::Facts => RequestFaultBody::Facts,
        RequestFault::Cursor => RequestFaultBody::Cursor,
        RequestFault::CursorOfOtherEpoch => RequestFaultBody::CursorOfOtherEpoch,
    };
    EventBody::BadRequest { session, fault, words }
}
