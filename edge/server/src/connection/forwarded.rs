//! Whose request it is that a proxy passes on, as it says in `X-Forwarded-For` and `X-Forwarded-Proto`.

use super::peer::Peer;
use axum::http::HeaderMap;
use madang_model::connection::Networks;
use std::net::{IpAddr, SocketAddr};

/// Names the addresses that a request has come through, the client's first; each proxy adds the one it was asked by.
const FOR: &str = "x-forwarded-for";
/// Names what the client speaks: `http` or `https`.
const PROTO: &str = "x-forwarded-proto";

/// The peer of a request on a connection of `peer`. From `proxies` both headers are believed: the client is the last
/// address that is none of theirs, as whatever stands before it may be the client's own invention.
pub fn forwarded(peer: Peer, headers: &HeaderMap, proxies: &Networks) -> Peer {
    if !proxies.contains(peer.address.ip()) {
        return peer;
    }
    // By bytes: what a client has put before the entry of a proxy must not make that unreadable.
    let lines = headers.get_all(FOR).into_iter().rev();
    let entries = lines.flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b','));
    let mut address = peer.address;
    for entry in entries {
        let Some(found) = std::str::from_utf8(entry).ok().and_then(|entry| parsed(entry.trim())) else {
            break;
        };
        address = found;
        if !proxies.contains(found.ip()) {
            break;
        }
    }
    let last_proto = headers.get_all(PROTO).into_iter().next_back().and_then(|line| line.to_str().ok());
    let last_proto = last_proto.and_then(|line| line.rsplit(',').next()).map(str::trim);
    let is_https = last_proto.map_or(peer.is_https, |proto| proto.eq_ignore_ascii_case("https"));
    Peer { address, is_proxied: true, is_https, ..peer }
}

/// An address, with a port or without. A port that is not said is 0.
fn parsed(entry: &str) -> Option<SocketAddr> {
    let bare = entry.strip_prefix('[').and_then(|entry| entry.strip_suffix(']')).unwrap_or(entry);
    let with_port = entry.parse::<SocketAddr>().ok();
    let address = with_port.or_else(|| bare.parse::<IpAddr>().ok().map(|ip| SocketAddr::new(ip, 0)))?;
    Some(SocketAddr::new(address.ip().to_canonical(), address.port()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(from: &str, headers: &[(&'static str, &str)]) -> (String, bool, bool) {
        let proxies = Networks::parse("10.0.0.0/8, 127.0.0.1").unwrap();
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, axum::http::HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        let address = format!("{from}:4711").parse().unwrap();
        let peer = Peer { address, is_proxied: false, has_tls: false, is_https: false };
        let Peer { address, is_proxied, is_https, .. } = forwarded(peer, &map, &proxies);
        (address.ip().to_string(), is_proxied, is_https)
    }

    #[test]
    fn a_proxy_is_believed_and_nobody_else() {
        let says = [(FOR, "192.0.2.7"), (PROTO, "https")];
        assert_eq!(of("10.1.1.1", &says), ("192.0.2.7".to_owned(), true, true));
        assert_eq!(of("192.0.2.9", &says), ("192.0.2.9".to_owned(), false, false));
        assert_eq!(of("10.1.1.1", &[]), ("10.1.1.1".to_owned(), true, false));
    }

    #[test]
    fn the_client_is_the_last_address_that_is_no_proxy() {
        for (lines, client) in [
            (&["192.0.2.7, 10.2.2.2"][..], "192.0.2.7"),
            (&["127.0.0.1, 203.0.113.9, 192.0.2.7"], "192.0.2.7"),
            (&["203.0.113.9", "192.0.2.7,10.2.2.2", "10.3.3.3"], "192.0.2.7"),
            (&["[2001:db8::7]:443"], "2001:db8::7"),
            (&["2001:db8::7"], "2001:db8::7"),
            (&["::ffff:192.0.2.7"], "192.0.2.7"),
            (&["192.0.2.7:80"], "192.0.2.7"),
            (&["\u{fc}, 192.0.2.7"], "192.0.2.7"),
            // What cannot be read ends the list: the last that could is who it is.
            (&["192.0.2.7, unknown, 10.2.2.2"], "10.2.2.2"),
            (&["nonsense"], "10.1.1.1"),
            (&[""], "10.1.1.1"),
        ] {
            let headers: Vec<_> = lines.iter().map(|line| (FOR, *line)).collect();
            assert_eq!(of("10.1.1.1", &headers).0, client, "{lines:?}");
        }
    }
}
