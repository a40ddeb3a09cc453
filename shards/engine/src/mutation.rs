//! Deliberate faults, to prove that the simulator sees them. They are compiled into tests, and with the feature
//! `deliberate-faults` for the simulator, never into what is shipped; each is off unless a test switches it on for
//! its own thread.

use madang_log::BatchId;
use madang_model::{
    MeshEntry, Message, Request, RoomName, Seq, SessionId, ShownEntry, ShownMessage, Sight, Text,
};
use std::cell::Cell;
use std::collections::VecDeque;

/// A fault of the engine, or of the world that the simulator has around it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mutation {
    /// Events go out while the messages they report are not on disk.
    DeliverBeforeCommit,
    /// A room leaves a number out, now and then.
    SkipNumber,
    /// An entry of an overflow is dropped.
    DropOverflowEntry,
    /// An entry for the endpoint is dropped, and it is not notified.
    LoseEndpointEntry,
    /// A connection that is lost does not leave its rooms at their homes.
    ForgetToLeave,
    /// A draft that was stored is not recognised.
    AcceptDraftTwice,
    /// A draft that may be in the log is not looked for.
    TrustOldDraft,
    /// What a session asks behind a draft that is looked for is forgotten.
    ForgetBehindDraft,
    /// Drafts are forgotten when a room is read from the disk.
    ForgetDraftsOnRestart,
    /// A connection whose place among the listeners moved is not notified.
    LoseListenerOnMove,
    /// A message is put twice into the outboxes of one shard.
    RepeatDelivery,
    /// Input that waited for a reply is not resumed.
    ForgetUnread,
    /// A name is granted though another has it.
    GrantTakenName,
    /// A slow reader is not cut off.
    KeepSlowReader,
    /// A page leaves out its oldest stored message.
    ShortenPage,
    /// A message that is looked up is shown as it was said.
    ForgetStoredAmendments,
    /// A deleted message that is looked up is shown.
    ShowDeleted,
    /// A room does not note in memory what became of a message.
    ForgetAmendment,
    /// Who resumes gets messages alone.
    ResumeWithoutAmendments,
    /// A deletion of another's message is accepted.
    DeleteOthers,
    /// A guest edits and deletes what was said by its name.
    LetGuestsAmend,
    /// The writer says "committed" after the write, before the sync.
    AcknowledgeBeforeSync,
    /// A failed sync counts as done.
    IgnoreFailedSync,
    /// Two batches of one channel change places.
    SwapBatches,
    /// Recovery cuts the last good frame too.
    DropLastFrame,
    /// A prepared segment's name is not synced.
    ForgetDirectorySync,
    /// Recovery believes that what it reads is on disk.
    TrustPageCache,
    /// A room is evicted though somebody came back.
    EvictUsedRoom,
    /// A room is made though it could be taken for another.
    MakeLookAlike,
    /// After an upgrade, rooms without messages have lost their looks.
    ForgetCarriedLooks,
    /// A start does not read the looks of stored rooms.
    ForgetStoredLooks,
    /// What is sent is not always taken off the sum of all outboxes.
    MiscountOutboxes,
    /// In an upgrade, what waits to be sent to one connection is forgotten.
    ForgetCarriedOutbox,
    /// In an upgrade, what one connection said and nobody looked at yet is forgotten.
    ForgetCarriedInput,
    /// In an upgrade, what came by itself and was not read is forgotten.
    ForgetWhatCame,
    /// In an upgrade, the start of a line is forgotten.
    ForgetHalfLine,
    /// In an upgrade, a member of a room is forgotten.
    ForgetCarriedMember,
    /// Shards are snapshotted before what was read has come to its end.
    SnapshotTooSoon,
    /// After an upgrade, a room continues one number too early.
    ResumeEarly,
    /// A paused shard is not notified of a drain.
    StayPaused,
    /// A shard that resumes after a failed upgrade does not ask for reports of what can be read.
    StayDeaf,
    /// Of the segments that hold nothing only the one that is next is removed.
    LeaveLaterSegments,
    /// A start believes that a seal which it reads is on disk.
    TrustSeals,
    /// A connection that wants to close is not closed by the answer to a whisper.
    ForgetClosable,
    /// Farewells are said before the homes have what was given back.
    SayFarewellEarly,
    /// The new process sends before the old one has released its connections.
    SendBeforeGo,
    /// The old process keeps serving, and the new one serves, too.
    ServeTwice,
    /// The answer to a change of facts goes out while it is not on disk.
    AnswerFactsEarly,
    /// A room is loaded without its facts.
    ForgetStoredFacts,
    /// Read positions that have moved are not stored.
    ForgetReads,
    /// A segment expires though facts of rooms are in it that are nowhere else.
    ExpireLiveFacts,
    /// What is to be erased is shown until it is erased.
    ShowErased,
    /// A start does not know what is to be erased.
    ForgetErasures,
    /// In an erasure, old files are wiped before the names of the new ones are on disk.
    WipeBeforeNames,
    /// What an interrupted erasure has left stays.
    LeaveReplacedFile,
    /// After a restore the log has the epoch of before: whose file names it, nobody looks at.
    KeepEpoch,
    /// A restore does not look for what was asked to be erased since the copy.
    ForgetErasedSince,
    /// A copy of a running log is cut a frame before what was committed.
    CutCopyShort,
    /// The core's end of the link names the epoch of before a restore, and takes its cursors.
    KeepLinkEpoch,
    /// A look for deletions that has not looked everywhere counts as one that has.
    StopLookingEarly,
    /// What a shard has for a page of rooms does not say that more follow.
    ForgetMoreRooms,
    /// An account leaves a room with any of its sessions.
    LeaveWithAnySession,
    /// In an upgrade, the further sessions of accounts are forgotten.
    ForgetCarriedSessions,
    /// Who shares several rooms with one who leaves the server sees it in each.
    SeeAgain,
    /// Of the sessions of an account only the first gets whispers.
    WhisperToFirst,
    /// A page of members begins one too far behind the one before.
    SkipAtBorder,
    /// A whisper for one who is gone is read by who has taken the name.
    ReadAsTaker,
    /// Who takes the name of a guest that is lost has its direct rooms.
    InheritDirectRooms,
}

thread_local! {
    static ON: Cell<Option<Mutation>> = const { Cell::new(None) };
}

/// Whether a fault is switched on in this thread.
pub fn is_on(mutation: Mutation) -> bool {
    ON.get() == Some(mutation)
}

/// Whether a fault that happens now and then happens now: every fiftieth time.
pub fn now_and_then(mutation: Mutation) -> bool {
    thread_local! {
        static COUNT: Cell<u32> = const { Cell::new(0) };
    }
    is_on(mutation) && {
        COUNT.set(COUNT.get().wrapping_add(1));
        COUNT.get().is_multiple_of(50)
    }
}

/// The sessions that a whisper reaches, or only the first of them.
pub fn only_first(mut sessions: Vec<SessionId>) -> Vec<SessionId> {
    if is_on(Mutation::WhisperToFirst) {
        sessions.truncate(1);
    }
    sessions
}

/// What a reader sees once is shown from each room.
pub fn see_again(sight: Sight) -> Sight {
    if is_on(Mutation::SeeAgain) && sight == Sight::Nothing { Sight::Here } else { sight }
}

/// The batch that events wait for; none when they do not wait.
pub fn batch_to_wait_for(last_batch: BatchId) -> BatchId {
    if now_and_then(Mutation::DeliverBeforeCommit) { BatchId::ZERO } else { last_batch }
}

/// The batch that the answer to a change of facts waits for.
pub fn batch_of_facts(last_batch: BatchId) -> BatchId {
    if is_on(Mutation::AnswerFactsEarly) { BatchId::ZERO } else { last_batch }
}

/// Drops the newest entry of an overflow.
pub fn drop_entry(overflow: &mut VecDeque<Vec<MeshEntry>>) {
    if now_and_then(Mutation::DropOverflowEntry) {
        overflow.back_mut().map(Vec::pop);
    }
}

/// Drops the newest entry for the endpoint.
pub fn lose_entry(batch: &mut Vec<MeshEntry>) {
    if now_and_then(Mutation::LoseEndpointEntry) {
        batch.pop();
    }
}

/// The place of the last entry of a page, behind which the next page begins.
pub fn last_of_page(last: usize) -> usize {
    if is_on(Mutation::SkipAtBorder) { last + 1 } else { last }
}

/// What is looked up of messages, without what became of them, or of those that were deleted.
pub fn as_said(messages: &mut [ShownMessage]) {
    for shown in messages {
        match shown {
            ShownMessage::Amended(amended) if is_on(Mutation::ForgetStoredAmendments) => {
                *shown = amended.message.clone().into();
            }
            ShownMessage::Deleted(tombstone) if is_on(Mutation::ShowDeleted) => {
                let Some(author) = tombstone.author.clone() else { continue };
                let Some(text) = Text::sanitise("deleted") else { continue };
                let (seq, time) = (tombstone.seq, tombstone.time);
                let Ok(room) = RoomName::parse("r0") else { continue };
                *shown = Message { room, seq, time, author, draft: None, text }.into();
            }
            _ => {}
        }
    }
}

/// What is in memory of what came after a number.
pub fn without_amendments(entries: &mut Vec<ShownEntry>) {
    if is_on(Mutation::ResumeWithoutAmendments) {
        entries.retain(|entry| matches!(entry, ShownEntry::Message(_)));
    }
}

/// A list, or nothing of it.
pub fn forget_if<L: Default>(mutation: Mutation, list: L) -> L {
    if is_on(mutation) { L::default() } else { list }
}

/// Takes the newest message of a room away, as if it had not been read.
pub fn resume_early<E>(head: &mut Seq, messages: &mut Vec<E>) {
    if is_on(Mutation::ResumeEarly) && messages.pop().is_some() {
        *head = Seq(head.0 - 1);
    }
}

/// What waited for a draft, or only the message that has it.
pub fn forget_behind_draft(mut waiting: VecDeque<Request>) -> VecDeque<Request> {
    if is_on(Mutation::ForgetBehindDraft) {
        waiting.truncate(1);
    }
    waiting
}

/// Where a recovery cuts the open segment: the shortest frame of a message is longer than what is cut off, so that it
/// becomes a torn tail.
pub fn end_of_recovered(end_bytes: u64) -> u64 {
    if is_on(Mutation::DropLastFrame) { end_bytes.saturating_sub(64).max(64) } else { end_bytes }
}

/// Whether more rooms follow.
pub fn has_more_rooms(has_more: bool) -> bool {
    has_more && !is_on(Mutation::ForgetMoreRooms)
}

/// Where a copy of an open segment ends.
pub fn end_of_copied(end_bytes: u64) -> u64 {
    if is_on(Mutation::CutCopyShort) { end_bytes.saturating_sub(64).max(64) } else { end_bytes }
}

/// Runs something with one fault switched on, or with none.
pub fn with<R>(mutation: Option<Mutation>, run: impl FnOnce() -> R) -> R {
    struct Reset;
    impl Drop for Reset {
        fn drop(&mut self) {
            ON.set(None);
        }
    }
    let _reset = Reset;
    ON.set(mutation);
    run()
}
