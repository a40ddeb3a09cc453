//! Refusals, as bodies.

use crate::body::RefusalBody;
use madang_model::Refusal;

/// A refusal.
pub fn refusal_body(refusal: &Refusal) -> RefusalBody<'_> {
    use RefusalBody as B;
    match refusal {
        Refusal::NameTaken { name } => B::NameTaken { name: name.as_str() },
        Refusal::NameConfusable { name, with } => {
            B::NameConfusable { name: name.as_str(), with: with.as_str() }
        }
        Refusal::RoomConfusable { room, with } => B::RoomConfusable { room, with },
        Refusal::RoomNotMade { room, reason } => B::RoomNotMade { room, reason },
        Refusal::NoSuchUser { name } => B::NoSuchUser { name: name.as_str() },
        Refusal::UserOffline { name, since } => B::UserOffline { name: name.as_str(), since_us: since.0 },
        Refusal::NoSuchRoom { room } => B::NoSuchRoom { room },
        Refusal::RoomFull { room, members_max } => B::RoomFull { room, members_max: *members_max },
        Refusal::RoomNameCollides { room } => B::RoomNameCollides { room },
        Refusal::NotMember { room } => B::NotMember { room },
        Refusal::NotStored { reason } => B::NotStored { reason },
        Refusal::TooManyFromAddress { connections_max } => {
            B::TooManyFromAddress { connections_max: *connections_max }
        }
        Refusal::NoSuchMessage { seq } => B::NoSuchMessage { seq: seq.0 },
        Refusal::NotYours { seq } => B::NotYours { seq: seq.0 },
        Refusal::NothingChanges { seq } => B::NothingChanges { seq: seq.0 },
        Refusal::DraftRepeated { seq, draft } => B::DraftRepeated { seq: seq.0, draft: draft.as_str() },
        Refusal::TooManySessions { name, sessions_max } => {
            B::TooManySessions { name: name.as_str(), sessions_max: *sessions_max }
        }
        Refusal::AccountNeeded { seq } => B::AccountNeeded { seq: seq.0 },
        Refusal::DraftTooOld { draft } => B::DraftTooOld { draft: draft.as_str() },
    }
}
