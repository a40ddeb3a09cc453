//! What a telnet meets where telnet is expected.

use super::rig::Rig;
use crate::line::Terminal;

/// DO BINARY, DO SGA, DO LINEMODE, WILL CHARSET.
const OPENING: &[u8] = b"\xff\xfd\0\xff\xfd\x03\xff\xfd\x22\xff\xfb\x2a";
const GREETING: &[u8] = b"* welcome to madang; /help lists what you can type\r\nname: ";
/// How inetutils 2.4 answers: BINARY of what it sends, SGA both ways, LINEMODE with its keys, no CHARSET; then that it edits
/// the line as it was asked to.
const INETUTILS: [&[u8]; 2] = [
    b"\xff\xfb\0\xff\xfb\x03\xff\xfd\x03\xff\xfb\x22\xff\xfa\x22\x03\x01\0\0\x03\x62\x03\xff\xf0\xff\xfe\x2a",
    b"\xff\xfa\x22\x01\x07\xff\xf0",
];
/// The line is edited there, and SGA.
const TO_INETUTILS: &[u8] = b"\xff\xfa\x22\x01\x03\xff\xf0\xff\xfb\x03";

/// A telnet that was asked, with what it was sent taken.
fn telnet() -> Rig {
    let mut rig = Rig::at(Terminal::Telnet);
    assert_eq!(rig.bytes(), [OPENING, GREETING].concat());
    rig
}

/// That of Debian, named.
fn inetutils(name: &str) -> Rig {
    let mut rig = telnet();
    rig.send(INETUTILS[0]);
    assert_eq!(rig.bytes(), TO_INETUTILS);
    rig.send(INETUTILS[1]);
    rig.send(format!("{name}\n"));
    assert_eq!(rig.output(), format!("{name} has joined general\r\n"));
    rig
}

#[test]
fn a_telnet_that_was_asked_types_any_korean_from_its_first_line_on() {
    let mut rig = inetutils("지혜");
    let bytes = (0x80..=0xbf).flat_map(|byte| [[0xea, 0xb0, byte], [0xec, byte, 0x80]]).flatten().collect();
    let every_byte = String::from_utf8(bytes).expect("syllables");
    for said in ["나", "희", &every_byte] {
        rig.send(format!("{said}\n"));
        assert_eq!(rig.output(), format!("지혜: {said}\r\n"));
    }
}

#[test]
fn a_telnet_that_wants_binary_moves_its_terminal_down_at_enter_and_is_led_to_the_left_whatever_the_line_is() {
    let mut rig = inetutils("alice");
    // Its user has switched it on (`toggle inbinary`).
    rig.send(b"\xff\xfd\0");
    assert_eq!(rig.bytes(), b"\xff\xfb\0");
    rig.hand_over();
    for (line, answer) in [
        (&b""[..], &b""[..]),
        (b"/ping", b"pong\r\n"),
        (b"\xff\xff", b"! not UTF-8: 0xFF is byte 1 of the line; nothing of it was sent, set your terminal to UTF-8\r\n"),
    ] {
        rig.send([line, b"\n"].concat());
        assert_eq!(rig.bytes(), [b"\r", answer].concat(), "{}", line.escape_ascii());
    }
    rig.send([b'x'; 5000]);
    assert_eq!(rig.bytes(), b"", "no line has ended");
    rig.send("\n");
    assert!(rig.output().starts_with("\r! too long"));
    for end in ["\r\n", "\r\0", "\r", "\n"] {
        rig.send(format!("/ping{end}"));
        assert_eq!(rig.output(), "\rpong\r\n", "{end:?}");
    }
}

#[test]
fn a_terminal_that_makes_new_lines_of_its_own_gets_none_besides() {
    // As busybox answers, and PuTTY where it refuses BINARY.
    let mut rig = telnet();
    rig.send(b"\xff\xfc\0\xff\xfd\x03\xff\xfc\x22\xff\xfe\x2a");
    assert_eq!(rig.bytes(), b"\xff\xfc\x03");
    rig.send("alice\r\nhello\r\0");
    assert_eq!(rig.output(), "alice has joined general\r\nalice: hello\r\n");
}

#[test]
fn a_client_that_takes_character_sets_is_asked_for_utf_8_and_may_ask_for_it() {
    // As TinTin++ 2.02 answers.
    let mut rig = telnet();
    rig.send(b"\xff\xfc\0\xff\xfb\x03\xff\xfc\x22\xff\xfd\x2a");
    assert_eq!(rig.bytes(), b"\xff\xfa\x2a\x01 UTF-8\xff\xf0");
    rig.send(b"\xff\xfa\x2a\x02UTF-8\xff\xf0");
    assert_eq!(rig.bytes(), b"");
    rig.send(b"\xff\xfb\x2a\xff\xfa\x2a\x01;UTF-8\xff\xf0");
    assert_eq!(rig.bytes(), b"\xff\xfd\x2a\xff\xfa\x2a\x02UTF-8\xff\xf0");
}

#[test]
fn what_was_agreed_on_holds_in_the_process_that_resumes() {
    let mut rig = inetutils("alice");
    rig.send(b"hel\xff\xfb");
    rig.hand_over();
    rig.send(b"\x22lo\n");
    assert_eq!(rig.output(), "alice: hello\r\n", "LINEMODE is on already");
    let mut rig = telnet();
    rig.hand_over();
    rig.send(INETUTILS[0]);
    assert_eq!(rig.bytes(), TO_INETUTILS, "its answers come to the process that resumes");
}

#[test]
fn nc_is_served_where_telnet_is_expected() {
    let mut rig = telnet();
    rig.send("alice\nhello\n");
    assert_eq!(rig.output(), "alice has joined general\r\nalice: hello\r\n");
}

#[test]
fn clients_of_http_find_their_answer_at_the_beginning_there_too() {
    let mut rig = Rig::at(Terminal::Telnet);
    rig.send("GET / HTTP/1.1\r\n\r\n");
    assert!(rig.output().starts_with("HTTP/1.1 400 "));
    assert!(rig.was_of_another_protocol());
}

#[test]
fn keys_of_a_telnet_in_linemode_mean_what_they_meant() {
    for (key, leaves) in [(0xf4, true), (0xec, true), (0xed, false), (0xf3, false)] {
        let mut rig = inetutils("alice");
        rig.send([0xff, key]);
        assert_eq!(rig.core.closing.is_some(), leaves, "{key}");
    }
}
