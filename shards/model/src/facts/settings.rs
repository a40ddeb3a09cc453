//! What can be set of a room.

use crate::name::RoomName;
use crate::text::Text;

/// What a member may do beyond reading and posting, in rising order. A number is part of the stored format: never
/// change it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub enum RoomRole {
    /// Nothing.
    #[default]
    Member = 0,
    /// Moderates.
    Moderator = 1,
    /// Decides about settings and roles.
    Owner = 2,
}

/// Who finds a room. A number is part of the stored format: never change it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum RoomAccess {
    /// It is listed, and anyone may enter.
    #[default]
    Open = 0,
    /// By invitation or code; for others it does not exist.
    Private = 1,
    /// Between two users.
    Direct = 2,
}

/// Who may post. A number is part of the stored format: never change it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum PostPolicy {
    /// Its members; in an open room whoever is in it.
    #[default]
    Members = 0,
    /// Moderators and above.
    Moderators = 1,
    /// Nobody: it is closed for posting.
    Nobody = 2,
}

/// What guests may do. A number is part of the stored format: never change it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum GuestPolicy {
    /// Nothing.
    No = 0,
    /// Read.
    Read = 1,
    /// Read and post.
    #[default]
    Post = 2,
}

/// Who may invite. A number is part of the stored format: never change it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum InvitePolicy {
    /// Every member.
    Members = 0,
    /// Moderators and above.
    #[default]
    Moderators = 1,
}

/// What of earlier messages a member sees. A number is part of the stored format: never change it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum HistoryPolicy {
    /// All.
    #[default]
    All = 0,
    /// What came after it joined.
    SinceJoined = 1,
}

/// The room where the announcements of another are answered.
#[derive(Clone, Debug)]
pub struct DiscussionRoom(pub RoomName);

impl PartialEq for DiscussionRoom {
    fn eq(&self, other: &DiscussionRoom) -> bool {
        self.0.is_same_as(&other.0)
    }
}

impl Eq for DiscussionRoom {}

/// The settings of a room.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct RoomSettings {
    /// Who finds it.
    pub access: RoomAccess,
    /// Who may post.
    pub post: PostPolicy,
    /// What guests may do.
    pub guests: GuestPolicy,
    /// Who may invite.
    pub invite: InvitePolicy,
    /// What members see of what came before them.
    pub history: HistoryPolicy,
    /// Its title, if it has one beside its name.
    pub title: Option<Text>,
    /// Seconds between two messages of a member; 0 is none.
    pub slow_s: u32,
    /// The most members; 0 is as many as the server allows.
    pub capacity: u32,
    /// Seconds after which it may be closed when nobody uses it; 0 is never.
    pub idle_ttl_s: u32,
    /// Days for which its messages are kept; 0 is as long as the server keeps any.
    pub retention_days: u32,
    /// The room where its announcements are answered.
    pub discussion: Option<DiscussionRoom>,
}

/// A setting with its new value.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "each is the field of `RoomSettings` with its name")]
pub enum RoomSetting {
    Access(RoomAccess),
    Post(PostPolicy),
    Guests(GuestPolicy),
    Invite(InvitePolicy),
    History(HistoryPolicy),
    Title(Option<Text>),
    SlowS(u32),
    Capacity(u32),
    IdleTtlS(u32),
    RetentionDays(u32),
    Discussion(Option<DiscussionRoom>),
}

impl RoomSettings {
    /// The most seconds between two messages of a member: six hours.
    pub const SLOW_S_MAX: u32 = 21_600;
    /// The longest title, in bytes.
    pub const TITLE_BYTES_MAX: usize = 512;

    pub(super) fn set(&mut self, setting: &RoomSetting) {
        match setting {
            RoomSetting::Access(access) => self.access = *access,
            RoomSetting::Post(post) => self.post = *post,
            RoomSetting::Guests(guests) => self.guests = *guests,
            RoomSetting::Invite(invite) => self.invite = *invite,
            RoomSetting::History(history) => self.history = *history,
            RoomSetting::Title(title) => self.title.clone_from(title),
            RoomSetting::SlowS(slow_s) => self.slow_s = *slow_s,
            RoomSetting::Capacity(capacity) => self.capacity = *capacity,
            RoomSetting::IdleTtlS(idle_ttl_s) => self.idle_ttl_s = *idle_ttl_s,
            RoomSetting::RetentionDays(retention_days) => self.retention_days = *retention_days,
            RoomSetting::Discussion(discussion) => self.discussion.clone_from(discussion),
        }
    }
}
