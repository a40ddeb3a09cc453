//! Users who were here: kept for a while so that it can be said when.

use hashbrown::HashMap;
use madang_model::{SkeletonKey, Timestamp, UserName};
use std::collections::VecDeque;

/// A bounded memory of who left when; the longest gone are forgotten first.
///
/// Names that were given up for others are remembered apart: a user who takes one name after another evicts
/// nobody who has left.
#[derive(Debug)]
pub struct Offline {
    gone: Memory,
    renamed: Memory,
}

/// Names, in the order in which they were seen last.
#[derive(Debug)]
struct Memory {
    names_max: usize,
    names: HashMap<SkeletonKey, LastSeen>,
    /// In the order of leaving. An entry whose number is not the name's latest is void.
    order: VecDeque<(SkeletonKey, u64)>,
    next_number: u64,
}

/// A user as last seen.
#[derive(Clone, Debug)]
pub struct LastSeen {
    /// The name at that time.
    pub name: UserName,
    /// When the user came online.
    pub online_since: Timestamp,
    /// When the user went.
    pub offline_since: Timestamp,
    number: u64,
}

impl Default for Offline {
    fn default() -> Offline {
        Offline { gone: Memory::of(Offline::USERS_MAX), renamed: Memory::of(Offline::RENAMED_MAX) }
    }
}

impl Offline {
    /// The most users remembered a shard.
    pub const USERS_MAX: usize = 65_536;
    /// The most names remembered a shard whose users go by others now.
    pub const RENAMED_MAX: usize = 4096;

    /// Remembers one who left.
    pub fn remember(&mut self, name: UserName, online_since: Timestamp, offline_since: Timestamp) {
        self.renamed.names.remove(&name.skeleton());
        self.gone.remember(name, online_since, offline_since);
    }

    /// Remembers a name whose user has another now.
    pub fn remember_renamed(&mut self, name: UserName, online_since: Timestamp, offline_since: Timestamp) {
        self.renamed.remember(name, online_since, offline_since);
    }

    /// All remembered users, in no order.
    pub fn all(&self) -> impl Iterator<Item = &LastSeen> {
        self.gone.names.values().chain(self.renamed.names.values())
    }

    /// One who left and has not come back under this name.
    pub fn get(&self, key: SkeletonKey) -> Option<&LastSeen> {
        self.gone.names.get(&key).or_else(|| self.renamed.names.get(&key))
    }

    /// Forgets one who came back.
    pub fn forget(&mut self, key: SkeletonKey) {
        self.gone.names.remove(&key);
        self.renamed.names.remove(&key);
    }
}

impl Memory {
    fn of(names_max: usize) -> Memory {
        Memory { names_max, names: HashMap::new(), order: VecDeque::new(), next_number: 0 }
    }

    fn remember(&mut self, name: UserName, online_since: Timestamp, offline_since: Timestamp) {
        let (key, number) = (name.skeleton(), self.next_number);
        self.next_number += 1;
        self.names.insert(key, LastSeen { name, online_since, offline_since, number });
        self.order.push_back((key, number));
        let Memory { names_max, names, order, .. } = self;
        let is_latest = |names: &HashMap<SkeletonKey, LastSeen>, (key, number): &(SkeletonKey, u64)| {
            names.get(key).is_some_and(|seen| seen.number == *number)
        };
        while names.len() > *names_max
            && let Some(oldest) = order.pop_front()
        {
            if is_latest(names, &oldest) {
                names.remove(&oldest.0);
            }
        }
        // As many void entries as names at most, so that each is looked at twice at most.
        if order.len() > 2 * names.len().max(1024) {
            order.retain(|entry| is_latest(names, entry));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(name: &str) -> UserName {
        UserName::parse(name).expect("a user name")
    }

    fn go(offline: &mut Offline, who: &str) {
        offline.remember(name(who), Timestamp(1), Timestamp(2));
    }

    #[test]
    fn one_who_comes_and_goes_makes_nobody_forgotten() {
        let mut offline = Offline::default();
        go(&mut offline, "bob");
        for _ in 0..2 * Offline::USERS_MAX {
            offline.forget(name("alice").skeleton());
            go(&mut offline, "alice");
        }
        assert!(offline.get(name("bob").skeleton()).is_some());
        assert!(offline.gone.order.len() <= 2048, "void entries go, too");
    }

    #[test]
    fn names_given_up_for_others_make_nobody_forgotten_who_is_gone() {
        let mut offline = Offline::default();
        go(&mut offline, "bob");
        for number in 0..Offline::USERS_MAX + 1 {
            offline.remember_renamed(name(&format!("alice{number}")), Timestamp(1), Timestamp(2));
        }
        assert!(offline.get(name("bob").skeleton()).is_some());
        assert!(offline.get(name("alice65536").skeleton()).is_some(), "the latest is remembered");
        assert_eq!(offline.renamed.names.len(), Offline::RENAMED_MAX);
    }

    #[test]
    fn of_too_many_who_are_gone_the_longest_gone_is_forgotten() {
        let mut offline = Offline { gone: Memory::of(3), renamed: Memory::of(3) };
        for who in ["alice", "bob", "carol", "alice", "dave"] {
            go(&mut offline, who);
        }
        assert!(offline.get(name("bob").skeleton()).is_none());
        assert!(["alice", "carol", "dave"].iter().all(|who| offline.get(name(who).skeleton()).is_some()));
    }
}
