//! The line that tells a newcomer how to come in.

use madang_shards::runtime::Entrance;

/// The command that comes in there.
pub fn invitation(entrance: &Entrance) -> String {
    let program = if entrance.has_tls { "ncat --ssl" } else { "nc" };
    let (host, port) = (entrance.address.ip(), entrance.address.port());
    if host.is_unspecified() {
        return format!(
            "{program} localhost {port} (from elsewhere: this machine's name instead of localhost)"
        );
    }
    format!("{program} {host} {port}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_of_every_interface_is_reached_by_a_name() {
        let line =
            |address: &str| invitation(&Entrance { address: address.parse().unwrap(), has_tls: false });
        assert_eq!(line("127.0.0.1:8080"), "nc 127.0.0.1 8080");
        assert_eq!(line("[::1]:8080"), "nc ::1 8080");
        assert!(line("[::]:8080").starts_with("nc localhost 8080 "));
        let tls = Entrance { address: "[::1]:8443".parse().unwrap(), has_tls: true };
        assert_eq!(invitation(&tls), "ncat --ssl ::1 8443");
    }
}
