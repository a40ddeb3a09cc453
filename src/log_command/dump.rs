//! `madang log dump`.

use super::civil::Clock;
use super::json::write_json_line;
use super::output::{finish, standard_output, visible};
use super::record::change_words;
use super::{LineFormat, LogPlace, Outcome};
use clap::Args;
use madang_log::{
    Dumped, DumpedSegment, FactsBody, FactsLink, Files, Frame, RecordKind, SegmentNumber, SegmentVerdict,
    StdFiles, StoredChange, StoredFacts, StoredRecord, dump,
};
use madang_model::{Seq, ShardId, counted, numbered};
use serde_json::{Map, Value, json};
use std::io::{self, Write};
use std::path::Path;

/// The arguments of `madang log dump`.
#[derive(Debug, Args)]
pub struct DumpArguments {
    #[command(flatten)]
    place: LogPlace,
    /// Only the directory of this shard
    #[arg(long, value_name = "N")]
    shard: Option<u16>,
    /// Only the segment of this number, of each shard
    #[arg(long, value_name = "N")]
    segment: Option<u64>,
    /// The output format
    #[arg(long, value_enum, default_value_t = LineFormat::Text)]
    format: LineFormat,
}

/// Prints every frame.
pub fn run(arguments: &DumpArguments) -> Result<Outcome, String> {
    let (data, files) = arguments.place.open()?;
    let mut printer = DumpPrinter::new(standard_output(), arguments.format);
    let shard = arguments.shard.map(ShardId);
    let dumped = dump(&files, shard, arguments.segment.map(SegmentNumber), &mut |segment, entry| {
        printer.print(segment, entry)
    });
    let DumpPrinter { output, faults, .. } = printer;
    match dumped {
        Err(error) => {
            finish(output, Ok(()))?;
            Err(error.to_string())
        }
        Ok(Err(error)) => finish(output, Err(error)).map(|()| Outcome::Sound),
        Ok(Ok(0)) => Err(nothing_dumped(arguments, &data, &files)),
        Ok(Ok(_)) => finish(output, Ok(())).map(|()| Outcome::reported(faults, &data)),
    }
}

/// Says which of what was asked for the log does not have.
fn nothing_dumped(arguments: &DumpArguments, data: &Path, files: &StdFiles) -> String {
    let data = data.display();
    let has = |shard: u16| files.shards().is_ok_and(|shards| shards.contains(&ShardId(shard)));
    let lack = match (arguments.shard, arguments.segment) {
        (Some(shard), _) if !has(shard) => format!("the log in '{data}' has no shard {shard}"),
        (Some(shard), Some(segment)) => {
            format!("shard {shard} of the log in '{data}' has no segment {segment}")
        }
        (Some(shard), None) => format!("shard {shard} of the log in '{data}' has no segments"),
        (None, Some(segment)) => format!("no shard of the log in '{data}' has a segment {segment}"),
        (None, None) => format!("the log in '{data}' has no segments"),
    };
    format!("{lack}; see all with `madang log verify --data {data}`")
}

pub struct DumpPrinter<W> {
    pub output: W,
    format: LineFormat,
    clock: Clock,
    /// The segment whose header was printed.
    current: Option<std::path::PathBuf>,
    pub faults: usize,
}

impl<W: Write> DumpPrinter<W> {
    pub fn new(output: W, format: LineFormat) -> DumpPrinter<W> {
        DumpPrinter { output, format, clock: Clock::default(), current: None, faults: 0 }
    }

    pub fn print(&mut self, segment: &DumpedSegment, entry: Dumped<'_>) -> io::Result<()> {
        if self.current.as_ref() != Some(&segment.path) {
            self.current = Some(segment.path.clone());
            self.print_header(segment)?;
        }
        self.faults += usize::from(matches!(entry, Dumped::Damage { .. }));
        match self.format {
            LineFormat::Text => self.print_text(entry),
            LineFormat::Jsonl => self.print_json(segment, entry),
        }
    }

    fn print_header(&mut self, segment: &DumpedSegment) -> io::Result<()> {
        let is_fault = segment.header.is_err() && segment.limit_bytes.is_none();
        let is_blank = matches!(segment.header, Err(madang_log::HeaderFault::Blank));
        self.faults += usize::from(is_fault && !is_blank);
        let path = segment.path.display();
        match (self.format, &segment.header) {
            (LineFormat::Text, Ok(header)) => {
                let created = self.clock.second(header.created_us);
                let capacity = header.capacity_bytes;
                let of = match header.shard_count {
                    0 => String::new(),
                    count => format!("of {}, ", counted(count, "shard")),
                };
                writeln!(self.output, "{path}: {of}created {created}, {}", counted(capacity, "byte"))
            }
            (LineFormat::Text, Err(fault)) => writeln!(self.output, "{path}: {fault}"),
            (LineFormat::Jsonl, header) => {
                let mut line = json!({"file": path.to_string(), "offset": 0, "kind": "segment"});
                match header {
                    Ok(header) => {
                        line["shard_count"] = header.shard_count.into();
                        line["created"] = self.clock.microsecond(header.created_us).into();
                        line["capacity"] = header.capacity_bytes.into();
                    }
                    Err(fault) => line["fault"] = fault.to_string().into(),
                }
                write_json_line(&mut self.output, &line)
            }
        }
    }

    fn print_text(&mut self, entry: Dumped<'_>) -> io::Result<()> {
        match entry {
            Dumped::Record(frame, record) => {
                let content = self.content(&record);
                writeln!(self.output, "  {}: {content}", place(&frame))
            }
            Dumped::Loose(frame, record) => {
                let content = self.content(&record);
                writeln!(self.output, "  {}: does not count: {content}", place(&frame))
            }
            Dumped::Damage { offset_bytes, bytes } => {
                writeln!(self.output, "  byte {offset_bytes}, {}: DAMAGED", counted(bytes, "byte"))
            }
            Dumped::Torn { offset_bytes, bytes } => {
                writeln!(
                    self.output,
                    "  byte {offset_bytes}, {}: being written, or torn",
                    counted(bytes, "byte")
                )
            }
            Dumped::End(verdict) => {
                writeln!(self.output, "  byte {}: end, {}", verdict.end_bytes(), state(&verdict))
            }
        }
    }

    fn content(&mut self, record: &StoredRecord<'_>) -> String {
        match record {
            StoredRecord::Message(message) if message.is_erased => {
                let time = self.clock.second(message.time.0);
                format!("message {} #{} {time}: erased", visible(message.room), message.seq)
            }
            StoredRecord::Message(message) => {
                let time = self.clock.second(message.time.0);
                let (room, author, text) =
                    (visible(message.room), visible(message.author.name), visible(message.text));
                let draft = match message.draft {
                    "" => String::new(),
                    draft => format!(" [draft {}]", visible(draft)),
                };
                format!("message {room} #{} {time} {author}: {text}{draft}", message.seq)
            }
            StoredRecord::Amendment(amendment) => {
                let time = self.clock.second(amendment.time.0);
                let (room, author) = (visible(amendment.room), visible(amendment.author.name));
                let what = match amendment.change {
                    StoredChange::Edit { text } => format!("edit: {}", visible(text)),
                    StoredChange::Deletion => "deletion".to_owned(),
                    StoredChange::Reactions { changes } => format!("reactions: {}", visible(changes)),
                    StoredChange::Pin { is_pinned } => if is_pinned { "pin" } else { "unpin" }.to_owned(),
                    StoredChange::Topic { text } => format!("topic: {}", visible(text)),
                    StoredChange::Erased(_) => "erased".to_owned(),
                };
                let about = match amendment.target {
                    Seq(0) => String::new(),
                    target => format!(" of #{target}"),
                };
                format!("entry {room} #{}{about} {time} {author}: {what}", amendment.seq)
            }
            StoredRecord::Facts(facts) => {
                let (room, revision, time) =
                    (visible(facts.room), facts.revision, self.clock.second(facts.time.0));
                format!("facts {room} revision {revision} {time}: {}", facts_said(facts))
            }
            StoredRecord::Seal(seal) if seal.records == 0 => "seal: no messages".to_owned(),
            StoredRecord::Seal(seal) => {
                let first = self.clock.second(seal.first_time_us).to_owned();
                let last = self.clock.second(seal.last_time_us);
                format!("seal: {}, {first} to {last}", counted(seal.records, "message"))
            }
            StoredRecord::Abandoned(note) => {
                format!("note: segment {} ends at byte {}, by a failure", note.segment, note.end_offset_bytes)
            }
            StoredRecord::Lost(lost) => {
                let numbers = numbered(lost.first.0, lost.last.0, "message", "#");
                format!("lost: {numbers} of {}", visible(lost.room))
            }
        }
    }

    fn print_json(&mut self, segment: &DumpedSegment, entry: Dumped<'_>) -> io::Result<()> {
        let mut line = Map::new();
        let mut set = |key: &str, value: Value| line.insert(key.to_owned(), value);
        set("file", segment.path.display().to_string().into());
        match entry {
            Dumped::Record(frame, record) | Dumped::Loose(frame, record) => {
                set("offset", frame.offset_bytes.into());
                set("length", (frame.end_bytes - frame.offset_bytes).into());
                set("batch", frame.batch.into());
                set("synced", frame.synced_bytes.into());
                set("counts", matches!(entry, Dumped::Record(..)).into());
                line.append(&mut self.fields(&record));
            }
            Dumped::Damage { offset_bytes, bytes } | Dumped::Torn { offset_bytes, bytes } => {
                set("offset", offset_bytes.into());
                set("length", bytes.into());
                set("kind", if matches!(entry, Dumped::Torn { .. }) { "torn" } else { "damage" }.into());
            }
            Dumped::End(verdict) => {
                set("offset", verdict.end_bytes().into());
                set("kind", "end".into());
                set("state", state(&verdict).into());
            }
        }
        write_json_line(&mut self.output, &line)
    }

    fn fields(&mut self, record: &StoredRecord<'_>) -> Map<String, Value> {
        let fields = match record {
            StoredRecord::Message(message) if message.is_erased => json!({
                "kind": "message",
                "room": message.room,
                "seq": message.seq.0,
                "time": self.clock.microsecond(message.time.0),
                "author_kind": message.author.kind.name(),
                "author_id": Some(message.author.id).filter(|id| *id > 0),
                "erased": true,
            }),
            StoredRecord::Message(message) => json!({
                "kind": "message",
                "room": message.room,
                "seq": message.seq.0,
                "time": self.clock.microsecond(message.time.0),
                "author": message.author.name,
                "author_kind": message.author.kind.name(),
                "author_id": Some(message.author.id).filter(|id| *id > 0),
                "draft": Some(message.draft).filter(|draft| !draft.is_empty()),
                "text": message.text,
            }),
            StoredRecord::Amendment(amendment) => {
                let (kind, text, changes) = change_words(&amendment.change);
                json!({
                    "kind": kind,
                    "room": amendment.room,
                    "seq": amendment.seq.0,
                    "target": Some(amendment.target.0).filter(|target| *target > 0),
                    "time": self.clock.microsecond(amendment.time.0),
                    "author": amendment.author.name,
                    "author_kind": amendment.author.kind.name(),
                    "author_id": Some(amendment.author.id).filter(|id| *id > 0),
                    "draft": Some(amendment.draft).filter(|draft| !draft.is_empty()),
                    "text": text.or(changes),
                })
            }
            StoredRecord::Facts(facts) => {
                let decoded = FactsBody::decode(facts).ok();
                let (kind, edition) =
                    (facts_kind(facts), decoded.as_ref().map(|(version, _)| version.edition));
                let (mut piece, mut pieces, mut behind, mut changes, mut reads) =
                    (None, None, None, None, None);
                match decoded {
                    Some((_, FactsBody::Piece { piece: this, pieces: all, .. })) => {
                        (piece, pieces) = (Some(this), Some(all));
                    }
                    Some((_, FactsBody::Behind(found))) => {
                        let FactsLink { directory, segment, offset_bytes, bytes } = found.link;
                        let (shard, segment) = (directory.0, segment.0);
                        behind = Some(json!({
                            "shard": shard, "segment": segment, "offset": offset_bytes, "length": bytes,
                        }));
                        (changes, reads) = (Some(found.changes.len()), Some(found.reads.len()));
                    }
                    None => {}
                }
                json!({
                    "kind": kind,
                    "room": facts.room,
                    "revision": facts.revision,
                    "edition": edition,
                    "time": self.clock.microsecond(facts.time.0),
                    "author_kind": facts.author.0.name(),
                    "author_id": Some(facts.author.1).filter(|id| *id > 0),
                    "bytes": facts.body.len(),
                    "piece": piece,
                    "pieces": pieces,
                    "behind": behind,
                    "changes": changes,
                    "reads": reads,
                })
            }
            StoredRecord::Seal(seal) => json!({
                "kind": "seal",
                "records": seal.records,
                "first_time": self.clock.microsecond(seal.first_time_us),
                "last_time": self.clock.microsecond(seal.last_time_us),
            }),
            StoredRecord::Abandoned(note) => json!({
                "kind": "abandoned",
                "segment": note.segment,
                "end_offset": note.end_offset_bytes,
            }),
            StoredRecord::Lost(lost) => json!({
                "kind": "lost",
                "room": lost.room,
                "first": lost.first.0,
                "last": lost.last.0,
            }),
        };
        if let Value::Object(fields) = fields { fields } else { Map::new() }
    }
}

/// What a record of facts is.
fn facts_kind(facts: &StoredFacts<'_>) -> &'static str {
    match facts.kind {
        RecordKind::FactsCheckpoint => "facts_checkpoint",
        RecordKind::ReadPositions => "read_positions",
        _ => "facts",
    }
}

/// What it says.
fn facts_said(facts: &StoredFacts<'_>) -> String {
    match FactsBody::decode(facts) {
        Err(fault) => format!("unreadable: {fault}"),
        Ok((version, FactsBody::Piece { piece, pieces, is_repaired, bytes })) => {
            let (part, bytes) = (piece + 1, counted(bytes.len(), "byte"));
            let kind = if is_repaired { "checkpoint by a repair" } else { "checkpoint" };
            format!("{kind}, edition {}, part {part} of {pieces}, {bytes}", version.edition)
        }
        Ok((version, FactsBody::Behind(behind))) => {
            let FactsLink { directory, segment, offset_bytes, .. } = behind.link;
            let (changes, reads) =
                (counted(behind.changes.len(), "change"), counted(behind.reads.len(), "read position"));
            let edition = version.edition;
            format!(
                "{changes}, {reads}, edition {edition}, behind byte {offset_bytes} of segment {segment} of shard {directory}"
            )
        }
    }
}

fn place(frame: &Frame<'_>) -> String {
    let (offset, bytes) = (frame.offset_bytes, frame.end_bytes - frame.offset_bytes);
    let bytes = counted(bytes, "byte");
    format!("byte {offset}, {bytes}, batch {}, synced {}", frame.batch, frame.synced_bytes)
}

fn state(verdict: &SegmentVerdict) -> &'static str {
    match verdict {
        SegmentVerdict::End { .. } => "open",
        SegmentVerdict::Sealed { .. } => "sealed",
        SegmentVerdict::Torn { .. } => "torn",
    }
}
