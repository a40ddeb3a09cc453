//! The index of a segment, and the queries that follow it.

use super::mending;
use madang_log::{
    AmendmentSource, DraftQuery, EntriesQuery, PageQuery, QueryOutcome, ReadAnswer, ReadRequest, RoomTail,
    SegmentNumber, SegmentTable, Step, StoredFile, StoredQuery, StoredRoomPlaces, UnreadQuery,
};
use madang_model::{Page, RoomName, Seq, ShardId, Timestamp};

const DIRECTORY: ShardId = ShardId(0);
const SEGMENT: SegmentNumber = SegmentNumber(1);
/// More reads one after another than any query needs.
const ROUNDS_MAX: usize = 200;

/// An index, and the segment it describes; the first two bytes say how long the index is.
pub fn index(bytes: &[u8]) {
    let [low, high, both @ ..] = bytes else { return };
    let (index, segment) = both.split_at(both.len().min(usize::from(u16::from_le_bytes([*low, *high]))));
    let (mut index, mut segment) = (index.to_vec(), segment.to_vec());
    mending::index(&mut index, DIRECTORY.0, SEGMENT.0);
    mending::frames(&mut segment, DIRECTORY.0, SEGMENT.0);
    let Ok(table) = SegmentTable::decode(&index, DIRECTORY, SEGMENT) else { return };
    for (room, tail) in table.tails().take(8).flatten() {
        let head = tail.head;
        let middle = Seq(head.0 / 2);
        for page in [
            Page::Last { count: 20 },
            Page::Before { seq: middle, count: 5 },
            Page::After { seq: middle, count: 500 },
            Page::After { seq: Seq::ZERO, count: 1 },
            Page::Before { seq: Seq(u64::MAX), count: 500 },
        ] {
            ask(&room, page, head, &tail, &index, &segment);
        }
    }
}

fn ask(room: &RoomName, page: Page, head: Seq, tail: &RoomTail, index: &[u8], segment: &[u8]) {
    let sources = [AmendmentSource::Segment(DIRECTORY, SEGMENT)];
    let places = StoredRoomPlaces { room, head, tail: Some(tail), open: &[], sources: &sources };
    let found = run(StoredQuery::Page(PageQuery::new(page, &places)), index, segment);
    if let Some(QueryOutcome::Page(found)) = found {
        let numbers: Vec<Seq> = found.messages.iter().map(|message| message.seq()).collect();
        assert!(numbers.is_sorted(), "a page is in order");
        assert!(numbers.len() <= 500);
    }
    let (first, last) = (Seq(head.0 / 2), Seq(head.0.min(head.0 / 2 + 400)));
    let found = run(StoredQuery::Entries(EntriesQuery::new((first, last), &places)), index, segment);
    if let Some(QueryOutcome::Entries(found)) = found {
        assert!(found.entries.is_sorted_by_key(|entry| entry.seq()), "entries are in order");
    }
    run(StoredQuery::Draft(DraftQuery::new(7, Timestamp(0), &places)), index, segment);
    let found = run(StoredQuery::Unread(UnreadQuery::new(first, 7, &places)), index, segment);
    if let Some(QueryOutcome::Unread(count)) = found {
        assert!(count.messages <= UnreadQuery::COUNT_MAX);
    }
}

/// What a query comes to, if to anything.
fn run(mut query: StoredQuery, index: &[u8], segment: &[u8]) -> Option<QueryOutcome> {
    for _ in 0..ROUNDS_MAX {
        match query.step() {
            Step::Done(Ok(found)) => return Some(found),
            Step::Done(Err(fault)) => {
                assert!(!fault.to_string().is_empty());
                return None;
            }
            Step::Read(requests) => {
                let answers: Vec<ReadAnswer<'_>> =
                    requests.iter().map(|request| answer(request, index, segment)).collect();
                query.supply(&answers);
            }
        }
    }
    panic!("a query ends");
}

fn answer<'a>(request: &ReadRequest, index: &'a [u8], segment: &'a [u8]) -> ReadAnswer<'a> {
    assert!(request.bytes <= 1 << 26, "a read of {} bytes", request.bytes);
    let file = match request.file {
        StoredFile::Index(SEGMENT) if request.directory == DIRECTORY => index,
        StoredFile::Segment(SEGMENT) if request.directory == DIRECTORY => segment,
        _ => return ReadAnswer::NoFile,
    };
    let start = usize::try_from(request.offset_bytes).unwrap_or(usize::MAX).min(file.len());
    ReadAnswer::Bytes(&file[start..file.len().min(start.saturating_add(request.bytes))])
}
