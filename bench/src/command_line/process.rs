//! Which process on this machine listens at an address, and where it keeps its data.

use std::collections::BTreeSet;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

/// The state LISTEN in /proc/net/tcp.
const LISTEN: &str = "0A";
/// Held open by a running server in its data directory.
const LOCK_NAME: &str = "madang.lock";

/// The one process that listens there; `None` when it is not on this machine, may not be looked at, or is several, of
/// which one would show only a part.
pub fn listening_at(address: SocketAddr) -> Option<u32> {
    let inodes = inodes_of_listeners(address);
    if inodes.is_empty() {
        return None;
    }
    let mut found = fs::read_dir("/proc").ok()?.flatten().filter_map(|entry| {
        let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
        let mut links = links_of(pid);
        links.any(|link| socket_inode(&link).is_some_and(|inode| inodes.contains(&inode))).then_some(pid)
    });
    let first = found.next()?;
    found.next().is_none().then_some(first)
}

/// The process's name as `ps` shows it.
pub fn name_of(pid: u32) -> Option<String> {
    Some(fs::read_to_string(format!("/proc/{pid}/comm")).ok()?.trim().to_owned())
}

/// The data directory of a running Madang.
pub fn data_directory_of(pid: u32) -> Option<PathBuf> {
    let lock = links_of(pid).find(|link| link.file_name().is_some_and(|name| name == LOCK_NAME))?;
    lock.parent().map(PathBuf::from)
}

fn links_of(pid: u32) -> impl Iterator<Item = PathBuf> {
    let entries = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    entries.filter_map(|entry| fs::read_link(entry.path()).ok())
}

fn socket_inode(link: &std::path::Path) -> Option<u64> {
    link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
}

fn inodes_of_listeners(address: SocketAddr) -> BTreeSet<u64> {
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(|path| fs::read_to_string(path).unwrap_or_default());
    tables.iter().flat_map(|table| table.lines().skip(1)).filter_map(|line| listener(line, address)).collect()
}

/// The inode of a line of /proc/net/tcp or tcp6 that listens where `address` leads.
fn listener(line: &str, address: SocketAddr) -> Option<u64> {
    let mut words = line.split_whitespace();
    let (local, state) = (words.nth(1)?, words.nth(1)?);
    let (ip, port) = local.split_once(':')?;
    let is_there = state == LISTEN && u16::from_str_radix(port, 16).ok()? == address.port();
    let ip = address_of_hex(ip)?;
    // Everywhere is also here, but only for an address that cannot be another machine's.
    let is_heard = ip == address.ip() || (ip.is_unspecified() && address.ip().is_loopback());
    (is_there && is_heard).then(|| words.nth(5)?.parse().ok()).flatten()
}

/// Groups of four bytes, each in the machine's own order.
fn address_of_hex(hex: &str) -> Option<IpAddr> {
    let word = |at: usize| u32::from_str_radix(hex.get(at..at + 8)?, 16).ok().map(u32::to_ne_bytes);
    match hex.len() {
        8 => Some(Ipv4Addr::from(word(0)?).into()),
        32 => {
            let words = [word(0)?, word(8)?, word(16)?, word(24)?];
            let address = Ipv6Addr::from(<[u8; 16]>::try_from(words.concat()).ok()?);
            Some(address.to_ipv4_mapped().map_or(IpAddr::V6(address), IpAddr::V4))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn the_process_that_listens_is_found() {
        for place in ["127.0.0.1:0", "0.0.0.0:0"] {
            let listener = TcpListener::bind(place).unwrap();
            let port = listener.local_addr().unwrap().port();
            assert_eq!(listening_at(SocketAddr::from(([127, 0, 0, 1], port))), Some(std::process::id()));
            drop(listener);
            assert_eq!(listening_at(SocketAddr::from(([127, 0, 0, 1], port))), None);
        }
    }

    #[test]
    fn a_name_is_that_of_the_program() {
        assert!(name_of(std::process::id()).is_some_and(|name| !name.is_empty()));
    }
}
