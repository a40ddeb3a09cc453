//! The one table of where clients can connect.
//!
//! A key of `listen`, a name of systemd's (`FileDescriptorName=`), a listener and a connection in a handover are all
//! one of these. What is added here works in each of them.

use super::{Config, Listen};
use madang_model::connection::{Entrance, EntranceKind, SurfaceId};
use std::net::SocketAddr;

/// The protocol of `nc` and `telnet`.
pub const LINES: SurfaceId = SurfaceId(0);

/// Lines without TLS or telnet options.
pub const LINE: EntranceKind = EntranceKind { surface: LINES, has_tls: false, is_telnet: false };
/// Lines over TLS.
pub const LINE_TLS: EntranceKind = EntranceKind { has_tls: true, ..LINE };

/// Lines for real telnets, whose options are negotiated at once.
pub const TELNET: EntranceKind = EntranceKind { is_telnet: true, ..LINE };

/// A key of `listen`.
pub struct EntranceKey {
    /// Section and name, joined by a dot. systemd and the next process know it by its short name.
    pub name: &'static str,
    /// How people are served there. No other key has the same.
    pub kind: EntranceKind,
    /// The program that people connect with.
    pub client: &'static str,
    address: fn(&Listen) -> Option<SocketAddr>,
    set_address: fn(&mut Listen, Option<SocketAddr>),
}

/// Every key of `listen` that names an address, in the order in which they are listed to people.
pub static ENTRANCES: &[EntranceKey] = &[
    EntranceKey {
        name: "listen.line",
        kind: LINE,
        client: "nc",
        address: |listen| Some(listen.line.0),
        // There is always one.
        set_address: |listen, address| listen.line.0 = address.unwrap_or(listen.line.0),
    },
    EntranceKey {
        name: "listen.line_tls",
        kind: LINE_TLS,
        client: "ncat --ssl",
        address: |listen| listen.line_tls.0,
        set_address: |listen, address| listen.line_tls.0 = address,
    },
    EntranceKey {
        name: "listen.telnet",
        kind: TELNET,
        client: "telnet",
        address: |listen| listen.telnet.0,
        set_address: |listen, address| listen.telnet.0 = address,
    },
];

impl EntranceKey {
    /// The key that systemd and the next process know by this name.
    pub fn named(short_name: &str) -> Option<&'static EntranceKey> {
        ENTRANCES.iter().find(|key| key.short_name() == short_name)
    }

    /// The key whose entrances are of this kind.
    pub fn of(kind: EntranceKind) -> &'static EntranceKey {
        &ENTRANCES[EntranceKey::place(kind)]
    }

    /// The place of that key in the table.
    pub fn place(kind: EntranceKind) -> usize {
        let found = ENTRANCES.iter().position(|key| key.kind == kind);
        found.unwrap_or_else(|| unreachable!("every kind of entrance comes from the table: {kind:?}"))
    }

    /// The name within the section.
    pub fn short_name(&self) -> &'static str {
        self.name.split_once('.').map_or(self.name, |(_, short)| short)
    }

    /// Where that is, if it is anywhere.
    pub fn address(&self, config: &Config) -> Option<SocketAddr> {
        (self.address)(&config.listen)
    }

    /// From now on it is there; or nowhere, where that is allowed.
    pub fn set_address(&self, config: &mut Config, address: Option<SocketAddr>) {
        (self.set_address)(&mut config.listen, address);
    }
}

impl Config {
    /// Where clients shall connect, with the keys that say so.
    pub fn entrances(&self) -> Vec<(&'static EntranceKey, Entrance)> {
        let entrance =
            |key: &'static EntranceKey| Some((key, Entrance { kind: key.kind, address: key.address(self)? }));
        ENTRANCES.iter().filter_map(entrance).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Key;

    #[test]
    fn every_entrance_is_a_key_and_no_two_are_taken_for_each_other() {
        for (index, key) in ENTRANCES.iter().enumerate() {
            assert!(Key::named(key.name).is_some_and(|found| found.section() == "listen"), "{}", key.name);
            assert_eq!(EntranceKey::named(key.short_name()).map(|found| found.name), Some(key.name));
            assert_eq!(EntranceKey::place(key.kind), index, "{}", key.name);
        }
    }

    #[test]
    fn an_address_that_is_set_is_where_people_come_in() {
        let mut config = Config::default();
        let address: SocketAddr = "192.0.2.1:2323".parse().unwrap();
        for key in ENTRANCES {
            key.set_address(&mut config, Some(address));
            assert_eq!(key.address(&config), Some(address), "{}", key.name);
        }
        assert!(
            config
                .entrances()
                .iter()
                .all(|(key, entrance)| *entrance == Entrance { kind: key.kind, address })
        );
        assert_eq!(config.entrances().len(), ENTRANCES.len());
    }
}
