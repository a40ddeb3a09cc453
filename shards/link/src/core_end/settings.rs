//! What the core end is to know of its server.

use crate::bounds::TEXT_BYTES_MAX;
use crate::versions::{VERSIONS, Versions};
use madang_model::{LogEpoch, ShardId};
use std::fmt;
use std::net::IpAddr;

/// What the core end is to know of its server.
pub struct CoreSettings {
    /// The number by which the mesh knows the link: none of a shard.
    pub shard: ShardId,
    /// How many shards there are.
    pub shard_count: u16,
    /// Bytes of a text that is said, at most [`TEXT_BYTES_MAX`]; it may change.
    pub text_bytes_max: Box<dyn Fn() -> u32 + Send>,
    /// What a connection from an address is counted against, if it is.
    pub counted: Box<dyn Fn(IpAddr) -> Option<IpAddr> + Send>,
    /// The epoch of the log: a cursor of another one is refused.
    pub epoch: Box<dyn Fn() -> LogEpoch + Send>,
    /// What this end speaks.
    pub versions: Versions,
}

impl CoreSettings {
    /// Of a server of this many shards that counts no addresses, with the longest texts, in epoch 0.
    pub fn new(shard: ShardId, shard_count: u16) -> CoreSettings {
        let counted = Box::new(|_| None);
        let text_bytes_max = Box::new(|| TEXT_BYTES_MAX);
        let epoch = Box::new(|| LogEpoch(0));
        CoreSettings { shard, shard_count, text_bytes_max, counted, epoch, versions: VERSIONS }
    }
}

impl fmt::Debug for CoreSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let CoreSettings { shard, shard_count, text_bytes_max, counted: _, epoch, versions } = self;
        f.debug_struct("CoreSettings")
            .field("shard", shard)
            .field("shard_count", shard_count)
            .field("text_bytes_max", &text_bytes_max())
            .field("epoch", &epoch())
            .field("versions", versions)
            .finish_non_exhaustive()
    }
}
