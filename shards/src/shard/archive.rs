//! What a shard knows of its stored messages, and who waits for some of them.
//!
//! The rooms' latest messages are in memory; older ones are looked up. A lookup is a query that
//! the runtime carries out, read by read; nothing waits for it but the one who asked.

use crate::log::{
    Batch, BatchId, FoundPage, IndexBuilder, OpenRun, PageQuery, QueryFault, RoomTail, SealedSegment,
    SegmentIndex, SegmentNumber,
};
use crate::types::{
    Event, Gap, GapReason, HistoryPage, Message, Page, Reply, RoomKey, RoomName, Seq, SessionId, ShardId,
};
use hashbrown::HashMap;
use std::collections::VecDeque;
use std::sync::Arc;

/// Names a lookup until it is answered.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct LookupId(u64);

/// Stored messages that someone waits for.
#[derive(Debug)]
struct Waiting {
    purpose: Purpose,
    room: RoomName,
    head: Seq,
    /// What is looked up: from the first number, so many.
    first: Seq,
    count: u32,
    /// Not before this batch is committed: the recent messages may be part of it.
    after: BatchId,
    /// The segments whose index was made again for it: never one twice.
    mended: Vec<(ShardId, SegmentNumber)>,
}

/// What stored messages are looked up for.
#[derive(Debug)]
enum Purpose {
    /// A session asked for a page; what follows and is in memory.
    Page { session: SessionId, recent: Vec<Arc<Message>> },
    /// A room is taken up again: its latest messages.
    Load,
}

/// What a lookup came to.
#[derive(Debug)]
pub enum Answered {
    /// An event for the one who asked.
    Page(ShardId, Event),
    /// The latest messages of a room, oldest first; none when they could not be read.
    Load(RoomKey, Vec<Arc<Message>>),
}

/// What is asked of the stored messages of a room.
#[derive(Debug)]
pub struct Question {
    /// Who asks.
    pub session: SessionId,
    /// The room.
    pub room: RoomName,
    /// Its newest message.
    pub head: Seq,
    /// The first and the last number that is not in memory.
    pub gap: (Seq, Seq),
    /// What follows and is.
    pub recent: Vec<Arc<Message>>,
    /// The last batch that carries something of the room.
    pub after: BatchId,
}

/// The stored messages of a shard.
#[derive(Debug)]
pub struct Archive {
    directory: ShardId,
    open: IndexBuilder,
    /// What the batches on their way hold, in order.
    appended: VecDeque<(BatchId, Vec<(RoomName, Seq)>)>,
    spare: Vec<Vec<(RoomName, Seq)>>,
    /// Where the sealed messages of each room are.
    tails: HashMap<RoomKey, RoomTail>,
    /// Indexes to be written, and how many are being written.
    indexes: Vec<SegmentIndex>,
    indexes_under_way: usize,
    waiting: HashMap<LookupId, Waiting>,
    queue: VecDeque<LookupId>,
    next_id: u64,
    /// What one page may weigh: a reader's outbox must hold it.
    page_bytes_max: usize,
}

impl Archive {
    /// The most lookups that wait at once; past it they are answered with what is in memory.
    pub const LOOKUPS_MAX: usize = 4096;

    /// For a shard that goes on with segment `first`.
    pub fn new(
        directory: ShardId,
        first: SegmentNumber,
        tails: HashMap<RoomKey, RoomTail>,
        page_bytes_max: usize,
    ) -> Archive {
        Archive {
            directory,
            open: IndexBuilder::new(directory, first),
            appended: VecDeque::new(),
            spare: Vec::new(),
            tails,
            indexes: Vec::new(),
            indexes_under_way: 0,
            waiting: HashMap::new(),
            queue: VecDeque::new(),
            next_id: 0,
            page_bytes_max,
        }
    }

    /// A message was appended to the log.
    pub fn appended(&mut self, batch: BatchId, room: &RoomName, seq: Seq) {
        match self.appended.back_mut() {
            Some((last, said)) if *last == batch => said.push((room.clone(), seq)),
            _ => {
                let mut said = self.spare.pop().unwrap_or_default();
                said.push((room.clone(), seq));
                self.appended.push_back((batch, said));
            }
        }
    }

    /// A batch is committed: its messages can be found from now on.
    pub fn committed(&mut self, batch: &Batch) {
        if let Some(sealed) = &batch.seals {
            self.leave(sealed, batch.segment);
        }
        let Some((id, mut said)) = self.appended.pop_front() else { return };
        assert_eq!(id, batch.id, "batches are committed in their order");
        self.open.committed(batch, said.iter().map(|(room, seq)| (room, *seq)));
        said.clear();
        self.spare.push(said);
    }

    /// The segment that was appended to is finished, by another or by the end of the server.
    pub fn leave(&mut self, sealed: &SealedSegment, next: SegmentNumber) {
        let mut left = std::mem::replace(&mut self.open, IndexBuilder::new(self.directory, next));
        if left.rooms().len() == 0 {
            return;
        }
        let tails = &self.tails;
        // Rooms count on from the heads that the start has checked.
        left.excuse_gaps(|key| tails.get(&key));
        let index = left.seal(sealed.end_offset_bytes, |room| tails.get(&room.key()));
        // The tails follow from the same numbers that the rooms count by.
        let index = index.unwrap_or_else(|fault| panic!("a room's numbers go on across segments: {fault}"));
        for (room, tail) in index.tails() {
            self.tails.insert(room.key(), tail);
        }
        self.indexes.push(index);
    }

    /// The indexes to be written beside their segments. Each is reported by
    /// [`Archive::index_written`].
    pub fn take_indexes(&mut self) -> Vec<SegmentIndex> {
        self.indexes_under_way += self.indexes.len();
        std::mem::take(&mut self.indexes)
    }

    /// An index is on disk, or could not be written: then it is made again when it is missed.
    pub fn index_written(&mut self) {
        self.indexes_under_way -= 1;
    }

    /// Someone asks for what is not in memory. The answer comes later, or at once when too many ask.
    pub fn ask(&mut self, question: Question) -> Option<(SessionId, Reply)> {
        let Question { session, room, head, gap: (first, last), recent, after } = question;
        if self.waiting.len() >= Self::LOOKUPS_MAX {
            let gap = Some(Gap { first, last, reason: GapReason::Busy });
            return Some((session, Reply::History(HistoryPage { room, messages: recent, head, gap })));
        }
        let id = self.new_id();
        let count = u32::try_from(last.0 - first.0 + 1).unwrap_or(Page::MESSAGES_MAX);
        let purpose = Purpose::Page { session, recent };
        self.enqueue(id, Waiting { purpose, room, head, first, count, after, mended: Vec::new() });
        None
    }

    /// The latest messages of a room are wanted, `count` at most. They must be committed.
    pub fn load(&mut self, room: RoomName, head: Seq, count: u32) {
        let first = Seq(head.0.saturating_sub(u64::from(count)) + 1);
        let id = self.new_id();
        let (purpose, after) = (Purpose::Load, BatchId::ZERO);
        self.enqueue(id, Waiting { purpose, room, head, first, count, after, mended: Vec::new() });
    }

    /// How many lookups are not answered yet.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    fn new_id(&mut self) -> LookupId {
        self.next_id += 1;
        LookupId(self.next_id)
    }

    fn enqueue(&mut self, id: LookupId, waiting: Waiting) {
        self.waiting.insert(id, waiting);
        self.queue.push_back(id);
    }

    /// The next query to carry out, if one may begin. While an index is on its way to the disk its
    /// segment can be found in neither place, so that queries wait.
    pub fn next_query(&mut self, committed: BatchId) -> Option<(LookupId, PageQuery)> {
        if self.indexes_under_way > 0 || !self.indexes.is_empty() {
            return None;
        }
        let id = *self.queue.front()?;
        let waiting = self.waiting.get(&id).expect("what is queued waits");
        if waiting.after > committed {
            return None;
        }
        self.queue.pop_front();
        let key = waiting.room.key();
        // A gap before the open segment is of lost messages.
        self.open.excuse_gap_of(key, self.tails.get(&key));
        let runs = self.open.room(key).map(|(first, positions)| OpenRun {
            directory: self.directory,
            segment: self.open.segment(),
            first,
            positions,
        });
        let page = Page::After { seq: Seq(waiting.first.0 - 1), count: waiting.count };
        let tail = self.tails.get(&key);
        // Numbers above the last stored message are of messages that a repair recorded as lost.
        let stored_last = runs.and_then(|run| run.last()).max(tail.map(|tail| tail.head)).unwrap_or_default();
        let head = waiting.head.min(stored_last);
        Some((id, PageQuery::new(&waiting.room, page, head, tail, runs.as_slice())))
    }

    /// A lookup met an index that is gone or damaged. Whether it is to be made again for it: once.
    pub fn may_mend(&mut self, id: LookupId, directory: ShardId, segment: SegmentNumber) -> bool {
        let Some(waiting) = self.waiting.get_mut(&id) else { return false };
        let is_new = !waiting.mended.contains(&(directory, segment));
        waiting.mended.push((directory, segment));
        is_new
    }

    /// The index that a lookup has missed is there again: once more.
    pub fn ask_again(&mut self, id: LookupId) {
        self.queue.push_front(id);
    }

    /// A lookup is answered.
    pub fn answer(&mut self, id: LookupId, found: Result<FoundPage, QueryFault>) -> Option<Answered> {
        let Waiting { purpose, room, head, first, count, .. } = self.waiting.remove(&id)?;
        if let Err(fault) = &found {
            tracing::error!(shard = self.directory.0, %fault, "stored messages cannot be shown");
        }
        let (session, recent) = match purpose {
            Purpose::Load => {
                let messages = found.map(|page| page.messages).unwrap_or_default();
                return Some(Answered::Load(room.key(), messages));
            }
            Purpose::Page { session, recent } => (session, recent),
        };
        let last = Seq(first.0 + u64::from(count) - 1);
        let (mut messages, mut gap) = match found {
            Ok(page) => {
                let reason = GapReason::Expired;
                (page.messages, page.expired.map(|(first, last)| Gap { first, last, reason }))
            }
            Err(_) => (Vec::new(), Some(Gap { first, last, reason: GapReason::Unreadable })),
        };
        #[cfg(test)]
        if crate::mutation::is_on(crate::mutation::Mutation::ShortenPage) && !messages.is_empty() {
            messages.remove(0);
        }
        messages.extend(recent);
        if let Some(cut) = cut_to(&mut messages, self.page_bytes_max) {
            gap = Some(cut);
        }
        let reply = Reply::History(HistoryPage { room, messages, head, gap });
        Some(Answered::Page(session.shard, Event::Reply { to: session.connection, reply }))
    }
}

/// Keeps the newest messages that weigh `bytes_max` together. The gap is what gave way.
fn cut_to(messages: &mut Vec<Arc<Message>>, bytes_max: usize) -> Option<Gap> {
    /// What a shown line weighs besides author and text.
    const LINE_BYTES: usize = 64;
    let mut bytes = 0;
    let weigh = |message: &Arc<Message>| message.text.len() + message.author.as_str().len() + LINE_BYTES;
    let kept = messages.iter().rev().take_while(|message| {
        bytes += weigh(message);
        bytes <= bytes_max
    });
    let cut = messages.len() - kept.count();
    let (first, last) = (messages.first()?.seq, messages.get(cut.checked_sub(1)?)?.seq);
    messages.drain(..cut);
    Some(Gap { first, last, reason: GapReason::TooMuch })
}
