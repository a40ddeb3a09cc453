//! What is on disk, read from the bytes that were synced, or written, and from nothing else.

use super::file::File;
use madang_log::{
    AuthorKind, Dumped, DumpedSegment, FactsBody, FactsVersion, Files, HEADER_BYTES, Scan, ScanItem,
    SegmentId, SegmentNumber, StoredChange, StoredEntry, StoredFacts, StoredRecord, dump,
};
use madang_model::{AccountId, DatedChange, FactsFault, MessageReactions, RoomFacts, Seq, ShardId};
use std::collections::BTreeMap;

/// A message that no fault in the session can lose any more.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DurableMessage {
    /// In which segment.
    pub at: (ShardId, SegmentNumber),
    /// Of which room.
    pub room: Box<str>,
    /// Its number.
    pub seq: u64,
    /// When it was accepted, in microseconds since 1970.
    pub time_us: i64,
    /// Who said it.
    pub author: Box<str>,
    /// The id of the account that did; 0 is a guest's.
    pub account: u64,
    /// The author's id of it; empty is none.
    pub draft: Box<str>,
    /// What was said; of an amendment, what it says, behind a `~`.
    pub text: Box<str>,
}

/// A record of facts, and what it says.
pub type DurableRecord = (Box<str>, FactsVersion, Result<DurableSaid, FactsFault>);

/// What a record of facts says.
#[derive(Clone, Debug)]
pub enum DurableSaid {
    /// All facts.
    All(Box<RoomFacts>),
    /// The changes that lead to its revision, none where it has read positions alone; and read positions after them.
    Changes(Vec<DatedChange>, BTreeMap<AccountId, Seq>),
}

/// What is stored: messages, and records of facts.
#[derive(Debug, Default)]
pub struct StoredEntries {
    pub messages: Vec<DurableMessage>,
    pub facts: Vec<DurableRecord>,
}

impl StoredEntries {
    fn add(&mut self, at: (ShardId, SegmentNumber), entry: &StoredEntry<'_>) {
        self.messages.push(DurableMessage {
            at,
            room: entry.room().into(),
            seq: entry.seq().0,
            time_us: entry.time().0,
            author: entry.author().name.into(),
            account: account_of(entry),
            draft: entry.draft().into(),
            text: text_of(entry),
        });
    }

    /// Everything that counts in a log, in the order of rooms: not what a failed write has left behind.
    ///
    /// # Errors
    /// When a segment cannot be read, or says of itself that it is another.
    pub fn of_log(files: &dyn Files) -> Result<StoredEntries, String> {
        let mut found = StoredEntries::default();
        let mut sink = |segment: &DumpedSegment, dumped: Dumped<'_>| {
            let (Dumped::Record(_, record), Ok(header)) = (dumped, &segment.header) else { return Ok(()) };
            match (StoredEntry::of(&record), record) {
                (Some(entry), _) => found.add((header.shard, header.segment), &entry),
                (None, StoredRecord::Facts(facts)) => found.facts.push(facts_of(&facts)),
                (None, _) => {}
            }
            Ok(())
        };
        let dumped = dump(files, None, None, &mut sink).map_err(|error| error.to_string())?;
        dumped.map_err(|error| error.to_string())?;
        found.messages.sort_by(|a, b| (&a.room, a.seq).cmp(&(&b.room, b.seq)));
        found.facts.sort_by(|a, b| (&a.0, a.1).cmp(&(&b.0, b.1)));
        Ok(found)
    }
}

/// Frames begin and end at multiples of this.
const ALIGN_BYTES: usize = 16;

/// Reads the messages of a segment behind those that were read before.
pub fn read_new(
    file: &mut File,
    contents: fn(&File) -> &[u8],
    at: (ShardId, SegmentNumber),
    stored: &mut StoredEntries,
) {
    let from = file.read_bytes.max(HEADER_BYTES);
    file.read_bytes = read_from(contents(file), at, from, stored);
}

/// Reads the messages of a segment from a place on, and says where they end.
fn read_from(
    contents: &[u8],
    at: (ShardId, SegmentNumber),
    mut position: usize,
    stored: &mut StoredEntries,
) -> usize {
    let place = SegmentId { shard: at.0, segment: at.1 };
    // Zeros end it: to search what lies behind them would cost more than all else here.
    let has_more = |position: usize| {
        contents.get(position..position + ALIGN_BYTES).is_some_and(|start| start.iter().any(|b| *b != 0))
    };
    let mut scan = Scan::new(contents, place, None).from(position);
    while has_more(position) {
        let frame = match scan.next() {
            Some(ScanItem::Entry(frame, entry)) => {
                stored.add(at, &entry);
                frame
            }
            Some(ScanItem::Note(frame, StoredRecord::Facts(facts))) => {
                stored.facts.push(facts_of(&facts));
                frame
            }
            Some(ScanItem::Note(frame, _)) => frame,
            Some(ScanItem::Damage { .. }) | None => break,
        };
        position = frame.end_bytes;
    }
    position
}

/// The id of the account that wrote it; 0 where none did.
fn account_of(entry: &StoredEntry<'_>) -> u64 {
    let author = entry.author();
    if matches!(author.kind, AuthorKind::Account | AuthorKind::Service) { author.id } else { 0 }
}

fn text_of(entry: &StoredEntry<'_>) -> Box<str> {
    let StoredEntry::Amendment(amendment) = entry else {
        let StoredEntry::Message(message) = entry else { return "".into() };
        return message.text.into();
    };
    let target = amendment.target;
    match amendment.change {
        StoredChange::Edit { text } => format!("~edit {target} {text}").into(),
        StoredChange::Deletion => format!("~delete {target}").into(),
        StoredChange::Reactions { changes } => {
            let of = MessageReactions::decode(changes).unwrap_or_default();
            format!("~react {}", words_of_reactions(&of)).into()
        }
        StoredChange::Pin { is_pinned: true } => format!("~pin {target}").into(),
        StoredChange::Pin { is_pinned: false } => format!("~unpin {target}").into(),
        StoredChange::Topic { text } => format!("~topic {text}").into(),
        StoredChange::Erased(_) => "~erased".into(),
    }
}

/// How many reacted to each message.
pub fn words_of_reactions(of: &[MessageReactions]) -> String {
    let sum = |of: &MessageReactions| of.sums.iter().map(|(_, count)| u64::from(count)).sum::<u64>();
    of.iter().map(|of| format!("{}={}", of.message, sum(of))).collect::<Vec<_>>().join(",")
}

/// The rooms of the simulator are small: a checkpoint is one record.
fn facts_of(stored: &StoredFacts<'_>) -> DurableRecord {
    let decoded = FactsBody::decode(stored);
    let version = decoded.as_ref().map(|(version, _)| *version).unwrap_or_default();
    let said = decoded.and_then(|(_, body)| match body {
        FactsBody::Behind(behind) => Ok(DurableSaid::Changes(behind.changes, behind.reads)),
        FactsBody::Piece { bytes, .. } => {
            RoomFacts::decode(version.revision, bytes).map(|facts| DurableSaid::All(Box::new(facts)))
        }
    });
    (stored.room.into(), version, said)
}
