//! The state machine of the users whose home is one shard.

mod carry;
mod sessions;

pub use carry::NameHeld;

use super::offline::Offline;
use hashbrown::HashMap;
use madang_model::{
    Away, ClaimNumber, Looks, Moment, Now, Presence, Refusal, RoomName, SessionId, SkeletonKey, Timestamp,
    UserName, UserSummary,
};
use std::collections::BTreeSet;
use std::time::Duration;

/// The bounds all users of a server share.
#[derive(Clone, Copy, Debug)]
pub struct UserLimits {
    /// How long a name outlives a lost connection.
    pub grace: Duration,
    /// Sessions that an account may have at once.
    pub sessions_max: u32,
}

/// A name that is now a session's.
#[derive(Debug)]
pub struct Claimed {
    /// The name, with who is behind it.
    pub user: UserName,
    /// Which grant of the name this is.
    pub claim: ClaimNumber,
    /// Whispers that came within the grace time, by author.
    pub missed_whispers: Vec<(UserName, u32)>,
    /// The room in which its user was lost, within the grace time.
    pub room: Option<RoomName>,
}

/// Where a whisper goes.
#[derive(Debug)]
pub struct WhisperRoute {
    /// The reader, by the name as its owner writes it.
    pub reader: UserName,
    /// The reader's sessions; none while its connection is lost.
    pub sessions: Vec<SessionId>,
    /// The reader's absence, to be reported to the author.
    pub away: Option<Away>,
}

#[derive(Debug)]
struct User {
    name: UserName,
    session: SessionId,
    /// Set while the connection is lost: when the grace time ends.
    lost_until: Option<Moment>,
    online_since: Timestamp,
    /// Boxed, as few have any.
    absence: Option<Box<AwayState>>,
}

#[derive(Debug, Default)]
struct AwayState {
    away: Option<Away>,
    missed_whispers: Vec<(UserName, u32)>,
    /// The further sessions of an account; none while it is lost.
    others: Vec<SessionId>,
    /// The room in which the user was lost; `None` while a session has the name.
    room: Option<RoomName>,
}

/// The users whose home is this shard.
#[derive(Debug, Default)]
pub struct Users {
    online: HashMap<SkeletonKey, User>,
    /// The names above that look otherwise as they are shown: that look, and the key above. Few do.
    shown: BTreeSet<(SkeletonKey, SkeletonKey)>,
    offline: Offline,
    /// Of all names whose home this is, so that the grants of one name rise.
    last_claim: ClaimNumber,
    /// The number of the last guest's session: not below the time in microseconds, so that it was not used before.
    last_guest: u64,
}

impl Users {
    /// The most authors whose missed whispers are counted apart.
    pub const MISSED_AUTHORS_MAX: usize = 100;

    /// Gives a free name to a session, or gives it back within the grace time.
    ///
    /// # Errors
    /// [`Refusal`] when the name, or a look-alike of it, is in use.
    pub fn claim(
        &mut self,
        session: SessionId,
        name: &UserName,
        now: Now,
        limits: &UserLimits,
    ) -> Result<Claimed, Refusal> {
        let key = name.skeleton();
        if let Some(with) = self.look_alike(session, name) {
            return Err(Refusal::NameConfusable { name: name.clone(), with: with.clone() });
        }
        if let Some(claim) = self.join_account(session, name, limits) {
            return claim;
        }
        let name = &self.numbered(session, name, now);
        let (mut missed_whispers, mut room) = (Vec::new(), None);
        if let Some(user) = self.online.get_mut(&key) {
            let is_own = user.session == session && user.lost_until.is_none();
            #[cfg(any(test, feature = "deliberate-faults"))]
            let is_own = is_own || crate::mutation::is_on(crate::mutation::Mutation::GrantTakenName);
            if !is_own && user.lost_until.is_none() {
                return Err(Refusal::NameTaken { name: user.name.clone() });
            }
            let old = std::mem::replace(&mut user.name, name.clone());
            user.session = session;
            user.lost_until = None;
            if let Some(absence) = user.absence.take() {
                (missed_whispers, room) = (absence.missed_whispers, absence.room);
            }
            self.unlist(&old);
        } else {
            self.offline.forget(key);
            let user =
                User { name: name.clone(), session, lost_until: None, online_since: now.wall, absence: None };
            self.online.insert(key, user);
        }
        self.list(name);
        self.last_claim.0 += 1;
        Ok(Claimed { user: name.clone(), claim: self.last_claim, missed_whispers, room })
    }

    /// Another's name that this one could be taken for. A session's own old name is none.
    fn look_alike(&self, session: SessionId, name: &UserName) -> Option<&UserName> {
        let looks = name.looks();
        let so_shown = |look| self.shown.range((look, SkeletonKey::MIN)..=(look, SkeletonKey::MAX));
        let alike = |look| std::iter::once(look).chain(so_shown(look).map(|(_, key)| *key));
        let mut alike = alike(looks.lower_case).chain(alike(looks.shown));
        alike.find_map(|key| {
            let user = self.online.get(&key)?;
            let is_own = user.has(session);
            (!is_own && user.name != *name).then_some(&user.name)
        })
    }

    /// Notes the look of a name that is held, as it is shown.
    fn list(&mut self, name: &UserName) {
        let Looks { shown, lower_case, .. } = name.looks();
        if shown != lower_case {
            self.shown.insert((shown, lower_case));
        }
    }

    fn unlist(&mut self, name: &UserName) {
        let Looks { shown, lower_case, .. } = name.looks();
        self.shown.remove(&(shown, lower_case));
    }

    /// Takes a name back: at once when its holder left on purpose, else after the grace time,
    /// whose end is returned so that [`Users::expire`] is called then. `room` is where it was lost.
    pub fn release(
        &mut self,
        session: SessionId,
        name: &UserName,
        (is_clean, room): (bool, Option<RoomName>),
        now: Now,
        limits: &UserLimits,
    ) -> Option<Moment> {
        let user = self.online.get_mut(&name.skeleton())?;
        if !user.has(session) || user.lose_one(session) {
            return None;
        }
        if is_clean {
            self.go_offline(name.skeleton(), now);
            return None;
        }
        let until = now.monotonic.after(limits.grace);
        user.lost_until = Some(until);
        if room.is_some() {
            user.absence.get_or_insert_default().room = room;
        }
        Some(until)
    }

    /// Takes a name back whose holder goes by another.
    pub fn give_up(&mut self, session: SessionId, name: &UserName, now: Now) {
        let key = name.skeleton();
        let is_last = |user: &mut User| user.has(session) && !user.lose_one(session);
        if self.online.get_mut(&key).is_some_and(is_last)
            && let Some(user) = self.online.remove(&key)
        {
            self.unlist(&user.name);
            self.offline.remember_renamed(user.name, user.online_since, now.wall);
        }
    }

    /// Takes a name back whose grace time has passed.
    pub fn expire(&mut self, key: SkeletonKey, now: Now) {
        let is_over = |user: &User| user.lost_until.is_some_and(|until| until <= now.monotonic);
        if self.online.get(&key).is_some_and(is_over) {
            self.go_offline(key, now);
        }
    }

    fn go_offline(&mut self, key: SkeletonKey, now: Now) {
        if let Some(user) = self.online.remove(&key) {
            self.unlist(&user.name);
            self.offline.remember(user.name, user.online_since, now.wall);
        }
    }

    /// Notes that a user is away, or back.
    pub fn set_away(&mut self, name: &UserName, away: Option<Away>) {
        let Some(user) = self.find_mut(name) else { return };
        if away.is_some() {
            user.absence.get_or_insert_default().away = away;
        } else if let Some(absence) = &mut user.absence {
            absence.away = None;
            user.settle_absence();
        }
    }

    /// What is known of a user.
    ///
    /// # Errors
    /// [`Refusal::NoSuchUser`] when nothing is.
    pub fn whois(&self, name: &UserName) -> Result<UserSummary, Refusal> {
        if let Some(user) = self.find(name) {
            let away = user.absence.as_ref().and_then(|absence| absence.away.clone());
            let presence = away.map_or(Presence::Online, Presence::Away);
            return Ok(UserSummary { name: user.name.clone(), presence, online_since: user.online_since });
        }
        match self.offline.get(name.skeleton()).filter(|seen| seen.name == *name) {
            Some(seen) => Ok(UserSummary {
                name: seen.name.clone(),
                presence: Presence::Offline { since: seen.offline_since },
                online_since: seen.online_since,
            }),
            None => Err(Refusal::NoSuchUser { name: name.clone() }),
        }
    }

    /// Finds the reader of a whisper. While the reader's connection is lost it is counted as missed.
    ///
    /// # Errors
    /// [`Refusal`] when there is no such user, or the user is gone.
    pub fn route_whisper(&mut self, from: &UserName, to: &UserName) -> Result<WhisperRoute, Refusal> {
        let Some(user) = self.find_mut(to) else {
            let seen = self.offline.get(to.skeleton()).filter(|seen| seen.name == *to);
            return Err(seen.map_or(Refusal::NoSuchUser { name: to.clone() }, |seen| Refusal::UserOffline {
                name: seen.name.clone(),
                since: seen.offline_since,
            }));
        };
        let is_lost = user.lost_until.is_some();
        if is_lost {
            user.miss_whisper(from);
        }
        let sessions = user.sessions().collect();
        #[cfg(any(test, feature = "deliberate-faults"))]
        let sessions = crate::mutation::only_first(sessions);
        Ok(WhisperRoute {
            reader: user.name.clone(),
            sessions,
            away: user.absence.as_ref().and_then(|absence| absence.away.clone()),
        })
    }

    /// A whisper came too late for the session it was meant for: while the reader is lost it is counted as missed.
    pub fn miss_whisper(&mut self, from: &UserName, to: &UserName) {
        // Whoever took a guest's name since is another.
        let is_same = |user: &&mut User| user.name.identity() == to.identity();
        // Of an account the other sessions have it, and those that came later find it in the room.
        if let Some(user) = self.find_mut(to).filter(is_same).filter(|user| user.lost_until.is_some()) {
            user.miss_whisper(from);
        }
    }

    /// The names that are held, each with its session unless that is lost; with several of an account, once each.
    pub fn names(&self) -> impl Iterator<Item = (&UserName, Option<SessionId>)> {
        self.online.values().flat_map(|user| {
            let lost = user.lost_until.is_some().then_some(None);
            user.sessions().map(Some).chain(lost).map(|session| (&user.name, session))
        })
    }

    /// Gives back the memory of those that are gone.
    pub fn shrink(&mut self) {
        self.online.shrink_to(2 * self.online.len());
    }

    /// How many names are held.
    pub fn len(&self) -> usize {
        self.online.len()
    }

    /// Whether no name is held.
    pub fn is_empty(&self) -> bool {
        self.online.is_empty()
    }

    fn find(&self, name: &UserName) -> Option<&User> {
        self.online.get(&name.skeleton()).filter(|user| user.name == *name)
    }

    fn find_mut(&mut self, name: &UserName) -> Option<&mut User> {
        self.online.get_mut(&name.skeleton()).filter(|user| user.name == *name)
    }
}

impl User {
    fn miss_whisper(&mut self, from: &UserName) {
        let missed = &mut self.absence.get_or_insert_default().missed_whispers;
        if let Some((_, count)) = missed.iter_mut().find(|(author, _)| author == from) {
            *count += 1;
        } else if missed.len() < Users::MISSED_AUTHORS_MAX {
            missed.push((from.clone(), 1));
        } // Past the bound a whisper is in the log but not counted by author.
    }
}
