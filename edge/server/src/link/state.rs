//! What is known of the link.

use madang_link::Limits;
use madang_model::LogEpoch;
use tokio::time::Instant;

/// The link as it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct LinkState {
    /// What the core allows; `None` while there is no link.
    pub limits: Option<Limits>,
    /// The epoch of the core's log: numbers of another one are of another log. `None` until the core has said it.
    pub epoch: Option<LogEpoch>,
    /// Since when there is none.
    pub down_since: Option<Instant>,
    /// Sessions that are open.
    pub sessions: u64,
}

impl LinkState {
    /// There is no link now.
    pub(super) fn end(&mut self) {
        (self.limits, self.epoch, self.sessions) = (None, None, 0);
        self.down_since.get_or_insert_with(Instant::now);
    }
}
