//! The members of a room, and, of a large room, the first by name: a list of a few names never looks at all members.

use super::member::Member;
use hashbrown::HashMap;
use madang_model::{UserKey, UserName, WhoPage};
use std::cmp::Ordering;
use std::collections::BTreeSet;

/// At most this many names of a large room are kept in order: all are looked at again only when so few
/// are left that a list would be short.
const KEPT_MAX: usize = 4 * WhoPage::MEMBERS_MAX;

/// All members of a room.
#[derive(Debug, Default)]
pub struct Members {
    all: HashMap<UserKey, Member>,
    /// Of a large room whose list was asked for, the first by name.
    ///
    /// Invariant: no member that is missing here comes before the last that is here; they are at least
    /// [`WhoPage::MEMBERS_MAX`], or all.
    first: Option<BTreeSet<ByName>>,
}

/// A name in the order of lists.
#[derive(Clone, Debug)]
struct ByName(UserName);

impl Members {
    pub fn get(&self, key: &UserKey) -> Option<&Member> {
        self.all.get(key)
    }

    /// A member, to change all but its name.
    pub fn get_mut(&mut self, key: &UserKey) -> Option<&mut Member> {
        self.all.get_mut(key)
    }

    pub fn contains_key(&self, key: &UserKey) -> bool {
        self.all.contains_key(key)
    }

    pub fn len(&self) -> usize {
        self.all.len()
    }

    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// All of them, in no order.
    pub fn values(&self) -> impl Iterator<Item = &Member> {
        self.all.values()
    }

    /// One more, or another in the place of one.
    pub fn insert(&mut self, key: UserKey, member: Member) {
        let name = ByName(member.user.clone());
        let count_before = self.all.len();
        let replaced = self.all.insert(key, member);
        let Some(first) = &mut self.first else { return };
        let was_whole = first.len() == count_before;
        if let Some(replaced) = replaced {
            first.remove(&ByName(replaced.user));
        }
        if was_whole || first.last().is_some_and(|last| name < *last) {
            first.insert(name);
        }
        if first.len() > KEPT_MAX {
            first.pop_last();
        }
        self.forget_short_list();
    }

    /// One less.
    pub fn remove(&mut self, key: &UserKey) -> Option<Member> {
        let gone = self.all.remove(key)?;
        if let Some(first) = &mut self.first {
            first.remove(&ByName(gone.user.clone()));
            self.forget_short_list();
        }
        Some(gone)
    }

    /// The first by name, as many as a list shows.
    pub fn listed(&mut self) -> Vec<&Member> {
        if self.all.len() <= WhoPage::MEMBERS_MAX {
            self.first = None;
            let mut few: Vec<&Member> = self.all.values().collect();
            few.sort_unstable_by(|a, b| a.user.as_str().cmp(b.user.as_str()));
            return few;
        }
        let first = self.first.get_or_insert_with(|| first_of(self.all.values()));
        first.iter().take(WhoPage::MEMBERS_MAX).filter_map(|name| self.all.get(&name.0.key())).collect()
    }

    fn forget_short_list(&mut self) {
        let (all, first) = (self.all.len(), self.first.as_ref().map_or(0, BTreeSet::len));
        if first < WhoPage::MEMBERS_MAX && first < all {
            self.first = None;
        }
    }
}

/// The first of a large room by name.
fn first_of<'a>(members: impl Iterator<Item = &'a Member>) -> BTreeSet<ByName> {
    let mut first: BTreeSet<ByName> = BTreeSet::new();
    for member in members {
        let is_full = first.len() == KEPT_MAX;
        if is_full && first.last().is_some_and(|last| last.0.as_str() <= member.user.as_str()) {
            continue;
        }
        first.insert(ByName(member.user.clone()));
        if is_full {
            first.pop_last();
        }
    }
    first
}

impl Ord for ByName {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.as_str().cmp(other.0.as_str())
    }
}

impl PartialOrd for ByName {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for ByName {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for ByName {}

#[cfg(test)]
mod tests {
    use super::*;
    use madang_model::{ClaimNumber, SessionId};

    fn member(name: &str) -> Member {
        let user = UserName::parse(name).expect("a user name");
        let (session, claim) = (SessionId::NOBODY, ClaimNumber::default());
        Member { user, session, claim, is_away: false, lost: None }
    }

    /// The list of a large room is at every moment what sorting all of it would give.
    #[test]
    fn the_list_of_a_large_room_is_its_first_members_by_name_after_every_join_and_leave() {
        let mut members = Members::default();
        let mut state = 1_u64;
        let mut any = |below: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % below
        };
        for round in 0..12_000 {
            let one = member(&format!("u{:04}", any(3_000)));
            // A large room fills, empties from the front, and fills again.
            let is_front = one.user.as_str() < "u1500";
            match (round / 3_000) % 2 {
                0 => members.insert(one.user.key(), one),
                _ if is_front => drop(members.remove(&one.user.key())),
                _ => members.insert(one.user.key(), member(&one.user.as_str().to_uppercase())),
            }
            if round % 37 == 0 {
                let mut all: Vec<String> = members.values().map(|m| m.user.as_str().to_owned()).collect();
                all.sort_unstable();
                all.truncate(WhoPage::MEMBERS_MAX);
                let listed: Vec<&str> = members.listed().iter().map(|m| m.user.as_str()).collect();
                assert_eq!(listed, all, "in round {round}");
            }
        }
    }
}
