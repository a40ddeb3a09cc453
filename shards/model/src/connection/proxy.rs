//! The header by which a proxy says whose connection it passes on: version 1, a line, and version 2, bytes
//! (`proxy-protocol.txt` of HAProxy; the sections named here are of it).
//!
//! Pure: [`read_header`] is given what has come of a connection so far, from its first byte on, as often as more
//! has come. Where it must not be guessed whether there is a header (section 2), who calls decides by where the
//! connection comes from ([`super::Networks`]).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

/// The longest line of version 1, with its end (section 2.1).
const LINE_BYTES_MAX: usize = 107;
/// Of version 2: what says how long the rest is (section 2.2).
const PREFIX_BYTES: usize = 16;
/// Of version 2: the longest rest that is read. Addresses take at most 216 bytes, a name of a host 255, the
/// identity of a connection 128; a header should fit in 536 bytes in all (section 2).
const REST_BYTES_MAX: usize = 2_048;

/// No header is longer: at most this much of a connection has to be kept until it is whole.
pub const PROXY_HEADER_BYTES_MAX: usize = PREFIX_BYTES + REST_BYTES_MAX;
/// After this time a header is not waited for any more. A segment that was lost is there again after 3 s
/// (section 2).
pub const PROXY_HEADER_TIME_MAX: Duration = Duration::from_secs(5);

/// How version 1 begins: a word and a space.
const WORD: [u8; 6] = *b"PROXY ";
/// How version 2 begins.
const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";

/// What the first bytes of a connection are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HeaderRead {
    /// They may become a header. They are fewer than [`PROXY_HEADER_BYTES_MAX`].
    Incomplete,
    /// They are the beginning of something else.
    Absent,
    /// They begin with a header.
    Complete(ProxyHeader),
    /// They begin as a header does, and are none: the connection is to be closed (section 2).
    Malformed(ProxyFault),
}

/// What a header says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ProxyHeader {
    /// Whose connection it is; an IPv4 address that is written as IPv6 is the IPv4 address. `None` where it is the
    /// proxy's own (a check of our health), or the proxy does not know or cannot say it in a form that is read here:
    /// then the address is that of the connection itself.
    pub source: Option<SocketAddr>,
    /// Its length: what follows is the connection that is passed on. From 15 to [`PROXY_HEADER_BYTES_MAX`].
    pub bytes: usize,
}

/// What is wrong with a header. It is the proxy's mistake, or somebody's who is none.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ProxyFault {
    /// Version 1 without an end.
    #[error("its line has no end within {LINE_BYTES_MAX} bytes")]
    Endless,
    /// Version 1 with another end.
    #[error("its line ends in LF alone, not in CR LF")]
    BareLineFeed,
    /// Version 1 of a protocol that there is not.
    #[error("its protocol is none of TCP4, TCP6 and UNKNOWN")]
    Protocol,
    /// Version 1 with more, fewer or other spaces.
    #[error("its line is not two addresses and two ports with one space before each")]
    Fields,
    /// Version 1 with an address of another kind than it says.
    #[error("its {0} address is none of its protocol")]
    Address(&'static str),
    /// Version 1 with a port that is none.
    #[error("its {0} port is no number from 0 to 65535 without zeros before it")]
    Port(&'static str),
    /// A form that is not known.
    #[error("it is of version {0}; versions 1 and 2 are read")]
    Version(u8),
    /// Version 2 with a command that is not known.
    #[error("its command is {0}; LOCAL (0) and PROXY (1) are known")]
    Command(u8),
    /// Version 2 with a family or a protocol that is not known.
    #[error("its family and protocol are 0x{0:02X}, which are not known")]
    Family(u8),
    /// Version 2 that is too short for its own addresses.
    #[error("its addresses have {given} bytes, {needed} are needed")]
    Short {
        /// What it says.
        given: u16,
        /// What they take.
        needed: usize,
    },
    /// Version 2 with more than is read.
    #[error("it has {0} bytes of addresses and values, at most {REST_BYTES_MAX} are read")]
    Long(u16),
}

/// Reads the header that a connection begins with, given all that has come of it so far. Once the answer is not
/// [`HeaderRead::Incomplete`], it is the same however much more has come.
pub fn read_header(bytes: &[u8]) -> HeaderRead {
    match bytes {
        // The two begin with different bytes.
        _ if bytes.starts_with(&WORD) => read_line(bytes),
        _ if bytes.starts_with(&SIGNATURE) => read_binary(bytes),
        _ if WORD.starts_with(bytes) || SIGNATURE.starts_with(bytes) => HeaderRead::Incomplete,
        _ => HeaderRead::Absent,
    }
}

/// Version 1 (section 2.1).
fn read_line(bytes: &[u8]) -> HeaderRead {
    let window = &bytes[..bytes.len().min(LINE_BYTES_MAX)];
    // Of what is unknown everything is ignored before CR LF, so that no byte alone is an end there.
    let is_unknown = window[WORD.len()..].starts_with(b"UNKNOWN");
    let line = match window.windows(2).position(|two| two == b"\r\n") {
        Some(end) if is_unknown || !window[..end].contains(&b'\n') => &window[..end],
        None if window.len() < LINE_BYTES_MAX && (is_unknown || !window.contains(&b'\n')) => {
            return HeaderRead::Incomplete;
        }
        None if is_unknown || !window.contains(&b'\n') => return HeaderRead::Malformed(ProxyFault::Endless),
        _ => return HeaderRead::Malformed(ProxyFault::BareLineFeed),
    };
    match source_of_line(&line[WORD.len()..]) {
        Ok(source) => HeaderRead::Complete(ProxyHeader { source, bytes: line.len() + 2 }),
        Err(fault) => HeaderRead::Malformed(fault),
    }
}

/// The source of a line, of which the first word and the end are taken away.
fn source_of_line(line: &[u8]) -> Result<Option<SocketAddr>, ProxyFault> {
    let mut fields = line.split(|byte| *byte == b' ');
    let protocol = fields.next().unwrap_or_default();
    let is_version_4 = match protocol {
        b"UNKNOWN" => return Ok(None),
        b"TCP4" => true,
        b"TCP6" => false,
        _ => return Err(ProxyFault::Protocol),
    };
    let mut next = || fields.next().ok_or(ProxyFault::Fields);
    let (source, destination, source_port, destination_port) = (next()?, next()?, next()?, next()?);
    if fields.next().is_some() {
        return Err(ProxyFault::Fields);
    }
    let read_address = |field, which| address(field, is_version_4).ok_or(ProxyFault::Address(which));
    let source = read_address(source, "source")?;
    read_address(destination, "destination")?;
    let source_port = port(source_port).ok_or(ProxyFault::Port("source"))?;
    port(destination_port).ok_or(ProxyFault::Port("destination"))?;
    Ok(Some(SocketAddr::new(source.to_canonical(), source_port)))
}

fn address(field: &[u8], is_version_4: bool) -> Option<IpAddr> {
    let text = std::str::from_utf8(field).ok()?;
    if is_version_4 {
        text.parse::<Ipv4Addr>().ok().map(IpAddr::V4)
    } else {
        text.parse::<Ipv6Addr>().ok().map(IpAddr::V6)
    }
}

fn port(field: &[u8]) -> Option<u16> {
    let is_canonical = field.iter().all(u8::is_ascii_digit) && (field == b"0" || !field.starts_with(b"0"));
    let text = std::str::from_utf8(field).ok().filter(|_| is_canonical)?;
    text.parse().ok()
}

/// Version 2 (section 2.2).
fn read_binary(bytes: &[u8]) -> HeaderRead {
    match source_of_binary(bytes) {
        Ok(None) => HeaderRead::Incomplete,
        Ok(Some(header)) => HeaderRead::Complete(header),
        Err(fault) => HeaderRead::Malformed(fault),
    }
}

/// The header, once it is whole. A fault is reported as soon as its byte is there.
fn source_of_binary(bytes: &[u8]) -> Result<Option<ProxyHeader>, ProxyFault> {
    let Some(version_and_command) = bytes.get(SIGNATURE.len()) else { return Ok(None) };
    let (version, command) = (version_and_command >> 4, version_and_command & 0xf);
    if version != 2 {
        return Err(ProxyFault::Version(version));
    }
    let is_local = match command {
        0 => true,
        1 => false,
        _ => return Err(ProxyFault::Command(command)),
    };
    let Some(family_byte) = bytes.get(SIGNATURE.len() + 1) else { return Ok(None) };
    // Of a connection of the proxy's own the family is ignored, whatever it is.
    let family = if is_local { Family::Unspecified } else { Family::of(*family_byte)? };
    let Some([_, _, high, low]) = bytes.get(SIGNATURE.len()..PREFIX_BYTES) else { return Ok(None) };
    let length = u16::from_be_bytes([*high, *low]);
    let (given, needed) = (usize::from(length), family.bytes());
    if given < needed {
        return Err(ProxyFault::Short { given: length, needed });
    }
    if given > REST_BYTES_MAX {
        return Err(ProxyFault::Long(length));
    }
    let end = PREFIX_BYTES + given;
    let Some(rest) = bytes.get(PREFIX_BYTES..end) else { return Ok(None) };
    Ok(Some(ProxyHeader { source: family.source(rest), bytes: end }))
}

/// What the addresses of version 2 are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Family {
    /// Not said; or names of sockets on the proxy's machine (AF_UNIX), or of UDP, which is not spoken here: a
    /// receiver falls back to this.
    Unspecified,
    /// TCP over IPv4.
    Version4,
    /// TCP over IPv6.
    Version6,
}

impl Family {
    fn of(byte: u8) -> Result<Family, ProxyFault> {
        match (byte >> 4, byte & 0xf) {
            (1, 1) => Ok(Family::Version4),
            (2, 1) => Ok(Family::Version6),
            (0..=3, 0..=2) => Ok(Family::Unspecified),
            _ => Err(ProxyFault::Family(byte)),
        }
    }

    /// How long two addresses and two ports are.
    fn bytes(self) -> usize {
        match self {
            Family::Unspecified => 0,
            Family::Version4 => 2 * 4 + 2 * 2,
            Family::Version6 => 2 * 16 + 2 * 2,
        }
    }

    /// The source: its address stands first, its port behind both addresses.
    fn source(self, rest: &[u8]) -> Option<SocketAddr> {
        let (address, port) = match self {
            Family::Unspecified => return None,
            Family::Version4 => (IpAddr::from(*rest.first_chunk::<4>()?), rest.get(8..10)?),
            Family::Version6 => (IpAddr::from(*rest.first_chunk::<16>()?), rest.get(32..34)?),
        };
        let port = u16::from_be_bytes(*port.first_chunk()?);
        Some(SocketAddr::new(address.to_canonical(), port))
    }
}

#[cfg(test)]
mod tests;
