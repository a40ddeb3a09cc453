//! What to measure: plain values, with the command line's defaults.

use std::time::Duration;

/// One connection that talks to itself, one message at a time.
#[derive(Clone, PartialEq, Debug)]
pub struct EchoOptions {
    /// For how long.
    pub duration: Duration,
    /// Bytes of a message's text.
    pub size_bytes: usize,
}

impl Default for EchoOptions {
    fn default() -> EchoOptions {
        EchoOptions { duration: Duration::from_secs(3), size_bytes: 64 }
    }
}

/// When messages are sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Pace {
    /// As fast as the server takes them: each message that has come back is followed by a next.
    Saturated {
        /// Messages on their way in each room, shared out among its members.
        in_flight: usize,
    },
    /// At fixed times whatever the server does, so that a stall counts against every message it
    /// delays.
    Rate {
        /// Messages a second, over all rooms.
        messages_per_second: u64,
    },
}

/// Rooms in which all members write and read.
#[derive(Clone, PartialEq, Debug)]
pub struct FanOutOptions {
    /// Rooms.
    pub rooms: usize,
    /// Members of each.
    pub members: usize,
    /// When messages are sent.
    pub pace: Pace,
    /// Bytes of a message's text.
    pub size_bytes: usize,
    /// For how long messages are sent.
    pub duration: Duration,
}

impl Default for FanOutOptions {
    fn default() -> FanOutOptions {
        FanOutOptions {
            rooms: 10,
            members: 10,
            pace: Pace::Saturated { in_flight: 32 },
            size_bytes: 64,
            duration: Duration::from_secs(5),
        }
    }
}

/// Pairs of users who whisper to each other, at a fixed rate.
#[derive(Clone, PartialEq, Debug)]
pub struct WhisperOptions {
    /// Pairs.
    pub pairs: usize,
    /// Whispers a second, over all pairs.
    pub whispers_per_second: u64,
    /// Bytes of a whisper's text.
    pub size_bytes: usize,
    /// For how long whispers are sent.
    pub duration: Duration,
}

impl Default for WhisperOptions {
    fn default() -> WhisperOptions {
        let duration = Duration::from_secs(5);
        WhisperOptions { pairs: 50, whispers_per_second: 1_000, size_bytes: 64, duration }
    }
}

/// Connections that say a name and then nothing.
#[derive(Clone, PartialEq, Debug)]
pub struct IdleOptions {
    /// How many.
    pub connections: usize,
}

impl Default for IdleOptions {
    fn default() -> IdleOptions {
        IdleOptions { connections: 10_000 }
    }
}

/// A reconnect storm: all but a few talkers are cut off, return, and catch up on what they missed.
#[derive(Clone, PartialEq, Debug)]
pub struct StormOptions {
    /// Connections that are cut off and return.
    pub connections: usize,
    /// Members of each room, talkers included.
    pub members: usize,
    /// Messages a second over all rooms, before, during and after the storm; those who stay write them.
    pub messages_per_second: u64,
    /// Bytes of a message's text.
    pub size_bytes: usize,
}

impl Default for StormOptions {
    fn default() -> StormOptions {
        StormOptions { connections: 5_000, members: 100, messages_per_second: 500, size_bytes: 64 }
    }
}

impl StormOptions {
    /// Those who stay and talk: one for each room.
    pub fn talkers(&self) -> usize {
        self.connections.div_ceil(self.members.saturating_sub(1).max(1))
    }
}

/// Pages of 50 stored messages from random places of a room, one request a tick.
#[derive(Clone, PartialEq, Debug)]
pub struct HistoryOptions {
    /// Messages written into the room before.
    pub messages: u64,
    /// Readers, who ask in turn.
    pub readers: usize,
    /// Pages asked for a second.
    pub pages_per_second: u64,
    /// Bytes of a message's text.
    pub size_bytes: usize,
    /// For how long pages are asked for.
    pub duration: Duration,
}

impl Default for HistoryOptions {
    fn default() -> HistoryOptions {
        let duration = Duration::from_secs(5);
        HistoryOptions { messages: 100_000, readers: 8, pages_per_second: 200, size_bytes: 64, duration }
    }
}

/// What users do all day, in stated proportions, at a fixed rate.
#[derive(Clone, PartialEq, Debug)]
pub struct MixedOptions {
    /// Rooms.
    pub rooms: usize,
    /// Users of each room who stay, talk and whisper. One more for each room wanders.
    pub members: usize,
    /// Actions a second, over all users.
    pub actions_per_second: u64,
    /// Of 100 actions, so many are a user's leaving a room and joining the next.
    pub moves_percent: u8,
    /// Of 100 actions, so many are whispers. The rest is talk.
    pub whispers_percent: u8,
    /// Bytes of a text.
    pub size_bytes: usize,
    /// For how long.
    pub duration: Duration,
}

impl Default for MixedOptions {
    fn default() -> MixedOptions {
        MixedOptions {
            rooms: 10,
            members: 10,
            actions_per_second: 1_000,
            moves_percent: 5,
            whispers_percent: 15,
            size_bytes: 64,
            duration: Duration::from_secs(5),
        }
    }
}

impl MixedOptions {
    /// Those who go from room to room: as many as there are rooms.
    pub fn wanderers(&self) -> usize {
        if self.moves_percent == 0 { 0 } else { self.rooms }
    }
}

/// A server that is replaced by another process, again and again, while everyone talks.
#[derive(Clone, PartialEq, Debug)]
pub struct UpgradeOptions {
    /// Connections, a multiple of `members`.
    pub connections: usize,
    /// Members of each room.
    pub members: usize,
    /// How often.
    pub upgrades: u32,
    /// Messages that are stored before.
    pub stored: u64,
    /// Messages a second over all rooms.
    pub messages_per_second: u64,
    /// Bytes of a message's text.
    pub size_bytes: usize,
}

impl Default for UpgradeOptions {
    fn default() -> UpgradeOptions {
        UpgradeOptions {
            connections: 1_000,
            members: 10,
            upgrades: 5,
            stored: 1_000_000,
            messages_per_second: 2_000,
            size_bytes: 64,
        }
    }
}

/// Rooms in which some members stop reading: the others must not notice.
#[derive(Clone, PartialEq, Debug)]
pub struct SlowReadersOptions {
    /// Rooms.
    pub rooms: usize,
    /// Members of each who read.
    pub members: usize,
    /// Members of each who never read, in the second half.
    pub slow: usize,
    /// Messages a second, over all rooms.
    pub messages_per_second: u64,
    /// Bytes of a message's text.
    pub size_bytes: usize,
    /// For how long: half without slow readers, half with.
    pub duration: Duration,
}

impl Default for SlowReadersOptions {
    fn default() -> SlowReadersOptions {
        SlowReadersOptions {
            rooms: 10,
            members: 9,
            slow: 1,
            messages_per_second: 10_000,
            size_bytes: 1_000,
            // Long enough for what waits for one reader to pass the kernel's buffers and the outbox.
            duration: Duration::from_secs(10),
        }
    }
}
