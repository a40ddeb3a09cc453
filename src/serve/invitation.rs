//! The line that tells a newcomer how to come in.

use std::net::SocketAddr;

/// The command that reaches `address`, as it listens.
pub fn invitation(address: SocketAddr) -> String {
    let (host, port) = (address.ip(), address.port());
    if host.is_unspecified() {
        return format!("nc localhost {port} (from elsewhere: this machine's name instead of localhost)");
    }
    format!("nc {host} {port}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_of_every_interface_is_reached_by_a_name() {
        let line = |address: &str| invitation(address.parse().unwrap());
        assert_eq!(line("127.0.0.1:8080"), "nc 127.0.0.1 8080");
        assert_eq!(line("[::1]:8080"), "nc ::1 8080");
        assert!(line("[::]:8080").starts_with("nc localhost 8080 "));
    }
}
