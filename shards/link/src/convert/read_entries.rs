//! Messages as they are now, and what became of them, read by the edge.

use super::read_names::{draft_of, text_of, user_of};
use super::read_said::message_of;
use crate::body::{ArchivedEntryBody, ArchivedEntryKindBody, ArchivedResumedBody, ArchivedShownBody};
use crate::format::{Kind, WireFault};
use madang_model::{
    AmendedMessage, Amendment, Change, Edited, MessageReactions, ReactionSums, RoomName, Seq, ShownEntry,
    ShownMessage, Timestamp, Tombstone,
};
use std::sync::Arc;

/// A message as it is now.
pub fn shown_of(room: &RoomName, body: &ArchivedShownBody<'static>) -> Result<ShownMessage, WireFault> {
    let said = &body.said;
    let (seq, time) = (Seq(said.seq.to_native()), Timestamp(said.time_us.to_native()));
    if body.is_deleted {
        let author = if said.author.is_empty() { None } else { Some(user_of(&said.author)?) };
        return Ok(ShownMessage::Deleted(Arc::new(Tombstone { seq, time, author })));
    }
    let message = message_of(room, said)?;
    let sums = reactions_of(&body.reactions)?.into_iter().next().map(|of| of.sums);
    let reactions: ReactionSums = sums.unwrap_or_default();
    let edited = Some(Seq(body.edited_seq.to_native())).filter(|seq| *seq > Seq::ZERO);
    let edited = edited.map(|seq| Edited { seq, time: Timestamp(body.edited_time_us.to_native()) });
    if edited.is_none() && !body.is_pinned && reactions.is_empty() {
        return Ok(ShownMessage::AsSaid(message));
    }
    let (message, is_pinned) = ((*message).clone(), body.is_pinned);
    Ok(ShownMessage::Amended(Arc::new(AmendedMessage { message, edited, reactions, is_pinned })))
}

/// An entry that is no message; `None` where nothing of it is to be shown any more.
pub fn amendment_of(
    room: &RoomName,
    body: &ArchivedEntryBody<'static>,
) -> Result<Option<Arc<Amendment>>, WireFault> {
    use ArchivedEntryKindBody as K;
    let said = &body.said;
    let change = match body.kind {
        K::Edit => Change::Edit { text: text_of(&said.text)? },
        K::Deletion => Change::Deletion,
        K::Reactions => Change::Reactions(reactions_of(&body.reactions)?),
        K::Pin => Change::Pin { is_pinned: true },
        K::Unpin => Change::Pin { is_pinned: false },
        K::Topic if said.text.is_empty() => Change::Topic { topic: None },
        K::Topic => Change::Topic { topic: Some(text_of(&said.text)?) },
        K::Gone => return Ok(None),
    };
    Ok(Some(Arc::new(Amendment {
        room: room.clone(),
        seq: Seq(said.seq.to_native()),
        time: Timestamp(said.time_us.to_native()),
        author: user_of(&said.author)?,
        draft: draft_of(&said.draft)?,
        target: Seq(body.target.to_native()),
        change,
    })))
}

/// An entry, whatever it is.
pub fn entry_of(room: &RoomName, body: &ArchivedResumedBody<'static>) -> Result<ShownEntry, WireFault> {
    Ok(match body {
        ArchivedResumedBody::Message(shown) => ShownEntry::Message(shown_of(room, shown)?),
        ArchivedResumedBody::Entry(entry) => match amendment_of(room, entry)? {
            Some(amendment) => ShownEntry::Amendment(amendment),
            None => ShownEntry::Gone {
                seq: Seq(entry.said.seq.to_native()),
                time: Timestamp(entry.said.time_us.to_native()),
            },
        },
    })
}

fn reactions_of(stored: &str) -> Result<Vec<MessageReactions>, WireFault> {
    MessageReactions::decode(stored).ok_or_else(|| WireFault::value(Kind::Event, "sums of reactions", stored))
}
