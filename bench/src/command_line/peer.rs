//! Servers as they are typed: `127.0.0.1:8080`, `redis://localhost:6379?pid=12&name=Redis`.

use crate::protocol::Protocol;
use std::net::{SocketAddr, ToSocketAddrs};

const NAME_CHARS_MAX: usize = 24;

/// A server that runs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Peer {
    /// What it speaks.
    pub protocol: Protocol,
    /// Where it listens.
    pub address: SocketAddr,
    /// Its process, when it was named.
    pub pid: Option<u32>,
    /// What to call it, when that was said.
    pub name: Option<String>,
}

/// Reads what `--target` takes: without a scheme it is Madang.
pub fn target(given: &str) -> Result<Peer, String> {
    match given.split_once("://") {
        Some(("madang", rest)) => read(Protocol::Line, rest, None),
        Some(_) => peer(given),
        None => read(Protocol::Line, given, None),
    }
}

/// Reads what `--compare` takes.
pub fn peer(given: &str) -> Result<Peer, String> {
    let allowed = "allowed is irc://HOST:PORT, redis://HOST:PORT or nats://HOST:PORT";
    let (scheme, rest) = given.split_once("://").ok_or_else(|| format!("no protocol is named; {allowed}"))?;
    match scheme {
        "irc" => read(Protocol::Irc, rest, Some(6667)),
        "redis" => read(Protocol::Redis, rest, Some(6379)),
        "nats" => read(Protocol::Nats, rest, Some(4222)),
        "madang" => read(Protocol::Line, rest, None),
        other => Err(format!("'{other}' is not a known protocol; {allowed}")),
    }
}

fn read(protocol: Protocol, rest: &str, port: Option<u16>) -> Result<Peer, String> {
    let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
    let address = address(place.trim_end_matches('/'), port)?;
    let mut peer = Peer { protocol, address, pid: None, name: None };
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        match pair.split_once('=') {
            Some(("pid", pid)) => {
                peer.pid = Some(pid.parse().map_err(|_| format!("pid={pid}: not a process id"))?);
            }
            Some(("name", name)) => peer.name = Some(checked_name(name)?),
            _ => {
                return Err(format!(
                    "'{pair}' is not known; after the ? only pid=N and name=WORD may follow"
                ));
            }
        }
    }
    Ok(peer)
}

fn checked_name(name: &str) -> Result<String, String> {
    let is_fit = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | ' ' | '+');
    if (1..=NAME_CHARS_MAX).contains(&name.chars().count()) && name.chars().all(is_fit) {
        return Ok(name.to_owned());
    }
    Err(format!("name={name}: allowed are 1 to {NAME_CHARS_MAX} letters, digits, spaces and -_.+"))
}

fn address(place: &str, port: Option<u16>) -> Result<SocketAddr, String> {
    let wanted = "allowed is HOST:PORT, for example 127.0.0.1:8080 or [::1]:8080";
    let has_port =
        place.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok_and(|port| port > 0));
    let place = match port {
        // `[::1]` and `host` have none; `::1` has no brackets and is refused.
        Some(port) if !has_port && (place.ends_with(']') || !place.contains(':')) => {
            format!("{place}:{port}")
        }
        _ if has_port => place.to_owned(),
        _ => return Err(format!("no port; {wanted}")),
    };
    let found: Vec<SocketAddr> =
        place.to_socket_addrs().map_err(|error| format!("{error}; {wanted}"))?.collect();
    // `localhost` is both; servers that listen on one only listen on this one.
    let first = found.iter().find(|address| address.is_ipv4()).or(found.first());
    first.copied().ok_or_else(|| format!("no address; {wanted}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_read_with_their_protocol_process_and_name() {
        let given = peer("redis://127.0.0.1:6380?pid=12&name=레디스 7").unwrap();
        let expected = Peer {
            protocol: Protocol::Redis,
            address: "127.0.0.1:6380".parse().unwrap(),
            pid: Some(12),
            name: Some("레디스 7".to_owned()),
        };
        assert_eq!(given, expected);
        assert_eq!(peer("nats://127.0.0.1/").unwrap().address.port(), 4222);
        assert_eq!(peer("irc://[::1]").unwrap().address.port(), 6667);
        assert_eq!(target("127.0.0.1:8080").unwrap().protocol, Protocol::Line);
        assert_eq!(target("irc://localhost:7000").unwrap().address, SocketAddr::from(([127, 0, 0, 1], 7000)));
    }

    #[test]
    fn what_is_wrong_is_said_with_what_is_allowed() {
        for (given, expected) in [
            ("127.0.0.1:6379", "no protocol is named"),
            ("http://127.0.0.1:80", "'http' is not a known protocol; allowed is irc://"),
            ("redis://127.0.0.1:6379?pid=x", "pid=x: not a process id"),
            ("redis://127.0.0.1:6379?db=1", "'db=1' is not known"),
            ("redis://127.0.0.1:6379?name=\u{1b}[31m", "allowed are 1 to 24 letters"),
            ("redis://127.0.0.1:0", "no port"),
            ("redis://127.0.0.1:99999", "no port"),
        ] {
            let refusal = peer(given).unwrap_err();
            assert!(refusal.contains(expected), "{given}: {refusal}");
        }
        assert!(target("127.0.0.1").unwrap_err().contains("no port; allowed is HOST:PORT"));
    }
}
