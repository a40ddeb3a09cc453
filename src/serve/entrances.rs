//! Where clients connect, in words.

use madang_config::EntranceKey;
use madang_model::connection::Entrance;

/// The command that connects there.
pub fn connect_command(entrance: &Entrance) -> String {
    let program = EntranceKey::of(entrance.kind).client;
    let (host, port) = (entrance.address.ip(), entrance.address.port());
    if host.is_unspecified() {
        return format!(
            "{program} localhost {port} (from elsewhere: this machine's name instead of localhost)"
        );
    }
    format!("{program} {host} {port}")
}

/// The status that a server reports to systemd while it serves.
pub fn status_line(entrances: &[Entrance]) -> String {
    let entrances: Vec<_> = entrances.iter().map(ToString::to_string).collect();
    format!("Serving at {}", entrances.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_protocol_of_an_entrance_is_the_one_that_serves_it() {
        assert_eq!(madang_config::LINES, madang_surfaces::line::SURFACE);
    }

    #[test]
    fn an_address_of_every_interface_is_reached_by_a_name() {
        let command = |key: &str, address: &str| {
            let kind = EntranceKey::named(key).unwrap().kind;
            connect_command(&Entrance { kind, address: address.parse().unwrap() })
        };
        let line = |address: &str| command("line", address);
        assert_eq!(line("127.0.0.1:8080"), "nc 127.0.0.1 8080");
        assert_eq!(line("[::1]:8080"), "nc ::1 8080");
        assert!(line("[::]:8080").starts_with("nc localhost 8080 "));
        assert_eq!(command("line_tls", "[::1]:8443"), "ncat --ssl ::1 8443");
    }
}
