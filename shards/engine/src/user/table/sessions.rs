//! The sessions of a user: one of a guest, and up to a limit of an account.

use super::{AwayState, Claimed, User, UserLimits, Users};
use madang_model::{Identity, Now, Refusal, SessionId, UserName};

impl Users {
    /// One more session of the account that has the name, or one that comes back; `None` when that is not so, and the name
    /// is to be claimed as any other. A name that an account has lost waits for it alone.
    pub(super) fn join_account(
        &mut self,
        session: SessionId,
        name: &UserName,
        limits: &UserLimits,
    ) -> Option<Result<Claimed, Refusal>> {
        let user = self.online.get_mut(&name.skeleton())?;
        let (account, claimed_by) = (user.name.account(), name.account());
        if account.is_none() && (claimed_by.is_none() || user.lost_until.is_none()) {
            return None;
        }
        if account.is_none() {
            // It was a guest's, who is lost: nothing of that is the account's.
            user.absence = None;
            return None;
        }
        if account != claimed_by {
            return Some(Err(Refusal::NameTaken { name: user.name.clone() }));
        }
        let (mut missed_whispers, mut room) = (Vec::new(), None);
        if user.lost_until.take().is_some() {
            user.session = session;
            if let Some(absence) = &mut user.absence {
                (missed_whispers, room) = (std::mem::take(&mut absence.missed_whispers), absence.room.take());
                user.settle_absence();
            }
        } else if !user.has(session) {
            let sessions_max = limits.sessions_max;
            if user.sessions().count() >= sessions_max as usize {
                return Some(Err(Refusal::TooManySessions { name: user.name.clone(), sessions_max }));
            }
            user.absence.get_or_insert_default().others.push(session);
        }
        self.last_claim.0 += 1;
        Some(Ok(Claimed { user: name.clone(), claim: self.last_claim, missed_whispers, room }))
    }

    /// A guest's name with the number of its session: another than whoever had the name before, also if that was lost.
    pub(super) fn numbered(&mut self, session: SessionId, name: &UserName, now: Now) -> UserName {
        if name.account().is_some() {
            return name.clone();
        }
        let is_own = |user: &&User| user.has(session);
        #[cfg(any(test, feature = "deliberate-faults"))]
        let is_own = |user: &&User| {
            is_own(user) || crate::mutation::is_on(crate::mutation::Mutation::InheritDirectRooms)
        };
        let own = self.online.get(&name.skeleton()).filter(is_own);
        if let Some(user) = own.filter(|user| user.name.account().is_none()) {
            return name.clone().known_as(user.name.identity());
        }
        let time = u64::try_from(now.wall.0).unwrap_or(0);
        self.last_guest = time.max(self.last_guest + 1);
        name.clone().known_as(Identity::guest(self.last_guest))
    }

    /// The sessions of a user; none where it is lost or not here.
    pub fn sessions_of(&self, name: &UserName) -> Vec<SessionId> {
        self.find(name).map(|user| user.sessions().collect()).unwrap_or_default()
    }
}

impl User {
    fn others(&self) -> &[SessionId] {
        self.absence.as_ref().map_or(&[], |absence| absence.others.as_slice())
    }

    /// All of them, the first first; none while it is lost.
    pub(super) fn sessions(&self) -> impl Iterator<Item = SessionId> {
        let first = self.lost_until.is_none().then_some(self.session);
        first.into_iter().chain(self.others().iter().copied())
    }

    /// Whether this is one of them.
    pub(super) fn has(&self, session: SessionId) -> bool {
        self.lost_until.is_none() && (self.session == session || self.others().contains(&session))
    }

    /// Takes one of them away if it is not the last. Whether it did.
    pub(super) fn lose_one(&mut self, session: SessionId) -> bool {
        let Some(absence) = &mut self.absence else { return false };
        let others = &mut absence.others;
        if others.is_empty() {
            return false;
        }
        if self.session == session {
            self.session = others.remove(0);
        } else {
            others.retain(|other| *other != session);
        }
        self.settle_absence();
        true
    }

    /// Gives its memory back if nothing is in it.
    pub(super) fn settle_absence(&mut self) {
        self.absence.take_if(|absence| {
            let AwayState { away, missed_whispers, others, room } = &**absence;
            others.is_empty() && away.is_none() && missed_whispers.is_empty() && room.is_none()
        });
    }
}
