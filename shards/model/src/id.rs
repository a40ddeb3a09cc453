//! Identities that cannot be mistaken for one another.

use siphasher::sip::SipHasher24;
use std::fmt;
use std::hash::Hasher;

/// The key of the hash that places names on shards. It is part of the file format: never change it.
const HOME_HASH_KEY: [u8; 16] = *b"madang/home/hash";

fn keyed_hash(domain: u8, bytes: &[u8]) -> u64 {
    let mut hasher = SipHasher24::new_with_key(&HOME_HASH_KEY);
    hasher.write_u8(domain);
    hasher.write(bytes);
    hasher.finish()
}

/// One executor, pinned to one core, with what it owns. Counted from 0.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct ShardId(pub u16);

impl ShardId {
    /// The position of this shard in tables that hold one entry a shard.
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

impl fmt::Display for ShardId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// How many partitions there are. It is part of where things are stored: never change it.
pub const PARTITIONS: u16 = 1024;

/// A share of all rooms and users: what moves as one when the number of shards changes. A key belongs to the
/// partition `key % PARTITIONS`, and a partition to the shard `partition % shards`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct PartitionId(pub u16);

impl PartitionId {
    /// The shard that owns it.
    pub fn home(self, shard_count: u16) -> ShardId {
        ShardId(self.0 % shard_count)
    }
}

/// The number of shards as files of the log say it, by which a reader tells whether a directory may hold a room: 0,
/// unknown, where the partition decides otherwise than [`RoomKey::directory`].
pub fn recorded_shard_count(shard_count: u16) -> u16 {
    if shard_count > 0 && PARTITIONS.is_multiple_of(shard_count) { shard_count } else { 0 }
}

/// An account. Numbers are given once and never again; 0 is the server itself.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default)]
pub struct AccountId(pub u64);

/// A socket of one shard. The generation distinguishes it from an earlier socket in the same slot.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct ConnectionId {
    /// The slot in the shard's connection table.
    pub index: u32,
    /// How often that slot was used before.
    pub generation: u32,
}

impl fmt::Display for ConnectionId {
    /// Slot and generation: no two connections of a shard have the same.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.index, self.generation)
    }
}

/// A connection whose user is known, as other shards name it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct SessionId {
    /// The shard that accepted the connection.
    pub shard: ShardId,
    /// The connection on that shard.
    pub connection: ConnectionId,
}

impl SessionId {
    /// No session: what stands for a connection that was lost before this process began.
    pub const NOBODY: SessionId = SessionId {
        shard: ShardId(u16::MAX),
        connection: ConnectionId { index: u32::MAX, generation: u32::MAX },
    };
}

/// Which grant of a name it is: of two sessions that go by one name, the one with the later grant is
/// the one that has it. Numbers rise within a life of the server.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default)]
pub struct ClaimNumber(pub u64);

/// The number of a message in its room: 1, 2, 3 … without gap or repeat. 0 stands before the first.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default)]
pub struct Seq(pub u64);

impl Seq {
    /// Before the first message of a room.
    pub const ZERO: Seq = Seq(0);

    /// The number after this one.
    #[must_use]
    pub fn next(self) -> Seq {
        Seq(self.0 + 1)
    }
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

macro_rules! name_key {
    ($(#[$doc:meta])* $name:ident, $domain:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
        pub struct $name(u64);

        impl $name {
            /// The key of a canonical name.
            pub fn of(canonical: &str) -> Self {
                Self(keyed_hash($domain, canonical.as_bytes()))
            }

            /// Its bits, to be sent or kept.
            pub fn to_bits(self) -> u64 {
                self.0
            }

            /// The key of these bits.
            pub fn from_bits(bits: u64) -> Self {
                Self(bits)
            }

            /// The partition of what this key names.
            pub fn partition(self) -> PartitionId {
                // The remainder is below `PARTITIONS`, so it fits.
                PartitionId((self.0 % u64::from(PARTITIONS)) as u16)
            }

            /// The shard that owns what this key names.
            pub fn home(self, shard_count: u16) -> ShardId {
                self.partition().home(shard_count)
            }
        }
    };
}

name_key!(
    /// A room, by the keyed hash of its canonical name. Two names with one key are distinguished
    /// when the second room would be created: it is refused.
    RoomKey,
    b'r'
);
name_key!(
    /// A user, by the keyed hash of the canonical name.
    UserKey,
    b'u'
);
name_key!(
    /// A name's confusable skeleton (UTS 39, section 4), by its keyed hash.
    SkeletonKey,
    b's'
);
name_key!(
    /// What all names share that look alike, by its keyed hash. It decides a user's home shard, so
    /// that look-alikes meet on one shard and exactly one wins.
    HomeKey,
    b'h'
);

impl RoomKey {
    /// The directory that holds the room where files name this many shards, which is not 0. Releases before
    /// partitions named every number, and took this remainder.
    pub fn directory(self, recorded_shard_count: u16) -> ShardId {
        // The remainder is below the divisor, so it fits.
        ShardId((self.0 % u64::from(recorded_shard_count)) as u16)
    }
}

impl SkeletonKey {
    /// No key is lower.
    pub const MIN: SkeletonKey = SkeletonKey(0);
    /// No key is higher.
    pub const MAX: SkeletonKey = SkeletonKey(u64::MAX);

    /// Half of it, for a table so large that its bytes count.
    pub fn low_half(self) -> u32 {
        // The lower 32 bits, on purpose.
        (self.0 & u64::from(u32::MAX)) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rooms<T>(of: impl Fn(RoomKey) -> T) -> [T; 3] {
        ["general", "r1", "마당"].map(|name| of(RoomKey::of(name)))
    }

    #[test]
    fn homes_are_stable_across_releases() {
        // A changed hash would move rooms away from their history.
        assert_eq!(RoomKey::of("general").home(1), ShardId(0));
        assert_eq!(rooms(|room| room.partition().0), PARTITIONS_OF_ROOMS);
        assert_eq!(rooms(|room| room.directory(7).0), DIRECTORIES_OF_SEVEN);
    }

    const PARTITIONS_OF_ROOMS: [u16; 3] = [20, 296, 137];
    const DIRECTORIES_OF_SEVEN: [u16; 3] = [4, 1, 1];

    #[test]
    fn a_recorded_number_of_shards_leads_to_the_home() {
        for shard_count in 1..=PARTITIONS {
            let keys = (0..64).map(|name| RoomKey::of(&name.to_string()));
            match recorded_shard_count(shard_count) {
                0 => assert!(!shard_count.is_power_of_two()),
                recorded => keys.for_each(|key| assert_eq!(key.directory(recorded), key.home(shard_count))),
            }
        }
        assert_eq!(recorded_shard_count(0), 0);
    }

    #[test]
    fn kinds_of_keys_do_not_share_a_hash() {
        assert_ne!(RoomKey::of("a").0, UserKey::of("a").0);
        assert_ne!(UserKey::of("a").0, SkeletonKey::of("a").0);
    }
}
