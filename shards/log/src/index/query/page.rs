//! The machine that finds a page.

use super::chain::Chain;
use super::messages::{MessageDecoder, MessageRead, message_reads};
use super::pieces::{Piece, held_from};
use crate::format::SegmentNumber;
use crate::index::key::key_bits;
use crate::index::link::RoomTail;
use crate::index::reads::{Damaged, QueryFault, ReadAnswer, ReadRequest, Step};
use crate::index::segment::FramePosition;
use madang_model::{Message, Page, RoomName, Seq, ShardId};
use std::sync::Arc;

/// A room's committed messages in a segment that has no index on disk yet: from
/// [`IndexBuilder::room`](crate::IndexBuilder::room) or
/// [`SegmentIndex::room`](crate::SegmentIndex::room).
#[derive(Clone, Copy, Debug)]
pub struct OpenRun<'a> {
    /// Whose directory.
    pub directory: ShardId,
    /// Which segment.
    pub segment: SegmentNumber,
    /// The number of the first message.
    pub first: Seq,
    /// Where all of them lie.
    pub positions: &'a [FramePosition],
}

impl OpenRun<'_> {
    /// The number of the last message, if there is one.
    pub fn last(&self) -> Option<Seq> {
        let count = self.positions.len() as u64;
        count.checked_sub(1).map(|others| Seq(self.first.0 + others))
    }
}

/// A page, as far as it is stored.
#[derive(Clone, Debug, Default)]
pub struct FoundPage {
    /// Oldest first. A number that is missing between two of them is of a message that is lost.
    pub messages: Vec<Arc<Message>>,
    /// The first and the last number that were asked for and have expired.
    pub expired: Option<(Seq, Seq)>,
    /// Where the room's stored messages begin now; known when something has expired.
    pub oldest: Option<Seq>,
}

/// Finds a page of stored messages.
///
/// [`step`](Self::step) says what to read, all of it at once; [`supply`](Self::supply) takes it.
/// The messages themselves are asked for last, in one step. Every byte is checked before it is
/// believed.
#[derive(Debug)]
pub struct PageQuery {
    room: RoomName,
    range: (Seq, Seq),
    /// What the segments without an index hold of it.
    open: Vec<Piece>,
    expired: Option<(Seq, Seq)>,
    oldest: Option<Seq>,
    phase: PagePhase,
}

#[derive(Debug)]
enum PagePhase {
    Entries(Chain),
    Positions(Vec<Piece>),
    Messages(Vec<MessageRead>),
    Done(Option<Result<FoundPage, QueryFault>>),
}

impl PageQuery {
    /// A page of a room whose newest committed message is `head`. `tail` is where the room's newest
    /// entry is, in an index that **is** on disk; `open` are its messages in segments behind that
    /// one, in order: the segment that is appended to, and before it one whose index is being
    /// written.
    pub fn new(
        room: &RoomName,
        page: Page,
        head: Seq,
        tail: Option<&RoomTail>,
        open: &[OpenRun<'_>],
    ) -> PageQuery {
        let mut query = PageQuery {
            room: room.clone(),
            range: (Seq::ZERO, Seq::ZERO),
            open: Vec::new(),
            expired: None,
            oldest: None,
            phase: PagePhase::Done(Some(Ok(FoundPage::default()))),
        };
        let Some(range) = page.range(head) else { return query };
        query.range = range;
        let sealed_last = tail.map(|tail| tail.head);
        let stored_last = open.iter().filter_map(OpenRun::last).chain(sealed_last).max().unwrap_or_default();
        if range.1 > stored_last {
            let first = range.0.max(stored_last.next());
            query.phase = PagePhase::Done(Some(Err(QueryFault::NotStored { first, last: range.1 })));
            return query;
        }
        query.open = open.iter().filter_map(|run| Piece::of_open(run, range)).collect();
        let end = open.first().map_or(Seq(1), |run| run.first);
        query.phase = PagePhase::Entries(Chain::new(room.clone(), key_bits(room.key()), range, tail, end));
        query.advance();
        query
    }

    /// What is needed next. Once it is done it gives the page, a single time.
    ///
    /// # Panics
    /// When the page was given already.
    pub fn step(&mut self) -> Step<FoundPage> {
        match &mut self.phase {
            PagePhase::Done(result) => Step::Done(result.take().expect("a page is given once")),
            _ => Step::Read(self.requests()),
        }
    }

    /// Takes the answers to what the last step asked for, in the same order.
    ///
    /// # Panics
    /// When there are more or fewer.
    pub fn supply(&mut self, answers: &[ReadAnswer<'_>]) {
        let asked = self.requests().len();
        assert_eq!(answers.len(), asked, "each read has one answer");
        let supplied = match &mut self.phase {
            PagePhase::Entries(chain) => chain.supply(answers),
            PagePhase::Positions(pieces) => {
                let waiting = pieces.iter_mut().filter(|piece| piece.request().is_some());
                waiting.zip(answers).try_for_each(|(piece, answer)| piece.supply(answer))
            }
            PagePhase::Messages(reads) => {
                let reads = std::mem::take(reads);
                let found = self.decode(&reads, answers);
                self.phase = PagePhase::Done(Some(found));
                return;
            }
            PagePhase::Done(_) => Ok(()),
        };
        match supplied {
            Ok(()) => self.advance(),
            Err(fault) => self.phase = PagePhase::Done(Some(Err(fault))),
        }
    }

    fn requests(&self) -> Vec<ReadRequest> {
        match &self.phase {
            PagePhase::Entries(chain) => chain.requests(),
            PagePhase::Positions(pieces) => pieces.iter().filter_map(Piece::request).collect(),
            PagePhase::Messages(reads) => reads.iter().map(MessageRead::request).collect(),
            PagePhase::Done(_) => Vec::new(),
        }
    }

    /// Continues while nothing needs to be read.
    fn advance(&mut self) {
        while !matches!(self.phase, PagePhase::Done(_)) && self.requests().is_empty() {
            let phase = std::mem::replace(&mut self.phase, PagePhase::Done(None));
            self.phase = match phase {
                PagePhase::Entries(chain) => match self.pieces(&chain) {
                    Ok(pieces) => PagePhase::Positions(pieces),
                    Err(fault) => PagePhase::Done(Some(Err(fault))),
                },
                PagePhase::Positions(pieces) => PagePhase::Messages(message_reads(&pieces)),
                PagePhase::Messages(_) | PagePhase::Done(_) => {
                    PagePhase::Done(Some(Ok(self.page(Vec::new()))))
                }
            };
        }
    }

    /// What makes up the page, without a hole; what is missing below has expired.
    fn pieces(&mut self, chain: &Chain) -> Result<Vec<Piece>, QueryFault> {
        let (first, last) = self.range;
        let oldest = chain.oldest();
        let entries = chain.entries();
        let mut pieces: Vec<Piece> =
            entries.filter_map(|(link, entry)| Piece::of_entry(link, entry, self.range)).collect();
        pieces.append(&mut self.open);
        let from = held_from(&pieces, last);
        if from > first {
            let below = Seq(from.0 - 1);
            if oldest.is_none_or(|oldest| below >= oldest) {
                return Err(match chain.link_towards(below) {
                    Some(link) => link.damaged(Damaged { offset_bytes: 0 }),
                    None => QueryFault::NotStored { first, last: below },
                });
            }
            self.expired = Some((first, below));
            self.oldest = oldest;
            // Older ones than have expired may be there, in another directory.
            pieces.retain(|piece| piece.first >= from);
        }
        Ok(pieces)
    }

    fn decode(&self, reads: &[MessageRead], answers: &[ReadAnswer<'_>]) -> Result<FoundPage, QueryFault> {
        let mut decoder = MessageDecoder::new(self.room.clone());
        for (read, answer) in reads.iter().zip(answers) {
            decoder.take(read, answer)?;
        }
        let mut page = self.page(decoder.messages);
        if let Some(expired_last) = decoder.expired_last {
            // Retention may have come between two reads of the same segment.
            page.messages.retain(|message| message.seq > expired_last);
            page.expired = Some((self.range.0, expired_last.min(self.range.1)));
            page.oldest = Some(expired_last.next());
        }
        Ok(page)
    }

    fn page(&self, messages: Vec<Arc<Message>>) -> FoundPage {
        FoundPage { messages, expired: self.expired, oldest: self.oldest }
    }
}
