//! Pages that fit into an envelope.

use crate::body::SaidBody;
use crate::bounds::PAGE_BYTES_MAX;
use madang_model::{Change, Gap, GapReason, Message, MessageReactions, ShownEntry, ShownMessage};

/// What a message weighs besides its texts, archived.
const FIELDS_BYTES: usize = 64;
/// What may be said of a message that something became of, besides its texts.
const STATE_BYTES: usize = 40;

/// The newest of some messages that fit into a page.
pub fn newest_that_fit(messages: &[ShownMessage]) -> &[ShownMessage] {
    let mut bytes = 0;
    let fitting = messages.iter().rev().take_while(|message| {
        bytes += shown_weight(message);
        bytes <= PAGE_BYTES_MAX
    });
    &messages[messages.len() - fitting.count()..]
}

/// The oldest of some entries that fit into a page.
pub fn oldest_that_fit(entries: &[ShownEntry]) -> &[ShownEntry] {
    let mut bytes = 0;
    let fitting = entries.iter().take_while(|entry| {
        bytes += match entry {
            ShownEntry::Message(message) => shown_weight(message),
            ShownEntry::Amendment(amendment) => {
                FIELDS_BYTES + STATE_BYTES + amendment.author.as_str().len() + change_bytes(&amendment.change)
            }
            ShownEntry::Gone { .. } => FIELDS_BYTES + STATE_BYTES,
        };
        bytes <= PAGE_BYTES_MAX
    });
    &entries[..fitting.count()]
}

fn change_bytes(change: &Change) -> usize {
    match change {
        Change::Edit { text } => text.len(),
        Change::Topic { topic } => topic.as_ref().map_or(0, |topic| topic.len()),
        Change::Reactions(of) => MessageReactions::encode(of).len(),
        Change::Deletion | Change::Pin { .. } => 0,
    }
}

/// What is missing when only the newest `kept` of a page are shown.
pub fn gap_of_page(messages: &[ShownMessage], kept: usize, gap: Option<Gap>) -> Option<Gap> {
    let cut = messages.len() - kept;
    let (Some(first), Some(last)) = (messages.first(), messages[..cut].last()) else { return gap };
    // What was missing before is older than the page, or what it was asked to begin with.
    let first = gap.map_or(first.seq(), |gap| gap.first.min(first.seq()));
    Some(Gap { first, last: last.seq(), reason: GapReason::TooMuch })
}

fn shown_weight(shown: &ShownMessage) -> usize {
    match shown {
        ShownMessage::AsSaid(message) => weight(message),
        ShownMessage::Amended(amended) => {
            let reactions: usize = amended.reactions.iter().map(|(mark, _)| mark.as_str().len() + 12).sum();
            weight(&amended.message) + STATE_BYTES + reactions
        }
        ShownMessage::Deleted(tombstone) => {
            let author = tombstone.author.as_ref().map_or(0, |author| author.as_str().len());
            FIELDS_BYTES + STATE_BYTES + author
        }
    }
}

fn weight(message: &Message) -> usize {
    let draft_bytes = message.draft.as_ref().map_or(0, |draft| draft.as_str().len());
    FIELDS_BYTES + message.author.as_str().len() + draft_bytes + message.text.len()
}

/// A message without its room.
pub fn said_body(message: &Message) -> SaidBody<'_> {
    SaidBody {
        seq: message.seq.0,
        time_us: message.time.0,
        author: message.author.as_str(),
        draft: super::requests::written(message.draft.as_ref()),
        text: message.text.as_str(),
    }
}
