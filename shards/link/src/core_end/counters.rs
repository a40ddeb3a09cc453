//! What happened at the core's end.

use crate::words::LinkEnd;

/// Counts since the process began.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct LinkCounters {
    /// Edges that connected.
    pub links: u64,
    /// Requests that were taken of them.
    pub requests: u64,
    /// Invalid requests.
    pub bad_requests: u64,
    /// Events that were queued for them.
    pub events: u64,
    /// Links that ended, by the place of the reason in [`LinkEnd::NAMES`].
    ends: [u64; LinkEnd::NAMES.len()],
}

impl LinkCounters {
    /// A link has ended.
    pub fn ended(&mut self, end: &LinkEnd) {
        let place = LinkEnd::NAMES.iter().position(|name| *name == end.name());
        self.ends[place.expect("every end has a name")] += 1;
    }

    /// Links that ended, by reason.
    pub fn ends(&self) -> impl Iterator<Item = (&'static str, u64)> {
        LinkEnd::NAMES.into_iter().zip(self.ends)
    }
}
