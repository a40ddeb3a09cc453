//! The members of a room, and, of a large room, the first by name and the order of all: neither a list of a few names nor
//! a page looks at all members.

use super::member::Member;
use hashbrown::HashMap;
use madang_model::{ListStart, MembersPage, UserKey, UserName, WhoPage};
use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::ops::Bound;

/// At most this many names of a large room are kept in order: all are looked at again only when so few
/// are left that a list would be short.
const KEPT_MAX: usize = 4 * WhoPage::MEMBERS_MAX;

/// Up to this many members are all looked at for a page: 35 µs. The keys of more are kept in order, until half as many are
/// left: of a million, a page takes 0.12 ms (looking at all 38 ms), a join 1 µs more, and a member 16 bytes.
const UNORDERED_MAX: usize = 4096;

/// All members of a room.
#[derive(Debug, Default)]
pub struct Members {
    all: HashMap<UserKey, Member>,
    /// Of a large room whose list was asked for, the first by name.
    ///
    /// Invariant: no member that is missing here comes before the last that is here; they are at least
    /// [`WhoPage::MEMBERS_MAX`], or all.
    first: Option<BTreeSet<ByName>>,
    /// Of a large room, the keys of all members.
    keys: Option<BTreeSet<UserKey>>,
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
        match &mut self.keys {
            Some(keys) => drop(keys.insert(key)),
            None if self.all.len() > UNORDERED_MAX => self.keys = Some(self.all.keys().copied().collect()),
            None => {}
        }
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
        if let Some(keys) = &mut self.keys {
            keys.remove(key);
            if self.all.len() <= UNORDERED_MAX / 2 {
                self.keys = None;
            }
        }
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

    /// A page in the order of keys, and its last key when more follow.
    pub fn page(&self, start: ListStart<UserKey>) -> (Vec<&Member>, Option<UserKey>) {
        let count = start.count(MembersPage::MEMBERS_MAX);
        // One more than a page holds, to know whether there is one.
        let mut keys: Vec<UserKey> = if let Some(keys) = &self.keys {
            let from = start.after.map_or(Bound::Unbounded, Bound::Excluded);
            keys.range((from, Bound::Unbounded)).take(count + 1).copied().collect()
        } else {
            let mut keys: Vec<_> = self.all.keys().copied().filter(|key| start.is_before(*key)).collect();
            if keys.len() > count + 1 {
                keys.select_nth_unstable(count);
                keys.truncate(count + 1);
            }
            keys.sort_unstable();
            keys
        };
        let last = count - 1;
        #[cfg(any(test, feature = "deliberate-faults"))]
        let last = crate::mutation::last_of_page(last);
        let next = keys.get(count).and_then(|_| keys.get(last)).copied();
        keys.truncate(count);
        (keys.iter().filter_map(|key| self.all.get(key)).collect(), next)
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
    use madang_model::{ClaimNumber, LogEpoch, SessionId};

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

    /// All pages of so many members, while `change` does something between two of them.
    fn listed_by_pages(
        members: &mut Members,
        count: u32,
        mut change: impl FnMut(&mut Members),
    ) -> Vec<String> {
        let (mut listed, mut after) = (Vec::new(), None);
        loop {
            let start = ListStart { epoch: LogEpoch(1), after, count };
            let (page, next) = members.page(start);
            assert!(page.len() <= start.count(MembersPage::MEMBERS_MAX), "a page of {}", page.len());
            listed.extend(page.iter().map(|member| member.user.as_str().to_owned()));
            after = next;
            if after.is_none() {
                return listed;
            }
            change(members);
        }
    }

    #[test]
    fn pages_have_every_member_once_however_many_there_are() {
        for total in [0, 1, 199, 200, 201, 400, UNORDERED_MAX, UNORDERED_MAX + 1, 2 * UNORDERED_MAX] {
            let mut members = Members::default();
            for number in 0..total {
                let one = member(&format!("u{number}"));
                members.insert(one.user.key(), one);
            }
            assert_eq!(members.keys.is_some(), total > UNORDERED_MAX);
            for count in [7, 200, u32::MAX] {
                let mut listed = listed_by_pages(&mut members, count, |_| {});
                assert_eq!(listed.len(), total);
                listed.sort_unstable();
                listed.dedup();
                assert_eq!(listed.len(), total, "in pages of {count}");
            }
        }
    }

    #[test]
    fn who_is_there_throughout_is_on_one_page_and_who_comes_or_goes_on_at_most_one() {
        // A small room, and one that becomes a large one, and a small one again.
        for (stays, comes) in [(300, 300), (UNORDERED_MAX / 2 - 100, UNORDERED_MAX)] {
            let mut members = Members::default();
            for number in 0..stays {
                let one = member(&format!("stays{number}"));
                members.insert(one.user.key(), one);
            }
            let comers: Vec<Member> = (0..comes).map(|number| member(&format!("comes{number}"))).collect();
            let mut round = 0;
            let listed = listed_by_pages(&mut members, 50, |members| {
                round += 1;
                for (number, one) in comers.iter().enumerate() {
                    // By the half of them, to and fro.
                    if (round / 4) % 2 == 0 && number % 2 == round % 2 {
                        members.insert(one.user.key(), one.clone());
                    } else {
                        members.remove(&one.user.key());
                    }
                }
                // Another spelling of the same name.
                let one = member(&format!("STAYS{}", round % stays));
                members.insert(one.user.key(), one);
            });
            let mut listed: Vec<String> = listed.iter().map(|name| name.to_lowercase()).collect();
            let all = listed.len();
            listed.sort_unstable();
            listed.dedup();
            assert_eq!(listed.len(), all, "nobody is listed twice");
            assert_eq!(listed.iter().filter(|name| name.starts_with("stays")).count(), stays);
        }
    }
}
