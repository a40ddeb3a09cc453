//! Which numbers to look at for so many messages.
//!
//! In a room where everything is a message the numbers of a page are known at once. Elsewhere as many numbers are looked at
//! as have so many messages among them on average; where that is too few, more of them, four times as many each time.

use madang_model::{Page, Seq};

/// More numbers are looked at at once only where that many have no message among them.
const WIDTH_MAX: u64 = 1 << 16;
/// Numbers that are looked at besides: so that a page needs a second look seldom.
const WIDTH_MARGIN: u64 = 28;

/// Of those, how many are in the part of a window that most likely has enough messages.
const LIKELY_MARGIN: u64 = 4;

/// Messages that are still to be found in finished segments.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stretch {
    /// All between these numbers.
    Exact(Seq, Seq),
    /// The newest `wanted` up to `last`.
    Down { last: Seq, wanted: u64, width: u64 },
    /// The oldest `wanted` from `first` on.
    Up { first: Seq, wanted: u64, width: u64 },
}

impl Stretch {
    /// What a page asks for in a room with this head, of whose entries `amendments` are no messages: below and above
    /// where it begins. Of the two at most `count` messages are shown.
    pub fn of_page(page: Page, head: Seq, amendments: u64) -> Vec<Stretch> {
        let wanted = u64::from(page.count());
        if amendments == 0 {
            return page.range(head).map(|(first, last)| Stretch::Exact(first, last)).into_iter().collect();
        }
        // Both are below what a log holds, so that nothing overflows.
        let spread = wanted.saturating_mul(head.0) / head.0.saturating_sub(amendments).max(1);
        let width = (spread + wanted / 4 + WIDTH_MARGIN).min(WIDTH_MAX);
        let below = |seq: Seq| {
            let last = Seq(seq.0.saturating_sub(1)).min(head);
            (last > Seq::ZERO).then_some(Stretch::Down { last, wanted, width })
        };
        let from = |first: Seq| {
            let first = first.max(Seq(1));
            (first <= head).then_some(Stretch::Up { first, wanted, width })
        };
        let (down, up) = match page {
            _ if wanted == 0 => (None, None),
            Page::Last { .. } => (below(head.next()), None),
            Page::Before { seq, .. } => (below(seq), None),
            Page::After { seq, .. } => (None, from(Seq(seq.0.saturating_add(1)))),
            Page::Around { seq, .. } => (below(seq), from(seq)),
            Page::Since { .. } | Page::Until { .. } => (None, None),
        };
        down.into_iter().chain(up).collect()
    }

    /// The numbers to look at, none above `end`.
    pub fn window(self, end: Seq) -> (Seq, Seq) {
        match self {
            Stretch::Exact(first, last) => (first, last.min(end)),
            Stretch::Down { last, width, .. } => (Seq(last.0.saturating_sub(width - 1).max(1)), last),
            Stretch::Up { first, width, .. } => (first, Seq(first.0.saturating_add(width - 1)).min(end)),
        }
    }

    /// The part of the window that most likely has enough messages.
    pub fn likely(self, end: Seq) -> (Seq, Seq) {
        let narrower = |wanted: u64, width: u64| {
            width.saturating_sub(wanted / 8 + WIDTH_MARGIN - LIKELY_MARGIN).max(LIKELY_MARGIN).min(width)
        };
        match self {
            Stretch::Exact(..) => self.window(end),
            Stretch::Down { last, wanted, width } => {
                Stretch::Down { last, wanted, width: narrower(wanted, width) }.window(end)
            }
            Stretch::Up { first, wanted, width } => {
                Stretch::Up { first, wanted, width: narrower(wanted, width) }.window(end)
            }
        }
    }

    /// What is still to be looked at behind a window in which so many messages were found.
    pub fn rest(self, window: (Seq, Seq), found: u64, end: Seq) -> Option<Stretch> {
        let wider = |width: u64| (width * 4).min(WIDTH_MAX);
        match self {
            Stretch::Exact(..) => None,
            Stretch::Down { wanted, width, .. } => {
                let rest = Stretch::Down {
                    last: Seq(window.0.0 - 1),
                    wanted: wanted.saturating_sub(found),
                    width: wider(width),
                };
                (wanted > found && window.0 > Seq(1)).then_some(rest)
            }
            Stretch::Up { wanted, width, .. } => {
                let rest = Stretch::Up {
                    first: window.1.next(),
                    wanted: wanted.saturating_sub(found),
                    width: wider(width),
                };
                (wanted > found && window.1 < end).then_some(rest)
            }
        }
    }
}
