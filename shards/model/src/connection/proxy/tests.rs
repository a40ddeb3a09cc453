use super::*;

fn complete(source: &str, bytes: usize) -> HeaderRead {
    HeaderRead::Complete(ProxyHeader { source: Some(source.parse().expect("an address")), bytes })
}

fn of_itself(bytes: usize) -> HeaderRead {
    HeaderRead::Complete(ProxyHeader { source: None, bytes })
}

/// A header of version 2 that says how long it is.
fn binary(version_and_command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let length = u16::try_from(rest.len()).expect("a short header").to_be_bytes();
    [&SIGNATURE[..], &[version_and_command, family], &length, rest].concat()
}

/// 192.0.2.1:56324 to 198.51.100.2:8080.
const ADDRESSES_4: [u8; 12] = [192, 0, 2, 1, 198, 51, 100, 2, 0xdc, 0x04, 0x1f, 0x90];

/// 2001:db8::1, port 56324, to 2001:db8::2, port 8080.
fn addresses_6() -> Vec<u8> {
    let [source, destination] = ["2001:db8::1", "2001:db8::2"].map(|text| text.parse::<Ipv6Addr>().unwrap());
    [&source.octets()[..], &destination.octets(), &[0xdc, 0x04, 0x1f, 0x90]].concat()
}

/// Reads a header byte by byte, as a slow network brings it: the first answer, which more bytes do not change.
#[track_caller]
fn read(header: &[u8]) -> HeaderRead {
    let bytes = [header, b"alice\r\n"].concat();
    let mut first = HeaderRead::Incomplete;
    for count in 0..=bytes.len() {
        let answer = read_header(&bytes[..count]);
        if first != HeaderRead::Incomplete {
            assert_eq!(answer, first, "after {count} bytes of {}", bytes.escape_ascii());
        }
        first = answer;
        assert!(first != HeaderRead::Incomplete || count < PROXY_HEADER_BYTES_MAX, "{count} bytes wait");
    }
    first
}

#[test]
fn a_line_says_where_a_connection_comes_from() {
    let longest_4 = b"PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n";
    let longest_6 =
        b"PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 \
        65535\r\n";
    assert_eq!((longest_4.len(), longest_6.len()), (56, 104), "as section 2.1 counts them");
    for (line, source) in [
        (&b"PROXY TCP4 192.0.2.1 192.0.2.2 56324 8080\r\n"[..], "192.0.2.1:56324"),
        (b"PROXY TCP4 0.0.0.0 0.0.0.0 0 0\r\n", "0.0.0.0:0"),
        (longest_4, "255.255.255.255:65535"),
        (b"PROXY TCP6 2001:DB8::1 ::1 1 2\r\n", "[2001:db8::1]:1"),
        (longest_6, "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535"),
        (b"PROXY TCP6 ::ffff:192.0.2.1 ::ffff:192.0.2.2 56324 8080\r\n", "192.0.2.1:56324"),
    ] {
        assert_eq!(read(line), complete(source, line.len()), "{}", line.escape_ascii());
    }
}

#[test]
fn of_an_unknown_connection_everything_is_ignored_up_to_the_end_of_the_line() {
    for rest in [&b""[..], b" ", b" ::1 ::1 1 2", b" \n \r \xff\0 garbage", &[b' '; 92]] {
        let line = [b"PROXY UNKNOWN", rest, b"\r\n"].concat();
        assert!(line.len() <= LINE_BYTES_MAX);
        assert_eq!(read(&line), of_itself(line.len()), "{}", line.escape_ascii());
    }
}

#[test]
fn a_line_that_is_not_exactly_as_it_should_be_is_malformed() {
    use ProxyFault::{Address, BareLineFeed, Endless, Fields, Port, Protocol};
    for (line, fault) in [
        (&b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\n"[..], BareLineFeed),
        (b"PROXY TCP4 192.0.2.1\n192.0.2.2 1 2\r\n", BareLineFeed),
        (b"PROXY \r\n", Protocol),
        (b"PROXY UDP4 192.0.2.1 192.0.2.2 1 2\r\n", Protocol),
        (b"PROXY tcp4 192.0.2.1 192.0.2.2 1 2\r\n", Protocol),
        (b"PROXY UNKNOWNS\r\n", Protocol),
        (b"PROXY  TCP4 192.0.2.1 192.0.2.2 1 2\r\n", Protocol),
        (b"PROXY TCP4\r\n", Fields),
        (b"PROXY TCP4 192.0.2.1 192.0.2.2 1\r\n", Fields),
        (b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2 3\r\n", Fields),
        (b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2 \r\n", Fields),
        (b"PROXY TCP4 192.0.2.1  192.0.2.2 1 2\r\n", Fields),
        (b"PROXY TCP4 192.0.2.01 192.0.2.2 1 2\r\n", Address("source")),
        (b"PROXY TCP4 ::1 192.0.2.2 1 2\r\n", Address("source")),
        (b"PROXY TCP6 192.0.2.1 ::1 1 2\r\n", Address("source")),
        (b"PROXY TCP6 ::1%1 ::1 1 2\r\n", Address("source")),
        (b"PROXY TCP4 192.0.2.1 x 1 2\r\n", Address("destination")),
        (b"PROXY TCP4 192.0.2.1 192.0.2.2 65536 2\r\n", Port("source")),
        (b"PROXY TCP4 192.0.2.1 192.0.2.2 01 2\r\n", Port("source")),
        (b"PROXY TCP4 192.0.2.1 192.0.2.2 +1 2\r\n", Port("source")),
        (b"PROXY TCP4 192.0.2.1 192.0.2.2 1 \r\n", Port("destination")),
        (b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\r\n", Port("destination")),
        (&[&b"PROXY TCP4 "[..], &[b'1'; 200]].concat(), Endless),
        (&[&b"PROXY UNKNOWN "[..], &[b'\n'; 200]].concat(), Endless),
        // The end stands where the 108th byte is.
        (&[&b"PROXY UNKNOWN "[..], &[b'x'; 92], b"\r\n"].concat(), Endless),
    ] {
        assert_eq!(read(line), HeaderRead::Malformed(fault), "{}", line.escape_ascii());
    }
}

#[test]
fn bytes_of_version_2_say_where_a_connection_comes_from() {
    let plain = binary(0x21, 0x11, &ADDRESSES_4);
    assert_eq!(read(&plain), complete("192.0.2.1:56324", 28));
    assert_eq!(read(&binary(0x21, 0x21, &addresses_6())), complete("[2001:db8::1]:56324", 52));
    let mut mapped = addresses_6();
    mapped[..16].copy_from_slice(&Ipv4Addr::new(192, 0, 2, 1).to_ipv6_mapped().octets());
    assert_eq!(read(&binary(0x21, 0x21, &mapped)), complete("192.0.2.1:56324", 52));
    // What follows the addresses is skipped, whatever it is: the name of a host here, then noise.
    let name = [&ADDRESSES_4[..], b"\x02\0\x0cchat.example", &[0xff; 90]].concat();
    assert_eq!(read(&binary(0x21, 0x11, &name)), complete("192.0.2.1:56324", 16 + name.len()));
    let longest = [&ADDRESSES_4[..], &[0; REST_BYTES_MAX - 12]].concat();
    assert_eq!(read(&binary(0x21, 0x11, &longest)), complete("192.0.2.1:56324", PROXY_HEADER_BYTES_MAX));
}

#[test]
fn the_connection_is_the_proxys_own_where_it_says_so_or_cannot_say_whose_it_is() {
    // A check of our health, with nothing, with an address, and with a family that is not known.
    for (family, rest) in [(0x00, &b""[..]), (0x11, &ADDRESSES_4), (0x11, b"x"), (0xff, b"some bytes")] {
        assert_eq!(read(&binary(0x20, family, rest)), of_itself(16 + rest.len()), "LOCAL, 0x{family:02x}");
    }
    // Not said; names of sockets; UDP; and addresses without a protocol.
    for (family, rest) in [
        (0x00, &b""[..]),
        (0x00, &ADDRESSES_4),
        (0x01, b""),
        (0x31, &[b'/'; 216]),
        (0x32, &[b'/'; 216]),
        (0x12, &ADDRESSES_4),
        (0x22, &[0; 36]),
        (0x10, &ADDRESSES_4),
    ] {
        assert_eq!(read(&binary(0x21, family, rest)), of_itself(16 + rest.len()), "PROXY, 0x{family:02x}");
    }
}

#[test]
fn bytes_of_version_2_that_are_not_as_they_should_be_are_malformed_as_soon_as_that_is_seen() {
    use ProxyFault::{Command, Family, Long, Short, Version};
    let long = vec![0; REST_BYTES_MAX + 1];
    for (header, fault, seen_after) in [
        (binary(0x11, 0x11, &ADDRESSES_4), Version(1), 13),
        (binary(0x31, 0x11, &ADDRESSES_4), Version(3), 13),
        (binary(0x22, 0x11, &ADDRESSES_4), Command(2), 13),
        (binary(0x21, 0x41, &ADDRESSES_4), Family(0x41), 14),
        (binary(0x21, 0x13, &ADDRESSES_4), Family(0x13), 14),
        (binary(0x21, 0x11, &ADDRESSES_4[..11]), Short { given: 11, needed: 12 }, 16),
        (binary(0x21, 0x21, &addresses_6()[..35]), Short { given: 35, needed: 36 }, 16),
        (binary(0x21, 0x11, &long), Long(2_049), 16),
        (binary(0x20, 0x00, &long), Long(2_049), 16),
    ] {
        assert_eq!(read(&header), HeaderRead::Malformed(fault), "{}", header.escape_ascii());
        assert_eq!(read_header(&header[..seen_after - 1]), HeaderRead::Incomplete, "{fault}");
        assert_eq!(read_header(&header[..seen_after]), HeaderRead::Malformed(fault), "{fault}");
    }
}

#[test]
fn what_begins_otherwise_is_no_header_and_what_may_begin_so_is_waited_for() {
    for other in [
        &b"alice\r\n"[..],
        b"PROXY\r\n",
        b"PROXYTCP4 ",
        b"proxy TCP4 ",
        b"P\xc3\xa4ul\r\n",
        b"\r\nalice\r\n",
        b"\r\n\r\n\0\r\nQUIT\r",
        b"\x16\x03\x01",
        b"GET / HTTP/1.1\r\n",
    ] {
        assert_eq!(read(other), HeaderRead::Absent, "{}", other.escape_ascii());
    }
    for start in [&b""[..], b"P", b"PROXY", b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r", b"\r\n", &SIGNATURE] {
        assert_eq!(read_header(start), HeaderRead::Incomplete, "{}", start.escape_ascii());
    }
}

#[test]
fn whatever_bytes_are_changed_in_a_header_nothing_panics_and_cuts_change_nothing() {
    let headers = [
        b"PROXY TCP4 192.0.2.1 192.0.2.2 56324 8080\r\n".to_vec(),
        b"PROXY UNKNOWN ::1\r\n".to_vec(),
        binary(0x21, 0x11, &ADDRESSES_4),
        binary(0x21, 0x21, &addresses_6()),
        binary(0x20, 0x00, b""),
    ];
    for header in headers {
        for place in 0..header.len() {
            for byte in 0..=255 {
                let mut changed = header.clone();
                changed[place] = byte;
                read(&changed);
            }
        }
    }
}
