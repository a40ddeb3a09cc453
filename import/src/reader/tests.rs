use super::*;
use crate::fault::LINE_BYTES_MAX;

const NOW: Timestamp = Timestamp(1_800_000_000_000_000);

fn read(line: &str) -> Result<ReadLine, LineFault> {
    LineReader::new(NOW).read(line.as_bytes())
}

#[track_caller]
fn message(line: &str) -> SentMessage {
    match read(line) {
        Ok(ReadLine::Message(message)) => message,
        other => panic!("{line}: {other:?}"),
    }
}

#[track_caller]
fn refused(line: &str, part: &str) {
    let fault = read(line).expect_err(line).to_string();
    assert!(fault.contains(part), "{fault:?} has no {part:?}");
}

fn with_text(text: &str) -> String {
    let text = serde_json::to_string(text).expect("JSON");
    format!(r#"{{"room":"r1","time":1700000000000000,"author":"bob","text":{text}}}"#)
}

#[test]
fn a_line_of_an_export_and_one_of_another_program_are_read() {
    let exported = message(
        r#"{"room":"마당","seq":7,"time":"2023-11-14T22:13:20.000250Z","author":"길동","draft":"d-1","text":"안녕"}"#,
    );
    assert_eq!((exported.room.as_str(), exported.author.as_str()), ("마당", "길동"));
    assert_eq!((exported.time, exported.id.as_str()), (Timestamp(1_700_000_000_000_250), "d-1"));
    assert_eq!(exported.text.as_str(), "안녕");
    let other = message(
        r#" {"id":"1700000000.000250","channel":5,"text":"a \"b\"","author":"bob","room":"r1","time":1700000000000250} "#,
    );
    assert_eq!((other.id.as_str(), other.text.as_str()), ("1700000000.000250", "a \"b\""));
    assert_eq!(other.time, exported.time);
    let offset = message(&with_text("x").replace("1700000000000000", r#""2023-11-15T07:13:20+09:00""#));
    assert_eq!(offset.time, Timestamp(1_700_000_000_000_000));
    assert!(matches!(read(""), Ok(ReadLine::Blank)) && matches!(read(" \r"), Ok(ReadLine::Blank)));
    let of_others = [
        r#"{"room":"r1","seq":3,"time":"2026-11-20T12:00:00Z","author":"bob","amends":{"kind":"edit","message":1,"text":"x"}}"#,
        r#"{"room":"r1","seq":3,"time":"2026-11-20T12:00:00Z","author":"bob","deleted":true}"#,
    ];
    for line in of_others {
        assert!(matches!(read(line), Ok(ReadLine::Amendment)), "{line}");
    }
    assert!(matches!(read(r#"{"room":"r1","lost":{"first":3,"last":4}}"#), Ok(ReadLine::Lost)));
    let facts = r#"{"facts":{"members":{"1":{"role":"owner"}},"room":"r1","revision":2},"room":"r1"}"#;
    assert!(matches!(read(facts), Ok(ReadLine::Facts)));
    let of_many = facts.replace("owner", &"x".repeat(LINE_BYTES_MAX));
    assert!(matches!(read(&of_many), Ok(ReadLine::Facts)));
    let spoken = message(&with_text("x").replace("\"room\"", "\"facts\":[1],\"room\""));
    assert_eq!(spoken.text.as_str(), "x");
    let erased = r#"{"room":"r1","seq":3,"time":"2026-11-20T12:00:00.000000Z","erased":true}"#;
    assert!(matches!(read(erased), Ok(ReadLine::Erased)));
}

#[test]
fn a_message_without_an_id_is_known_by_all_that_is_known_of_it() {
    let one = message(&with_text("one"));
    assert_eq!(one.id, derived_id("r1", "bob", one.time, "one"));
    for empty in [r#""id":null"#, r#""draft":null"#, r#""id":"""#] {
        let line = with_text("one").replace("\"room\"", &format!("{empty},\"room\""));
        assert_eq!(message(&line).id, one.id, "{line}");
    }
    let long = with_text("one").replace("\"room\"", &format!("\"id\":\"{}\",\"room\"", "x".repeat(65)));
    assert_eq!(message(&long).id.as_str().len(), 26);
    assert_ne!(message(&long).id, one.id);
}

#[test]
fn a_text_of_several_lines_becomes_one_and_is_cleaned_as_what_people_send() {
    for (given, stored) in [
        ("one\ntwo", "one two"),
        ("one\r\n\r\n  two\n", "one two"),
        ("  kept  as it is ", "  kept  as it is "),
        ("a\tb", "a b"),
        ("하나\u{2028}둘", "하나 둘"),
        ("\u{1b}[31mred\u{202e}", "[31mred"),
        ("\u{1112}\u{1161}\u{11ab}", "한"),
    ] {
        assert_eq!(message(&with_text(given)).text.as_str(), stored, "{given:?}");
    }
    for nothing in ["", "  ", "\n\n", "\u{200b}\u{1b}"] {
        assert_eq!(read(&with_text(nothing)).expect_err(nothing), LineFault::NoText);
    }
    let longest = "x".repeat(TEXT_BYTES_MAX);
    assert_eq!(message(&with_text(&longest)).text.len(), TEXT_BYTES_MAX);
    let long = LineFault::LongText { bytes: TEXT_BYTES_MAX + 1 };
    assert_eq!(read(&with_text(&(longest + "x"))).expect_err("too long"), long);
}

#[test]
fn whispers_are_taken_from_an_export_only() {
    let exported =
        r#"{"room":"Bob&alice","seq":1,"time":1700000000000000,"author":"bob","draft":null,"text":"x"}"#;
    assert_eq!(message(exported).room.as_str(), "alice&bob");
    refused(&exported.replace(r#""draft":null,"#, ""), "rename it");
    refused(&exported.replace(r#""seq":1,"#, ""), "rename it");
    refused(&exported.replace("Bob&", "b b&"), "a name is made of letters");
    refused(&exported.replace("Bob&alice", "Bob&"), "cannot be empty");
}

#[test]
fn every_bad_line_is_refused_with_what_is_wrong_and_what_to_do() {
    let good = with_text("x");
    for (member, line) in [
        ("room", good.replace("\"room\"", "\"rooms\"")),
        ("time", good.replace("1700000000000000", "null")),
        ("author", good.replace("\"author\"", "\"user\"")),
        ("text", good.replace("\"text\"", "\"content\"")),
    ] {
        refused(&line, &format!("it has no {member:?}; a line needs"));
    }
    refused("[\"r1\"]", "an object begins with {");
    refused("room: r1", "one object a line");
    refused(&good[..good.len() - 1], "at column");
    refused(&format!("{good} {good}"), "trailing characters");
    refused(&good.replace("\"bob\"", "5"), "expected a string");
    refused(&good.replace("1700000000000000", "1700000000.5"), "a whole number of microseconds");
    refused(&good.replace("1700000000000000", "true"), "a time of RFC 3339");
    refused(&good.replace("1700000000000000", "1700000000"), "multiply seconds by 1000000");
    refused(&good.replace("1700000000000000", "1700000000000"), "would be in 1970");
    refused(&good.replace("1700000000000000", "1700000000000000000"), "later than now");
    refused(&good.replace("1700000000000000", "18446744073709551615"), "later than now");
    refused(&good.replace("1700000000000000", "\"2030-01-01T00:00:00Z\""), "later than now");
    refused(&good.replace("1700000000000000", "\"0000-01-01T00:00:00Z\""), "is before 1973");
    refused(&good.replace("1700000000000000", "\"1969-12-31T23:59:59Z\""), "is before 1973");
    refused(&good.replace("1700000000000000", "\"2023-11-14\""), "write 2026-11-20T12:03:11.000250Z");
    refused(&good.replace("\"r1\"", "\"#general\""), "a name is made of letters and digits");
    refused(&good.replace("\"r1\"", "\"a&b\""), "the whispers of two users");
    refused(&good.replace("\"bob\"", "\"Bob Smith\""), "rename them");
    refused(&good.replace("\"bob\"", "\"\""), "cannot be empty");
    refused(&good.replace("\"x\"", "\"\\ud800\""), "at column");
    let mut bytes = good.clone().into_bytes();
    bytes[good.len() - 3] = 0xff;
    let read = LineReader::new(NOW).read(&bytes);
    assert!(matches!(read, Err(LineFault::NotUtf8 { byte: 0xff, .. })), "{read:?}");
    refused(&(good + &" ".repeat(LINE_BYTES_MAX)), "more than 1048576 bytes");
}

#[test]
fn a_line_in_another_encoding_names_its_first_byte_and_the_command_that_converts_it() {
    let line = br#"{"text":""#;
    let cp949 = [&line[..], b"\xbe\xc8\xb3\xe7", br#"","room":"r1"}"#].concat();
    let little: Vec<u8> = with_text("안녕").encode_utf16().flat_map(u16::to_le_bytes).collect();
    let big: Vec<u8> = with_text("hello").encode_utf16().flat_map(u16::to_be_bytes).collect();
    let cases = [
        (cp949, 0xbe, 10, "CP949"),
        (b"\xbe\xc8".to_vec(), 0xbe, 1, "CP949"),
        ([b"\xff\xfe", &little[..]].concat(), 0xff, 1, "UTF-16"),
        ([b"\xfe\xff", &big[..]].concat(), 0xfe, 1, "UTF-16"),
        (big, 0, 1, "UTF-16"),
        ("{}".encode_utf16().flat_map(u16::to_le_bytes).collect(), 0, 2, "UTF-16"),
    ];
    for (bytes, byte, column, encoding) in cases {
        let fault = LineReader::new(NOW).read(&bytes).expect_err(encoding);
        assert_eq!(fault, LineFault::NotUtf8 { byte, column, encoding }, "{bytes:?}");
        let words = fault.to_string();
        assert!(words.ends_with(&format!("convert it first: iconv -f {encoding} -t UTF-8")), "{words}");
        assert!(!words.contains("jq"), "{words}");
    }
    refused("안녕", "an object begins with {; write one object a line");
}
