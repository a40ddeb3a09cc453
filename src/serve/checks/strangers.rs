//! Listeners of other processes at our addresses.

use madang_config::overlap;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

/// The kernel's tables of TCP sockets (proc_pid_net(5)). Listening sockets come first.
const TABLES: [&str; 2] = ["/proc/self/net/tcp", "/proc/self/net/tcp6"];
/// The state of a listening socket.
const LISTENS: &str = "0A";

/// A listening socket.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct ListeningSocket {
    address: SocketAddr,
    inode: u64,
}

/// Whether another process listens where it would receive connections to this address. For the case that this
/// process listens at the port itself, so that an exclusive bind would conflict with its own listener.
///
/// # Errors
/// `/proc` cannot be read.
pub fn listens(address: SocketAddr) -> io::Result<bool> {
    let mut there = Vec::new();
    for table in TABLES {
        match File::open(table) {
            Ok(file) => there.extend(listening(BufReader::new(file))?),
            // A machine without IPv6.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    there.retain(|found| overlap(found.address, address));
    // Our own listeners are among the first descriptors, before the many connections.
    for entry in fs::read_dir("/proc/self/fd")? {
        if there.is_empty() {
            break;
        }
        let Ok(target) = fs::read_link(entry?.path()) else { continue };
        let inode = target.to_str().and_then(|text| text.strip_prefix("socket:[")?.strip_suffix(']'));
        let inode = inode.and_then(|digits| digits.parse::<u64>().ok());
        there.retain(|found| Some(found.inode) != inode);
    }
    Ok(!there.is_empty())
}

fn listening(table: impl BufRead) -> io::Result<Vec<ListeningSocket>> {
    let mut found = Vec::new();
    for line in table.lines().skip(1) {
        match entry(&line?) {
            Some(entry) => found.push(entry),
            None => break,
        }
    }
    Ok(found)
}

/// `sl local_address rem_address st tx:rx tr:when retrnsmt uid timeout inode …`.
fn entry(line: &str) -> Option<ListeningSocket> {
    let fields: Vec<_> = line.split_whitespace().collect();
    let &[_, local, _, LISTENS, _, _, _, _, _, inode, ..] = fields.as_slice() else { return None };
    Some(ListeningSocket { address: address(local)?, inode: inode.parse().ok()? })
}

/// Hexadecimal words in native byte order, and the port.
fn address(text: &str) -> Option<SocketAddr> {
    let (ip, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let word = |index: usize| u32::from_str_radix(ip.get(8 * index..8 * index + 8)?, 16).ok();
    if ip.len() == 8 {
        return Some(SocketAddr::from((Ipv4Addr::from(word(0)?.to_ne_bytes()), port)));
    }
    let mut bytes = [0; 16];
    for (index, part) in bytes.chunks_exact_mut(4).enumerate() {
        part.copy_from_slice(&word(index)?.to_ne_bytes());
    }
    Some(SocketAddr::from((Ipv6Addr::from(bytes), port)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn our_own_listeners_are_no_strangers() {
        for local in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(listener) = TcpListener::bind(local) else { continue };
            let address = listener.local_addr().unwrap();
            assert!(!listens(address).unwrap());
            let mut wide = address;
            wide.set_ip(Ipv6Addr::UNSPECIFIED.into());
            assert!(!listens(wide).unwrap());
        }
    }

    #[test]
    fn a_table_is_read_as_far_as_sockets_listen() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n   \
                     0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 81234 1 0 \
                     100 0 0 10 0\n   \
                     1: 00000000000000000000000001000000:0050 00000000000000000000000000000000:0000 0A \
                     00000000:00000000 00:00000000 00000000     0        0 7 1 0 100 0 0 10 0\n   \
                     2: 0100007F:1F90 0100007F:C001 01 00000000:00000000 00:00000000 00000000  1000        0 9 1\n";
        let entry = |address: &str, inode| ListeningSocket { address: address.parse().unwrap(), inode };
        let found = listening(table.as_bytes()).unwrap();
        if cfg!(target_endian = "little") {
            assert_eq!(found, [entry("127.0.0.1:8080", 81_234), entry("[::1]:80", 7)]);
        }
    }
}
