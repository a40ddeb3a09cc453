use super::*;

fn frames(protocol: Protocol, bytes: &[u8]) -> Vec<Frame<'_>> {
    let (mut frames, mut at) = (Vec::new(), 0);
    while let Some((taken, frame)) = protocol.next_frame(&bytes[at..]) {
        frames.push(frame);
        at += taken;
    }
    assert_eq!(at, bytes.len(), "all of it is frames: {:?}", String::from_utf8_lossy(&bytes[at..]));
    frames
}

fn said<'a>(author: &'a str, whispered_to: &'a str, text: &'a str) -> Frame<'a> {
    Frame::Said { author: author.as_bytes(), whispered_to: whispered_to.as_bytes(), text: text.as_bytes() }
}

const EXAMPLES: [(Protocol, &[u8]); 4] = [
    (Protocol::Line, b"* welcome\nname: alice has joined general\nalice: hi: there\r\nbob -> alice : psst\n\
      #12 2026-11-20 12:03:11 bob: hi\n! too fast\npong\n"),
    (Protocol::Irc, b"NOTICE * :hi\r\n:s 001 w1 :Welcome\r\n:s 366 w1 #r :End\r\n:w2!u@h PRIVMSG #r :hi there\r\n\
      :w2!u@h PRIVMSG w1 :psst\r\nPING :7\r\n:s 433 * w1 :in use\r\nERROR :Closing link\r\n:s 422 w1 :No MOTD\r\n"),
    (Protocol::Redis, b"%2\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nmodules\r\n*0\r\n>3\r\n$9\r\nsubscribe\r\n$1\r\nr\r\n:1\r\n\
      >3\r\n$7\r\nmessage\r\n$1\r\nr\r\n$8\r\nhi there\r\n:3\r\n-ERR no\r\n"),
    (Protocol::Nats, b"INFO {\"a\":1}\r\nPONG\r\nMSG r 1 8\r\nhi there\r\nMSG r 1 reply 2\r\nhi\r\nPING\r\n\
      -ERR 'Slow Consumer'\r\n+OK\r\n"),
];

#[test]
fn what_servers_say_is_read() {
    let line = frames(Protocol::Line, EXAMPLES[0].1);
    assert_eq!(line[1], Frame::Prompt);
    assert_eq!(line[3..5], [said("alice", "", "hi: there"), said("bob", "alice", "psst")]);
    assert_eq!(line[5], Frame::Stored { number: 12, author: b"bob", text: b"hi" });
    assert_eq!(line[6..], [Frame::Refusal(b"! too fast"), Frame::Answer(b"pong")]);

    let irc = frames(Protocol::Irc, EXAMPLES[1].1);
    assert_eq!(irc[3..5], [said("w2", "", "hi there"), said("w2", "w1", "psst")]);
    assert_eq!(irc[5], Frame::Ping(b":7"));
    assert!(matches!(irc[6..9], [Frame::Refusal(_), Frame::Refusal(_), Frame::Answer(_)]), "{irc:?}");

    let redis = frames(Protocol::Redis, EXAMPLES[2].1);
    assert!(matches!(redis[..2], [Frame::Answer(_), Frame::Answer(_)]), "{redis:?}");
    assert_eq!(redis[2], said("", "", "hi there"));
    assert_eq!(redis[3..], [Frame::Answer(b":3"), Frame::Refusal(b"-ERR no")]);

    let nats = frames(Protocol::Nats, EXAMPLES[3].1);
    assert_eq!(nats[2..4], [said("", "", "hi there"), said("", "", "hi")]);
    assert_eq!(nats[4..], [Frame::Ping(b""), Frame::Refusal(b"-ERR 'Slow Consumer'"), Frame::Answer(b"+OK")]);
}

#[test]
fn a_cut_anywhere_gives_the_same_frames_later() {
    for (protocol, bytes) in EXAMPLES {
        let whole = frames(protocol, bytes);
        for cut in 0..bytes.len() {
            let (mut count, mut at) = (0, 0);
            // First what stands before the cut, then the rest: no frame begins in the middle of one.
            for end in [cut, bytes.len()] {
                while let Some((taken, frame)) = protocol.next_frame(&bytes[at..end]) {
                    assert_eq!(frame, whole[count], "{protocol:?} cut at {cut}");
                    (at, count) = (at + taken, count + 1);
                }
            }
            assert_eq!(count, whole.len(), "{protocol:?} cut at {cut}");
        }
    }
}

#[test]
fn bytes_of_something_else_are_foreign_and_nothing_panics() {
    for protocol in [Protocol::Irc, Protocol::Redis, Protocol::Nats] {
        let http = b"HTTP/1.1 400 Bad Request\r\n";
        assert!(matches!(protocol.next_frame(http), Some((_, Frame::Foreign))), "{protocol:?}");
    }
    let nasty: [&[u8]; 9] = [
        b"*99999999999999999999\r\n$1\r\n",
        b"%9223372036854775807\r\n",
        b">3\r\n$-1\r\n",
        b">3\r\n$7\r\nmessage\r\n$x\r\n",
        b"$9223372036854775807\r\nabc\r\n",
        b"MSG r 1 99999999999999999999\r\n",
        b"MSG r 1 -5\r\nabc",
        b"#99999999999999999999999 a b c: d\n",
        b"\xff\xfe\n: :\n-> : \n",
    ];
    for protocol in [Protocol::Line, Protocol::Irc, Protocol::Redis, Protocol::Nats] {
        for bytes in nasty {
            let mut at = 0;
            while let Some((taken, _)) = protocol.next_frame(&bytes[at..]) {
                assert!(taken > 0 && at + taken <= bytes.len(), "{protocol:?} {bytes:?}");
                at += taken;
            }
        }
    }
}

#[test]
fn users_come_in_by_what_each_server_answers() {
    let guest = Guest { name: "w1".to_owned(), room: Some("r".to_owned()) };
    let answers: [(Protocol, &[u8], &str); 5] = [
        // Who comes back to the room at once.
        (Protocol::Line, b"* hi\nname: w1 has joined r\n", "w1\n"),
        (Protocol::Line, b"* hi\nname: w1 has joined general\nw1 has joined r\n", "w1\n/channel r\n"),
        (
            Protocol::Irc,
            b":s NOTICE * :*** Looking up\r\n:s 001 w1 :Hi\r\n:w1 JOIN #r\r\n:s 366 w1 #r :End\r\n",
            "NICK w1\r\nUSER w1 0 * :bench\r\nJOIN #r\r\n",
        ),
        (
            Protocol::Redis,
            b"%1\r\n+proto\r\n:3\r\n>3\r\n$9\r\nsubscribe\r\n$1\r\nr\r\n:1\r\n",
            "*2\r\n$5\r\nHELLO\r\n$1\r\n3\r\n*2\r\n$9\r\nSUBSCRIBE\r\n$1\r\nr\r\n",
        ),
        (Protocol::Nats, b"INFO {}\r\nPONG\r\n", "SUB r 1\r\nPING\r\n"),
    ];
    for (protocol, bytes, expected) in answers {
        let mut out = Vec::new();
        let mut stage = protocol.greet(&guest, true, &mut out);
        for frame in frames(protocol, bytes) {
            assert_ne!(stage, Stage::In, "{protocol:?} is in too early");
            protocol.proceed(&mut stage, &guest, &frame, &mut out).expect("it is let in");
        }
        assert_eq!(stage, Stage::In, "{protocol:?}");
        assert!(String::from_utf8_lossy(&out).ends_with(expected), "{protocol:?}: {out:?}");
    }
}

#[test]
fn names_that_are_refused_or_cut_short_are_told_from_other_refusals() {
    let guest = Guest { name: "wbcdfgh1".to_owned(), room: None };
    let fault = |protocol: Protocol, frame: Frame<'_>| {
        protocol.proceed(&mut Stage::Naming, &guest, &frame, &mut Vec::new()).expect_err("refused")
    };
    let name = |fault| matches!(fault, EntryFault::Name(_));
    assert!(name(fault(Protocol::Line, Frame::Refusal(b"! the name is taken"))));
    assert!(name(fault(Protocol::Irc, Frame::Refusal(b":s 433 * wbcdfgh1 :in use"))));
    assert!(name(fault(Protocol::Irc, Frame::Answer(b":s 001 wbcdfgh :cut to seven"))));
    assert!(!name(fault(Protocol::Irc, Frame::Refusal(b"ERROR :too many connections"))));
    assert!(!name(fault(Protocol::Redis, Frame::Refusal(b"-NOAUTH Authentication required."))));
    assert!(!name(fault(Protocol::Nats, Frame::Refusal(b"-ERR 'Authorization Violation'"))));
}
