//! The drafts of a room's messages.

use super::Room;
use crate::room::drafts::{DraftVerdict, KnownDraft};
use madang_log::{author_of, draft_hash};
use madang_model::{DraftId, Now, Refusal, Seq, SessionId, Timestamp, UserKey, UserName};

fn hash_of(author: &UserName, id: &DraftId) -> u64 {
    draft_hash(author_of(author.identity()), author.key(), id)
}

impl Room {
    /// Who says what a session says here; `None` when it may not say anything.
    pub fn author_name(&self, session: SessionId, user: UserKey) -> Option<&UserName> {
        self.author(session, user).map(|member| &member.user)
    }

    /// What is known of a draft that an author is about to say here, and the draft's hash.
    pub fn verdict(&self, author: &UserName, id: &DraftId, now: Now) -> (DraftVerdict, u64) {
        let hash = hash_of(author, id);
        (self.drafts.judge(author.key(), hash, id, now.wall), hash)
    }

    /// Whether each draft of an author that was said after `head` is known.
    pub fn knows_drafts_after(&self, author: &UserName, head: Seq) -> bool {
        self.drafts.knows_after(author.key(), head)
    }

    /// What is said from a draft that is known is not said again.
    ///
    /// # Errors
    /// [`Refusal`] with the number that it has.
    pub(in crate::room) fn refuse_known(
        &self,
        author: &UserName,
        id: Option<&DraftId>,
        now: Now,
    ) -> Result<(), Refusal> {
        let Some(id) = id else { return Ok(()) };
        match self.verdict(author, id, now).0 {
            DraftVerdict::Stored(seq) => Err(Refusal::DraftRepeated { seq, draft: id.clone() }),
            DraftVerdict::New | DraftVerdict::Unknown { .. } | DraftVerdict::TooOld => Ok(()),
        }
    }

    /// The newest entry came from this draft, if from any.
    pub(in crate::room) fn remember_draft(
        &mut self,
        author: &UserName,
        id: Option<&DraftId>,
        time: Timestamp,
    ) {
        if let Some(id) = id {
            let hash = hash_of(author, id);
            self.drafts.push(KnownDraft { author: author.key(), hash, seq: self.head, time });
        }
    }

    /// Forgets the drafts whose time has passed. Whether others are left.
    pub fn expire_drafts(&mut self, now: Timestamp) -> bool {
        self.drafts.expire(now);
        !self.drafts.is_empty()
    }

    /// Whether it knows drafts.
    pub fn has_drafts(&self) -> bool {
        !self.drafts.is_empty()
    }

    /// How many drafts were forgotten before their time since the last call, as there were too many.
    pub fn take_drafts_forgotten_early(&mut self) -> u64 {
        self.drafts.take_forgotten_early()
    }
}
