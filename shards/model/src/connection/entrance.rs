//! Where and how people come in.

use std::fmt;
use std::net::SocketAddr;

/// Which protocol is spoken. The program gives the number its meaning.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SurfaceId(pub u8);

/// How new connections are served, at whatever address. Every connection remembers the kind of entrance it came by.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct EntranceKind {
    /// The protocol that is spoken.
    pub surface: SurfaceId,
    /// It is spoken over TLS.
    pub has_tls: bool,
    /// Telnet options are negotiated at once, whether or not the peer begins.
    pub is_telnet: bool,
}

/// Where people come in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Entrance {
    /// How they are served.
    pub kind: EntranceKind,
    /// The address that is listened at.
    pub address: SocketAddr,
}

impl fmt::Display for Entrance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.address, if self.kind.has_tls { " (TLS)" } else { "" })
    }
}
