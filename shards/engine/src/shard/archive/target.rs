//! Messages that are to be amended and have to be looked up first.

use madang_log::BatchId;
use madang_model::{AmendRequest, DraftId, Request, RoomKey, RoomName, Seq, SessionId, UserKey};

/// Who wants to change what.
#[derive(Clone, Debug)]
pub struct AmendQuestion {
    /// Who asks.
    pub session: SessionId,
    /// The author of the change.
    pub user: UserKey,
    /// The room.
    pub room: RoomKey,
    /// The author's own id of it.
    pub draft: Option<DraftId>,
    /// The message that it is about.
    pub target: Seq,
    /// What is to change.
    pub change: AmendRequest,
}

impl From<AmendQuestion> for Request {
    fn from(question: AmendQuestion) -> Request {
        let AmendQuestion { session, user, room, draft, target, change } = question;
        Request::Amend { session, user, room, draft, target, change }
    }
}

/// A message that is to be amended and is not in memory.
#[derive(Debug)]
pub struct TargetLookup {
    /// Who wants to change what.
    pub question: AmendQuestion,
    /// The room.
    pub name: RoomName,
    /// Its newest entry.
    pub head: Seq,
    /// The last batch that carries something of the room.
    pub after: BatchId,
}
