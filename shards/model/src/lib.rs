//! What Madang is about: identities, names, messages, what shards say to each other, and the seam to a protocol
//! ([`connection::Surface`]).

mod account;
mod amendment;
mod away;
mod carried;
pub mod connection;
mod counted;
mod draft_age;
mod epoch;
mod event;
mod everywhere;
mod facts;
mod id;
mod leaving;
mod list;
mod message;
mod name;
mod page;
mod reaction;
mod reply;
mod request;
mod shown;
mod text;
mod time;

pub use account::{Account, AccountKind, Identity};
pub use amendment::{AmendRequest, Amendment, Change, Entry};
pub use away::Away;
pub use carried::{Carried, CarriedMember, CarriedSeen, CarriedUser, Holder};
pub use counted::{counted, is_or_are, numbered};
pub use draft_age::{DRAFT_AGE_US_MAX, DRAFT_CLOCK_US_MAX, DRAFT_WINDOW_US, OLD_DRAFT_COST};
pub use epoch::LogEpoch;
pub use event::{Event, MeshEntry, RoomEvent};
pub use everywhere::{Everywhere, SeenEvents, SharedRooms, Sight};
pub use facts::{
    DatedChange, DiscussionRoom, FactChange, FactRefusal, FactsFault, FactsNotChanged, GuestPolicy,
    HistoryPolicy, Invitation, InvitePolicy, PostPolicy, Restriction, Revision, RoomAccess, RoomFacts,
    RoomMember, RoomRole, RoomSetting, RoomSettings,
};
pub use id::{
    AccountId, ClaimNumber, ConnectionId, HomeKey, PARTITIONS, PartitionId, RoomKey, Seq, SessionId, ShardId,
    SkeletonKey, UserKey, recorded_shard_count,
};
pub use leaving::LeaveReason;
pub use list::{
    Cursor, CursorFault, ListStart, MembersPage, RoomSummary, RoomsList, RoomsMerge, RoomsMissing, RoomsPage,
    RoomsPart, WhoMember, WhoPage,
};
pub use message::{DraftId, Message};
pub use name::{Looks, NameError, RoomName, UserName};
pub use page::Page;
pub use reaction::{MessageReactions, Reaction, ReactionSums};
pub use reply::{Gap, GapReason, HistoryPage, Joined, Presence, Refusal, Reply, ResumedEntries, UserSummary};
pub use request::{Destination, Leaving, LooksAnswer, Request};
pub use shown::{AmendedMessage, Edited, ShownEntry, ShownMessage, Tombstone};
pub use text::{Text, from_first_seen};
pub use time::{Moment, Now, Timestamp};
