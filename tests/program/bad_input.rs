//! Hostile and broken lines: they are answered or cleaned, and nobody else notices any of it.

use crate::harness::{Client, Lobby};

/// A name is refused with these words and asked again.
#[track_caller]
fn refused(stranger: &mut Client, name: &str, words: &[&str]) {
    stranger.send(name);
    stranger.expect_error(words);
    stranger.expect_next("name: ");
}

#[test]
fn names_that_cannot_be_are_refused_and_asked_again() {
    let mut lobby = Lobby::open();
    let mut stranger = lobby.stranger();
    refused(&mut stranger, "alice", &["alice", "taken"]);
    refused(&mut stranger, "", &["empty"]);
    refused(&mut stranger, "   ", &["empty"]);
    refused(&mut stranger, &"n".repeat(33), &["32", "33"]);
    refused(&mut stranger, &"마".repeat(33), &["32", "33"]);
    refused(&mut stranger, "two words", &[]);
    refused(&mut stranger, "a&b", &["&"]);
    // What is unseen is taken out first.
    refused(&mut stranger, "a\u{202e}lice", &["alice", "taken"]);
    // The first letter is Cyrillic.
    refused(&mut stranger, "\u{430}lice", &["alice"]);
    let longest = "마".repeat(32);
    stranger.name(&longest);
    lobby.saw(&[&format!("{longest} has joined general")]);
}

#[test]
fn a_line_of_4096_bytes_is_said_and_one_more_byte_refuses_it_whole() {
    let mut lobby = Lobby::open();
    let mut mallory = lobby.mallory();
    let longest = "x".repeat(4096);
    mallory.send(&longest);
    mallory.expect_next(&format!("mallory: {longest}"));
    lobby.saw(&[&format!("mallory: {longest}")]);
    mallory.expect_all(["alice: still here", "bob: still here"]);
    for bytes in [4097, 16 * 1024] {
        mallory.send(&"x".repeat(bytes));
        mallory.expect_error(&[&bytes.to_string(), "4096"]);
    }
    mallory.send("short");
    mallory.expect_next("mallory: short");
    lobby.saw(&["mallory: short"]);
}

#[test]
fn what_steers_a_terminal_never_reaches_one() {
    let mut lobby = Lobby::open();
    let mut mallory = lobby.mallory();
    let cases = [
        ("nul\0byte", "nulbyte"),
        ("clear\x1b[2Jscreen", "clear[2Jscreen"),
        ("title\x1b]0;pwned\x07", "title]0;pwned"),
        ("bob: spoof\rmallory", "bob: spoofmallory"),
        ("bell\x07 back\x08space", "bell backspace"),
        ("c1\u{9b}31m", "c131m"),
        ("bidi\u{202e}txt.exe", "biditxt.exe"),
        ("isolate\u{2067}d\u{2069}", "isolated"),
        ("line\u{2028}separator", "lineseparator"),
    ];
    for (sent, shown) in cases {
        mallory.send(sent);
        let shown = format!("mallory: {shown}");
        mallory.expect_next(&shown);
        lobby.saw(&[&shown]);
        mallory.expect_all(["alice: still here", "bob: still here"]);
    }
    for nothing_visible in ["\x1b\x07", "\u{feff}\u{200b}", "   ", ""] {
        mallory.send(nothing_visible);
    }
    mallory.send("visible");
    mallory.expect("mallory: visible");
    lobby.saw(&["mallory: visible"]);
}

#[test]
fn commands_are_no_way_around_the_cleaning() {
    let mut lobby = Lobby::open();
    let mut mallory = lobby.mallory();
    mallory.send("/msg alice clear\x1b[2J");
    mallory.expect_next("mallory -> alice : clear[2J");
    lobby.alice.expect_next("mallory -> alice : clear[2J");
    mallory.ask("/away lunch\x1b[31m");
    mallory.settle("mallory");
    lobby.alice.send("/msg mallory hi");
    let told = [lobby.alice.read_line(), lobby.alice.read_line()];
    assert!(told.iter().any(|line| line.contains("lunch[31m")), "{told:?}");
    mallory.expect_next("alice -> mallory : hi");
    for line in ["/nick bo\x1bb", "/channel r\x1b[1", "/whois a\u{202e}b", "/f\x1boo", "/history \x1b[2J"] {
        let answers = mallory.ask(line);
        assert!(answers.iter().any(|answer| answer.starts_with("! ")), "{line:?}: {answers:?}");
        let is_clean = |line: &String| !line.chars().any(|c| c.is_control() || c == '\u{202e}');
        assert!(answers.iter().all(is_clean), "{line:?}: {answers:?}");
    }
    lobby.saw(&[]);
}

#[test]
fn bytes_that_are_not_utf8_are_refused_with_a_message() {
    let mut lobby = Lobby::open();
    let mut mallory = lobby.mallory();
    // A bad continuation, an overlong slash, a surrogate, Latin-1, a code point that is none.
    let cases: [&[u8]; 5] =
        [b"ab\xc3(\n", b"\xc0\xaf\n", b"\xed\xa0\x80\n", b"caf\xe9\n", b"\xf4\x90\x80\x80\n"];
    for bytes in cases {
        mallory.send_bytes(bytes);
        mallory.expect_error(&["UTF-8"]);
    }
    let mut stranger = lobby.stranger();
    stranger.send_bytes(b"na\xefve\n");
    stranger.expect_error(&["UTF-8"]);
    stranger.expect_next("name: ");
    lobby.saw(&[]);
}

#[test]
fn telnet_negotiation_is_taken_out_and_its_interrupt_leaves() {
    const IAC: u8 = 255;
    let (will, r#do, sb, se, ip) = (251, 253, 250, 240, 244);
    let mut lobby = Lobby::open();
    let mut telnet = lobby.stranger();
    // What a telnet client sends on its own, before and within what is typed.
    telnet.send_bytes(&[IAC, will, 31, IAC, r#do, 3, IAC, sb, 31, 0, 80, 0, 24, IAC, se]);
    telnet.send_bytes(b"trudy\r\n");
    lobby.alice.expect_next("trudy has joined general");
    lobby.bob.expect_next("trudy has joined general");
    telnet.send_bytes(b"he");
    telnet.send_bytes(&[IAC, sb, 24, 0, b'x', b't', IAC, se]);
    telnet.send_bytes(b"llo\r\n");
    lobby.saw(&["trudy: hello"]);
    telnet.send_bytes(b"half a line");
    telnet.send_bytes(&[IAC, ip]);
    telnet.send_bytes(b", of which telnet took a byte for a key\r\n");
    lobby.saw(&[]);
    telnet.send_bytes(&[IAC, ip]);
    lobby.saw(&["trudy has left the channel(general)"]);
    let read = telnet.expect_closed_raw();
    let read = String::from_utf8_lossy(&read);
    assert!(read.contains("! mangled: telnet took a byte") && read.ends_with("bye\r\n"), "{read:?}");
}
