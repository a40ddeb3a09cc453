//! Users who were here: kept for a while so that it can be said when.

use crate::types::{SkeletonKey, Timestamp, UserName};
use hashbrown::HashMap;
use std::collections::VecDeque;

/// A bounded memory of who left when; the longest gone are forgotten first.
#[derive(Debug, Default)]
pub struct Offline {
    users: HashMap<SkeletonKey, Seen>,
    /// In the order of leaving. An entry whose number is not the user's latest is void.
    order: VecDeque<(SkeletonKey, u64)>,
    next_number: u64,
}

/// A user as last seen.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The name at that time.
    pub name: UserName,
    /// When the user came online.
    pub online_since: Timestamp,
    /// When the user went.
    pub offline_since: Timestamp,
    number: u64,
}

impl Offline {
    /// The most users remembered a shard.
    pub const USERS_MAX: usize = 65_536;

    /// Remembers one who left.
    pub fn remember(&mut self, name: UserName, online_since: Timestamp, offline_since: Timestamp) {
        let (key, number) = (name.skeleton(), self.next_number);
        self.next_number += 1;
        self.users.insert(key, Seen { name, online_since, offline_since, number });
        self.order.push_back((key, number));
        while self.order.len() > Self::USERS_MAX {
            let Some((oldest, number)) = self.order.pop_front() else { return };
            if self.users.get(&oldest).is_some_and(|seen| seen.number == number) {
                self.users.remove(&oldest);
            }
        }
    }

    /// All who are remembered, in no order.
    pub fn all(&self) -> impl Iterator<Item = &Seen> {
        self.users.values()
    }

    /// One who left and has not come back under this name.
    pub fn get(&self, key: SkeletonKey) -> Option<&Seen> {
        self.users.get(&key)
    }

    /// Forgets one who came back.
    pub fn forget(&mut self, key: SkeletonKey) {
        self.users.remove(&key);
    }
}
