//! Where an edge serves HTTP. The server binds these addresses, and lends the sockets to the edge.

use super::Config;
use super::Listen;
use std::net::SocketAddr;

/// A key of `listen` that names an address of HTTP.
#[derive(Debug)]
pub struct HttpKey {
    /// Section and name, joined by a dot. The next process and the edge know it by its short name.
    pub name: &'static str,
    /// Whether clients speak TLS there.
    pub has_tls: bool,
    address: fn(&Listen) -> Option<SocketAddr>,
}

/// Every such key.
pub static HTTP_LISTENERS: [HttpKey; 2] = [
    HttpKey { name: "listen.http", has_tls: false, address: |listen| listen.http.0 },
    HttpKey { name: "listen.https", has_tls: true, address: |listen| listen.https.0 },
];

impl HttpKey {
    /// The key that the next process and the edge know by this name.
    pub fn named(short_name: &str) -> Option<&'static HttpKey> {
        HTTP_LISTENERS.iter().find(|key| key.short_name() == short_name)
    }

    /// The name within the section.
    pub fn short_name(&self) -> &'static str {
        self.name.split_once('.').map_or(self.name, |(_, short)| short)
    }

    /// Where that is, if it is anywhere.
    pub fn address(&self, config: &Config) -> Option<SocketAddr> {
        (self.address)(&config.listen)
    }
}

impl Config {
    /// Where HTTP is to be served, with the keys that say so.
    pub fn http_listeners(&self) -> Vec<(&'static HttpKey, SocketAddr)> {
        HTTP_LISTENERS.iter().filter_map(|key| Some((key, key.address(self)?))).collect()
    }

    /// Whether an edge can connect: it does where it is to serve HTTP.
    pub fn has_edge(&self) -> bool {
        self.edge.enabled || !self.http_listeners().is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Key, OptionalAddress};

    #[test]
    fn every_address_of_http_is_a_key_and_brings_an_edge() {
        let mut config = Config::default();
        assert!(!config.has_edge() && config.http_listeners().is_empty());
        config.listen.https = OptionalAddress(Some("192.0.2.1:443".parse().unwrap()));
        assert!(config.has_edge());
        for key in &HTTP_LISTENERS {
            assert!(Key::named(key.name).is_some_and(|found| found.section() == "listen"), "{}", key.name);
            assert_eq!(HttpKey::named(key.short_name()).map(|found| found.name), Some(key.name));
        }
        let there: Vec<_> = config.http_listeners().iter().map(|(key, _)| key.short_name()).collect();
        assert_eq!(there, ["https"]);
    }
}
