//! The further sessions of accounts that are in a room with several: of each account the first is its member's own.
//!
//! A room of guests has none, and no memory for them.

use super::member::Member;
use hashbrown::HashMap;
use madang_model::{SessionId, UserKey};

/// Sessions beside the one that a member has.
#[derive(Debug, Default)]
pub struct MoreSessions {
    /// Invariant: no list is empty. Boxed, as few rooms have any.
    of: Option<Box<HashMap<UserKey, Vec<SessionId>>>>,
}

impl MoreSessions {
    /// Adds one.
    pub fn add(&mut self, user: UserKey, session: SessionId) {
        self.of.get_or_insert_default().entry(user).or_default().push(session);
    }

    /// Those of a user, in the order in which they came.
    pub fn of(&self, user: UserKey) -> &[SessionId] {
        self.of.as_ref().and_then(|of| of.get(&user)).map_or(&[], Vec::as_slice)
    }

    /// Whether a user has this one.
    pub fn has(&self, user: UserKey, session: SessionId) -> bool {
        self.of.is_some() && self.of(user).contains(&session)
    }

    /// Removes one. Whether it was there.
    pub fn remove(&mut self, user: UserKey, session: SessionId) -> bool {
        self.take(user, |one| *one == session).is_some()
    }

    /// Removes a member's own session, if it has others: the first of those takes its place. Whether it did.
    pub fn replace(&mut self, member: &mut Member) -> bool {
        let next = self.take(member.user.key(), |_| true);
        next.map(|next| member.session = next).is_some()
    }

    /// All of a member whose name another has depart with it.
    pub fn depart(&mut self, member: &Member, departing: &mut Vec<Member>) {
        let sessions = self.remove_all(member.user.key()).into_iter();
        departing.extend(sessions.map(|session| Member { session, ..member.clone() }));
    }

    /// Removes all of a user.
    fn remove_all(&mut self, user: UserKey) -> Vec<SessionId> {
        let Some(of) = &mut self.of else { return Vec::new() };
        let all = of.remove(&user).unwrap_or_default();
        if of.is_empty() {
            self.of = None;
        }
        all
    }

    fn take(&mut self, user: UserKey, is_wanted: impl Fn(&SessionId) -> bool) -> Option<SessionId> {
        let sessions = self.of.as_mut()?.get_mut(&user)?;
        let place = sessions.iter().position(is_wanted)?;
        let taken = sessions.remove(place);
        if sessions.is_empty() {
            self.remove_all(user);
        }
        Some(taken)
    }
}
