//! Listening sockets that this process did not open itself.

use madang_model::connection::EntranceKind;
use rustix::fd::OwnedFd;

/// Listening sockets that systemd has opened, or that the old process has handed over. They replace those of the
/// configuration.
#[derive(Debug, Default)]
pub struct InheritedListeners {
    /// Listeners for clients, with how clients are served there.
    pub clients: Vec<(EntranceKind, OwnedFd)>,
    /// Listeners for the operator and of HTTP, by name: only the old process has any.
    pub operator: Vec<(String, OwnedFd)>,
}

impl InheritedListeners {
    /// Which sockets systemd has opened, if all are from systemd.
    pub fn activation(&self) -> SocketActivation {
        SocketActivation { kinds: self.clients.iter().map(|(kind, _)| *kind).collect() }
    }
}

/// Which sockets systemd has opened for this service (`madang.socket`).
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct SocketActivation {
    /// The kind of each; empty if systemd has opened none.
    pub kinds: Vec<EntranceKind>,
}

impl SocketActivation {
    /// Whether there are any: then the addresses of `listen` are ignored.
    pub fn has_sockets(&self) -> bool {
        !self.kinds.is_empty()
    }
}
