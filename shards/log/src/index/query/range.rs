//! Which numbers a page asks for.

use madang_model::{Page, Seq};

/// The first and the last number of a page of a room with this head; `None` when there are none.
pub fn range(page: Page, head: Seq) -> Option<(Seq, Seq)> {
    let bounded = |count: u32| u64::from(count.min(Page::MESSAGES_MAX));
    let ending_at = |last: Seq, count: u32| (Seq(last.0.saturating_sub(bounded(count)) + 1), last);
    let (first, last) = match page {
        Page::Last { count } => ending_at(head, count),
        Page::Before { seq, count } => ending_at(Seq(seq.0.saturating_sub(1)).min(head), count),
        Page::After { seq, count } => {
            (Seq(seq.0.saturating_add(1)), Seq(seq.0.saturating_add(bounded(count))).min(head))
        }
    };
    (first <= last).then_some((first, last))
}
