//! The line codec and the telnet filter.

use madang_surfaces::line::command::Command;
use madang_surfaces::line::decode::telnet::{Filtered, Telnet};
use madang_surfaces::line::decode::{LineDecoder, Token};

const IAC: u8 = 255;
/// Answers that are given at most once each: two for each option but BINARY, and what is asked.
const REFUSALS_MAX: usize = 511;
/// Bytes by which a telnet is asked further, once each: how it edits its line, SGA, and UTF-8.
const ASKED_ONCE: usize = 7 + 3 + 12;

/// Two bytes say how long lines may be and where the network cuts; the rest is what a peer sends.
/// How it is cut must make no difference.
pub fn line(bytes: &[u8]) {
    let [length, cut, input @ ..] = bytes else { return };
    // The configuration allows none that is too short for what is looked for at the start of a line.
    let bytes_max = 16 + usize::from(*length) * 16;
    let whole = tokens(input, bytes_max, input.len().max(1));
    let in_pieces = tokens(input, bytes_max, 1 + usize::from(*cut));
    assert_eq!(whole, in_pieces, "lines depend on how the network cuts them");
    assert_eq!(whole, tokens(input, bytes_max, 1), "lines depend on how the network cuts them");
}

/// What is found in it, of a peer that may be anything and of one that is known to be telnet.
fn tokens(input: &[u8], bytes_max: usize, piece_bytes: usize) -> [Vec<String>; 2] {
    [LineDecoder::default(), LineDecoder::of_telnet()]
        .map(|decoder| tokens_of(decoder, input, bytes_max, piece_bytes))
}

fn tokens_of(mut decoder: LineDecoder, input: &[u8], bytes_max: usize, piece_bytes: usize) -> Vec<String> {
    let mut found = Vec::new();
    for piece in input.chunks(piece_bytes) {
        let mut rest = piece;
        while !rest.is_empty() {
            let (taken, token) = decoder.next(rest, bytes_max);
            assert!(taken <= rest.len() && (taken > 0 || token.is_some()), "a decoder goes on");
            rest = &rest[taken..];
            let Some(token) = token else { continue };
            check(&token, bytes_max);
            found.push(format!("{token:?}"));
            if matches!(token, Token::Endless | Token::Leave) {
                return found;
            }
        }
    }
    if let Some(token) = decoder.rest(bytes_max) {
        check(&token, bytes_max);
        found.push(format!("{token:?}"));
    }
    found
}

fn check(token: &Token<'_>, bytes_max: usize) {
    match token {
        Token::Line(line) => {
            assert!(line.len() <= bytes_max && !line.contains(&b'\n'));
            if let Ok(line) = std::str::from_utf8(line) {
                command(line);
            }
        }
        Token::TooLong { bytes, .. } => assert!(*bytes > bytes_max),
        _ => {}
    }
}

/// What is repeated to anybody is free of what steers a terminal.
fn command(line: &str) {
    match Command::parse(line) {
        Ok(Some(Command::Talk { text, .. } | Command::Whisper { text, .. })) => is_clean(text.as_str()),
        Ok(Some(Command::Rooms(pattern))) => is_clean(&pattern),
        Ok(Some(Command::Away(Some(text)))) => is_clean(text.as_str()),
        Ok(_) => {}
        Err(mistake) => is_clean(&mistake.to_string()),
    }
}

/// Fails on characters that no line to a peer may hold.
pub fn is_clean(text: &str) {
    let steers = |c: char| c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    assert!(!text.chars().any(steers), "{text:?} steers a terminal");
}

/// What a telnet peer sends, whether it was known to be one as it came or not.
pub fn telnet(bytes: &[u8]) {
    let mut telnet = Telnet::default();
    let (mut refusals, mut changes) = (0, 0);
    for byte in bytes {
        match telnet.filter(*byte, 1024) {
            Filtered::Byte(text) => assert_eq!(text, *byte),
            Filtered::Answer(answer) => {
                let [iac, verb, option] = *answer.bytes() else { panic!("{answer:?} is no command") };
                let is_offer = *byte == IAC && (verb, option) == (253, 0);
                assert!(iac == IAC && (option == *byte || is_offer));
                refusals += usize::from(option != 6 && option != 0 || is_offer);
                changes += usize::from(option == 0 && !is_offer);
            }
            Filtered::Endless => break,
            Filtered::Nothing | Filtered::AreYouThere | Filtered::Key | Filtered::Leave => {}
        }
    }
    // One that turns BINARY on and off is answered each time, by as many bytes.
    assert!(3 * changes <= bytes.len(), "an answer is longer than what it answers");
    assert!(refusals <= REFUSALS_MAX, "two ends can answer each other for ever");
    opened_telnet(bytes);
}

fn opened_telnet(bytes: &[u8]) {
    let mut telnet = Telnet::opened();
    let mut answered = 0;
    for byte in bytes {
        match telnet.filter(*byte, 1024) {
            Filtered::Byte(text) => assert_eq!(text, *byte),
            Filtered::Answer(answer) => {
                assert!(answer.bytes().starts_with(&[IAC]), "{answer:?} is no command");
                answered += answer.bytes().len();
            }
            Filtered::Endless => break,
            Filtered::Nothing | Filtered::AreYouThere | Filtered::Key | Filtered::Leave => {}
        }
    }
    assert!(answered <= bytes.len() + ASKED_ONCE, "an answer is longer than what it answers");
}
