//! Listening sockets that this process did not open itself.

use rustix::fd::OwnedFd;

/// Listening sockets that systemd has opened, or that the process before has handed over. They stand in for those of
/// the configuration.
#[derive(Debug, Default)]
pub struct InheritedListeners {
    /// Those without TLS.
    pub plain: Vec<OwnedFd>,
    /// Those with TLS.
    pub tls: Vec<OwnedFd>,
    /// The operator's, by their names: only the process before has any.
    pub operator: Vec<(String, OwnedFd)>,
}

impl InheritedListeners {
    /// How many there are for clients.
    pub fn count(&self) -> usize {
        self.plain.len() + self.tls.len()
    }

    /// What of it systemd has opened, if it is all systemd's.
    pub fn activation(&self) -> SocketActivation {
        SocketActivation { has_sockets: self.count() > 0, has_tls_sockets: !self.tls.is_empty() }
    }
}

/// Which sockets systemd has opened for this service (`madang.socket`).
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct SocketActivation {
    /// Whether there are any: then the addresses of `listen` are not used.
    pub has_sockets: bool,
    /// Whether there are any with TLS.
    pub has_tls_sockets: bool,
}
