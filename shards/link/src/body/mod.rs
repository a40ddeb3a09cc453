//! The bodies of envelopes as they lie on the wire: types of the link's own, so that the wire does not change
//! when the engine's types do.
//!
//! [`control`] is of every version and never changes. The rest is **version 1**. rkyv gives a variant its
//! position as number, so that nothing here may be removed or reordered within a version, nor added but at the end of
//! what no release has spoken yet: a change is a new version, with its own types beside these, and those of the version before are kept as long as it is
//! spoken ([`VERSIONS`](crate::VERSIONS)). A kept sample in the tests holds the bytes.
//!
//! An absent text is written as an empty one: no name, draft id or text is empty.

pub mod control;
mod entry;
mod event;
mod refusal;
mod reply;
mod request;
mod said;

pub use entry::{ArchivedEntryBody, ArchivedEntryKindBody, ArchivedResumedBody, ArchivedShownBody};
pub use entry::{EntryBody, EntryKindBody, ResumedBody, ShownBody};
pub use event::{
    ArchivedEventBody, ArchivedNameBody, EventBody, LeaveReasonBody, NameBody, RequestFaultBody,
    SessionEndBody,
};
pub use event::{ArchivedLeaveReasonBody, ArchivedRequestFaultBody, ArchivedSessionEndBody};
pub use refusal::{ArchivedRefusalBody, RefusalBody};
pub use reply::{
    ArchivedFactsNotChangedBody, ArchivedListedMemberBody, ArchivedListedRoomBody, FactsNotChangedBody,
    GapBody, GapReasonBody, ListedMemberBody, ListedRoomBody, MissedBody, PresenceBody, ReplyBody,
};
pub use reply::{ArchivedGapBody, ArchivedGapReasonBody, ArchivedPresenceBody, ArchivedReplyBody};
pub use request::{
    AccountBody, AddressBody, AmendKindBody, ArchivedAddressBody, ArchivedAmendKindBody, ArchivedPageBody,
    ArchivedRequestBody, PageBody, RequestBody, SERVICE_ACCOUNT, USER_ACCOUNT,
};
pub use said::{ArchivedSaidBody, SaidBody};

use crate::format::{Kind, WireFault};
use rkyv::Portable;
use rkyv::api::low::LowValidator;
use rkyv::bytecheck::CheckBytes;
use rkyv::rancor::Failure;

/// A body where it lies, validated.
///
/// # Errors
/// [`WireFault::Body`] when it is none.
pub fn open<T>(kind: Kind, body: &[u8]) -> Result<&T, WireFault>
where
    T: Portable + for<'a> CheckBytes<LowValidator<'a, Failure>>,
{
    rkyv::api::low::access::<T, Failure>(body).map_err(|_| WireFault::Body { kind })
}
