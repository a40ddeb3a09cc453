//! Edits, deletions, reactions, pins and topics: what a room decides about them.

use super::machine::{Room, time_after};
use crate::room::fan_out::ShardEvent;
use crate::room::recent::TargetState;
use madang_model::{
    AmendRequest, Amendment, Change, DraftId, Message, MessageReactions, Moment, Now, ReactionSums, Refusal,
    RoomEvent, Seq, SessionId, ShownMessage, UserKey, UserName,
};
use std::sync::Arc;
use std::time::Duration;

/// Reactions that come sooner after the last entry of reactions wait, and become one entry.
const REACTIONS_INTERVAL: Duration = Duration::from_secs(1);

/// A message that was to be amended and had to be looked up.
#[derive(Debug)]
pub struct LookedUpTarget {
    /// Its number.
    pub target: Seq,
    /// The room's newest entry when it was asked for: what became of it later is not in it.
    pub head: Seq,
    /// The message; `None` is none.
    pub found: Option<ShownMessage>,
}

/// What became of a request to amend.
#[derive(Debug)]
pub enum Amended {
    /// It is accepted: the caller appends it to the log. So many of the room's entries before it are no messages.
    Accepted(Arc<Amendment>, u64),
    /// It is one of several that become one entry a little later.
    Waits,
    /// The message is not in memory: the caller looks it up, and asks again.
    Unknown,
}

impl Room {
    /// How many of its entries are no messages.
    pub fn amendments(&self) -> u64 {
        self.amendments
    }

    /// Decides about what a member wants to change. `looked_up` is the message that it is about, where that was looked
    /// up; it is asked for again where what became of it since is not in memory any more.
    ///
    /// # Errors
    /// [`Refusal`] when the author is no member, the draft is stored already, a guest asks for what needs an account,
    /// there is no such message, it is another's, or nothing would change.
    #[allow(clippy::too_many_arguments)]
    pub fn amend(
        &mut self,
        session: SessionId,
        author: UserKey,
        draft: Option<DraftId>,
        (target, request): (Seq, AmendRequest),
        looked_up: Option<LookedUpTarget>,
        now: Now,
        events: &mut Vec<ShardEvent>,
    ) -> Result<Amended, Refusal> {
        let author = self.speaker(session, author)?;
        self.refuse_known(&author, draft.as_ref(), now)?;
        if lacks_account(&author, &request) {
            return Err(Refusal::AccountNeeded { seq: target });
        }
        let none = || Refusal::NoSuchMessage { seq: target };
        let change = if let AmendRequest::Topic { topic } = request {
            Change::Topic { topic }
        } else {
            let looked_up = looked_up.filter(|found| self.recent.holds_after(found.head, self.head));
            let was_looked_up = looked_up.is_some();
            let mut found = looked_up.and_then(|looked_up| looked_up.found);
            if let Some(shown) = &mut found {
                self.recent.bring_up_to_date(shown);
            }
            let shown = match (self.recent.target(target, self.head), &found) {
                (TargetState::Message(shown), _) | (TargetState::Unknown, Some(shown)) => shown,
                (TargetState::None, _) => return Err(none()),
                (TargetState::Unknown, None) if !was_looked_up => return Ok(Amended::Unknown),
                (TargetState::Unknown, None) => return Err(none()),
            };
            let message = shown.message().ok_or_else(none)?;
            match request {
                AmendRequest::Edit { .. } | AmendRequest::Delete if !may_change(message, &author) => {
                    return Err(Refusal::NotYours { seq: target });
                }
                AmendRequest::Edit { text } => Change::Edit { text },
                AmendRequest::Delete => Change::Deletion,
                AmendRequest::Pin { is_pinned } if shown.is_pinned() == is_pinned => {
                    return Err(Refusal::NothingChanges { seq: target });
                }
                AmendRequest::Pin { is_pinned } => Change::Pin { is_pinned },
                AmendRequest::React { reaction, is_added } => {
                    let known = self.reactions.sums.get(&target).cloned();
                    let mut sums = known.unwrap_or_else(|| shown.reactions());
                    if !sums.count(&reaction, is_added) {
                        return Err(Refusal::NothingChanges { seq: target });
                    }
                    return self.react(author, (target, sums), now, events);
                }
                AmendRequest::Topic { .. } => return Err(none()),
            }
        };
        let target = if matches!(change, Change::Topic { .. }) { Seq::ZERO } else { target };
        let (amendment, before) = self.accept_amendment(author, draft, target, change, now);
        self.announce(&amendment, session, events);
        Ok(Amended::Accepted(amendment, before))
    }

    fn react(
        &mut self,
        author: UserName,
        (target, sums): (Seq, ReactionSums),
        now: Now,
        events: &mut Vec<ShardEvent>,
    ) -> Result<Amended, Refusal> {
        let is_new = !self.reactions.sums.contains_key(&target);
        if is_new && self.reactions.sums.len() >= MessageReactions::MESSAGES_MAX {
            return Err(Refusal::NothingChanges { seq: target });
        }
        self.reactions.sums.insert(target, sums);
        self.reactions.author = Some(author);
        Ok(match self.flush_reactions(now, events) {
            Some((amendment, before)) => Amended::Accepted(amendment, before),
            None => Amended::Waits,
        })
    }

    /// Whether reactions wait.
    pub fn has_pending_reactions(&self) -> bool {
        !self.reactions.sums.is_empty()
    }

    /// Forgets the reactions that wait.
    pub fn drop_reactions(&mut self) {
        self.reactions.sums.clear();
        self.reactions.author = None;
    }

    /// Accepts the reactions that wait as one entry, if it is time.
    pub fn flush_reactions(
        &mut self,
        now: Now,
        events: &mut Vec<ShardEvent>,
    ) -> Option<(Arc<Amendment>, u64)> {
        let is_early = |last: Moment| last.after(REACTIONS_INTERVAL) > now.monotonic;
        if self.reactions.sums.is_empty() || self.reactions.last.is_some_and(is_early) {
            return None;
        }
        let author = self.reactions.author.take()?;
        let sums = std::mem::take(&mut self.reactions.sums).into_iter();
        let of = sums.map(|(message, sums)| MessageReactions { message, sums }).collect();
        self.reactions.last = Some(now.monotonic);
        let accepted = self.accept_amendment(author, None, Seq::ZERO, Change::Reactions(of), now);
        self.announce(&accepted.0, SessionId::NOBODY, events);
        Some(accepted)
    }

    fn announce(&self, amendment: &Arc<Amendment>, author: SessionId, events: &mut Vec<ShardEvent>) {
        let amended = RoomEvent::Amended { amendment: Arc::clone(amendment), author };
        self.fan_out.emit(self.name.key(), &amended, events);
    }

    fn accept_amendment(
        &mut self,
        author: UserName,
        draft: Option<DraftId>,
        target: Seq,
        change: Change,
        now: Now,
    ) -> (Arc<Amendment>, u64) {
        self.head = self.head.next();
        let time = time_after(self.recent.times().next(), now.wall);
        let (room, seq) = (self.name.clone(), self.head);
        let amendment = Arc::new(Amendment { room, seq, time, author, draft, target, change });
        self.remember_draft(&amendment.author, amendment.draft.as_ref(), time);
        self.recent.amend(&amendment);
        let before = self.amendments;
        self.amendments += 1;
        (amendment, before)
    }
}

/// Whether a guest asks for what only accounts may do: another may have its name later, and would change what it said.
pub fn lacks_account(author: &UserName, request: &AmendRequest) -> bool {
    #[cfg(any(test, feature = "deliberate-faults"))]
    if crate::mutation::is_on(crate::mutation::Mutation::LetGuestsAmend) {
        return false;
    }
    let needs_account = matches!(request, AmendRequest::Edit { .. } | AmendRequest::Delete);
    needs_account && author.identity().account().is_none()
}

/// Only its author edits or deletes a message: the account, which stays the same whatever its name becomes.
fn may_change(message: &Message, author: &UserName) -> bool {
    #[cfg(any(test, feature = "deliberate-faults"))]
    {
        use crate::mutation::{Mutation, is_on};
        let is_namesake = message.author.key() == author.key();
        if is_on(Mutation::DeleteOthers) || (is_on(Mutation::LetGuestsAmend) && is_namesake) {
            return true;
        }
    }
    message.author.identity().is_same_account(author.identity())
}
