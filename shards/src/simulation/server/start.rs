//! A start: the log is opened, and every shard goes on from what it holds.

use super::cell::{Cell, Phase};
use super::indexes::Jobs;
use super::{CHANNEL_BATCHES_MAX, Server};
use madang_shards::log::{Appender, Durability, OpenLogError, Retention, RoomTail, SegmentNumber, open_log};
use madang_shards::room::{Kind, Recent, RememberedDraft, Room};
use madang_shards::shard::{Archive, Settings, Shard};
use madang_shards::types::{RoomKey, ShardId};
use std::collections::VecDeque;
use std::sync::Arc;

use super::super::disk::Disk;
use super::super::words::Words;
use super::super::writer::Writer;

/// What a server is started with.
#[derive(Clone, Debug)]
pub struct StartOptions {
    pub settings: Settings,
    pub durability: Durability,
    pub segment_bytes: u64,
    pub retention: Retention,
    /// Smaller channels overflow sooner.
    pub channel_batches_max: usize,
}

/// The newest number of each room, as a start found it.
pub type Heads = Vec<(String, u64)>;

impl Server {
    /// Starts on what is on the disk. Gives the heads of all rooms, too.
    pub fn start(disk: &Disk, options: &StartOptions) -> Result<(Server, Heads), OpenLogError> {
        let count = options.settings.shard_count;
        let (recovered, tails) = open_log(disk, count, Recent::MESSAGES_MAX)?;
        let mut heads: Heads =
            recovered.rooms.iter().map(|room| (room.name.as_str().to_owned(), room.head.0)).collect();
        heads.sort_unstable();
        let mut tails_by_home: Vec<Vec<(RoomKey, RoomTail)>> = (0..count).map(|_| Vec::new()).collect();
        for (key, tail) in tails.rooms {
            tails_by_home[key.home(count).index()].push((key, tail));
        }
        let mut rooms: Vec<Vec<Room>> = (0..count).map(|_| Vec::new()).collect();
        let lobby = options.settings.lobby.key();
        for room in recovered.rooms {
            let home = room.name.key().home(count);
            let kind = match room.name.key() == lobby {
                true => Kind::Lobby,
                false if room.name.is_direct() => Kind::Direct,
                false => Kind::Channel,
            };
            let drafts = room.recent_drafts.into_iter();
            let drafts = drafts
                .map(|known| RememberedDraft { author: known.author, id: known.draft, seq: known.seq })
                .collect();
            let recent = Recent::restore(room.recent, drafts);
            rooms[home.index()].push(Room::restore(room.name, kind, room.head, recent));
        }
        let mut cells = Vec::new();
        for (index, (tails, rooms)) in tails_by_home.into_iter().zip(rooms).enumerate() {
            let id = ShardId(index as u16);
            let first = recovered.next_segments.get(index).copied().unwrap_or(SegmentNumber::FIRST);
            let segment_bytes = options.segment_bytes;
            let log = Appender::new(id, first, segment_bytes, segment_bytes, options.durability);
            let page_bytes_max = options.settings.outbox_bytes_max / 2;
            let archive = Archive::new(id, first, tails.into_iter().collect(), page_bytes_max);
            let mut shard = Shard::new(id, Arc::new(options.settings.clone()), Words, log, archive);
            for room in rooms {
                shard.restore_room(room);
            }
            let writer = Writer::new(id, count, segment_bytes, options.durability, first);
            cells.push(Cell::new(shard, writer, options.durability));
        }
        let channels = (0..count).map(|_| (0..count).map(|_| VecDeque::new()).collect()).collect();
        let server = Server {
            cells,
            channels,
            channel_batches_max: options.channel_batches_max.min(CHANNEL_BATCHES_MAX),
            jobs: Jobs::new(options.retention),
            phase: Phase::Running,
        };
        Ok((server, heads))
    }

    /// The segments that expired since the last call.
    pub fn take_expired(&mut self) -> Vec<(ShardId, SegmentNumber)> {
        std::mem::take(&mut self.jobs.expired)
    }
}
