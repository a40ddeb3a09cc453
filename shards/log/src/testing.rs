//! A log written as the runtime writes it, to files in memory.

use super::{
    Appender, Batch, Durability, FactsAppended, FactsLedger, FactsLink, FactsPointer, Files, MemoryFiles,
    SEGMENT_BYTES_MIN, SealedSegment, SegmentHeader, SegmentNumber, StdFiles, directory_name,
};
use madang_model::{
    AccountId, Amendment, Change, DatedChange, DraftId, FactChange, Message, RoomName, Seq, ShardId, Text,
    Timestamp, UserName,
};
use rkyv::util::AlignedVec;

pub const SHARD: ShardId = ShardId(0);

pub fn message(room: &str, seq: u64, text: &str) -> Message {
    Message {
        room: RoomName::from_log(room).expect("a room name"),
        seq: Seq(seq),
        time: Timestamp(1_790_000_000_000_000 + seq as i64),
        author: UserName::parse("bob").expect("a user name"),
        draft: None,
        text: Text::sanitise(text).expect("a text"),
    }
}

pub fn amendment(room: &str, seq: u64, target: u64, change: Change) -> Amendment {
    Amendment {
        room: RoomName::from_log(room).expect("a room name"),
        seq: Seq(seq),
        time: Timestamp(1_790_000_000_000_000 + seq as i64),
        author: UserName::parse("bob").expect("a user name"),
        draft: None,
        target: Seq(target),
        change,
    }
}

pub fn with_draft(message: Message, draft: &str) -> Message {
    Message { draft: DraftId::parse(draft), ..message }
}

/// Repeatable choices; xorshift64*.
pub struct Chance(pub u64);

impl Chance {
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) % bound
    }
}

pub struct Writer<'a> {
    pub files: &'a MemoryFiles,
    pub shard: ShardId,
    pub appender: Appender,
    created: SegmentNumber,
}

impl<'a> Writer<'a> {
    pub fn new(files: &'a MemoryFiles, shard: ShardId, first: SegmentNumber) -> Writer<'a> {
        Writer::with(files, shard, first, Durability::Commit)
    }

    pub fn with(
        files: &'a MemoryFiles,
        shard: ShardId,
        first: SegmentNumber,
        durability: Durability,
    ) -> Writer<'a> {
        let appender = Appender::new(shard, first, SEGMENT_BYTES_MIN, SEGMENT_BYTES_MIN, durability);
        create(files, shard, first);
        create(files, shard, first.next());
        Writer { files, shard, appender, created: first.next() }
    }

    /// Writes the waiting batch, and what must precede it, without notifying the appender.
    pub fn write(&mut self) -> Option<Batch> {
        let batch = self.appender.take_batch()?;
        if let Some(sealed) = &batch.seals {
            self.files.write_seal(self.shard, sealed);
        }
        while self.created <= batch.segment {
            self.created = self.created.next();
            create(self.files, self.shard, self.created);
        }
        self.files.write(self.shard, &batch);
        Some(batch)
    }

    pub fn commit(&mut self, messages: &[Message]) {
        for message in messages {
            self.appender.append(message);
        }
        let batch = self.write().expect("messages wait");
        self.appender.committed(batch);
    }

    pub fn finish(&mut self) -> SealedSegment {
        let sealed = self.appender.finish().expect("nothing waits");
        self.files.write_seal(self.shard, &sealed);
        sealed
    }
}

/// Makes a change of facts, in a commit of its own.
pub fn decide(writer: &mut Writer<'_>, ledger: &mut FactsLedger, change: FactChange) {
    let dated = DatedChange { time: Timestamp(1_790_000_000_000_000), by: AccountId(1), change };
    let free_bytes = writer.appender.free_bytes(true);
    let appended = ledger.change(dated, free_bytes, &mut writer.appender).expect("it makes sense");
    commit_facts(writer, ledger, &appended);
}

/// Commits the facts that wait alone, and notifies their home.
pub fn commit_facts(writer: &mut Writer<'_>, ledger: &mut FactsLedger, appended: &FactsAppended) {
    let batch = writer.write().expect("it was appended");
    let (directory, segment, offset_bytes) = (writer.shard, batch.segment, batch.offset_bytes);
    let bytes = u32::try_from(batch.bytes.len()).expect("a batch is short");
    let link = FactsLink { directory, segment, offset_bytes, bytes };
    let oldest = appended.oldest.unwrap_or(segment);
    ledger.confirm(FactsPointer { version: appended.version, link, oldest });
    writer.appender.committed(batch);
}

/// The same files in a directory on disk.
pub fn on_disk(files: &MemoryFiles) -> (tempfile::TempDir, StdFiles) {
    let data = tempfile::tempdir().expect("a directory");
    let on_disk = StdFiles::new(data.path());
    let mut bytes = AlignedVec::new();
    for shard in files.shards().expect("memory can be listed") {
        std::fs::create_dir(data.path().join(directory_name(shard))).expect("space");
        for segment in files.segments(shard).expect("memory can be listed") {
            files.read(shard, segment, &mut bytes).expect("memory can be read");
            std::fs::write(on_disk.path(shard, segment), &bytes).expect("space");
        }
    }
    (data, on_disk)
}

pub fn create(files: &MemoryFiles, shard: ShardId, segment: SegmentNumber) {
    files.create(&SegmentHeader {
        shard,
        shard_count: 1,
        segment,
        created_us: 0,
        capacity_bytes: SEGMENT_BYTES_MIN,
        generation: 0,
    });
}
