//! What operators decide about connections, and who counts against it.

use crate::bounds::REQUESTS_PER_ADDRESS_MAX;
use crate::counters::{Counters, Refused};
use hashbrown::HashMap;
use madang_model::connection::{Networks, counted_address};
use rustls::ServerConfig;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

/// What operators decide about connections.
#[derive(Clone, Debug, Default)]
pub struct EdgeLimits {
    /// Connections from one address; 0 is no limit. Loopback is exempt, and so is `forwarded_from`.
    pub connections_per_address: u32,
    /// The leading bits of an IPv6 address that make it one address there.
    pub ipv6_prefix: u8,
    /// Where proxies connect from: a connection from there begins with a PROXY header.
    pub proxy_from: Networks,
    /// Proxies whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed.
    pub forwarded_from: Networks,
    /// What TLS clients are shown; its protocols are set by this crate.
    pub tls: Option<Arc<ServerConfig>>,
}

/// The limits in force, which a reload replaces for new connections.
#[derive(Debug)]
pub struct CurrentLimits(RwLock<Arc<EdgeLimits>>);

impl CurrentLimits {
    /// These hold.
    pub fn new(limits: EdgeLimits) -> CurrentLimits {
        CurrentLimits(RwLock::new(Arc::new(prepared(limits))))
    }

    /// From now on these hold, for new connections.
    pub fn replace(&self, limits: EdgeLimits) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(prepared(limits));
    }

    /// Those of now.
    pub fn now(&self) -> Arc<EdgeLimits> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }
}

/// With the protocols that are spoken here (RFC 7301), the preferred one first.
fn prepared(mut limits: EdgeLimits) -> EdgeLimits {
    if let Some(config) = &mut limits.tls {
        Arc::make_mut(config).alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    }
    limits
}

/// How many connections each address has, or how many requests.
#[derive(Debug, Default)]
pub struct AddressCounts(Mutex<HashMap<IpAddr, u32>>);

/// One of them, until it is dropped.
#[derive(Debug)]
pub struct AddressSlot {
    counts: Arc<AddressCounts>,
    address: IpAddr,
}

impl AddressCounts {
    /// Counts a connection from there; `None` where nothing is counted.
    ///
    /// # Errors
    /// It is one too many.
    pub fn admit(
        self: &Arc<AddressCounts>,
        address: IpAddr,
        limits: &EdgeLimits,
        counters: &Counters,
    ) -> Result<Option<AddressSlot>, Refused> {
        let count_max = limits.connections_per_address;
        // It has the connections of all its clients.
        if count_max == 0 || limits.forwarded_from.contains(address) {
            return Ok(None);
        }
        self.count(address, limits, count_max).ok_or_else(|| {
            counters.refuse(Refused::Address);
            Refused::Address
        })
    }

    /// Counts a request of this client; `None` is one too many.
    pub fn admit_request(
        self: &Arc<AddressCounts>,
        client: IpAddr,
        limits: &EdgeLimits,
    ) -> Option<Option<AddressSlot>> {
        self.count(client, limits, REQUESTS_PER_ADDRESS_MAX)
    }

    fn count(
        self: &Arc<AddressCounts>,
        address: IpAddr,
        limits: &EdgeLimits,
        count_max: u32,
    ) -> Option<Option<AddressSlot>> {
        let Some(address) = counted_address(address, limits.ipv6_prefix) else { return Some(None) };
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(address).or_default();
        if *count >= count_max {
            return None;
        }
        *count += 1;
        Some(Some(AddressSlot { counts: Arc::clone(self), address }))
    }
}

impl Drop for AddressSlot {
    fn drop(&mut self) {
        let mut counts = self.counts.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_so_many_connections_and_a_network_of_ipv6_is_one() {
        let (counts, counters) = (Arc::<AddressCounts>::default(), Counters::default());
        let limits = EdgeLimits { connections_per_address: 2, ipv6_prefix: 64, ..EdgeLimits::default() };
        let admit = |address: &str| counts.admit(address.parse().unwrap(), &limits, &counters);
        let first = admit("2001:db8::1").unwrap();
        let second = admit("2001:db8::ffff").unwrap();
        assert!(admit("2001:db8::2").is_err());
        assert!(admit("2001:db8:0:1::2").unwrap().is_some());
        drop(first);
        let third = admit("2001:db8::2").unwrap();
        assert!(third.is_some() && admit("2001:db8::3").is_err());
        drop((second, third));
        for loopback in ["127.0.0.1", "::1", "::ffff:127.0.0.1"] {
            assert!(admit(loopback).unwrap().is_none(), "{loopback}");
        }
        let forwarded_from = Networks::parse("2001:db8::2").unwrap();
        let behind_proxy = EdgeLimits { forwarded_from, connections_per_address: 1, ..EdgeLimits::default() };
        for _ in 0..3 {
            let proxy = "2001:db8::2".parse().unwrap();
            assert!(counts.admit(proxy, &behind_proxy, &counters).unwrap().is_none());
        }
        assert_eq!(counters.figures().refused[Refused::Address as usize], 2);
        assert!(counts.0.lock().unwrap().is_empty());
    }

    #[test]
    fn the_requests_of_one_address_leave_place_for_those_of_others() {
        let (counts, limits) = (Arc::<AddressCounts>::default(), EdgeLimits::default());
        let ask = |address: &str| counts.admit_request(address.parse().unwrap(), &limits);
        let under_way: Vec<_> = (0..REQUESTS_PER_ADDRESS_MAX).map(|_| ask("192.0.2.7").unwrap()).collect();
        assert!(ask("192.0.2.7").is_none() && ask("192.0.2.8").is_some() && ask("127.0.0.1").is_some());
        assert!(REQUESTS_PER_ADDRESS_MAX as usize * 4 < crate::bounds::REQUESTS_MAX);
        drop(under_way);
        assert!(ask("192.0.2.7").is_some());
    }
}
