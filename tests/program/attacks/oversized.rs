//! Everything too long.

use crate::harness::{Client, Lobby};
use std::io::Write;

/// The longest answer to a mistake, in bytes: what was wrong is shown only in part.
const ANSWER_BYTES_MAX: usize = 300;

#[test]
fn what_is_too_long_is_refused_in_few_words_and_nobody_sees_it() {
    let mut lobby = Lobby::open();
    let mut mallory = lobby.mallory();
    let long = |count: usize| "x".repeat(count);
    let cases = [
        long(4_097),
        long(60_000),
        format!("/channel {}", long(65)),
        format!("/channel {}", long(4_000)),
        format!("/nick {}", long(33)),
        format!("/nick {}", "마".repeat(1_000)),
        format!("/whois {}", long(4_000)),
        format!("/who {}", long(4_000)),
        format!("/msg {} hi", long(4_000)),
        format!("/send {} hi", long(65)),
        format!("/history {}", long(4_000)),
        format!("/{}", long(4_000)),
        format!("/echo {}", long(4_000)),
    ];
    for line in cases {
        let answers = mallory.ask(&line);
        assert_eq!(answers.len(), 1, "{:.40}: {answers:?}", line);
        let answer = &answers[0];
        assert!(answer.starts_with("! ") && answer.len() <= ANSWER_BYTES_MAX, "{:.40}: {answer}", line);
    }
    // A long pattern is just one that matches nothing.
    assert!(mallory.ask(&format!("/rooms {}", long(4_000))).iter().all(|line| line.len() < 5_000));
    lobby.saw(&[]);
}

#[test]
fn sixty_four_kib_without_an_end_close_the_connection_in_every_state() {
    let mut lobby = Lobby::open();
    let endless = [b"\xff\xfa".as_slice(), &vec![b'x'; 65 * 1024]].concat();
    let quiet = lobby.server.usage_with_segments().open_files;
    for is_named in [false, true] {
        for is_telnet in [false, true] {
            let mut mallory = if is_named { lobby.guest(&format!("m{is_telnet}")) } else { lobby.stranger() };
            let bytes = &endless[if is_telnet { 0 } else { 2 }..];
            // The server may close while the rest is on its way.
            let _ = mallory.writer().write_all(bytes);
            let last = mallory.expect_closed_raw();
            let last = String::from_utf8_lossy(&last);
            assert!(last.contains("! closed: 65536 bytes came without the end of a line"), "{last}");
            lobby.server.expect_open_files_at_most(quiet);
        }
    }
    lobby.saw(&[]);
}

#[test]
fn the_longest_of_everything_is_taken_and_comes_back_whole() {
    let lobby = Lobby::open();
    let name = "마".repeat(32);
    let room = "방".repeat(64);
    let mut longest = Client::login(lobby.server.address, &name);
    longest.enter(&room, &name);
    // Three bytes each: the longest line that is a whole number of them.
    let text = "가".repeat(1_365);
    longest.send(&text);
    longest.expect(&format!("{name}: {text}"));
    let answers = longest.ask("/history 1");
    assert!(answers[0].ends_with(&format!("{name}: {text}")), "{:.100}", answers[0]);
}
