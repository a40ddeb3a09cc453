use super::*;
use madang_model::Seq;

fn command(line: &str) -> Command {
    match Command::parse(line) {
        Ok(Some(command)) => command,
        other => panic!("{line:?}: {other:?}"),
    }
}

fn mistake(line: &str) -> String {
    match Command::parse(line) {
        Err(mistake) => mistake.to_string(),
        other => panic!("{line:?}: {other:?}"),
    }
}

fn talk_of(line: &str) -> Option<String> {
    match Command::parse(line) {
        Ok(Some(Command::Talk { text, draft: None })) => Some(text.as_str().to_owned()),
        Ok(None) => None,
        other => panic!("{line:?}: {other:?}"),
    }
}

#[test]
fn what_does_not_begin_with_a_slash_is_talk() {
    assert_eq!(talk_of("hello").as_deref(), Some("hello"));
    assert_eq!(talk_of(" /quit").as_deref(), Some(" /quit"));
    assert_eq!(talk_of("//help me").as_deref(), Some("/help me"));
    assert_eq!(talk_of("a\rb\u{202e}c\x1b[1m").as_deref(), Some("abc[1m"));
    assert_eq!(talk_of("  \x07 "), None);
}

/// A byte order mark, zero width space, NUL, DEL, soft hyphen, joiners, marks of direction, fillers,
/// selectors, an override, a tag and characters that nobody has drawn.
const UNSEEN: [&str; 17] = [
    "\u{feff}",
    "\u{200b}",
    "\0",
    "\x7f",
    "\u{ad}",
    "\u{200d}",
    "\u{200c}",
    "\u{200e}",
    "\u{200f}",
    "\u{61c}",
    "\u{3164}",
    "\u{115f}",
    "\u{fe0f}",
    "\u{202e}",
    "\u{e0067}",
    "\u{1d173}",
    "\u{fff0}",
];

#[test]
fn no_unseen_character_turns_a_command_into_talk() {
    for unseen in UNSEEN {
        for line in [
            format!("{unseen}/msg bob secret"),
            format!("/{unseen}msg bob secret"),
            format!("/m{unseen}sg bob secret"),
        ] {
            match Command::parse(&line) {
                Ok(Some(Command::Whisper { to, text })) => {
                    assert_eq!((to.as_str(), text.as_str()), ("bob", "secret"), "{line:?}");
                }
                // Marks of direction stay inside a word, and make it another.
                Err(Mistake::UnknownCommand { .. }) if line.starts_with("/m") => {}
                other => panic!("{line:?}: {other:?}"),
            }
        }
        let twice = format!("{unseen}/{unseen}/quit");
        assert!(talk_of(&twice).is_some_and(|text| text.ends_with("/quit")), "{twice:?}");
    }
    for unseen in ["\u{feff}", "\0", "\u{ad}", "\u{200d}"] {
        let line = format!("/send {unseen}x{unseen}1 {unseen}hi");
        assert!(
            matches!(command(&line), Command::Talk { draft: Some(id), text } if id.as_str() == "x1" && text.as_str() == "hi"),
            "{line:?}"
        );
        let line = format!("{unseen}/channel {unseen}r{unseen}1");
        assert!(matches!(command(&line), Command::Channel(room) if room.as_str() == "r1"), "{line:?}");
    }
}

#[test]
fn command_words_are_read_without_case() {
    assert!(matches!(command("/QUIT"), Command::Quit));
    assert!(matches!(command("/Channel R1"), Command::Channel(room) if room.as_str() == "R1"));
    assert!(matches!(command("/echo OFF"), Command::Echo(false)));
    assert!(matches!(command("/time on"), Command::Time(true)));
}

#[test]
fn every_command_is_known() {
    use Command as C;
    assert!(
        matches!(command("/msg bob hi there"), C::Whisper { to, text } if to.as_str() == "bob" && text.as_str() == "hi there")
    );
    assert!(
        matches!(command("/send x1 hi"), C::Talk { draft: Some(id), text } if id.as_str() == "x1" && text.as_str() == "hi")
    );
    assert!(matches!(command("/who"), C::Who(None)));
    assert!(matches!(command("/who r1 "), C::Who(Some(room)) if room.as_str() == "r1"));
    assert!(matches!(command("/rooms"), C::Rooms(pattern) if pattern.is_empty()));
    assert!(matches!(command("/rooms gam\x1be"), C::Rooms(pattern) if &*pattern == "game"));
    assert!(matches!(command("/whois bob"), C::Whois(_)));
    assert!(matches!(command("/nick bob"), C::Nick(_)));
    assert!(matches!(command("/away"), C::Away(None)));
    assert!(matches!(command("/away at lunch"), C::Away(Some(text)) if text.as_str() == "at lunch"));
    assert!(matches!(command("/back"), C::Back));
    assert!(matches!(command("/unread"), C::Unread));
    assert!(matches!(command("/read"), C::Read));
    assert!(matches!(command("/help"), C::Help));
    assert!(matches!(command("/ping"), C::Ping));
}

#[test]
fn history_pages_are_asked_for_by_count_and_number() {
    let pages = [
        ("/history", Page::Last { count: 20 }),
        ("/history 5", Page::Last { count: 5 }),
        ("/history 500", Page::Last { count: 500 }),
        ("/history before 12", Page::Before { seq: Seq(12), count: 20 }),
        ("/history 5 before #12", Page::Before { seq: Seq(12), count: 5 }),
        ("/history after 12", Page::After { seq: Seq(12), count: 500 }),
        ("/history 5 AFTER 0", Page::After { seq: Seq(0), count: 5 }),
    ];
    for (line, page) in pages {
        assert!(matches!(command(line), Command::History(found) if found == page), "{line}");
    }
}

#[test]
fn extreme_numbers_are_answered_with_the_value_and_a_remedy() {
    let cases = [
        ("/history abc", "not a number: abc (try /history 20)"),
        ("/history 0", "not a count from 1 to 500: 0 (try /history 20)"),
        ("/history -1", "not a count from 1 to 500: -1 (try /history 20)"),
        ("/history 501", "not a count from 1 to 500: 501 (try /history 20)"),
        (
            "/history 18446744073709551615",
            "not a count from 1 to 500: 18446744073709551615 (try /history 20)",
        ),
        (
            "/history 99999999999999999999",
            "not a count from 1 to 500: 99999999999999999999 (try /history 20)",
        ),
        ("/history before", "which message number? (try /history before 100)"),
        ("/history after x", "not a number: x (try /history after 100)"),
        (
            "/history before -1",
            "not a message number from 0 to 9223372036854775807: -1 (try /history before 100)",
        ),
        (
            "/history after 18446744073709551615",
            "not a message number from 0 to 9223372036854775807: 18446744073709551615 (try /history after 100)",
        ),
        (
            "/history after 99999999999999999999",
            "not a message number from 0 to 9223372036854775807: 99999999999999999999 (try /history after 100)",
        ),
        (
            "/history 5 6",
            "/history does not know: 6 (try /history 20, /history 20 before 100 or /history after 100)",
        ),
    ];
    for (line, answer) in cases {
        assert_eq!(mistake(line), answer);
    }
}

#[test]
fn mistakes_name_the_value_and_the_remedy() {
    let cases = [
        ("/foo bar", "unknown command: /foo (try /help)"),
        ("/", "unknown command: / (try /help)"),
        ("/join r1", "unknown command: /join; here it is /channel (try /channel r1)"),
        ("/PART", "unknown command: /PART; here it is /quit (from a channel to the lobby, from there out)"),
        ("/leave", "unknown command: /leave; here it is /quit (from a channel to the lobby, from there out)"),
        ("/names", "unknown command: /names; here it is /who"),
        ("/list", "unknown command: /list; here it is /rooms"),
        ("/me waves", "unknown command: /me; there is no command for it, just say it (try I wave)"),
        ("/w bob hi", "unknown command: /w; here it is /msg (try /msg bob hi there)"),
        ("/whisper bob hi", "unknown command: /whisper; here it is /msg (try /msg bob hi there)"),
        ("/exit", "unknown command: /exit; here it is /quit"),
        ("/?", "unknown command: /?; here it is /help"),
        ("/channel", "which channel? (try /channel r1)"),
        ("/channel a b", "a name is made of letters and digits of any script and - _ . (a space is not one)"),
        ("/msg", "to whom, and what? (try /msg bob hi there)"),
        ("/msg bob", "to whom, and what? (try /msg bob hi there)"),
        ("/whois", "who? (try /whois bob)"),
        ("/nick", "which name? (try /nick bob)"),
        ("/send", "which id, and what? (try /send 7f3a hello)"),
        ("/send 한 x", "not an id of 1 to 64 printable ASCII characters: 한 (try /send 7f3a hello)"),
        ("/echo maybe", "not on or off: maybe (try /echo off)"),
        ("/time", "on or off? (try /time on)"),
    ];
    for (line, answer) in cases {
        assert_eq!(mistake(line), answer);
    }
}

#[test]
fn an_error_repeats_little_and_no_terminal_control_character() {
    let answer = mistake(&format!("/\x1b[2J\u{202e}{}", "x".repeat(4000)));
    assert_eq!(answer, format!("unknown command: /[2J{}… (try /help)", "x".repeat(37)));
}
