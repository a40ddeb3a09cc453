//! Refusals, read by the edge.

use super::read_names::{draft_of, user_of};
use crate::body::ArchivedRefusalBody;
use crate::format::{Kind, WireFault};
use madang_model::{Refusal, Seq, Timestamp};

/// Reads a refusal.
pub fn read_refusal(body: &ArchivedRefusalBody<'static>) -> Result<Refusal, WireFault> {
    use ArchivedRefusalBody as B;
    let text = |text: &str| Box::<str>::from(text);
    let draft_of =
        |draft: &str| draft_of(draft)?.ok_or_else(|| WireFault::value(Kind::Event, "a draft id", draft));
    Ok(match body {
        B::NameTaken { name } => Refusal::NameTaken { name: user_of(name)? },
        B::NameConfusable { name, with } => {
            Refusal::NameConfusable { name: user_of(name)?, with: user_of(with)? }
        }
        B::RoomConfusable { room, with } => Refusal::RoomConfusable { room: text(room), with: text(with) },
        B::RoomNotMade { room, reason } => Refusal::RoomNotMade { room: text(room), reason: text(reason) },
        B::NoSuchUser { name } => Refusal::NoSuchUser { name: user_of(name)? },
        B::UserOffline { name, since_us } => {
            Refusal::UserOffline { name: user_of(name)?, since: Timestamp(since_us.to_native()) }
        }
        B::NoSuchRoom { room } => Refusal::NoSuchRoom { room: text(room) },
        B::RoomFull { room, members_max } => {
            Refusal::RoomFull { room: text(room), members_max: members_max.to_native() }
        }
        B::RoomNameCollides { room } => Refusal::RoomNameCollides { room: text(room) },
        B::NotMember { room } => Refusal::NotMember { room: text(room) },
        B::NotStored { reason } => Refusal::NotStored { reason: text(reason) },
        B::TooManyFromAddress { connections_max } => {
            Refusal::TooManyFromAddress { connections_max: connections_max.to_native() }
        }
        B::DraftRepeated { seq, draft } => {
            Refusal::DraftRepeated { seq: Seq(seq.to_native()), draft: draft_of(draft)? }
        }
        B::TooManySessions { name, sessions_max } => {
            Refusal::TooManySessions { name: user_of(name)?, sessions_max: sessions_max.to_native() }
        }
        B::NoSuchMessage { seq } => Refusal::NoSuchMessage { seq: Seq(seq.to_native()) },
        B::NotYours { seq } => Refusal::NotYours { seq: Seq(seq.to_native()) },
        B::NothingChanges { seq } => Refusal::NothingChanges { seq: Seq(seq.to_native()) },
        B::AccountNeeded { seq } => Refusal::AccountNeeded { seq: Seq(seq.to_native()) },
        B::DraftTooOld { draft } => Refusal::DraftTooOld { draft: draft_of(draft)? },
    })
}
