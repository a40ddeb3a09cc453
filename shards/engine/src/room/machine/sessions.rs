//! Several sessions of one account in a room: others see it come with the first and leave with the last.

use super::{Room, RoomLimits};
use crate::room::fan_out::ShardEvent;
use crate::room::member::Member;
use madang_model::{ClaimNumber, Everywhere, LeaveReason, RoomEvent, SessionId, UserKey, UserName};
use std::sync::Arc;

impl Room {
    /// The sessions of a member that are in the room, or the one that was.
    pub fn sessions_of(&self, member: &Member) -> impl Iterator<Item = SessionId> {
        std::iter::once(member.session).chain(self.more.of(member.user.key()).iter().copied())
    }

    /// Whether the account behind a name is a member under it.
    pub(super) fn is_of_same_account(&self, user: &UserName) -> bool {
        user.account().is_some()
            && self
                .members
                .get(&user.key())
                .is_some_and(|member| member.user.identity().is_same_account(user.identity()))
    }

    /// Another session of a member, or the first again after all were lost. The others see nothing.
    pub(super) fn join_again(
        &mut self,
        session: SessionId,
        (user, claim): (&UserName, ClaimNumber),
        limits: &RoomLimits,
        events: &mut Vec<ShardEvent>,
    ) {
        let key = user.key();
        let Some(member) = self.members.get_mut(&key) else { return };
        let lost = member.lost.take();
        member.claim = member.claim.max(claim);
        let is_counted = lost.is_none() && (member.session == session || self.more.has(key, session));
        if lost.is_some() {
            member.session = session;
        } else if !is_counted {
            self.more.add(key, session);
        }
        if !is_counted {
            self.fan_out.add(session.shard);
        }
        self.send_joined(session, user, lost.map(|lost| lost.head), limits, events);
    }

    /// A name that is now an account's, or no longer: whoever had it and is lost does not come back under it.
    pub(super) fn part_with_another_who_is_lost(
        &mut self,
        user: &UserName,
        claim: ClaimNumber,
        limits: &RoomLimits,
        events: &mut Vec<ShardEvent>,
    ) {
        let is_another = |member: &Member| {
            member.lost.is_some() && member.claim <= claim && member.user.account() != user.account()
        };
        if self.members.get(&user.key()).is_some_and(is_another) {
            self.remove(user.key(), (LeaveReason::Lost, None), limits, events);
        }
    }

    /// A session left that ended in all its rooms, and its user may be here again by another session. Who has seen the end
    /// in another of the rooms knows of it here: so every room says it, and then who is there.
    pub(super) fn came_back(
        &self,
        user: &UserName,
        (reason, everywhere): (LeaveReason, Option<Arc<Everywhere>>),
        limits: &RoomLimits,
        events: &mut Vec<ShardEvent>,
    ) {
        if everywhere.is_none() || !self.announces(limits) {
            return;
        }
        let left = RoomEvent::Left { user: user.clone(), reason, everywhere };
        self.fan_out.emit(self.name.key(), &left, events);
        self.is_there(user, events);
    }

    /// The same where its user may be a member by another session.
    pub(super) fn is_still_here(
        &self,
        user: UserKey,
        how: (LeaveReason, Option<Arc<Everywhere>>),
        limits: &RoomLimits,
        events: &mut Vec<ShardEvent>,
    ) {
        if let Some(member) = self.members.get(&user) {
            self.came_back(&member.user, how, limits, events);
        }
    }

    /// The same of a new name.
    pub(super) fn renamed_everywhere(
        &self,
        old: &UserName,
        new: &UserName,
        everywhere: Option<Arc<Everywhere>>,
        events: &mut Vec<ShardEvent>,
    ) {
        let renamed = RoomEvent::Renamed { old: old.clone(), new: new.clone(), everywhere };
        self.fan_out.emit(self.name.key(), &renamed, events);
        if old.key() != new.key() {
            self.is_there(old, events);
        }
    }

    fn is_there(&self, user: &UserName, events: &mut Vec<ShardEvent>) {
        if let Some(member) = self.members.get(&user.key()) {
            let joined = RoomEvent::Joined { user: member.user.clone() };
            self.fan_out.emit(self.name.key(), &joined, events);
        }
    }

    /// Takes a session of an account that has others here. Whether it did.
    pub(super) fn leaves_others(&mut self, session: SessionId, user: UserKey) -> bool {
        #[cfg(any(test, feature = "deliberate-faults"))]
        if crate::mutation::is_on(crate::mutation::Mutation::LeaveWithAnySession) {
            return false;
        }
        if self.more.remove(user, session) {
            return true;
        }
        let Room { members, more, .. } = self;
        let member =
            members.get_mut(&user).filter(|member| member.session == session && member.lost.is_none());
        member.is_some_and(|member| more.replace(member))
    }

    /// The same, to continue it under another name.
    pub(super) fn take_one_of_several(
        &mut self,
        session: SessionId,
        user: &UserName,
        claim: ClaimNumber,
    ) -> Option<Member> {
        let is_away = self.members.get(&user.key())?.is_away;
        self.leaves_others(session, user.key()).then(|| Member {
            user: user.clone(),
            session,
            claim,
            is_away,
            lost: None,
        })
    }

    /// A session of an account goes by the name now that others of it have here.
    pub(super) fn rename_onto_own(
        &mut self,
        session: SessionId,
        (old, new): (&UserName, &UserName),
        claim: ClaimNumber,
        is_announced: bool,
        events: &mut Vec<ShardEvent>,
    ) {
        let Some(member) = self.members.get_mut(&new.key()) else { return };
        member.claim = member.claim.max(claim);
        if member.lost.take().is_some() {
            member.session = session;
        } else {
            self.more.add(new.key(), session);
        }
        if is_announced {
            let left = RoomEvent::Left { user: old.clone(), reason: LeaveReason::Renamed, everywhere: None };
            self.fan_out.emit(self.name.key(), &left, events);
        }
    }
}
