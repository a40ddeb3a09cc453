use super::*;

fn network(text: &str) -> IpNetwork {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn an_address_is_in_the_networks_that_begin_as_it_does() {
    for (text, inside, outside) in [
        (
            "10.0.0.0/8",
            &["10.0.0.0", "10.255.255.255", "::ffff:10.1.2.3"][..],
            &["11.0.0.0", "::10.0.0.1"][..],
        ),
        ("127.0.0.1", &["127.0.0.1", "::ffff:127.0.0.1"], &["127.0.0.2", "::1"]),
        ("192.0.2.128/25", &["192.0.2.128", "192.0.2.255"], &["192.0.2.127"]),
        ("fd00::/8", &["fd00::1", "fdff:ffff::"], &["fe80::1", "10.0.0.1"]),
        ("2001:db8::/33", &["2001:db8:7fff::1"], &["2001:db8:8000::1"]),
        ("::1", &["::1"], &["::2", "0.0.0.1"]),
        ("0.0.0.0/0", &["0.0.0.0", "255.255.255.255", "::ffff:1.2.3.4"], &["::1"]),
        // An IPv4 address is none of IPv6, however it is written.
        ("::/0", &["::", "ffff::1"], &["1.2.3.4", "::ffff:1.2.3.4"]),
        ("::ffff:10.0.0.0/104", &["10.1.2.3", "::ffff:10.1.2.3"], &["11.0.0.0", "::1"]),
        ("::ffff:192.0.2.1", &["192.0.2.1"], &["192.0.2.2"]),
    ] {
        let network = network(text);
        for (addresses, is_in) in [(inside, true), (outside, false)] {
            for address in addresses {
                assert_eq!(network.contains(address.parse().unwrap()), is_in, "{address} in {text}");
            }
        }
    }
}

#[test]
fn a_network_is_shown_as_it_is_read() {
    for (text, shown) in [
        ("10.0.0.0/8", "10.0.0.0/8"),
        ("127.0.0.1/32", "127.0.0.1"),
        ("FD00::/8", "fd00::/8"),
        ("::1/128", "::1"),
        ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
        ("::ffff:0.0.0.0/96", "0.0.0.0/0"),
        ("::/0", "::/0"),
    ] {
        assert_eq!(network(text).to_string(), shown);
        assert_eq!(network(shown), network(text));
    }
    assert!(network("::/0").is_everything() && network("::ffff:0.0.0.0/96").is_everything());
    assert!(!network("0.0.0.0/1").is_everything());
}

#[test]
fn what_is_no_network_is_reported_with_the_value_and_the_remedy() {
    for (text, why) in [
        ("10.0.0.0/33", "the prefix of '10.0.0.0/33' is no number from 0 to 32"),
        ("::/129", "the prefix of '::/129' is no number from 0 to 128"),
        ("10.0.0.0/", "the prefix of '10.0.0.0/' is no number from 0 to 32"),
        ("10.0.0.0/+8", "the prefix of '10.0.0.0/+8' is no number from 0 to 32"),
        ("10.0.0.0/255.0.0.0", "the prefix of '10.0.0.0/255.0.0.0' is no number from 0 to 32"),
        (
            "10.1.2.3/8",
            "'10.1.2.3/8' has bits behind its prefix; write 10.0.0.0/8, or 10.1.2.3 for that address alone",
        ),
        (
            "fd00::1/8",
            "'fd00::1/8' has bits behind its prefix; write fd00::/8, or fd00::1 for that address alone",
        ),
        ("127.0.0.1:80", "'127.0.0.1:80' is more than an address; write 127.0.0.1"),
        ("[::1]:80", "'[::1]:80' is more than an address; write ::1"),
        ("[::1]", "'[::1]' is more than an address; write ::1"),
        (
            "proxy.example",
            "'proxy.example' is no network; write an IP address, or one with a prefix such as 10.0.0.0/8 (host \
             names are not looked up)",
        ),
        (
            "10.0.0",
            "'10.0.0' is no network; write an IP address, or one with a prefix such as 10.0.0.0/8 (host names are \
             not looked up)",
        ),
    ] {
        assert_eq!(
            text.parse::<IpNetwork>().map_err(|error| error.to_string()),
            Err(why.to_owned()),
            "{text}"
        );
    }
    for text in ["", "/8", "010.0.0.0/8", "fe80::1%eth0", "10.0.0.0 /8", "*", "::g"] {
        assert!(matches!(text.parse::<IpNetwork>(), Err(NetworkError::NotANetwork(_))), "{text}");
    }
    let hostile = format!("\u{1b}[2J{}", "x".repeat(1000));
    let message = hostile.parse::<IpNetwork>().unwrap_err().to_string();
    assert!(!message.contains('\u{1b}') && message.len() < 300, "{message}");
}

#[test]
fn a_list_has_commas_and_at_most_so_many_networks() {
    assert_eq!(Networks::parse(""), Ok(Networks::default()));
    assert!(!Networks::default().contains("127.0.0.1".parse().unwrap()));
    let networks = Networks::parse("10.0.0.0/8, fd00::/8 ,127.0.0.1").unwrap();
    let shown: Vec<_> = networks.iter().map(ToString::to_string).collect();
    assert_eq!(shown, ["10.0.0.0/8", "fd00::/8", "127.0.0.1"]);
    for (address, is_in) in [("10.1.1.1", true), ("fd12::1", true), ("127.0.0.1", true), ("127.0.0.2", false)]
    {
        assert_eq!(networks.contains(address.parse().unwrap()), is_in, "{address}");
    }
    assert!(matches!(Networks::parse("10.0.0.0/8,,::1"), Err(NetworkError::NotANetwork(_))));
    let list = |count: usize| (0..count).map(|i| format!("10.0.0.{i}")).collect::<Vec<_>>().join(",");
    assert!(Networks::parse(&list(NETWORKS_MAX)).is_ok());
    let message = Networks::parse(&list(NETWORKS_MAX + 1)).unwrap_err().to_string();
    assert_eq!(message, "65 networks, at most 64 are looked at; write fewer with shorter prefixes");
}
