//! Reactions that have waited for a tick.

use super::Shard;
use madang_model::connection::Surface;

impl<S: Surface> Shard<S> {
    /// Lets rooms accept the reactions that have waited, while there is a place for them.
    pub(super) fn flush_reactions(&mut self) {
        for _ in 0..self.homes.reacting() {
            if !self.can_append() {
                return;
            }
            let Shard { homes, outbound, log, now, .. } = self;
            homes.flush_reactions(*now, log, outbound);
        }
    }
}
