//! Whether an address can be listened at, and the error message if not.

use std::io;
use std::net::{SocketAddr, TcpListener};

/// An address that cannot be listened at.
#[derive(thiserror::Error, Debug)]
#[error("cannot listen on {address}: {source}; {}", self.remedy())]
pub struct ListenError {
    address: SocketAddr,
    source: io::Error,
    /// The setting that names the address.
    key: &'static str,
}

impl ListenError {
    /// Whether another process uses the address, which may end soon.
    pub fn is_in_use(&self) -> bool {
        self.source.kind() == io::ErrorKind::AddrInUse
    }

    /// What the operator can do.
    fn remedy(&self) -> String {
        let port = self.address.port();
        let how = match self.key {
            "listen.line" => "--listen".to_owned(),
            key => format!("{key}, in the configuration or by --set {key}=ADDRESS"),
        };
        match self.source.kind() {
            io::ErrorKind::AddrInUse => format!(
                "another program listens there, perhaps another madang: see `ss -ltnp 'sport = :{port}'`; stop it, or \
                 choose another port with {how}"
            ),
            io::ErrorKind::PermissionDenied if port < 1024 => format!(
                "ports below 1024 need a privilege: choose a higher one with {how}, or grant it (systemd: \
                 AmbientCapabilities=CAP_NET_BIND_SERVICE; or `sysctl -w \
                 net.ipv4.ip_unprivileged_port_start={port}`)"
            ),
            io::ErrorKind::AddrNotAvailable => {
                "no interface of this machine has that address: see `ip address`; listen on 0.0.0.0 or [::] for \
                 every interface"
                    .to_owned()
            }
            io::ErrorKind::Unsupported => "this machine has no IPv6: listen on an IPv4 address".to_owned(),
            _ => format!("choose another address with {how}"),
        }
    }
}

/// Checks whether the address of this setting is free.
///
/// Shards listen with `SO_REUSEPORT`, with which a second server of the same user could listen at the same address
/// without an error, and would get half of the connections. Binding once without it detects the other server.
///
/// # Errors
/// [`ListenError`] names the address and the remedy.
pub fn probe(key: &'static str, address: SocketAddr) -> Result<(), ListenError> {
    match TcpListener::bind(address) {
        Ok(_) => Ok(()),
        Err(error) => Err(listen_error(key, address, error)),
    }
}

/// Checks whether this machine has the address of this setting, even if somebody listens there.
///
/// # Errors
/// [`ListenError`] names the address and the remedy.
pub fn probe_interface(key: &'static str, address: SocketAddr) -> Result<(), ListenError> {
    let mut any_port = address;
    any_port.set_port(0);
    TcpListener::bind(any_port).map(drop).map_err(|error| listen_error(key, address, error))
}

/// The error of a failed `bind` or `listen` at the address of this setting, with its remedy.
pub fn listen_error(key: &'static str, address: SocketAddr, source: io::Error) -> ListenError {
    ListenError { address, source, key }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_is_named_with_the_way_to_find_who_has_it() {
        let taken = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = taken.local_addr().unwrap();
        let message = probe("listen.line", address).unwrap_err().to_string();
        assert!(message.starts_with(&format!("cannot listen on {address}: ")), "{message}");
        assert!(message.contains(&format!("ss -ltnp 'sport = :{}'", address.port())), "{message}");
        assert!(message.ends_with("choose another port with --listen"), "{message}");
        let message = probe("listen.line_tls", address).unwrap_err().to_string();
        assert!(
            message.contains("another port with listen.line_tls") && !message.contains("--listen"),
            "{message}"
        );
    }

    #[test]
    fn an_address_of_another_machine_is_refused_with_a_remedy() {
        let message = probe("listen.line", "192.0.2.1:8080".parse().unwrap()).unwrap_err().to_string();
        assert!(message.contains("no interface of this machine has that address"), "{message}");
    }
}
