//! Where connections come from: one address has ports for some 28,000 of them to one server.

use rustix::fd::{AsFd, AsRawFd};
use rustix::net;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// Addresses of loopback that are used, 127.0.0.1 on.
const SOURCES_MAX: usize = 254;
/// Ports of one address where the kernel does not say how many it gives out.
const PORTS_DEFAULT: usize = 28_232;
/// The share of an address's ports that is used, one of this many. `connect` tries one port after another until one
/// is free, first those of one parity (Linux, `__inet_hash_connect`): with half of them taken, that was most of the
/// load's processor time.
const PORTS_SHARE: usize = 8;

/// How many connections come from one address before the next one is used.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sources {
    connections_each: usize,
}

impl Sources {
    /// As many as are found at once among the ports that this machine gives out (`ip_local_port_range`).
    pub(super) fn read() -> Sources {
        let range = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
        Sources { connections_each: (ports(&range).unwrap_or(PORTS_DEFAULT) / PORTS_SHARE).max(1) }
    }

    /// The loopback address of a connection; the system's choice for the first and for other targets.
    pub(super) fn source_of(self, opened: usize, target: SocketAddr) -> Option<IpAddr> {
        let block = opened / self.connections_each % SOURCES_MAX;
        let is_spread = block > 0 && target.is_ipv4() && target.ip().is_loopback();
        is_spread.then(|| IpAddr::V4(Ipv4Addr::new(127, 0, 0, u8::try_from(1 + block).unwrap_or(1))))
    }
}

fn ports(range: &str) -> Option<usize> {
    let mut ends = range.split_whitespace().map(str::parse::<usize>);
    let (low, high) = (ends.next()?.ok()?, ends.next()?.ok()?);
    (high >= low).then(|| high - low + 1)
}

/// Gives a socket its address, and leaves the port to `connect`. Chosen here, it could not be one that
/// waits out its two minutes after an earlier measurement, and those would soon be all.
#[allow(unsafe_code, reason = "rustix does not know the option")]
pub(super) fn bind_address(socket: impl AsFd, source: IpAddr) -> io::Result<()> {
    let is_on: libc::c_int = 1;
    let size = std::mem::size_of_val(&is_on) as libc::socklen_t;
    let descriptor = socket.as_fd().as_raw_fd();
    // SAFETY: the descriptor is borrowed and open; the kernel reads one integer, which outlives the call.
    let failed = unsafe {
        let value = std::ptr::from_ref(&is_on).cast();
        libc::setsockopt(descriptor, libc::IPPROTO_IP, libc::IP_BIND_ADDRESS_NO_PORT, value, size)
    };
    if failed != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(net::bind(socket, &SocketAddr::new(source, 0))?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::net::{AddressFamily, SocketType};

    #[test]
    fn a_next_address_is_used_before_free_ports_are_hard_to_find() {
        let sources = Sources { connections_each: 1_000 };
        let loopback = SocketAddr::from(([127, 0, 0, 1], 80));
        let from = |opened| sources.source_of(opened, loopback).map(|source| source.to_string());
        assert_eq!((from(0), from(999)), (None, None));
        assert_eq!(from(1_000).as_deref(), Some("127.0.0.2"));
        assert_eq!(from(253_999).as_deref(), Some("127.0.0.254"));
        assert_eq!(from(254_000), None, "from the first again");
        assert_eq!(sources.source_of(5_000, SocketAddr::from(([192, 0, 2, 1], 80))), None);
    }

    #[test]
    fn the_kernels_range_is_read_whole() {
        assert_eq!(ports("32768\t60999\n"), Some(28_232));
        assert_eq!((ports("5 4"), ports("")), (None, None));
    }

    #[test]
    fn a_bound_address_has_no_port_before_it_connects() {
        let socket = net::socket(AddressFamily::INET, SocketType::STREAM, None).expect("a socket");
        bind_address(&socket, IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2))).expect("a free address");
        let bound = SocketAddr::try_from(net::getsockname(&socket).expect("a name")).expect("an address");
        assert_eq!((bound.ip().to_string().as_str(), bound.port()), ("127.0.0.2", 0));
    }
}
