//! Real telnets at `listen.telnet`, and what becomes of them when the server is replaced.

use crate::harness::{CTRL_D, Client, Server, Terminal, needs};
use std::net::SocketAddr;

const AT_TELNET: &str = "listen.telnet=127.0.0.1:0";

/// The telnet of Debian.
fn telnet(options: &str, address: SocketAddr) -> Terminal {
    needs("telnet", "inetutils-telnet");
    Terminal::run(&format!("telnet {options} {} {}", address.ip(), address.port()))
}

/// Somebody in the lobby.
fn come_in(options: &str, address: SocketAddr, name: &str) -> Terminal {
    let mut terminal = telnet(options, address);
    terminal.expect("name: ");
    terminal.type_line(name);
    terminal.expect(&format!("{name} has joined general\r\n"));
    terminal
}

/// The lines that a terminal shows further right than at its left edge.
fn indented(screen: &str) -> Vec<String> {
    let (mut is_at_left, mut is_indented, mut found) = (true, false, Vec::new());
    for piece in screen.split_inclusive(['\r', '\n']) {
        let text = piece.trim_end_matches(['\r', '\n']);
        if is_indented && !text.is_empty() {
            found.push(text.to_owned());
        }
        is_at_left &= text.is_empty();
        match piece.chars().next_back() {
            Some('\r') => (is_at_left, is_indented) = (true, false),
            Some('\n') => is_indented = !is_at_left,
            _ => {}
        }
    }
    found
}

#[test]
fn lines_that_begin_further_right_are_found() {
    assert_eq!(indented("a\r\n\r\nb\n\rc\r\n"), Vec::<String>::new());
    assert_eq!(indented("a\nb\r\nc\n\nd\n\r"), ["b", "d"]);
}

#[track_caller]
fn expect_in_order(terminal: &Terminal) {
    let screen = terminal.screen();
    assert_eq!(indented(&screen), Vec::<String>::new(), "{screen:?}");
}

/// A line that holds every byte that the second and the third of a Korean syllable can be.
fn every_byte() -> String {
    let bytes = (0x80..=0xbf).flat_map(|byte| [[0xea, 0xb0, byte], [0xec, byte, 0x80]]).flatten().collect();
    String::from_utf8(bytes).expect("syllables")
}

#[test]
fn the_telnet_of_debian_types_any_korean_from_its_first_line_on_and_its_terminal_stays_in_order() {
    let server = Server::start(1, &[AT_TELNET]);
    let mut alice = server.login("alice");
    // By these it is led, where nothing was agreed on, to break, to its own prompt, to stop output, and to drop a byte.
    for (options, name) in [("", "지혜"), ("", "희"), ("-8", "하세요"), ("", "안녕")] {
        let mut terminal = come_in(options, server.telnet_address(), name);
        alice.expect_next(&format!("{name} has joined general"));
        for said in ["나", &every_byte(), "left?"] {
            terminal.type_line(said);
            alice.expect_next(&format!("{name}: {said}"));
            terminal.expect(&format!("{said}\r\n{name}: {said}\r\n"));
            terminal.type_line("");
        }
        // What is typed is edited in the terminal: one key takes one letter away.
        terminal.press("가나다\x7fx\n");
        alice.expect_next(&format!("{name}: 가나x"));
        terminal.type_line("/quit");
        terminal.expect("bye\r\n");
        terminal.expect_end();
        alice.expect_next(&format!("{name} has left the channel(general)"));
        expect_in_order(&terminal);
    }
}

#[test]
fn lines_of_others_that_come_while_enter_is_pressed_begin_at_the_left() {
    let server = Server::start(1, &[AT_TELNET]);
    let names = ["지혜", "하세요"];
    let mut two = names.map(|name| come_in("", server.telnet_address(), name));
    two[0].expect("하세요 has joined general\r\n");
    for number in 0..100 {
        for terminal in &mut two {
            terminal.type_line(&format!("line {number}"));
        }
    }
    for terminal in &two {
        for name in names {
            terminal.expect(&format!("{name}: line 99\r\n"));
        }
        expect_in_order(terminal);
    }
}

#[test]
fn a_telnet_whose_user_switches_binary_on_for_what_comes_is_led_to_the_left() {
    let server = Server::start(1, &[AT_TELNET]);
    let mut terminal = come_in("", server.telnet_address(), "지혜");
    // Ctrl-], telnet's own prompt.
    terminal.press("\x1d");
    terminal.expect("telnet> ");
    terminal.type_line("toggle inbinary");
    for number in 0..3 {
        // The first may still be on its way when that is agreed on.
        terminal.type_line(&format!("나 {number}"));
        terminal.expect(&format!("지혜: 나 {number}\r\n"));
    }
    let screen = terminal.screen();
    let (_, since) = screen.split_once("지혜: 나 0\r\n").expect("it was said");
    assert!(since.contains("나 2\n\r지혜: 나 2\r\n"), "its terminal only moves down at Enter: {since:?}");
    assert_eq!(indented(since), Vec::<String>::new(), "{since:?}");
}

#[test]
fn a_telnet_stays_in_upgrades_as_it_was_agreed_with_it_and_others_come_in_after_them() {
    let mut server = Server::start(2, &[AT_TELNET]);
    let at = server.telnet_address();
    let mut alice = server.login("alice");
    let mut terminal = come_in("", at, "지혜");
    alice.expect_next("지혜 has joined general");
    let mut bob = Client::login_by_telnet(at, "bob");
    alice.expect_next("bob has joined general");
    for shards in [1, 2] {
        // In the middle of a line, and of a command.
        bob.send_bytes(b"hel\xff\xfb");
        server.take_over(shards);
        bob.send_bytes(b"\x22lo\r\0");
        alice.expect_next("bob: hello");
        let said = format!("{shards}: {}", every_byte());
        terminal.type_line(&said);
        alice.expect_next(&format!("지혜: {said}"));
        bob.expect(&format!("지혜: {said}"));
        terminal.expect(&format!("지혜: {said}\r\n"));
        terminal.type_line(&format!("left {shards}?"));
        terminal.expect(&format!("{said}\r\nleft {shards}?\r\n지혜: left {shards}?\r\n"));
        alice.expect_next(&format!("지혜: left {shards}?"));
        let name = format!("희{shards}");
        let mut next = come_in("", at, &name);
        alice.expect_next(&format!("{name} has joined general"));
        next.press(CTRL_D);
        next.expect_end();
        alice.expect_next(&format!("{name} has left the channel(general)"));
    }
    terminal.press("\x03");
    terminal.expect_end();
    expect_in_order(&terminal);
    alice.expect("지혜 has left the channel(general)");
    server.verify();
}
