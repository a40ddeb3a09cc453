//! The listening sockets: one per shard on the same address, so that the kernel spreads connections.

use super::keep_alive;
use super::tls::TlsAcceptor;
use madang_model::connection::{Entrance, EntranceKind};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::{self, AddressFamily, SocketFlags, SocketType, sockopt};
use std::net::SocketAddr;
use std::sync::Arc;

/// Connections that wait to be accepted, per shard; the kernel bounds it by `net.core.somaxconn`.
const BACKLOG: i32 = 4096;

/// Why an address cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {source}")]
pub struct BindError {
    /// The address.
    pub address: SocketAddr,
    /// The system's error.
    #[source]
    pub source: std::io::Error,
}

/// Why an inherited descriptor cannot be listened on.
#[derive(Debug, thiserror::Error)]
pub enum AdoptError {
    /// The system refuses it.
    #[error("inherited socket {index} cannot be used: {source}; name TCP addresses in madang.socket")]
    Unusable {
        /// Which, counted from 0.
        index: usize,
        /// The system's error.
        #[source]
        source: std::io::Error,
    },
    /// It does not listen, or not for TCP.
    #[error(
        "inherited socket {index} does not listen for TCP connections; \
         use ListenStream= with an address and a port, and Accept=no"
    )]
    NotListening {
        /// Which, counted from 0.
        index: usize,
    },
}

/// A listening socket of one shard.
#[derive(Debug)]
pub struct Listener {
    pub socket: OwnedFd,
    pub entrance: Entrance,
    /// There if and only if the entrance has TLS, once a shard listens.
    pub tls: Option<Arc<TlsAcceptor>>,
}

/// Listening sockets, shared out among the shards.
#[derive(Debug)]
pub struct Listeners {
    /// Where they listen, with the port that port 0 became; each address once.
    pub entrances: Vec<Entrance>,
    /// Of each shard.
    pub(super) sockets: Vec<Vec<Listener>>,
}

impl Listeners {
    /// None, for `count` shards.
    pub fn none(count: u16) -> Listeners {
        Listeners { entrances: Vec::new(), sockets: (0..count).map(|_| Vec::new()).collect() }
    }

    /// Binds `count` sockets to one address where no other socket listens.
    ///
    /// # Errors
    /// [`BindError`] when the address is taken or not this machine's.
    pub fn bind(Entrance { kind, address }: Entrance, count: u16) -> Result<Listeners, BindError> {
        let failed = |source: Errno| BindError { address, source: source.into() };
        let first = listen_alone(address).map_err(failed)?;
        let bound: SocketAddr = net::getsockname(&first).and_then(SocketAddr::try_from).map_err(failed)?;
        let others = (1..count).map(|_| listen(bound));
        let sockets = std::iter::once(Ok(first)).chain(others);
        Listeners::of(Entrance { kind, address: bound }, sockets).map_err(failed)
    }

    /// Binds `count` sockets to one address, also when this user listens at its port already. The caller must know
    /// that only this process does.
    ///
    /// # Errors
    /// [`BindError`] when the address is another's or not this machine's.
    pub fn bind_beside(entrance: Entrance, count: u16) -> Result<Listeners, BindError> {
        let address = entrance.address;
        let failed = |source: Errno| BindError { address, source: source.into() };
        Listeners::of(entrance, (0..count).map(|_| listen(address))).map_err(failed)
    }

    /// One socket per shard.
    fn of(
        entrance: Entrance,
        sockets: impl Iterator<Item = Result<OwnedFd, Errno>>,
    ) -> Result<Listeners, Errno> {
        let sockets =
            sockets.map(|socket| socket.map(|socket| vec![Listener { socket, entrance, tls: None }]));
        Ok(Listeners { entrances: vec![entrance], sockets: sockets.collect::<Result<_, _>>()? })
    }

    /// Takes over sockets that listen already, as the service manager passes them, and shares them
    /// out among `count` shards: of those at one address (`ReusePort=`) each shard gets its own as far
    /// as they go, and shards beyond that share.
    ///
    /// # Errors
    /// [`AdoptError`] when one is no TCP listener.
    pub fn adopt(passed: Vec<(EntranceKind, OwnedFd)>, count: u16) -> Result<Listeners, AdoptError> {
        let mut all = Listeners::none(count);
        let mut at_entrance: Vec<Vec<OwnedFd>> = Vec::new();
        for (index, (kind, socket)) in passed.into_iter().enumerate() {
            let unusable = |source: Errno| AdoptError::Unusable { index, source: source.into() };
            let address = net::getsockname(&socket).map_err(unusable)?;
            let Ok(address) = SocketAddr::try_from(address) else {
                return Err(AdoptError::NotListening { index });
            };
            if !sockopt::socket_acceptconn(&socket).map_err(unusable)? {
                return Err(AdoptError::NotListening { index });
            }
            rustix::io::ioctl_fionbio(&socket, true).map_err(unusable)?;
            set_options(&socket).map_err(unusable)?;
            let entrance = Entrance { kind, address };
            match all.entrances.iter().position(|known| *known == entrance) {
                Some(known) => at_entrance[known].push(socket),
                None => {
                    all.entrances.push(entrance);
                    at_entrance.push(vec![socket]);
                }
            }
        }
        for (entrance, group) in all.entrances.iter().zip(at_entrance) {
            // Every shard listens at the address, and every socket has a shard.
            for place in 0..group.len().max(usize::from(count)) {
                let socket = group[place % group.len()].try_clone();
                let socket = socket.map_err(|source| AdoptError::Unusable { index: place, source })?;
                let listener = Listener { socket, entrance: *entrance, tls: None };
                all.sockets[place % usize::from(count)].push(listener);
            }
        }
        Ok(all)
    }

    /// The same, with TLS connections accepted by `acceptor`. Without one no client could connect to the TLS
    /// listeners: they are closed.
    #[must_use]
    pub fn with_tls(mut self, acceptor: Option<&Arc<TlsAcceptor>>) -> Listeners {
        let can_accept = |entrance: &Entrance| acceptor.is_some() || !entrance.kind.has_tls;
        self.entrances.retain(can_accept);
        for sockets in &mut self.sockets {
            sockets.retain(|listener| can_accept(&listener.entrance));
            for listener in sockets.iter_mut().filter(|listener| listener.entrance.kind.has_tls) {
                listener.tls = acceptor.map(Arc::clone);
            }
        }
        self
    }

    /// These and others, for as many shards.
    #[must_use]
    pub fn and(mut self, others: Listeners) -> Listeners {
        assert_eq!(self.sockets.len(), others.sockets.len(), "as many shards");
        self.entrances.extend(others.entrances);
        self.sockets.iter_mut().zip(others.sockets).for_each(|(all, more)| all.extend(more));
        self
    }
}

fn open(address: SocketAddr) -> Result<OwnedFd, Errno> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    net::socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK, None)
}

/// Opens one listening socket beside others of this user.
fn listen(address: SocketAddr) -> Result<OwnedFd, Errno> {
    let socket = prepared(address)?;
    sockopt::set_socket_reuseport(&socket, true)?;
    net::bind(&socket, &address)?;
    net::listen(&socket, BACKLOG)?;
    Ok(socket)
}

/// Opens the first listening socket. `SO_REUSEPORT` would silently share the port with another server of this user,
/// so it is set last: the kernel lets only one socket without it listen, and never beside one that listens already.
/// Of two servers that start at the same time, one is refused.
fn listen_alone(address: SocketAddr) -> Result<OwnedFd, Errno> {
    let socket = prepared(address)?;
    net::bind(&socket, &address)?;
    net::listen(&socket, BACKLOG)?;
    sockopt::set_socket_reuseport(&socket, true)?;
    Ok(socket)
}

/// A socket with all options but `SO_REUSEPORT`.
fn prepared(address: SocketAddr) -> Result<OwnedFd, Errno> {
    let socket = open(address)?;
    sockopt::set_socket_reuseaddr(&socket, true)?;
    set_options(&socket)?;
    Ok(socket)
}

/// What every connection inherits from its listener on Linux (tcp(7)). One that comes from another process may have
/// inherited the options of another release.
pub fn set_options(socket: &OwnedFd) -> Result<(), Errno> {
    sockopt::set_tcp_nodelay(socket, true)?;
    // Telnet sends the byte of its DATA MARK as urgent data (RFC 854): it stays in its place.
    sockopt::set_socket_oobinline(socket, true)?;
    keep_alive::set_for_all(socket)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{Ipv4Addr, TcpListener};

    fn bound(count: u16) -> Vec<OwnedFd> {
        let listeners = Listeners::bind(plain_at((Ipv4Addr::LOCALHOST, 0)), count).expect("a port");
        listeners.sockets.into_iter().flatten().map(|listener| listener.socket).collect()
    }

    fn plain_at(address: impl Into<SocketAddr>) -> Entrance {
        Entrance { kind: EntranceKind::default(), address: address.into() }
    }

    fn shares(passed: Vec<OwnedFd>, count: u16) -> Vec<usize> {
        let passed = passed.into_iter().map(|socket| (EntranceKind::default(), socket)).collect();
        Listeners::adopt(passed, count).expect("listeners").sockets.iter().map(Vec::len).collect()
    }

    #[test]
    fn of_those_who_ask_for_one_address_at_once_no_two_get_it() {
        let mut got = 0;
        for _ in 0..20 {
            let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
            let address = free.local_addr().expect("its address");
            drop(free);
            let asked = [(); 4].map(|()| std::thread::spawn(move || Listeners::bind(plain_at(address), 3)));
            // All are kept until everyone has asked.
            let answers = asked.map(|asked| asked.join().expect("an answer"));
            let there = answers.iter().filter(|answer| answer.is_ok()).count();
            assert!(there <= 1, "{answers:?}");
            got += there;
        }
        assert!(got > 0, "nobody ever got one");
    }

    #[test]
    fn every_passed_socket_is_heard_and_every_shard_hears_every_address() {
        assert_eq!(shares(bound(2), 2), [1, 1]);
        assert_eq!(shares(bound(1), 3), [1, 1, 1]);
        assert_eq!(shares(bound(3), 2), [2, 1]);
        let two_addresses = bound(2).into_iter().chain(bound(1)).collect();
        assert_eq!(shares(two_addresses, 2), [2, 2]);
    }

    #[test]
    fn what_does_not_listen_is_refused() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let stream = std::net::TcpStream::connect(listener.local_addr().expect("its address"));
        let passed = [listener.into(), stream.expect("a connection").into()];
        let passed = passed.map(|socket| (EntranceKind::default(), socket)).into();
        let error = Listeners::adopt(passed, 1).expect_err("a connection does not listen").to_string();
        assert!(error.contains("socket 1") && error.contains("does not listen"), "{error}");
    }

    #[test]
    fn each_socket_keeps_the_kind_that_it_was_passed_for() {
        let tls = EntranceKind { has_tls: true, ..EntranceKind::default() };
        let [plain_sockets, tls_sockets] = [bound(1), bound(2)];
        let plain = plain_sockets.into_iter().map(|socket| (EntranceKind::default(), socket));
        let passed = plain.chain(tls_sockets.into_iter().map(|socket| (tls, socket)));
        let all = Listeners::adopt(passed.collect(), 2).expect("listeners");
        let kinds = |listeners: &Listeners| -> Vec<_> {
            listeners.entrances.iter().map(|entrance| entrance.kind).collect()
        };
        assert_eq!(kinds(&all), [EntranceKind::default(), tls]);
        for sockets in &all.sockets {
            let there: Vec<_> = sockets.iter().map(|listener| listener.entrance).collect();
            assert_eq!(there, all.entrances, "every shard hears both");
        }
        // Without keys no client could use TLS there, and nothing else is allowed.
        let all = all.with_tls(None);
        assert_eq!(kinds(&all), [EntranceKind::default()]);
        assert!(all.sockets.iter().flatten().all(|listener| !listener.entrance.kind.has_tls));
    }
}
