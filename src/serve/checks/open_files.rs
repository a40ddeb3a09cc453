//! The number of connections that the open-file limit allows.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors that the process needs, independent of its shards.
const PROCESS_FILES: u64 = 32;
/// Descriptors of one shard: rings, event descriptors, listeners, log segments, and 64 that its reader keeps open.
/// The engine keeps most of them free of connections.
const SHARD_FILES: u64 = 96;
/// The minimum number of connections for a useful server.
const CONNECTIONS_MIN: u64 = 16;

/// The limit.
#[derive(Clone, Copy, Debug)]
pub struct OpenFiles {
    /// Open files that a process may have.
    limit: u64,
}

/// Too few files may be open.
#[derive(PartialEq, Eq, thiserror::Error, Debug)]
#[error(
    "the open-file limit is {limit}, and {shards} shards need {needed} before the first connections; raise \
     it (systemd: LimitNOFILE=1048576; shell: `ulimit -n`, its hard limit in /etc/security/limits.conf), or \
     pass fewer --shards"
)]
pub struct OpenFilesError {
    limit: u64,
    shards: u16,
    needed: u64,
}

/// Raises the soft limit to the hard one.
pub fn raise() -> OpenFiles {
    let before = getrlimit(Resource::Nofile);
    let raised = setrlimit(Resource::Nofile, Rlimit { current: before.maximum, maximum: before.maximum });
    let limit = if raised.is_ok() { before.maximum } else { before.current };
    OpenFiles { limit: limit.unwrap_or(u64::MAX) }
}

impl OpenFiles {
    /// The number of connections that this number of shards can have together.
    ///
    /// # Errors
    /// The limit is too low.
    pub fn connections(self, shards: u16) -> Result<u64, OpenFilesError> {
        let own = PROCESS_FILES + u64::from(shards) * SHARD_FILES;
        match self.limit.saturating_sub(own) {
            connections if connections >= CONNECTIONS_MIN => Ok(connections),
            _ => Err(OpenFilesError { limit: self.limit, shards, needed: own + CONNECTIONS_MIN }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_server_needs_itself_is_taken_off() {
        assert_eq!(OpenFiles { limit: 1024 }.connections(2), Ok(1024 - 32 - 192));
    }

    #[test]
    fn a_limit_without_room_for_connections_is_refused() {
        let refused = OpenFiles { limit: 200 }.connections(2);
        assert_eq!(refused, Err(OpenFilesError { limit: 200, shards: 2, needed: 240 }));
    }
}
