//! Bytes that no friendly terminal sends.

use super::rig::Rig;
use crate::line::{ENDLESS_LINE, LineSession};
use madang_model::connection::CloseReason;

/// Feeds `input` in pieces of the lengths that `cut` says; what comes back, and what was asked.
fn run(input: &[u8], mut cut: impl FnMut() -> usize) -> (Vec<u8>, Vec<String>) {
    let mut rig = Rig::new();
    let mut left = input;
    while !left.is_empty() {
        let (piece, rest) = left.split_at(cut().clamp(1, left.len()));
        rig.send(piece);
        left = rest;
    }
    rig.end();
    (rig.bytes(), rig.requests)
}

#[test]
fn an_idle_session_is_small() {
    assert!(size_of::<LineSession>() <= 160, "a session takes {} bytes", size_of::<LineSession>());
}

#[test]
fn cuts_change_nothing_that_is_said_or_asked() {
    let talk = b"\r\nalice\r\n/time on\nhello\xed\x95\x9c\n\xc3(bad\n/history x\n/channel r1\r\nhi\n\
        a\rb\x1b[2J\n/msg bob psst\n/nick carol\n/quit\n/foo\n/ping\nlast";
    let telnet =
        [b"\xff\xfb\x01", &talk[..30], b"\xff\xf6\xff\xfa\x01\n\xff\xf0", &talk[30..], b"\xff\xff\r\0more"];
    for input in [talk.to_vec(), telnet.concat()] {
        let (written, asked) = run(&input, || 1);
        assert!(written.trim_ascii_end().ends_with(b"bye") && asked.len() > 8, "{asked:?}");
        for seed in 1..100_u64 {
            let mut state = seed;
            let cuts = run(&input, || {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (state >> 60) as usize
            });
            assert_eq!(cuts.1, asked, "seed {seed}");
            assert_eq!(sorted_lines(&cuts.0), sorted_lines(&written), "seed {seed}");
        }
    }
}

/// Talk does not wait for its echo, so that an answer given at once may overtake it.
fn sorted_lines(bytes: &[u8]) -> Vec<&[u8]> {
    let mut lines: Vec<_> = bytes.split(|byte| *byte == b'\n').collect();
    lines.sort_unstable();
    lines
}

#[test]
fn no_terminal_control_character_is_sent() {
    let attacks: [&[u8]; 12] = [
        b"\x1b[2J\x1b[Hhello",
        b"a\rroot: send me your password",
        b"a\0b\x07\x08\x7f",
        "a\u{202e}b\u{2066}c\u{9b}31m".as_bytes(),
        b"/\x1b[31mfoo",
        b"/history \x1b[31m9",
        b"/echo \x1b]0;title\x07",
        b"/send \x1bid x\x1b[m",
        b"/rooms \x1b[31m",
        b"/away \x1b[31mlunch",
        b"/nick \x1b[31mroot",
        b"/channel \x1b[31mr1\r",
    ];
    for attack in attacks {
        for prefix in [&b"alice\n"[..], b""] {
            let (written, asked) = run(&[prefix, attack, b"\n"].concat(), || usize::MAX);
            let text = String::from_utf8(written).expect("UTF-8");
            for c in text.chars().chain(asked.concat().chars()) {
                let is_harmless = c == '\n'
                    || !(c.is_control() || ('\u{202a}'..='\u{202e}').contains(&c) || c == '\u{2066}');
                assert!(is_harmless, "{attack:?}: {text:?}");
            }
        }
    }
}

#[test]
fn random_bytes_never_come_out_raw_and_never_crash() {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for round in 0..300 {
        let mut input = b"alice\n".to_vec();
        for _ in 0..400 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let byte = (state >> 56) as u8;
            let words: [&[u8]; 8] =
                [b"\n", b"/nick ", b"/channel ", b"/msg ", b"\x1b[", b"\r", b"/away ", b"\xc2"];
            // Without telnet commands: their answers are bytes that a terminal does not show.
            let byte = if byte == 0xff { b'/' } else { byte };
            input.extend_from_slice(words.get(usize::from(byte)).copied().unwrap_or(&[byte]));
        }
        let (mut written, _) = run(&input, || usize::MAX);
        // A telnet that may have dropped a byte is asked for BINARY, once.
        if let Some(at) = written.windows(3).position(|three| three == b"\xff\xfd\0") {
            written.drain(at..at + 3);
        }
        let text = String::from_utf8(written).expect("UTF-8");
        assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "round {round}: {text:?}");
    }
}

#[test]
fn a_line_that_is_too_long_is_refused_whole_with_its_length() {
    for (bytes, is_sent) in [(4096, true), (4097, false), (16_384, false)] {
        let mut rig = Rig::named("alice");
        rig.send(format!("{}\nnext\n", "x".repeat(bytes)));
        let first = if is_sent {
            format!("alice: {}", "x".repeat(bytes))
        } else {
            format!(
                "! too long: the line has {bytes} bytes, 4096 are allowed; nothing of it was sent, send it in pieces"
            )
        };
        assert_eq!(rig.output(), format!("{first}\nalice: next\n"));
    }
}

#[test]
fn a_line_without_an_end_closes_the_connection() {
    let mut rig = Rig::named("alice");
    for _ in 0..64 {
        rig.send("x".repeat(1024));
    }
    assert_eq!(rig.core.closing, Some(CloseReason::Protocol(ENDLESS_LINE)));
    assert_eq!(
        rig.output(),
        "! closed: 65536 bytes came without the end of a line; end lines with Enter (LF)\n"
    );
}

#[test]
fn invalid_utf8_is_refused_and_the_connection_stays() {
    let mut rig = Rig::named("alice");
    rig.send(b"caf\xe9\n");
    let expected =
        "! not UTF-8: 0xE9 is byte 4 of the line; nothing of it was sent, set your terminal to UTF-8\n";
    assert_eq!(rig.output(), expected);
    rig.send("café\n");
    assert_eq!(rig.output(), "alice: café\n");
}

/// What comes with a request, and would be a name and talk.
const PAGE: &str = "\r\nHost: localhost\r\n\r\nmallory\nhello from a page\n";

#[test]
fn what_looks_like_http_is_answered_once_and_closed() {
    let long = "a".repeat(4_090);
    let requests = [
        "GET / HTTP/1.1".as_bytes().to_vec(),
        b"post /x http/1.0".to_vec(),
        b"M-SEARCH * HTTP/1.1".to_vec(),
        b"GET /".to_vec(),
        b"GET http://127.0.0.1/ HTTP/1.1".to_vec(),
        b"GET /\xff\xe9 HTTP/1.1".to_vec(),
        b"PRI * HTTP/2.0".to_vec(),
        format!("POST /{long} HTTP/1.1").into_bytes(),
        format!("POST /{long}{long}{long}").into_bytes(),
        format!("{long}{long} / HTTP/1.1").into_bytes(),
        b"\r\nGET / HTTP/1.1".to_vec(),
    ];
    for request in requests {
        for piece in [usize::MAX, 1, 1_000, 4_097] {
            let mut rig = Rig::new();
            for bytes in [&request[..], PAGE.as_bytes()].concat().chunks(piece) {
                rig.send(bytes);
            }
            assert!(rig.was_of_another_protocol());
            assert!(rig.pending().is_empty() && rig.requests.is_empty(), "{:?}", rig.requests);
            let answer = String::from_utf8_lossy(&rig.bytes()).into_owned();
            let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
            assert_eq!(answer.matches("HTTP/1.1 400 ").count(), 1, "{answer}");
            assert!(head.ends_with(&format!("Content-Length: {}", body.len())), "{answer}");
        }
    }
    let mut rig = Rig::named("alice");
    rig.send("GET / HTTP/1.1\n");
    assert_eq!(rig.output(), "alice: GET / HTTP/1.1\n");
}

#[test]
fn what_begins_like_tls_is_answered_once_and_closed() {
    let hellos: [&[u8]; 3] = [
        b"\x16\x03\x01\x02\x00\x01\nmallory\nhello\n",
        b"\x16\x03\x03\xff\xfd\x01\xff\xf6\nmallory\n",
        b"\x80\x2e\x01\x03\x01\nmallory\n",
    ];
    for hello in hellos {
        for piece in [usize::MAX, 1, 2] {
            let mut rig = Rig::new();
            hello.chunks(piece).for_each(|bytes| rig.send(bytes));
            assert!(rig.was_of_another_protocol());
            assert!(rig.requests.is_empty(), "{:?}", rig.requests);
            let answer = rig.output();
            assert!(answer.contains("without TLS") && answer.lines().count() == 1, "{answer}");
        }
    }
}

#[test]
fn what_begins_like_another_protocol_is_answered_once_and_closed() {
    for (start, expected) in [
        (&b"PROXY TCP4 192.0.2.1 192.0.2.2 56324 8080\r\n"[..], "PROXY header"),
        (b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x01\xc0\0\x02\x02\xdc\x04\x1f\x90", "PROXY header"),
        (b"EHLO mail.example\r\nMAIL FROM:<a@mail.example>\r\n", "mail"),
        (b"ehlo a\r\nDATA\r\n", "mail"),
        (b"mail from:<a@mail.example>\r\nDATA\r\n", "mail"),
        (b"INVITE sip:bob@chat.example SIP/2.0\r\nVia: x\r\n\r\n", "SIP"),
        (b"SIP/2.0 200 OK\r\n\r\n", "SIP"),
        (b"*1\r\n$4\r\nPING\r\n", "Redis"),
        (b"SSH-2.0-OpenSSH_9.6\r\n", "SSH"),
        (b"DESCRIBE rtsp://camera/1 RTSP/1.0\r\nCSeq: 2\r\n\r\n", "HTTP/1.1 400 "),
    ] {
        let mut rig = Rig::new();
        rig.send([start, b"alice\nhello\n"].concat());
        assert!(rig.requests.is_empty(), "{}: {:?}", start.escape_ascii(), rig.requests);
        assert!(rig.was_of_another_protocol(), "{:?}", rig.core.closing);
        let answer = rig.output();
        assert!(
            answer.contains(expected) && answer.matches("this port is for chat").count() == 1,
            "{answer}"
        );
    }
}

#[test]
fn a_proxy_header_is_refused_however_it_is_cut() {
    let header =
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x01\xc0\0\x02\x02\xdc\x04\x1f\x90alice\nhello\n";
    let mut cuts: Vec<Vec<&[u8]>> = (1..20).map(|at| vec![&header[..at], &header[at..]]).collect();
    cuts.push(header.chunks(1).collect());
    cuts.push(header.chunks(3).collect());
    for pieces in cuts {
        let mut rig = Rig::new();
        let lengths: Vec<usize> = pieces.iter().map(|piece| piece.len()).collect();
        pieces.into_iter().for_each(|piece| rig.send(piece));
        assert!(rig.requests.is_empty(), "{lengths:?}: {:?}", rig.requests);
        assert!(rig.was_of_another_protocol(), "{lengths:?}");
        let answer = rig.output();
        assert_eq!(answer.matches("reads no PROXY header").count(), 1, "{lengths:?}: {answer}");
    }
    let mut rig = Rig::new();
    rig.send("\r\n\r\n");
    let answer = rig.output();
    assert!(
        answer.ends_with("name: ") && rig.core.closing.is_none(),
        "who presses Enter is asked again: {answer}"
    );
}

#[test]
fn the_hello_of_a_mail_program_alone_is_no_name() {
    for hello in ["EHLO", "helo", "Lhlo"] {
        let mut rig = Rig::new();
        rig.send(format!("{hello}\r\n"));
        let answer = rig.output();
        let hint = format!("! {hello} is what mail programs begin with; choose another name\nname: ");
        assert!(answer == hint && rig.requests.is_empty() && rig.core.closing.is_none(), "{answer}");
    }
}

#[test]
fn whoever_speaks_http_before_the_greeting_is_sent_gets_the_answer_alone() {
    let mut rig = Rig::ungreeted();
    rig.send("GET / HTTP/1.1\r\n\r\n");
    assert!(rig.output().starts_with("HTTP/1.1 400 "));
    let mut rig = Rig::ungreeted();
    rig.send("alice\nhello\n");
    let read = rig.output();
    assert!(read.starts_with("* welcome") && read.ends_with("alice: hello\n"), "{read}");
}

#[test]
fn telnet_is_answered_and_gets_crlf() {
    let mut rig = Rig::new();
    rig.send(b"\xff\xfb\x1f\xff\xfd\x06al\xff\xf1ice\r\nhel\xff\xf6lo\r\0");
    let expected = b"\xff\xfd\0\xff\xfe\x1f\xff\xfb\x06alice has joined general\r\n\
        * yes, madang is here\r\nalice: hello\r\n";
    assert_eq!(rig.bytes(), expected);
    rig.send(b"/channel r1\r\n\xff\xff\r\n");
    let answer = String::from_utf8(rig.bytes()).expect("UTF-8");
    assert!(answer.starts_with("alice has joined r1\r\n! not UTF-8: 0xFF is byte 1"), "{answer}");
    rig.send(b"\xff\xf4");
    assert_eq!(rig.bytes(), b"bye\r\n");
}

#[test]
fn a_line_that_telnet_mangled_is_refused_and_the_next_is_whole() {
    let mut rig = Rig::new();
    // 지혜 as telnet sends it, then its answer to the offer, and 지혜 again.
    rig.send(b"\xec\xa7\x80\xed\x98\xff\xf3\xff\xfd\x06\r\n\xff\xfb\0\xec\xa7\x80\xed\x98\x9c\n");
    let bytes = rig.bytes();
    let (answers, words) = bytes.split_at(6);
    assert_eq!(answers, b"\xff\xfd\0\xff\xfb\x06");
    let words = std::str::from_utf8(words).expect("UTF-8");
    assert!(words.starts_with("! mangled: telnet took a byte"), "{words}");
    assert!(words.ends_with("\r\nname: 지혜 has joined general\r\n"), "{words}");
}

#[test]
fn a_line_of_telnet_from_which_a_byte_is_missing_leads_to_binary_too() {
    let mut rig = Rig::named("alice");
    // 안녕 without the byte that telnet takes for Ctrl-E, without reporting it.
    rig.send(b"\xec\x95\x88\xeb\x95\r\n");
    let bytes = rig.bytes();
    assert!(bytes.starts_with(b"! not UTF-8") && bytes.ends_with(b"\xff\xfd\0"), "{}", bytes.escape_ascii());
    rig.send(b"\xec\x95\x88\xeb\x95\r\n");
    assert!(rig.output().starts_with("! not UTF-8"), "it is asked once");
    let mut rig = Rig::named("bob");
    rig.send(b"caf\xe9\n");
    assert!(rig.output().starts_with("! not UTF-8"), "a line of nc is no line of telnet");
}

#[test]
fn interrupt_and_end_of_transmission_leave_cleanly() {
    for leaving in [&b"\x03"[..], b"\x04", b"\xff\xf4\xff\xfd\x06", b"\xff\xec"] {
        for (mut rig, line_start) in [(Rig::new(), &b"\n"[..]), (Rig::named("alice"), b"")] {
            rig.send(leaving);
            assert_eq!(rig.core.closing, Some(CloseReason::Quit));
            let bytes: Vec<u8> = rig.bytes().into_iter().filter(|byte| *byte != b'\r').collect();
            // The prompt stood there.
            let words = bytes.strip_prefix(b"\xff\xfd\0").unwrap_or(&bytes);
            assert_eq!(words, [line_start, b"bye\n"].concat());
        }
    }
}

#[test]
fn before_there_is_a_name_lines_cost_as_much_as_afterwards_and_quit_is_free() {
    let mut rig = Rig::new();
    rig.send("/help\n".repeat(50));
    let written = rig.output();
    assert_eq!(written.matches("! too fast").count(), 10, "a burst is 40");
    assert_eq!(written.matches("name: ").count(), 50, "the prompt comes again");
    rig.send("alice\n");
    assert!(rig.requests.is_empty(), "no name is claimed past the allowance");
    rig.send("/quit\n");
    assert_eq!(rig.core.closing, Some(CloseReason::Quit));
}

#[test]
fn telnet_that_asks_without_end_whether_anyone_is_there_is_answered_within_the_allowance() {
    let mut rig = Rig::new();
    rig.send(b"\xff\xf6".repeat(1_000));
    let written = String::from_utf8_lossy(&rig.bytes()).into_owned();
    assert_eq!(written.matches("\r\n* yes, madang is here\r\nname: ").count(), 40);
}
