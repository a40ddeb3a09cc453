//! Reading the messages of a page: all at once, neighbours together.

use super::frame::frame_alone;
use super::pieces::Piece;
use crate::format::{SegmentId, SegmentNumber, StoredMessage, StoredRecord};
use crate::index::reads::{QueryFault, ReadAnswer, ReadRequest, StoredFile};
use hashbrown::HashMap;
use madang_model::{Message, RoomName, Seq, ShardId, UserName};
use rkyv::util::AlignedVec;
use std::sync::Arc;

/// Frames this close are read together: what lies between costs less than another read.
const GAP_BYTES_MAX: u64 = 4096;
/// Reads end when they are this long, so that no buffer is large.
const READ_BYTES_MAX: u64 = 256 * 1024;

/// One read of a segment.
#[derive(Debug)]
pub struct MessageRead {
    directory: ShardId,
    segment: SegmentNumber,
    /// The room's last number in the segment.
    segment_last: Seq,
    start_bytes: u64,
    end_bytes: u64,
    /// Each message's number, with the bounds of its frame in the segment.
    frames: Vec<(Seq, u64, u64)>,
}

/// The reads that fetch these pieces.
pub fn message_reads(pieces: &[Piece]) -> Vec<MessageRead> {
    let mut reads: Vec<MessageRead> = Vec::new();
    for piece in pieces {
        let mut is_first = true;
        for (number, position) in (piece.first.0..).zip(&piece.positions) {
            if position.is_lost() {
                continue;
            }
            let (start, end) = (position.offset_bytes(), position.offset_bytes() + position.frame_bytes());
            let frame = (Seq(number), start, end);
            match reads.last_mut().filter(|_| !is_first) {
                Some(read) if read.reaches(start, end) => {
                    read.end_bytes = end;
                    read.frames.push(frame);
                }
                _ => reads.push(MessageRead {
                    directory: piece.directory,
                    segment: piece.segment,
                    segment_last: piece.segment_last,
                    start_bytes: start,
                    end_bytes: end,
                    frames: vec![frame],
                }),
            }
            is_first = false;
        }
    }
    reads
}

impl MessageRead {
    fn reaches(&self, start: u64, end: u64) -> bool {
        (self.end_bytes..=self.end_bytes + GAP_BYTES_MAX).contains(&start)
            && end - self.start_bytes <= READ_BYTES_MAX
    }

    pub fn request(&self) -> ReadRequest {
        ReadRequest {
            directory: self.directory,
            file: StoredFile::Segment(self.segment),
            offset_bytes: self.start_bytes,
            bytes: (self.end_bytes - self.start_bytes) as usize,
        }
    }
}

/// Turns what was read into messages.
#[derive(Debug)]
pub struct MessageDecoder {
    room: RoomName,
    /// Names as they are stored, so that each is checked once and shared.
    authors: HashMap<Box<str>, UserName>,
    aligned: AlignedVec,
    /// In order.
    pub messages: Vec<Arc<Message>>,
    /// The last number in a segment that is gone.
    pub expired_last: Option<Seq>,
}

impl MessageDecoder {
    pub fn new(room: RoomName) -> MessageDecoder {
        let (authors, messages) = (HashMap::new(), Vec::new());
        MessageDecoder { room, authors, aligned: AlignedVec::new(), messages, expired_last: None }
    }

    /// Takes the messages of one read.
    pub fn take(&mut self, read: &MessageRead, answer: &ReadAnswer<'_>) -> Result<(), QueryFault> {
        let ReadAnswer::Bytes(bytes) = answer else {
            self.expired_last = self.expired_last.max(Some(read.segment_last));
            self.messages.clear();
            return Ok(());
        };
        for &(seq, start, end) in &read.frames {
            let within = (start - read.start_bytes) as usize..(end - read.start_bytes) as usize;
            let message = self.message(read, bytes.get(within).unwrap_or(&[]), seq, start)?;
            self.messages.push(message);
        }
        Ok(())
    }

    fn message(
        &mut self,
        read: &MessageRead,
        bytes: &[u8],
        seq: Seq,
        offset_bytes: u64,
    ) -> Result<Arc<Message>, QueryFault> {
        let MessageRead { directory, segment, .. } = *read;
        let MessageDecoder { room, authors, aligned, .. } = self;
        let place = SegmentId { shard: directory, segment };
        let frame = frame_alone(bytes, place, offset_bytes as usize, aligned);
        let Some(StoredRecord::Message(stored)) = frame.and_then(|frame| frame.record()) else {
            return Err(QueryFault::MessageDamaged { directory, segment, offset_bytes, seq });
        };
        if stored.seq != seq || !is_of(&stored, room)? {
            // A whole message, and another one: the index is wrong about it.
            return Err(QueryFault::IndexDamaged { directory, segment, offset_bytes: 0 });
        }
        let author = match authors.get(stored.author.name) {
            Some(author) if author.identity() == stored.author.identity() => author.clone(),
            _ => {
                let author = stored.author_name()?;
                authors.insert(stored.author.name.into(), author.clone());
                author
            }
        };
        Ok(Arc::new(stored.to_message(room.clone(), author)?))
    }
}

fn is_of(stored: &StoredMessage<'_>, room: &RoomName) -> Result<bool, QueryFault> {
    Ok(stored.room == room.as_str() || stored.room_name()?.is_same_as(room))
}
