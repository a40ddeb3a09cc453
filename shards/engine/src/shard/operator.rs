//! What the operator asks of a shard: its state, to close connections, to announce, to change settings.
//!
//! Each is done within the turn. Only what is asked by hand may look at every connection or room.

use super::settings::Settings;
use super::{Shard, Storage};
use crate::room::Room;
use madang_log::Erasures;
use madang_model::connection::{CloseReason, Surface};
use madang_model::{ConnectionId, Moment, Now, RoomName, Text, Timestamp, UserName};
use std::sync::Arc;

/// The rate of a room is that of its messages in this span, in microseconds.
const RATE_SPAN_US: i64 = 10_000_000;

/// How full a shard is at this moment. Each is counted as it changes, so that asking is cheap.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Fill {
    /// Connections, named or not.
    pub connections: u64,
    /// Connections that have a name.
    pub sessions: u64,
    /// Messages accepted by rooms whose home is here, since the start.
    pub messages: u64,
    /// Rooms whose home is here and which are in memory.
    pub rooms: u64,
    /// Names held whose home is here.
    pub users: u64,
    /// Bytes in outboxes.
    pub outbox_bytes: u64,
    /// The largest of the outboxes that the kernel does not take, in bytes.
    pub outbox_bytes_largest: u64,
    /// How many there are.
    pub slow_connections: u64,
    /// Connections not read because another shard is backed up.
    pub parked_connections: u64,
    /// Requests that wait for room in the log.
    pub deferred_requests: u64,
    /// Lookups of stored messages and searches for rooms that wait or are under way.
    pub lookups: u64,
    /// Bytes that hold the looks of stored rooms.
    pub looks_bytes: u64,
    /// Rooms that are to be made and wait until the looks of stored ones are read.
    pub waiting_rooms: u64,
    /// Rooms whose read positions are to be stored, or their facts once more.
    pub facts_waiting: u64,
    /// Indexes of finished segments that are not on disk yet.
    pub index_jobs: u64,
    /// Bytes in the log that are not synced.
    pub unsynced_bytes: u64,
}

/// A room as the operator sees it.
#[derive(Clone, Debug)]
pub struct RoomReport {
    /// Its name.
    pub room: RoomName,
    /// Its members.
    pub members: u32,
    /// Messages so far.
    pub messages: u64,
    /// Messages a second over the last ten, as far as its remembered messages reach.
    pub messages_per_second: f64,
}

/// A connection whose peer does not read as fast as it is sent to.
#[derive(Clone, Debug)]
pub struct SlowReport {
    /// Its user, if it has said a name.
    pub user: Option<UserName>,
    /// Bytes that wait for it.
    pub outbox_bytes: u64,
}

/// The largest of a shard.
#[derive(Clone, Debug, Default)]
pub struct Leaders {
    /// By members, fullest first.
    pub by_members: Vec<RoomReport>,
    /// By messages a second, highest first; idle ones are not among them.
    pub by_rate: Vec<RoomReport>,
    /// By bytes waiting, most first.
    pub slow: Vec<SlowReport>,
}

impl<S: Surface> Shard<S> {
    /// How full the shard is. Also drops what is no longer slow from the list.
    pub fn fill(&mut self) -> Fill {
        let Shard { connections, slow, .. } = self;
        let mut fill = Fill::default();
        slow.retain(|id| {
            let Some(connection) = connections.get_mut(*id) else { return false };
            connection.is_listed_slow = connection.is_blocked;
            if connection.is_blocked {
                let bytes = connection.waiting_bytes() as u64;
                fill.outbox_bytes_largest = fill.outbox_bytes_largest.max(bytes);
                fill.slow_connections += 1;
            }
            connection.is_blocked
        });
        fill.outbox_bytes = self.outboxes.waiting_bytes() as u64;
        fill.connections = self.connections.len() as u64;
        fill.sessions = self.counters.sessions;
        fill.messages = self.counters.messages;
        fill.rooms = self.homes.room_count() as u64;
        fill.users = self.homes.user_count() as u64;
        fill.parked_connections = self.parked.len() as u64;
        fill.deferred_requests = self.deferred.len() as u64;
        fill.lookups = (self.homes.archive.lookup_count() + self.homes.search_count()) as u64;
        fill.looks_bytes = self.homes.looks.stored_bytes() as u64;
        fill.waiting_rooms = self.homes.looks.waiting() as u64;
        fill.facts_waiting = self.homes.facts_waiting() as u64;
        fill.index_jobs = self.homes.archive.index_jobs() as u64;
        fill.unsynced_bytes = self.log.unsynced_bytes();
        fill
    }

    /// The largest rooms and outboxes, at most `count` each.
    pub fn leaders(&self, count: usize) -> Leaders {
        let now = self.now.wall;
        let report = |room: &Room, rate| {
            let summary = room.summary()?;
            Some(RoomReport {
                room: summary.room,
                members: summary.members,
                messages: summary.head.0,
                messages_per_second: rate,
            })
        };
        let rate_of = |room: &Room| rate(room.recent_times(), now);
        let by_members =
            self.homes.fullest().take(count).filter_map(|room| report(room, rate_of(room))).collect();
        // Only these are cut down before anything of them is copied: there may be very many.
        let rated = self.homes.fullest().map(|room| (rate_of(room), room));
        let mut liveliest: Vec<(f64, &Room)> = rated.filter(|(rate, _)| *rate > 0.0).collect();
        let in_order = |a: &(f64, &Room), b: &(f64, &Room)| {
            let by_name = || a.1.name().as_str().cmp(b.1.name().as_str());
            b.0.total_cmp(&a.0).then_with(by_name)
        };
        if liveliest.len() > count && count > 0 {
            liveliest.select_nth_unstable_by(count - 1, in_order);
        }
        liveliest.truncate(count);
        liveliest.sort_unstable_by(in_order);
        let by_rate = liveliest.into_iter().filter_map(|(rate, room)| report(room, rate)).collect();
        let slow = self.slow.iter().filter_map(|id| self.connections.get(*id)).filter(|c| c.is_blocked);
        let mut slow: Vec<_> = slow
            .map(|connection| SlowReport {
                user: connection.core.user.clone(),
                outbox_bytes: connection.waiting_bytes() as u64,
            })
            .collect();
        slow.sort_unstable_by_key(|one| std::cmp::Reverse(one.outbox_bytes));
        slow.truncate(count);
        Leaders { by_members, by_rate, slow }
    }

    /// Ends the connections of a user with a reason. Returns which there were here.
    pub fn kick(&mut self, name: &UserName, reason: &str) -> Vec<ConnectionId> {
        let is_theirs = |id: &ConnectionId| {
            self.connections.get(*id).is_some_and(|connection| {
                let user = connection.core.user.as_ref();
                connection.core.closing.is_none() && user.is_some_and(|user| user.key() == name.key())
            })
        };
        let found: Vec<_> = self.connections.ids().into_iter().filter(is_theirs).collect();
        for id in &found {
            self.close(*id, CloseReason::Kicked { reason: reason.into() });
        }
        self.settle();
        found
    }

    /// Whether a connection has given its name back and said farewell, or is not here any more.
    pub fn has_parted(&self, id: ConnectionId) -> bool {
        self.connections.get(id).is_none_or(|connection| connection.is_ending)
    }

    /// Announces to every named connection. Returns how many that were here.
    pub fn broadcast(&mut self, text: &Text) -> u64 {
        let mut notified = 0;
        for id in self.connections.ids() {
            let Shard { connections, surface, outboxes, .. } = self;
            let Some(connection) = connections.get_mut(id) else { continue };
            if connection.core.user.is_some() && !connection.is_ending {
                let before = connection.core.outbox.len();
                surface.announce(&connection.protocol, text, &mut connection.core);
                outboxes.changed(before, connection.core.outbox.len());
                notified += 1;
                self.mark_dirty(id);
            }
        }
        self.settle();
        notified
    }

    /// From now on these settings hold, for what is there too. The number of shards and the lobby
    /// cannot change while there are connections.
    pub fn reconfigure(&mut self, settings: Arc<Settings>) {
        assert_eq!(settings.shard_count, self.settings.shard_count, "homes follow the number of shards");
        assert!(settings.lobby.key() == self.settings.lobby.key(), "connected users are in the lobby");
        self.homes.reconfigure(Arc::clone(&settings));
        self.outboxes.limit(settings.outbox_total_bytes_max);
        self.settings = settings;
    }

    /// From now on nobody is shown this, though it may still be on disk, and only this is hidden. Returns how many messages
    /// in memory have become tombstones.
    pub fn hide(&mut self, erasures: &Arc<Erasures>) -> u64 {
        #[cfg(any(test, feature = "deliberate-faults"))]
        if crate::mutation::is_on(crate::mutation::Mutation::ShowErased) {
            return 0;
        }
        self.homes.hide(erasures)
    }

    /// How many messages were deleted since the start, once that can be read from the log.
    pub fn deletions(&self) -> u64 {
        self.homes.archive.deletions()
    }

    /// Begins to finish the segment that holds what was accepted last. `false` when that cannot be done now, as there is no
    /// next one, or the shard is between two processes.
    pub fn finish_segment(&mut self) -> bool {
        let can_finish = !self.is_paused && self.storage() == Storage::Ready;
        if can_finish {
            self.log.finish_segment();
        }
        can_finish
    }

    /// Whether a segment is still to be finished.
    pub fn is_finishing_segment(&self) -> bool {
        self.log.is_finishing()
    }

    /// When the turn began.
    pub fn moment(&self) -> Moment {
        let Now { monotonic, .. } = self.now;
        monotonic
    }
}

/// Messages a second, of the times of a room's latest messages, newest first.
fn rate(times: impl Iterator<Item = Timestamp>, now: Timestamp) -> f64 {
    let (mut count, mut span_us) = (0_u32, RATE_SPAN_US);
    let mut ages_us = times.map(|time| now.0.saturating_sub(time.0).max(0));
    loop {
        match ages_us.next() {
            Some(age_us) if age_us <= RATE_SPAN_US => {
                count += 1;
                span_us = age_us;
            }
            // Older ones are remembered: the whole span was seen.
            Some(_) => span_us = RATE_SPAN_US,
            None => break,
        }
        if span_us == RATE_SPAN_US {
            break;
        }
    }
    // A room that is younger than the span, or remembers less of it, is judged by what it has.
    f64::from(count) * 1e6 / span_us.clamp(1_000_000, RATE_SPAN_US) as f64
}

/// The order of the fullest rooms; names decide between equals, so that a list does not jump.
pub fn fullest_first(a: &RoomReport, b: &RoomReport) -> std::cmp::Ordering {
    b.members.cmp(&a.members).then_with(|| a.room.as_str().cmp(b.room.as_str()))
}

/// The order of the rooms with the highest rates.
pub fn liveliest_first(a: &RoomReport, b: &RoomReport) -> std::cmp::Ordering {
    b.messages_per_second.total_cmp(&a.messages_per_second).then_with(|| a.room.as_str().cmp(b.room.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ages_ms: &[i64]) -> f64 {
        let now = Timestamp(1_000_000_000_000);
        rate(ages_ms.iter().map(|age_ms| Timestamp(now.0 - age_ms * 1000)), now)
    }

    #[test]
    fn a_rate_counts_the_last_ten_seconds_or_what_is_remembered_of_them() {
        assert_eq!(at(&[]), 0.0);
        assert_eq!(at(&[30_000, 40_000]), 0.0);
        assert_eq!(at(&[1_000, 2_000, 3_000, 4_000, 5_000, 20_000]), 0.5);
        // Sixty-four in two seconds, and nothing older is remembered.
        let busy: Vec<i64> = (1..=64).map(|n| n * 2_000 / 64).collect();
        assert_eq!(at(&busy), 32.0);
        // A clock that was set back does not make a rate of infinity.
        assert_eq!(at(&[-5_000]), 1.0);
    }
}
