//! A page that is not more than its reader can take.

use madang_model::{Gap, GapReason, Message};
use std::sync::Arc;

/// Keeps the newest messages that weigh `bytes_max` together. The gap is what gave way.
pub fn cut_to(messages: &mut Vec<Arc<Message>>, bytes_max: usize) -> Option<Gap> {
    /// What a shown line weighs besides author and text.
    const LINE_BYTES: usize = 64;
    let mut bytes = 0;
    let weigh = |message: &Arc<Message>| message.text.len() + message.author.as_str().len() + LINE_BYTES;
    let kept = messages.iter().rev().take_while(|message| {
        bytes += weigh(message);
        bytes <= bytes_max
    });
    let cut = messages.len() - kept.count();
    let (first, last) = (messages.first()?.seq, messages.get(cut.checked_sub(1)?)?.seq);
    messages.drain(..cut);
    Some(Gap { first, last, reason: GapReason::TooMuch })
}
