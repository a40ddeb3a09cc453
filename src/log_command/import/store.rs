//! Where messages are stored: behind all that the log has, in the directory of their room's home.

use madang_import::{RoomIndex, SentMessage};
use madang_log::{
    HistoryWriter, NewSegments, RoomTail, SegmentNumber, StdFiles, open_log, read_tails, renew_snapshot,
};
use madang_model::{Message, RoomKey, RoomName, Seq, ShardId, Timestamp};

type Tails = hashbrown::HashMap<RoomKey, RoomTail>;

/// What new segments are like.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    pub shard_count: u16,
    pub segment_bytes: u64,
    /// When the first of each directory was created.
    pub created: Timestamp,
}

/// A log that is continued.
pub struct ImportStore {
    files: StdFiles,
    shards: Vec<Shard>,
    shape: Shape,
    /// Rooms that the log has, by name as it was first written, with the newest number.
    stored: hashbrown::HashMap<RoomKey, (RoomName, Seq)>,
    /// The rooms of which something was appended, by their index.
    rooms: Vec<Option<OpenRoom>>,
}

/// The directory of one shard.
struct Shard {
    next: SegmentNumber,
    tails: Tails,
    /// Once something was appended.
    writer: Option<HistoryWriter<StdFiles>>,
}

struct OpenRoom {
    name: RoomName,
    head: Seq,
    home: ShardId,
}

impl ImportStore {
    /// Opens the log as a server does that starts: what a crash left open is finished. Of rooms that are wanted it is
    /// read where their newest messages are.
    pub fn open(
        files: &StdFiles,
        shape: Shape,
        is_wanted: &dyn Fn(RoomKey) -> bool,
    ) -> Result<ImportStore, String> {
        let opened = open_log(files, shape.shard_count).map_err(|error| error.to_string())?;
        let tails = read_tails(files, is_wanted).map_err(|error| error.to_string())?;
        let begin = |next| Shard { next, tails: Tails::new(), writer: None };
        let mut shards: Vec<Shard> = opened.next_segments.into_iter().map(begin).collect();
        let mut stored = hashbrown::HashMap::new();
        for (key, (name, tail)) in tails {
            stored.insert(key, (name, tail.head));
            if let Some(shard) = shards.get_mut(key.home(shape.shard_count).index()) {
                shard.tails.insert(key, tail);
            }
        }
        // The numbers of messages that are lost stay taken.
        stored.extend(opened.lost_heads);
        Ok(ImportStore { files: files.clone(), shards, shape, stored, rooms: Vec::new() })
    }

    /// Stores a message as the next of its room, which has this index from now on.
    pub fn append(&mut self, room: RoomIndex, time: Timestamp, sent: SentMessage) -> Result<(), String> {
        let SentMessage { room: given, author, id, text, .. } = sent;
        if self.rooms.len() <= room.0 {
            self.rooms.resize_with(room.0 + 1, || None);
        }
        let open = match &mut self.rooms[room.0] {
            Some(open) => open,
            free => free.insert(open_room(&mut self.stored, given, self.shape.shard_count)?),
        };
        open.head = open.head.next();
        let message =
            Message { room: open.name.clone(), seq: open.head, time, author, draft: Some(id), text };
        let shard = &mut self.shards[open.home.index()];
        let writer = shard.writer.get_or_insert_with(|| {
            let place = NewSegments {
                shard: open.home,
                shard_count: self.shape.shard_count,
                first: shard.next,
                segment_bytes: self.shape.segment_bytes,
                created: self.shape.created,
            };
            HistoryWriter::new(self.files.clone(), place, std::mem::take(&mut shard.tails))
        });
        writer.append(&message).map_err(|error| error.to_string())
    }

    /// Finishes the segments, and brings the snapshots up to date.
    pub fn finish(self) -> Result<(), String> {
        let mut written = Vec::new();
        for (index, shard) in (0..).zip(self.shards) {
            if let Some(writer) = shard.writer {
                writer.finish().map_err(|error| error.to_string())?;
                written.push(ShardId(index));
            }
        }
        for shard in written {
            renew_snapshot(&self.files, shard, true).map_err(|error| error.to_string())?;
        }
        Ok(())
    }
}

fn open_room(
    stored: &mut hashbrown::HashMap<RoomKey, (RoomName, Seq)>,
    given: RoomName,
    shard_count: u16,
) -> Result<OpenRoom, String> {
    let (key, home) = (given.key(), given.key().home(shard_count));
    let (name, head) = stored.remove(&key).unwrap_or((given.clone(), Seq::ZERO));
    if !name.is_same_as(&given) {
        return Err(format!("room '{given}' cannot be stored beside room '{name}'; rename it"));
    }
    Ok(OpenRoom { name, head, home })
}
