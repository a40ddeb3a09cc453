//! Networks of IP addresses, as an operator writes them: `10.0.0.0/8`, `fd00::/8`, `127.0.0.1`.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

/// The most networks in a list: it is looked through for each new connection.
pub const NETWORKS_MAX: usize = 64;
/// Characters of a wrong network that are shown.
const SHOWN_CHARS_MAX: usize = 60;

/// All addresses that begin with the same bits.
///
/// Invariant: `first` has no bit behind its prefix, and no IPv4 address is written as IPv6 in it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct IpNetwork {
    first: IpAddr,
    prefix_bits: u8,
}

/// What is wrong with a network, and what to write.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NetworkError {
    /// Something else.
    #[error("'{}' is no network; write an IP address, or one with a prefix such as 10.0.0.0/8 (host names are not \
             looked up)", shown(.0))]
    NotANetwork(String),
    /// An address as it stands in a URL, or with a port.
    #[error("'{}' is more than an address; write {address}", shown(.written))]
    MoreThanAddress {
        /// As it was written.
        written: String,
        /// The address in it.
        address: IpAddr,
    },
    /// The prefix is no number, or longer than the address.
    #[error("the prefix of '{}' is no number from 0 to {bits_max}", shown(.written))]
    Prefix {
        /// As it was written.
        written: String,
        /// How many bits its address has.
        bits_max: u8,
    },
    /// It names an address within it.
    #[error("'{}' has bits behind its prefix; write {network}, or {address} for that address alone", shown(.written))]
    BitsBehindPrefix {
        /// As it was written.
        written: String,
        /// The network that the address is in.
        network: IpNetwork,
        /// The address.
        address: IpAddr,
    },
    /// There are too many.
    #[error("{0} networks, at most {NETWORKS_MAX} are looked at; write fewer with shorter prefixes")]
    TooMany(usize),
}

impl IpNetwork {
    /// The network of an address: what is behind the prefix is taken away. `prefix_bits` is at most what the address
    /// has.
    fn around(address: IpAddr, prefix_bits: u8) -> IpNetwork {
        let first = match address {
            IpAddr::V4(address) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(prefix_bits)).unwrap_or(0);
                IpAddr::V4((address.to_bits() & mask).into())
            }
            IpAddr::V6(address) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(prefix_bits)).unwrap_or(0);
                IpAddr::V6((address.to_bits() & mask).into())
            }
        };
        IpNetwork { first, prefix_bits }
    }

    /// Whether an address is in it. An IPv4 address that is written as IPv6 (RFC 4291, section 2.5.5.2) is the IPv4
    /// address, so that no network of IPv6 has it, not even `::/0`.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_ipv4() == self.first.is_ipv4()
            && IpNetwork::around(address, self.prefix_bits).first == self.first
    }

    /// Whether it has every address of its kind.
    pub fn is_everything(&self) -> bool {
        self.prefix_bits == 0
    }
}

impl FromStr for IpNetwork {
    type Err = NetworkError;

    fn from_str(written: &str) -> Result<IpNetwork, NetworkError> {
        let (address_text, prefix_text) = match written.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (written, None),
        };
        let address: IpAddr = address_text.parse().map_err(|_| not_an_address(written, address_text))?;
        let bits_max = if address.is_ipv4() { 32 } else { 128 };
        let prefix_bits = match prefix_text {
            None => bits_max,
            Some(prefix) => read_prefix(prefix)
                .filter(|bits| *bits <= bits_max)
                .ok_or_else(|| NetworkError::Prefix { written: written.to_owned(), bits_max })?,
        };
        let network = IpNetwork::around(address, prefix_bits);
        if network.first != address {
            return Err(NetworkError::BitsBehindPrefix { written: written.to_owned(), network, address });
        }
        Ok(network.canonical())
    }
}

impl IpNetwork {
    /// A network of IPv4 that is written as one of IPv6 is that of IPv4.
    fn canonical(self) -> IpNetwork {
        const MAPPED_BITS: u8 = 96;
        match (self.first.to_canonical(), self.prefix_bits.checked_sub(MAPPED_BITS)) {
            (first @ IpAddr::V4(_), Some(prefix_bits)) if self.first.is_ipv6() => {
                IpNetwork { first, prefix_bits }
            }
            _ => self,
        }
    }
}

impl fmt::Display for IpNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.first, self.prefix_bits) {
            (IpAddr::V4(address), 32) => address.fmt(f),
            (IpAddr::V6(address), 128) => address.fmt(f),
            (first, prefix_bits) => write!(f, "{first}/{prefix_bits}"),
        }
    }
}

/// Digits alone, as `u8` would also take a sign.
fn read_prefix(text: &str) -> Option<u8> {
    text.parse().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()))
}

fn not_an_address(written: &str, address: &str) -> NetworkError {
    let in_brackets = address.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let in_brackets = in_brackets.and_then(|address| address.parse::<Ipv6Addr>().ok()).map(IpAddr::V6);
    let with_port = address.parse::<SocketAddr>().ok().map(|address| address.ip());
    let written = written.to_owned();
    match in_brackets.or(with_port) {
        Some(address) => NetworkError::MoreThanAddress { written, address },
        None => NetworkError::NotANetwork(written),
    }
}

fn shown(written: &str) -> String {
    let cut = written.chars().nth(SHOWN_CHARS_MAX).map_or("", |_| "…");
    let safe: String = written.chars().take(SHOWN_CHARS_MAX).flat_map(char::escape_debug).collect();
    safe + cut
}

/// A list of networks: at most [`NETWORKS_MAX`].
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Networks(Vec<IpNetwork>);

impl Networks {
    /// Reads a list that is separated by commas, with spaces around them or not. Nothing is no network.
    ///
    /// # Errors
    /// What is wrong with the first that is wrong, or that there are too many.
    pub fn parse(text: &str) -> Result<Networks, NetworkError> {
        if text.trim().is_empty() {
            return Ok(Networks::default());
        }
        let count = text.split(',').count();
        if count > NETWORKS_MAX {
            return Err(NetworkError::TooMany(count));
        }
        text.split(',').map(|network| network.trim().parse()).collect::<Result<_, _>>().map(Networks)
    }

    /// Whether an address is in one of them.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(address))
    }

    /// Each of them, in the order in which they were written.
    pub fn iter(&self) -> impl Iterator<Item = &IpNetwork> {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests;
