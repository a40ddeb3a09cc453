//! Which question a refusal answers.

use madang_model::Refusal;

/// What a session waits for, if it must keep track of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Question {
    /// A name.
    Claim,
    /// A room.
    Join,
    /// A name or a room: whichever it waits for, as it never waits for both.
    ClaimOrJoin,
    /// Whether its address may have one more connection.
    Address,
    /// Where a user is, or a draft: an answer that is short in any case.
    Short,
    /// Anything else.
    Other,
}

/// Which question a `Reply::Refused` answers.
pub fn question_of(refusal: &Refusal) -> Question {
    match refusal {
        Refusal::NameTaken { .. } => Question::ClaimOrJoin,
        Refusal::NameConfusable { .. } | Refusal::TooManySessions { .. } => Question::Claim,
        // `NotStored` refuses what is said, too, but then as `Reply::NotSaid`.
        Refusal::RoomConfusable { .. }
        | Refusal::RoomNotMade { .. }
        | Refusal::RoomFull { .. }
        | Refusal::RoomNameCollides { .. }
        | Refusal::NotStored { .. } => Question::Join,
        Refusal::TooManyFromAddress { .. } => Question::Address,
        Refusal::NoSuchUser { .. }
        | Refusal::UserOffline { .. }
        | Refusal::DraftRepeated { .. }
        | Refusal::DraftTooOld { .. } => Question::Short,
        Refusal::NoSuchRoom { .. }
        | Refusal::NotMember { .. }
        | Refusal::NoSuchMessage { .. }
        | Refusal::NotYours { .. }
        | Refusal::NothingChanges { .. }
        | Refusal::AccountNeeded { .. } => Question::Other,
    }
}
