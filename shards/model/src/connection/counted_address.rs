//! What a connection is counted against.

use std::net::{IpAddr, Ipv6Addr};

/// What a connection from there is counted against, if it is: IPv6 by its leading `ipv6_prefix` bits, and an IPv4 address
/// that is written as IPv6 (RFC 4291, section 2.5.5.2) as what it is. Loopback is not counted.
pub fn counted_address(address: IpAddr, ipv6_prefix: u8) -> Option<IpAddr> {
    let address = address.to_canonical();
    (!address.is_loopback()).then(|| match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => {
            let host_bits = 128_u32.saturating_sub(u32::from(ipv6_prefix));
            let mask = u128::MAX.checked_shl(host_bits).unwrap_or(0);
            IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & mask))
        }
    })
}
