//! Who is at the other end of a connection, as the process below the router knows.

use madang_model::connection::counted_address;
use std::net::{IpAddr, Ipv4Addr};

/// The leading bits of an IPv6 address that one household has in common (RFC 6177).
const HOUSEHOLD_PREFIX: u8 = 64;

/// The other end of a connection. Whoever accepts connections puts it into the extensions of each request; a request
/// without one is treated as [`Client::UNKNOWN`], which may do least.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Client {
    /// Its address, from a PROXY or forwarding header where a configured proxy names it.
    pub address: IpAddr,
    /// Nobody between can read what is sent: TLS ends here, or the connection is from loopback or a configured proxy.
    pub is_private: bool,
    /// The browser used https, to us or to a configured proxy: cookies are marked `Secure`.
    pub has_tls: bool,
}

impl Client {
    /// One of whom nothing is known.
    pub const UNKNOWN: Client =
        Client { address: IpAddr::V4(Ipv4Addr::UNSPECIFIED), is_private: false, has_tls: false };

    /// What counts as one address: an IPv4 address, or a network of IPv6, of which one household has many addresses
    /// (RFC 6177).
    pub fn network(&self) -> IpAddr {
        counted_address(self.address, HOUSEHOLD_PREFIX).unwrap_or_else(|| self.address.to_canonical())
    }

    /// Whether it is on this machine, which is not limited.
    pub fn is_loopback(&self) -> bool {
        self.address.to_canonical().is_loopback()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_one_ipv6_network_count_as_one() {
        let of = |text: &str| Client { address: text.parse().unwrap(), ..Client::UNKNOWN };
        assert_eq!(of("2001:db8:1:2:3::4").network(), of("2001:db8:1:2:ffff::1").network());
        assert_ne!(of("2001:db8:1:2::1").network(), of("2001:db8:1:3::1").network());
        assert_eq!(of("::ffff:192.0.2.7").network(), of("192.0.2.7").network());
        assert!(
            of("::1").is_loopback() && of("127.0.0.9").is_loopback() && of("::ffff:127.0.0.1").is_loopback()
        );
        assert!(!of("192.0.2.7").is_loopback());
    }
}
