//! A change of a room's facts.

use super::settings::{RoomRole, RoomSetting, RoomSettings};
use crate::id::{AccountId, Seq};
use crate::text::Text;
use crate::time::Timestamp;

/// One change of a room's facts. Whether somebody may make it is decided before; here it only has to make sense.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum FactChange {
    /// A setting has a new value.
    Set(RoomSetting),
    /// What the room is about; `None` is nothing.
    Topic(Option<Text>),
    /// An account becomes a member.
    Join {
        /// Which.
        account: AccountId,
        /// The number of the room's newest message then.
        joined: Seq,
    },
    /// An account is a member no longer.
    Leave(AccountId),
    /// A member has another role.
    Role {
        /// Which.
        account: AccountId,
        /// Which role.
        role: RoomRole,
    },
    /// An account may not post.
    Mute {
        /// Which.
        account: AccountId,
        /// Until then; `None` is until it is lifted.
        until: Option<Timestamp>,
    },
    /// The mute of an account is lifted.
    Unmute(AccountId),
    /// An account may not enter, and is a member no longer.
    Ban {
        /// Which.
        account: AccountId,
        /// Until then; `None` is until it is lifted.
        until: Option<Timestamp>,
    },
    /// The ban of an account is lifted.
    Unban(AccountId),
    /// An account is invited.
    Invite(AccountId),
    /// The invitation of an account is taken back.
    Uninvite(AccountId),
}

/// A change, when it was made and by whom.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DatedChange {
    /// When.
    pub time: Timestamp,
    /// By whom.
    pub by: AccountId,
    /// What.
    pub change: FactChange,
}

/// Why a change makes no sense.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum FactRefusal {
    /// It is about a member, and the account is none.
    #[error("account {} is no member of the room", .account.0)]
    NoMember {
        /// The account.
        account: AccountId,
    },
    /// It takes back what is not there.
    #[error("there is no mute, ban or invitation of account {} to take back", .account.0)]
    NothingToLift {
        /// The account.
        account: AccountId,
    },
    /// A member joins.
    #[error("account {} is a member of the room already", .account.0)]
    MemberAlready {
        /// The account.
        account: AccountId,
    },
    /// A number is above its limit.
    #[error("{value} seconds between two messages are more than {limit}; choose at most that")]
    TooSlow {
        /// The number.
        value: u32,
        /// The limit.
        limit: u32,
    },
    /// The room has as many members, mutes, bans and invitations as it may.
    #[error(
        "the room has {limit} members, mutes, bans and invitations, and may not have more; lift some first"
    )]
    TooMany {
        /// The limit.
        limit: usize,
    },
    /// A text is too long.
    #[error("a text of {bytes} bytes is longer than {limit}; shorten it")]
    TooLong {
        /// Its length.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
}

/// Why a change is not made.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum FactsNotChanged {
    /// It makes no sense.
    #[error(transparent)]
    Refused(#[from] FactRefusal),
    /// It cannot be stored, or the room cannot be made.
    #[error("{reason}")]
    NotStored {
        /// The reason, as a person may see it.
        reason: Box<str>,
    },
}

impl FactChange {
    /// The longest topic, in bytes.
    pub const TOPIC_BYTES_MAX: usize = 1024;

    /// Checks what depends on the change alone.
    pub(super) fn check(&self) -> Result<(), FactRefusal> {
        let short = |text: &Option<Text>, limit| match text.as_ref().map_or(0, |text| text.len()) {
            bytes if bytes > limit => Err(FactRefusal::TooLong { bytes, limit }),
            _ => Ok(()),
        };
        match self {
            FactChange::Topic(topic) => short(topic, FactChange::TOPIC_BYTES_MAX),
            FactChange::Set(RoomSetting::Title(title)) => short(title, RoomSettings::TITLE_BYTES_MAX),
            FactChange::Set(RoomSetting::SlowS(value)) if *value > RoomSettings::SLOW_S_MAX => {
                Err(FactRefusal::TooSlow { value: *value, limit: RoomSettings::SLOW_S_MAX })
            }
            _ => Ok(()),
        }
    }
}
