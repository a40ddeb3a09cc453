//! What steers a terminal, or deceives its reader.

use crate::harness::Lobby;

/// Bytes that no line of the server may hold, whatever it received.
fn steers(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}' | '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

const HOSTILE: [&str; 12] = [
    "\x1b[2J\x1b[H",
    "\x1b]0;title\x07",
    "\x1b]52;c;cHduZWQ=\x07",
    "\x1bP+q\x1b\\",
    "\u{9b}31m\u{9d}x\u{9c}",
    "\u{7f}\u{8}\u{8}\u{8}",
    "\rroot: rm -rf",
    "\u{202e}gnp.exe",
    "\u{2066}\u{2067}\u{2068}\u{2069}",
    "a\u{200b}\u{feff}\u{2060}b",
    "x\u{2028}* notice\u{2029}! error",
    "\u{1b}\u{5b}6n\u{5}\u{e}",
];

#[test]
fn no_way_in_leads_an_escape_to_a_terminal() {
    let mut lobby = Lobby::open();
    let mut mallory = lobby.mallory();
    for hostile in HOSTILE {
        let ways = [
            format!("x{hostile}"),
            format!("/msg alice x{hostile}"),
            format!("/away x{hostile}"),
            format!("/nick m{hostile}"),
            format!("/channel r{hostile}"),
            format!("/who r{hostile}"),
            format!("/whois u{hostile}"),
            format!("/rooms r{hostile}"),
            format!("/history {hostile}"),
            format!("/send {hostile} x"),
            format!("/send id x{hostile}"),
            format!("/{hostile}"),
            format!("/echo {hostile}"),
            hostile.to_owned(),
            "/back".to_owned(),
        ];
        for way in ways {
            mallory.send(&way);
        }
        for line in mallory.ask("/channel general") {
            assert!(!line.chars().any(steers), "{hostile:?}: {line:?}");
        }
    }
    lobby.bob.send("/msg mallory are you there?");
    for reader in [&mut lobby.alice, &mut lobby.bob] {
        reader.send("end of it");
        loop {
            let line = reader.read_line();
            assert!(!line.chars().any(steers), "{line:?}");
            if line.ends_with(": end of it") {
                break;
            }
        }
    }
}

/// Nobody sees why it would be talk, so that it is none.
#[test]
fn an_unseen_character_before_a_command_does_not_say_it_to_the_room() {
    let mut lobby = Lobby::open();
    let mut mallory = lobby.mallory();
    for unseen in ["\u{feff}", "\u{200b}", "\0", "\x7f", "\u{ad}", "\u{200d}", "\u{200e}", "\u{1d173}"] {
        for line in [format!("{unseen}/msg alice secret"), format!("/{unseen}msg alice secret")] {
            mallory.send(&line);
            mallory.expect_next("mallory -> alice : secret");
            lobby.alice.expect_next("mallory -> alice : secret");
        }
    }
    for nothing in ["\u{1d173}", "\u{1bca0}", "\u{fff0}", "\u{ad}", "\u{fdd0}", "\u{ffff}", "\u{e0041}"] {
        mallory.send(nothing);
    }
    lobby.saw(&[]);
    let mut stranger = lobby.stranger();
    stranger.send("\u{feff}trudy");
    stranger.expect_next("trudy has joined general");
    lobby.saw(&["trudy has joined general"]);
}

/// Who speaks is visible at the start of a line: nobody can speak as the server or as another.
#[test]
fn no_name_or_text_looks_like_the_server_or_somebody_else() {
    let mut lobby = Lobby::open();
    let mut stranger = lobby.stranger();
    for name in
        ["*", "* notice", "!", "! error", "#12", "alice:", "alice: hi", "->", "a -> b", "name:", "&", "a&b"]
    {
        stranger.send(name);
        stranger.expect_error(&[]);
        stranger.expect_next("name: ");
    }
    let mut mallory = lobby.mallory();
    for said in
        ["* server is going down", "! closed", "#1 2026-01-01 00:00:00 alice: hi", "alice -> bob : hi"]
    {
        mallory.send(said);
        let shown = format!("mallory: {said}");
        mallory.expect_next(&shown);
        lobby.saw(&[&shown]);
        mallory.expect_all(["alice: still here", "bob: still here"]);
    }
}
