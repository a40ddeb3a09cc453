//! The header of a proxy, and the networks that one may come from.

use madang_model::connection::{HeaderRead, NETWORKS_MAX, Networks, PROXY_HEADER_BYTES_MAX, read_header};

/// The first bytes of a connection; and the same as an operator's list of networks.
pub fn proxy(bytes: &[u8]) {
    let whole = read_header(bytes);
    let mut first = HeaderRead::Incomplete;
    // What is longer than any header changes nothing any more.
    for count in 0..=bytes.len().min(PROXY_HEADER_BYTES_MAX + 1) {
        let read = read_header(&bytes[..count]);
        if first != HeaderRead::Incomplete {
            assert_eq!(read, first, "an answer does not change as more comes");
        }
        if let HeaderRead::Complete(header) = read {
            assert!((15..=count).contains(&header.bytes), "what follows is the connection that is passed on");
            assert!(header.bytes <= PROXY_HEADER_BYTES_MAX);
            let is_canonical = |source: std::net::SocketAddr| source.ip() == source.ip().to_canonical();
            assert!(header.source.is_none_or(is_canonical), "one address is counted as one");
        }
        assert!(read != HeaderRead::Incomplete || count < PROXY_HEADER_BYTES_MAX, "a header has a bound");
        first = read;
    }
    assert_eq!(first, whole, "what is behind a header does not matter");
    if let Ok(text) = std::str::from_utf8(bytes) {
        networks(text);
    }
}

fn networks(text: &str) {
    match Networks::parse(text) {
        Ok(networks) => {
            let shown: Vec<_> = networks.iter().map(ToString::to_string).collect();
            assert!(shown.len() <= NETWORKS_MAX);
            assert_eq!(Networks::parse(&shown.join(", ")), Ok(networks), "what is shown reads as the same");
        }
        Err(error) => {
            let told = error.to_string();
            assert!(told.len() < 1024 && !told.contains(char::is_control), "{told:?}");
        }
    }
}
