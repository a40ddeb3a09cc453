//! The machine that reads the facts of a room: record by record, from the newest back to the checkpoint.

use super::frame::frame_alone;
use crate::facts::{FactsChain, FactsPointer, LoadedFacts};
use crate::format::{Frame, SegmentId, StoredFacts, StoredRecord, frame_bytes};
use crate::index::reads::{QueryFault, ReadAnswer, ReadRequest, Step, StoredFile};
use madang_model::RoomName;
use rkyv::util::AlignedVec;

/// More records than hang together: damage must not make a query endless.
const READS_MAX: u32 = 100_000;

/// Reads the facts of a room, of which the newest record is known.
#[derive(Debug)]
pub struct FactsQuery {
    room: RoomName,
    chain: FactsChain,
    reads_left: u32,
    result: Option<Result<LoadedFacts, QueryFault>>,
}

impl FactsQuery {
    /// Of a room whose newest record is where `pointer` says.
    pub fn new(room: &RoomName, pointer: FactsPointer) -> FactsQuery {
        let chain = FactsChain::new(pointer);
        FactsQuery { room: room.clone(), chain, reads_left: READS_MAX, result: None }
    }

    /// What is needed next. Once it is done it gives the facts, a single time.
    pub fn step(&mut self) -> Step<LoadedFacts> {
        if let Some(result) = self.result.take() {
            return Step::Done(result);
        }
        let link = self.chain.next();
        Step::Read(vec![ReadRequest {
            directory: link.directory,
            file: StoredFile::Segment(link.segment),
            offset_bytes: link.offset_bytes,
            bytes: link.bytes as usize,
        }])
    }

    /// Takes what was asked for.
    ///
    /// # Panics
    /// When it is not one answer.
    pub fn supply(&mut self, answers: &[ReadAnswer<'_>]) {
        let [answer] = answers else { panic!("one read was asked for, {} came", answers.len()) };
        let link = self.chain.next();
        let taken = match answer {
            ReadAnswer::NoFile => {
                let (directory, segment) = (link.directory, link.segment);
                Err(QueryFault::FactsGone { directory, segment })
            }
            ReadAnswer::Bytes(bytes) => self.take(bytes),
        };
        self.reads_left = self.reads_left.saturating_sub(1);
        self.result = match taken {
            Ok(None) if self.reads_left == 0 => Some(Err(self.damaged())),
            Ok(None) => None,
            Ok(Some(facts)) => Some(Ok(facts)),
            Err(fault) => Some(Err(fault)),
        };
    }

    fn take(&mut self, bytes: &[u8]) -> Result<Option<LoadedFacts>, QueryFault> {
        let link = self.chain.next();
        if bytes.len() != link.bytes as usize {
            return Err(self.damaged());
        }
        let place = SegmentId { shard: link.directory, segment: link.segment };
        let mut buffers: Vec<AlignedVec> = Vec::new();
        let mut parts = Vec::new();
        let mut at = 0;
        while at < bytes.len() {
            let rest = &bytes[at..];
            let length = if rest.len() < 16 { usize::MAX } else { frame_bytes(rest) };
            let Some(part) = rest.get(..length) else { return Err(self.damaged()) };
            parts.push((at, part));
            buffers.push(AlignedVec::new());
            at += length;
        }
        let mut records: Vec<StoredFacts<'_>> = Vec::new();
        for ((at, part), buffer) in parts.into_iter().zip(&mut buffers) {
            let offset_bytes = link.offset_bytes as usize + at;
            let frame: Option<Frame<'_>> = frame_alone(part, place, offset_bytes, buffer);
            match frame.and_then(|frame| frame.record()) {
                Some(StoredRecord::Facts(stored)) if self.is_of(&stored) => records.push(stored),
                _ => return Err(self.damaged()),
            }
        }
        self.chain.take(&records).map_err(|fault| {
            let room = self.room.as_str().to_owned();
            QueryFault::Facts {
                room,
                directory: link.directory,
                segment: link.segment,
                offset_bytes: link.offset_bytes,
                fault,
            }
        })
    }

    fn is_of(&self, stored: &StoredFacts<'_>) -> bool {
        stored.room == self.room.as_str()
            || RoomName::from_log(stored.room).is_ok_and(|name| name.is_same_as(&self.room))
    }

    fn damaged(&self) -> QueryFault {
        let link = self.chain.next();
        QueryFault::FactsDamaged {
            room: self.room.as_str().to_owned(),
            directory: link.directory,
            segment: link.segment,
            offset_bytes: link.offset_bytes,
        }
    }
}
