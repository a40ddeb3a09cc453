//! Pages that fit into an envelope.

use crate::body::SaidBody;
use crate::bounds::PAGE_BYTES_MAX;
use madang_model::{Gap, GapReason, Message};
use std::sync::Arc;

/// What a message weighs besides its texts, archived.
const FIELDS_BYTES: usize = 64;

/// The newest of some messages that fit into a page.
pub fn newest_that_fit(messages: &[Arc<Message>]) -> &[Arc<Message>] {
    let mut bytes = 0;
    let fitting = messages.iter().rev().take_while(|message| {
        bytes += weight(message);
        bytes <= PAGE_BYTES_MAX
    });
    &messages[messages.len() - fitting.count()..]
}

/// What is missing when only the newest `kept` of a page are shown.
pub fn gap_of_page(messages: &[Arc<Message>], kept: usize, gap: Option<Gap>) -> Option<Gap> {
    let cut = messages.len() - kept;
    let (Some(first), Some(last)) = (messages.first(), messages[..cut].last()) else { return gap };
    // What was missing before is older than the page, or what it was asked to begin with.
    let first = gap.map_or(first.seq, |gap| gap.first.min(first.seq));
    Some(Gap { first, last: last.seq, reason: GapReason::TooMuch })
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
