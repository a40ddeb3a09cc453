//! What the facts of a room are, and what a change makes of them.

use super::change::{DatedChange, FactChange, FactRefusal};
use super::settings::{GuestPolicy, RoomAccess, RoomRole, RoomSettings};
use crate::id::{AccountId, Seq};
use crate::text::Text;
use crate::time::Timestamp;
use std::collections::BTreeMap;
use std::fmt;

/// The number of a change of a room's facts: 1, 2, 3 … without gap or repeat. 0 stands before the first.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default)]
pub struct Revision(pub u64);

impl Revision {
    /// Before the first change.
    pub const ZERO: Revision = Revision(0);

    /// The revision after this one.
    #[must_use]
    pub fn next(self) -> Revision {
        Revision(self.0 + 1)
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A member of a room.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RoomMember {
    /// What it may do.
    pub role: RoomRole,
    /// The room's newest number when it joined.
    pub joined: Seq,
    /// Up to this number it has read. It may go back.
    pub read: Seq,
}

/// A mute or a ban.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Restriction {
    /// It ends then; `None` is when it is lifted.
    pub until: Option<Timestamp>,
    /// Who made it.
    pub by: AccountId,
}

/// An invitation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Invitation {
    /// Who made it.
    pub by: AccountId,
    /// When.
    pub time: Timestamp,
}

/// The facts of a room, after the change with the number `revision`.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct RoomFacts {
    pub(super) revision: Revision,
    pub(super) settings: RoomSettings,
    pub(super) topic: Option<Text>,
    pub(super) members: BTreeMap<AccountId, RoomMember>,
    pub(super) mutes: BTreeMap<AccountId, Restriction>,
    pub(super) bans: BTreeMap<AccountId, Restriction>,
    pub(super) invitations: BTreeMap<AccountId, Invitation>,
}

/// What is stored of facts cannot be what was written: the log is damaged.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum FactsFault {
    /// Revisions do not follow one another.
    #[error("revision {found} follows revision {known}")]
    Gap {
        /// The last that was applied.
        known: Revision,
        /// What came.
        found: Revision,
    },
    /// A change makes no sense where it stands.
    #[error("revision {revision} makes no sense: {refusal}")]
    Senseless {
        /// Which.
        revision: Revision,
        /// Why.
        refusal: FactRefusal,
    },
    /// Bytes that this program does not write.
    #[error("they cannot be read: {0}")]
    Unreadable(&'static str),
}

impl RoomFacts {
    /// The number of the last change; 0 when there was none.
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// Its settings.
    pub fn settings(&self) -> &RoomSettings {
        &self.settings
    }

    /// What it is about.
    pub fn topic(&self) -> Option<&Text> {
        self.topic.as_ref()
    }

    /// Its members, by account.
    pub fn members(&self) -> &BTreeMap<AccountId, RoomMember> {
        &self.members
    }

    /// Who may not post, by account.
    pub fn mutes(&self) -> &BTreeMap<AccountId, Restriction> {
        &self.mutes
    }

    /// Who may not enter, by account.
    pub fn bans(&self) -> &BTreeMap<AccountId, Restriction> {
        &self.bans
    }

    /// Who is invited, by account.
    pub fn invitations(&self) -> &BTreeMap<AccountId, Invitation> {
        &self.invitations
    }

    /// Members, mutes, bans and invitations, together: so all facts fit into one batch of a log with the smallest segments
    /// (28 bytes each at most, of 1 MiB).
    pub const ENTRIES_MAX: usize = 24_576;

    /// Whether a change makes sense now.
    ///
    /// # Errors
    /// [`FactRefusal`] when it does not.
    pub fn check(&self, change: &FactChange) -> Result<(), FactRefusal> {
        change.check()?;
        self.check_count(change)?;
        self.check_state(change)
    }

    /// Whether a change is about something that is there, whatever a room may have.
    fn check_state(&self, change: &FactChange) -> Result<(), FactRefusal> {
        let lifts = |is_there: bool, account: AccountId| match is_there {
            true => Ok(()),
            false => Err(FactRefusal::NothingToLift { account }),
        };
        match *change {
            FactChange::Join { account, .. } if self.members.contains_key(&account) => {
                Err(FactRefusal::MemberAlready { account })
            }
            FactChange::Invite(account) if self.members.contains_key(&account) => {
                Err(FactRefusal::MemberAlready { account })
            }
            FactChange::Leave(account) | FactChange::Role { account, .. }
                if !self.members.contains_key(&account) =>
            {
                Err(FactRefusal::NoMember { account })
            }
            FactChange::Unmute(account) => lifts(self.mutes.contains_key(&account), account),
            FactChange::Unban(account) => lifts(self.bans.contains_key(&account), account),
            FactChange::Uninvite(account) => lifts(self.invitations.contains_key(&account), account),
            _ => Ok(()),
        }
    }

    /// Whether there is a place for what a change adds.
    fn check_count(&self, change: &FactChange) -> Result<(), FactRefusal> {
        let is_new = match change {
            FactChange::Join { account, .. } => !self.invitations.contains_key(account),
            FactChange::Mute { account, .. } => !self.mutes.contains_key(account),
            FactChange::Ban { account, .. } => {
                !self.bans.contains_key(account)
                    && !self.members.contains_key(account)
                    && !self.invitations.contains_key(account)
            }
            FactChange::Invite(account) => !self.invitations.contains_key(account),
            _ => return Ok(()),
        };
        let count = self.members.len() + self.mutes.len() + self.bans.len() + self.invitations.len();
        match is_new && count >= RoomFacts::ENTRIES_MAX {
            true => Err(FactRefusal::TooMany { limit: RoomFacts::ENTRIES_MAX }),
            false => Ok(()),
        }
    }

    /// Makes a change, which becomes the next revision.
    ///
    /// # Errors
    /// [`FactRefusal`] when it makes no sense; then nothing has changed.
    pub fn change(&mut self, dated: &DatedChange) -> Result<Revision, FactRefusal> {
        self.check(&dated.change)?;
        Ok(self.apply(dated))
    }

    fn apply(&mut self, dated: &DatedChange) -> Revision {
        let DatedChange { time, by, ref change } = *dated;
        match *change {
            FactChange::Set(ref setting) => self.settings.set(setting),
            FactChange::Topic(ref topic) => self.topic.clone_from(topic),
            FactChange::Join { account, joined } => {
                self.invitations.remove(&account);
                let member = RoomMember { role: RoomRole::Member, joined, read: joined };
                self.members.insert(account, member);
            }
            FactChange::Leave(account) => drop(self.members.remove(&account)),
            FactChange::Role { account, role } => {
                self.members.entry(account).and_modify(|member| member.role = role);
            }
            FactChange::Mute { account, until } => {
                self.mutes.insert(account, Restriction { until, by });
            }
            FactChange::Unmute(account) => drop(self.mutes.remove(&account)),
            FactChange::Ban { account, until } => {
                self.members.remove(&account);
                self.invitations.remove(&account);
                self.bans.insert(account, Restriction { until, by });
            }
            FactChange::Unban(account) => drop(self.bans.remove(&account)),
            FactChange::Invite(account) => {
                self.invitations.insert(account, Invitation { by, time });
            }
            FactChange::Uninvite(account) => drop(self.invitations.remove(&account)),
        }
        self.revision = self.revision.next();
        self.revision
    }

    /// Makes a change that was stored as this revision. What a room may have is no matter: the limits may have been other
    /// ones then.
    ///
    /// # Errors
    /// [`FactsFault`] when it cannot follow: then what is stored is damaged.
    pub fn replay(&mut self, revision: Revision, dated: &DatedChange) -> Result<(), FactsFault> {
        if revision != self.revision.next() {
            return Err(FactsFault::Gap { known: self.revision, found: revision });
        }
        self.check_state(&dated.change).map_err(|refusal| FactsFault::Senseless { revision, refusal })?;
        self.apply(dated);
        Ok(())
    }

    /// The changes up to this revision are lost. Nobody knows what was decided, and it may have been a ban, or that the room
    /// is private: it is taken for one that is private and has no guests, so that nobody enters who was kept out.
    pub fn lose_up_to(&mut self, revision: Revision) {
        if revision <= self.revision {
            return;
        }
        if self.settings.access == RoomAccess::Open {
            self.settings.access = RoomAccess::Private;
        }
        self.settings.guests = GuestPolicy::No;
        self.revision = revision;
    }

    /// The same facts at a later revision, which a repair gives to what is left of them.
    ///
    /// # Panics
    /// When it is an earlier one.
    pub fn renumber(&mut self, revision: Revision) {
        assert!(revision >= self.revision, "revisions do not fall");
        self.revision = revision;
    }

    /// A member has read up to this number; it makes no revision. Whether that changes anything: not where the account
    /// is no member.
    pub fn move_read(&mut self, account: AccountId, read: Seq) -> bool {
        let Some(member) = self.members.get_mut(&account) else { return false };
        std::mem::replace(&mut member.read, read) != read
    }
}
