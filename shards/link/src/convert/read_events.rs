//! Events, read by the edge. An invalid name, text or draft id is a fault of the core.

use super::read_entries::amendment_of;
use super::read_names::{room_of, user_of};
use super::read_replies::read_reply;
use super::read_said::message_of;
use crate::body::{
    ArchivedEventBody, ArchivedLeaveReasonBody, ArchivedNameBody, ArchivedRequestFaultBody,
    ArchivedSessionEndBody,
};
use crate::format::{Kind, WireFault};
use crate::words::{EdgeEvent, RequestFault, SessionEnd, SessionNumber};
use madang_model::{LeaveReason, RoomName};

/// Reads an event.
///
/// # Errors
/// [`WireFault::Value`] when something in it is not what it must be.
pub fn read_event(body: &ArchivedEventBody<'static>) -> Result<EdgeEvent, WireFault> {
    use ArchivedEventBody as B;
    Ok(match body {
        B::Reply { session, reply } => {
            EdgeEvent::Reply { session: session_of(session.to_native())?, reply: read_reply(reply)? }
        }
        B::Message { author_session, room, said } => EdgeEvent::Message {
            message: message_of(&room_of(room)?, said)?,
            author: SessionNumber::new(author_session.to_native()),
        },
        B::Amended { author_session, room, entry } => EdgeEvent::Amended {
            amendment: amendment_of(&room_of(room)?, entry)?
                .ok_or_else(|| WireFault::value(Kind::Event, "an amendment", "nothing"))?,
            author: SessionNumber::new(author_session.to_native()),
        },
        B::UserJoined { room, user } => EdgeEvent::UserJoined { room: room_of(room)?, user: user_of(user)? },
        B::UserLeft { room, user, reason } => EdgeEvent::UserLeft {
            room: room_of(room)?,
            user: user_of(user)?,
            reason: leave_reason_of(reason),
        },
        B::UserRenamed { room, old, new } => {
            EdgeEvent::UserRenamed { room: room_of(room)?, old: user_of(old)?, new: user_of(new)? }
        }
        B::UserLeftAll { rooms, user, reason } => EdgeEvent::UserLeftAll {
            rooms: rooms_of(rooms)?,
            user: user_of(user)?,
            reason: leave_reason_of(reason),
        },
        B::UserRenamedInAll { rooms, old, new } => {
            EdgeEvent::UserRenamedInAll { rooms: rooms_of(rooms)?, old: user_of(old)?, new: user_of(new)? }
        }
        // The end reads it, and nobody behind it.
        B::Began { .. } => return Err(WireFault::Unexpected { kind: Kind::Event }),
        B::Closed { session, reason } => {
            EdgeEvent::Closed { session: session_of(session.to_native())?, reason: end_of(reason) }
        }
        B::BadRequest { session, fault, words } => EdgeEvent::BadRequest {
            session: session_of(session.to_native())?,
            fault: fault_of(fault),
            words: words.as_str().into(),
        },
    })
}

fn rooms_of(rooms: &[ArchivedNameBody<'static>]) -> Result<Vec<RoomName>, WireFault> {
    rooms.iter().map(|room| room_of(&room.name)).collect()
}

fn session_of(number: u32) -> Result<SessionNumber, WireFault> {
    SessionNumber::new(number).ok_or_else(|| WireFault::value(Kind::Event, "a session", "0"))
}

fn end_of(reason: &ArchivedSessionEndBody) -> SessionEnd {
    match reason {
        ArchivedSessionEndBody::Asked => SessionEnd::Asked,
        ArchivedSessionEndBody::TooManyFromAddress { connections_max } => {
            SessionEnd::TooManyFromAddress { connections_max: connections_max.to_native() }
        }
    }
}

fn fault_of(fault: &ArchivedRequestFaultBody) -> RequestFault {
    use ArchivedRequestFaultBody as B;
    match fault {
        B::UserName => RequestFault::UserName,
        B::RoomName => RequestFault::RoomName,
        B::DraftId => RequestFault::DraftId,
        B::EmptyText => RequestFault::EmptyText,
        B::LongText => RequestFault::LongText,
        B::Pattern => RequestFault::Pattern,
        B::NoName => RequestFault::NoName,
        B::ToOneself => RequestFault::ToOneself,
        B::Waiting => RequestFault::Waiting,
        B::TooManyRooms => RequestFault::TooManyRooms,
        B::Facts => RequestFault::Facts,
        B::Cursor => RequestFault::Cursor,
        B::CursorOfOtherEpoch => RequestFault::CursorOfOtherEpoch,
    }
}

fn leave_reason_of(reason: &ArchivedLeaveReasonBody) -> LeaveReason {
    match reason {
        ArchivedLeaveReasonBody::Left => LeaveReason::Left,
        ArchivedLeaveReasonBody::Quit => LeaveReason::Quit,
        ArchivedLeaveReasonBody::Lost => LeaveReason::Lost,
        ArchivedLeaveReasonBody::Kicked => LeaveReason::Kicked,
        ArchivedLeaveReasonBody::Renamed => LeaveReason::Renamed,
    }
}
