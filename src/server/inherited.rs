//! Listening sockets that this process did not open itself.

use madang_model::connection::EntranceKind;
use rustix::fd::OwnedFd;

/// Listening sockets that systemd has opened, or that the process before has handed over. They stand in for those of
/// the configuration.
#[derive(Debug, Default)]
pub struct InheritedListeners {
    /// Those for clients, with how these are served there.
    pub clients: Vec<(EntranceKind, OwnedFd)>,
    /// The operator's, by their names: only the process before has any.
    pub operator: Vec<(String, OwnedFd)>,
}

impl InheritedListeners {
    /// What of it systemd has opened, if it is all systemd's.
    pub fn activation(&self) -> SocketActivation {
        SocketActivation { kinds: self.clients.iter().map(|(kind, _)| *kind).collect() }
    }
}

/// Which sockets systemd has opened for this service (`madang.socket`).
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct SocketActivation {
    /// What kind of entrance each is; none where it has opened none.
    pub kinds: Vec<EntranceKind>,
}

impl SocketActivation {
    /// Whether there are any: then the addresses of `listen` are not used.
    pub fn has_sockets(&self) -> bool {
        !self.kinds.is_empty()
    }
}
