//! Reactions that come within a second and become one entry.

use madang_model::{Moment, ReactionSums, Seq, UserName};
use std::collections::BTreeMap;

/// Reactions that wait to become an entry.
#[derive(Debug, Default)]
pub struct PendingReactions {
    /// The sums of each message that was reacted to.
    pub sums: BTreeMap<Seq, ReactionSums>,
    /// Who reacted last.
    pub author: Option<UserName>,
    /// When the last entry of reactions was accepted.
    pub last: Option<Moment>,
}
