//! An address to listen at.

use super::values::{Form, Setting};
use std::fmt;
use std::net::{IpAddr, SocketAddr};

/// An IP address and a port. Port 0 lets the kernel choose.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ListenAddress(pub SocketAddr);

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Setting for ListenAddress {
    const FORM: Form = Form::Text;

    fn parse(text: &str) -> Result<Self, String> {
        text.parse().map(ListenAddress).map_err(|_| what_is_wrong(text))
    }

    fn allowed() -> String {
        "an IP address and a port, for example \"0.0.0.0:8080\" or \"[::]:8080\"".to_owned()
    }

    fn to_toml(&self) -> String {
        format!("\"{self}\"")
    }
}

/// An address, or none.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OptionalAddress(pub Option<SocketAddr>);

impl Setting for OptionalAddress {
    const FORM: Form = Form::Text;

    fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Ok(OptionalAddress(None));
        }
        ListenAddress::parse(text).map(|address| OptionalAddress(Some(address.0)))
    }

    fn allowed() -> String {
        "an IP address and a port, for example \"127.0.0.1:9000\", or \"\"".to_owned()
    }

    fn to_toml(&self) -> String {
        self.0.map_or_else(|| "\"\"".to_owned(), |address| format!("\"{address}\""))
    }
}

/// Whether a listening address is the `wanted` one; a wanted port 0 means any port.
pub fn is_at(there: SocketAddr, wanted: SocketAddr) -> bool {
    there.ip() == wanted.ip() && [there.port(), 0].contains(&wanted.port())
}

/// Whether one connection could reach both. Port 0 becomes a free port; `[::]` also accepts IPv4.
pub fn overlap(one: SocketAddr, other: SocketAddr) -> bool {
    if one.port() == 0 || one.port() != other.port() {
        return false;
    }
    let scope = |address: SocketAddr| match address {
        SocketAddr::V4(_) => 0,
        SocketAddr::V6(address) => address.scope_id(),
    };
    let covers = |wide: IpAddr, narrow: IpAddr| match wide {
        IpAddr::V4(wide) => wide.is_unspecified() && narrow.is_ipv4(),
        IpAddr::V6(wide) => wide.is_unspecified(),
    };
    // An IPv4-mapped address is the IPv4 address.
    let (one_ip, other_ip) = (one.ip().to_canonical(), other.ip().to_canonical());
    let is_same_link = scope(one) == 0 || scope(other) == 0 || scope(one) == scope(other);
    (one_ip == other_ip && is_same_link) || covers(one_ip, other_ip) || covers(other_ip, one_ip)
}

fn what_is_wrong(text: &str) -> String {
    if let Ok(address) = text.trim_matches(['[', ']']).parse::<IpAddr>() {
        return match address {
            IpAddr::V4(_) => "the port is missing".to_owned(),
            IpAddr::V6(_) => "an IPv6 address stands in brackets, with the port after them".to_owned(),
        };
    }
    let Some((host, port)) = text.rsplit_once(':') else {
        return "not an address with a port".to_owned();
    };
    if port.parse::<u16>().is_err() {
        return "the port is not a number from 0 to 65535".to_owned();
    }
    if host.is_empty() {
        return "the IP address is missing".to_owned();
    }
    "not an IP address (host names are not looked up)".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_overlap_where_one_connection_could_come_in_at_both() {
        for (one, other, is_so) in [
            ("127.0.0.1:1", "127.0.0.1:1", true),
            ("127.0.0.1:1", "127.0.0.1:2", false),
            ("127.0.0.1:1", "127.0.0.2:1", false),
            ("127.0.0.1:0", "127.0.0.1:0", false),
            ("0.0.0.0:1", "127.0.0.1:1", true),
            ("0.0.0.0:1", "[::1]:1", false),
            ("0.0.0.0:1", "[::]:1", true),
            ("[::]:1", "127.0.0.1:1", true),
            ("[::]:1", "[fe80::1%2]:1", true),
            ("[::ffff:127.0.0.1]:1", "127.0.0.1:1", true),
            ("[::ffff:0.0.0.0]:1", "10.0.0.1:1", true),
            ("[::ffff:0.0.0.0]:1", "[::1]:1", false),
            ("[fe80::1%2]:1", "[fe80::1%3]:1", false),
            ("[fe80::1%2]:1", "[fe80::1%2]:1", true),
        ] {
            let [a, b] = [one, other].map(|text| text.parse().unwrap());
            assert_eq!((overlap(a, b), overlap(b, a)), (is_so, is_so), "{one} and {other}");
        }
    }

    #[test]
    fn an_address_is_the_wanted_one_where_port_zero_is_any() {
        for (there, wanted, is_so) in [
            ("127.0.0.1:1", "127.0.0.1:1", true),
            ("127.0.0.1:1", "127.0.0.1:0", true),
            ("127.0.0.1:1", "127.0.0.1:2", false),
            ("127.0.0.1:1", "127.0.0.2:1", false),
            ("127.0.0.1:1", "0.0.0.0:0", false),
        ] {
            assert_eq!(is_at(there.parse().unwrap(), wanted.parse().unwrap()), is_so, "{there} and {wanted}");
        }
    }

    #[test]
    fn both_families_and_port_zero_are_addresses() {
        for text in ["127.0.0.1:8080", "[::1]:8080", "0.0.0.0:0", "[fe80::1%2]:1"] {
            assert_eq!(ListenAddress::parse(text).map(|address| address.to_string()), Ok(text.to_owned()));
        }
    }

    #[test]
    fn what_is_not_an_address_is_refused_with_the_reason() {
        for (text, why) in [
            ("127.0.0.1", "the port is missing"),
            ("::1", "an IPv6 address stands in brackets, with the port after them"),
            ("[::1]", "an IPv6 address stands in brackets, with the port after them"),
            (":8080", "the IP address is missing"),
            ("localhost:8080", "not an IP address (host names are not looked up)"),
            ("127.0.0.1:http", "the port is not a number from 0 to 65535"),
            ("127.0.0.1:65536", "the port is not a number from 0 to 65535"),
            ("", "not an address with a port"),
        ] {
            assert_eq!(ListenAddress::parse(text), Err(why.to_owned()), "{text}");
        }
    }
}
