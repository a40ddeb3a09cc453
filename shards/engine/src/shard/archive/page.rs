//! A page that is not more than its reader can take.

use madang_model::{Change, Gap, GapReason, ShownEntry, ShownMessage};

/// What a shown line weighs besides author and text.
const LINE_BYTES: usize = 64;

fn weight(shown: &ShownMessage) -> usize {
    let text_bytes = shown.message().map_or(0, |message| message.text.len());
    let author_bytes = shown.author().map_or(0, |author| author.as_str().len());
    let reaction_bytes: usize = shown.reactions().iter().map(|(mark, _)| mark.as_str().len() + 12).sum();
    text_bytes + author_bytes + reaction_bytes + LINE_BYTES
}

/// Keeps the newest messages that weigh `bytes_max` together. The gap is what gave way.
pub fn cut_to(messages: &mut Vec<ShownMessage>, bytes_max: usize) -> Option<Gap> {
    let mut bytes = 0;
    let kept = messages.iter().rev().take_while(|message| {
        bytes += weight(message);
        bytes <= bytes_max
    });
    let cut = messages.len() - kept.count();
    let (first, last) = (messages.first()?.seq(), messages.get(cut.checked_sub(1)?)?.seq());
    messages.drain(..cut);
    Some(Gap { first, last, reason: GapReason::TooMuch })
}

/// Keeps the oldest entries that weigh `bytes_max` together: who resumes asks for the rest next.
pub fn cut_entries_to(entries: &mut Vec<ShownEntry>, bytes_max: usize) {
    let mut bytes = 0;
    let kept = entries.iter().take_while(|entry| {
        bytes += match entry {
            ShownEntry::Message(message) => weight(message),
            ShownEntry::Amendment(amendment) => LINE_BYTES + change_bytes(&amendment.change),
            ShownEntry::Gone { .. } => LINE_BYTES,
        };
        bytes <= bytes_max
    });
    let kept = kept.count();
    entries.truncate(kept);
}

fn change_bytes(change: &Change) -> usize {
    match change {
        Change::Edit { text } => text.len(),
        Change::Topic { topic } => topic.as_ref().map_or(0, |topic| topic.len()),
        Change::Reactions(of) => {
            let sums = of.iter().flat_map(|of| of.sums.iter());
            sums.map(|(mark, _)| mark.as_str().len() + 12).sum::<usize>() + of.len() * LINE_BYTES
        }
        Change::Deletion | Change::Pin { .. } => 0,
    }
}
