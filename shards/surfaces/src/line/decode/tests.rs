use super::*;

const MAX: usize = 4096;

/// All tokens of `input`, given in pieces of the lengths that `cut` says.
fn tokens(input: &[u8], cut: impl FnMut() -> usize) -> Vec<Token<'static>> {
    tokens_of(LineDecoder::default(), input, cut)
}

fn tokens_of(mut decoder: LineDecoder, input: &[u8], mut cut: impl FnMut() -> usize) -> Vec<Token<'static>> {
    let mut found = Vec::new();
    let mut left = input;
    while !left.is_empty() {
        let (mut piece, rest) = left.split_at(cut().clamp(1, left.len()));
        left = rest;
        while !piece.is_empty() {
            let (taken, token) = decoder.next(piece, MAX);
            assert!(taken > 0, "the decoder moves on");
            piece = &piece[taken..];
            let Some(token) = token else { continue };
            let is_last = matches!(token, Token::Endless | Token::Leave);
            found.push(owned(token));
            if is_last {
                return found;
            }
        }
    }
    assert_eq!(
        decoder.partial.capacity() > 0,
        decoder.line_bytes > 0 && decoder.line_bytes as usize <= MAX + 1
    );
    found
}

fn owned(token: Token<'_>) -> Token<'static> {
    match token {
        Token::Line(line) => Token::Line(Cow::Owned(line.into_owned())),
        Token::TooLong { bytes, is_http } => Token::TooLong { bytes, is_http },
        Token::Mangled => Token::Mangled,
        Token::Endless => Token::Endless,
        Token::Leave => Token::Leave,
        Token::AreYouThere => Token::AreYouThere,
        Token::Answer(answer) => Token::Answer(answer),
    }
}

fn whole(input: &[u8]) -> Vec<Token<'static>> {
    tokens(input, || usize::MAX)
}

fn too_long(bytes: usize) -> Token<'static> {
    Token::TooLong { bytes, is_http: false }
}

fn answer(bytes: &[u8]) -> Token<'static> {
    Token::Answer(Answer::of(bytes))
}

/// What a peer is asked once it has shown that it speaks telnet.
fn offer() -> Token<'static> {
    answer(&[255, 253, 0])
}

fn line(text: &[u8]) -> Token<'static> {
    Token::Line(Cow::Owned(text.to_vec()))
}

/// A small generator (xorshift64): the same cuts every run.
fn random_cuts(seed: u64) -> impl FnMut() -> usize {
    let mut state = seed | 1;
    move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % 17) as usize
    }
}

#[test]
fn lines_end_in_lf_or_crlf_and_nothing_else() {
    assert_eq!(whole(b"a\nb\r\n\n\r\nc"), [line(b"a"), line(b"b"), line(b""), line(b"")]);
    assert_eq!(whole(b"a\rb\r\0c\n"), [line(b"a\rb\r\0c")]);
    assert_eq!(whole(b"a\r\r\n"), [line(b"a\r")]);
}

#[test]
fn a_whole_line_is_lent_and_a_broken_one_is_kept() {
    let mut decoder = LineDecoder::default();
    assert!(matches!(decoder.next(b"hello\n", MAX), (6, Some(Token::Line(Cow::Borrowed(b"hello"))))));
    assert_eq!(decoder.next(b"hel", MAX), (3, None));
    assert_eq!(decoder.next(b"lo\nx", MAX), (3, Some(line(b"hello"))));
    assert_eq!(decoder.partial.capacity(), 0);
}

#[test]
fn carriage_return_nul_ends_a_line_once_telnet_was_seen() {
    assert_eq!(whole(b"\xff\xf1a\r\0b\r\nc\n"), [offer(), line(b"a"), line(b"b"), line(b"c")]);
}

#[test]
fn each_option_is_refused_once() {
    let input = b"\xff\xfb\x01\xff\xfd\x01\xff\xfb\x01\xff\xfd\x01\xff\xfc\x01\xff\xfe\x01hi\n";
    let refusals = [offer(), answer(&[255, 254, 1]), answer(&[255, 252, 1]), line(b"hi")];
    assert_eq!(whole(input), refusals);
}

#[test]
fn a_timing_mark_is_always_given() {
    let mark = || answer(&[255, 251, 6]);
    assert_eq!(whole(b"\xff\xfd\x06\xff\xfd\x06"), [offer(), mark(), mark()]);
}

#[test]
fn telnet_commands_are_taken_out_of_a_line() {
    let input = b"he\xff\xf1l\xff\xfa\x1f\0\x50\xff\xff\n\xff\xf0lo\xff\xf9\n";
    assert_eq!(whole(input), [offer(), line(b"hello")]);
    assert_eq!(whole(b"a\xff\xffb\n"), [offer(), line(b"a\xffb")]);
    assert_eq!(whole(b"a\xff\xf6b\n"), [offer(), Token::AreYouThere, line(b"ab")]);
}

#[test]
fn interrupts_and_control_characters_at_the_start_leave() {
    for input in [&b"\xff\xf4"[..], b"\xff\xee", b"\xff\xec", b"a\n\xff\xf4"] {
        assert_eq!(whole(input).last(), Some(&Token::Leave), "{input:?}");
    }
    for input in [&b"\x03"[..], b"\x04"] {
        assert_eq!(whole(input), [Token::Leave], "{input:?}");
    }
    assert_eq!(whole(b"a\x04b\n"), [line(b"a\x04b")]);
    assert_eq!(whole(b"a\n\x04"), [line(b"a"), Token::Leave]);
}

#[test]
fn a_break_alone_is_nothing() {
    for key in [0xf3, 0xed, 0xf5, 0xf7, 0xf8] {
        assert_eq!(whole(&[255, key, b'a', b'\n', 255, key]), [offer(), line(b"a")], "{key}");
    }
}

#[test]
fn a_line_in_which_telnet_took_a_byte_for_a_key_is_mangled_to_its_end() {
    for key in [0xf3, 0xf4, 0xed, 0xf5, 0xf7, 0xf8, 0xee, 0xec] {
        let input = [b"\xed\x98\xff", &[key][..], b"\xff\xfd\x06 rest\xff", &[key], b"!\r\nhi\r\n"].concat();
        let expected = [offer(), answer(&[255, 251, 6]), Token::Mangled, line(b"hi")];
        assert_eq!(whole(&input), expected, "{key}");
    }
}

#[test]
fn in_binary_a_line_ends_in_lf_crlf_cr_nul_or_cr() {
    let input = b"\xff\xfb\0a\nb\r\nc\r\0d\re\r\r\n\xed\x98\x9c\n";
    let lines = [&b"a"[..], b"b", b"c", b"d", b"e", b"", "혜".as_bytes()];
    let expected: Vec<_> = [offer()].into_iter().chain(lines.map(line)).collect();
    assert_eq!(whole(input), expected);
}

#[test]
fn of_a_telnet_that_was_asked_lines_and_answers_are_found_however_they_are_cut() {
    // Everything is agreed to; a line for each end that there is, Korean with every byte that telnet takes for a
    // key; and the two requests for a character set that can be made.
    let input =
        b"\xff\xfb\0\xff\xfd\0\xff\xfb\x03\xff\xfd\x03\xff\xfb\x22\xff\xfd\x2a\xff\xfb\x2aa\nb\r\nc\r\0d\r\
        \xed\x98\x9c\xeb\xb2\x83\xed\x95\x85\xec\x83\x8f\xeb\x9a\x9d\r\0\
        \xff\xfa\x2a\x02UTF-8\xff\xf0\xff\xfa\x2a\x01;EUC-KR;UTF-8\xff\xf0\xff\xfa\x2a\x01;EUC-KR\xff\xf0";
    let expected = [
        answer(b"\xff\xfb\0"),
        answer(b"\xff\xfa\x22\x01\x03\xff\xf0\xff\xfb\x03"),
        answer(b"\xff\xfa\x2a\x01 UTF-8\xff\xf0"),
        answer(b"\xff\xfd\x2a"),
        line(b"a"),
        line(b"b"),
        line(b"c"),
        line(b"d"),
        line("혜벃핅샏뚝".as_bytes()),
        answer(b"\xff\xfa\x2a\x02UTF-8\xff\xf0"),
        answer(b"\xff\xfa\x2a\x03\xff\xf0"),
    ];
    assert_eq!(tokens_of(LineDecoder::of_telnet(), input, || usize::MAX), expected);
    assert_eq!(tokens_of(LineDecoder::of_telnet(), input, || 1), expected);
    for seed in 1..50 {
        assert_eq!(tokens_of(LineDecoder::of_telnet(), input, random_cuts(seed)), expected, "seed {seed}");
    }
}

#[test]
fn a_request_for_a_character_set_is_skipped_where_none_was_agreed_on() {
    assert_eq!(whole(b"\xff\xfa\x2a\x01 UTF-8\xff\xf0hi\n"), [offer(), line(b"hi")]);
    let refused = b"\xff\xfe\x2a\xff\xfa\x2a\x01 UTF-8\xff\xf0hi\n";
    assert_eq!(tokens_of(LineDecoder::of_telnet(), refused, || usize::MAX), [line(b"hi")]);
}

#[test]
fn a_request_of_any_length_is_known_as_one() {
    let path = "a".repeat(5_000);
    let requests = [
        format!("POST /{path} HTTP/1.1\r\n"),
        format!("GET /{path}\n"),
        format!("{path} / http/1.1\r\n"),
        format!("get http://{path}\n"),
    ];
    for request in requests {
        let bytes = request.trim_end().len();
        let cut = [usize::MAX, 1, 1000, 4096, 4097, 4098];
        for cut in cut {
            assert_eq!(
                tokens(request.as_bytes(), || cut),
                [Token::TooLong { bytes, is_http: true }],
                "{cut}"
            );
        }
    }
    assert_eq!(whole(format!("{path} HTTP/1.1 is old\nhi\n").as_bytes())[1], line(b"hi"));
    assert_eq!(whole(format!("POST {path}\n").as_bytes()), [too_long(5_005)]);
}

#[test]
fn a_limit_that_is_raised_within_a_line_lets_no_part_of_it_through() {
    let mut decoder = LineDecoder::default();
    assert_eq!(decoder.next(&[b'x'; 200], 128), (200, None));
    assert_eq!(decoder.next(b"tail\n", MAX), (5, Some(too_long(204))));
}

#[test]
fn an_over_long_line_is_reported_with_its_length_and_the_next_is_fine() {
    for (bytes, end) in
        [(4096, "\n"), (4096, "\r\n"), (4097, "\n"), (4097, "\r\n"), (16_384, "\n"), (65_534, "\r\n")]
    {
        let input = format!("{}{end}hi\n", "x".repeat(bytes));
        let first = if bytes > MAX { too_long(bytes) } else { line("x".repeat(bytes).as_bytes()) };
        assert_eq!(whole(input.as_bytes()), [owned(first), line(b"hi")], "{bytes}");
    }
}

#[test]
fn a_line_of_64_kib_without_an_end_is_endless() {
    assert_eq!(whole(&[b'x'; 65_535]), []);
    for input in [vec![b'x'; 65_536], [&[b'x'; 70_000][..], b"\n"].concat()] {
        assert_eq!(whole(&input), [Token::Endless]);
        assert_eq!(tokens(&input, || 1000), [Token::Endless]);
    }
    let subnegotiation = [&b"\xff\xfa"[..], &[b'x'; 70_000]].concat();
    assert_eq!(tokens(&subnegotiation, || 1000), [offer(), Token::Endless]);
}

#[test]
fn the_rest_is_what_was_begun() {
    let mut decoder = LineDecoder::default();
    assert_eq!(decoder.rest(MAX), None);
    decoder.next(b"hi\r", MAX);
    assert_eq!(decoder.rest(MAX), Some(line(b"hi")));
}

#[test]
fn cuts_change_nothing() {
    let long = [&[b'y'; 4097][..], b"\r\n", &[b'z'; 5000], b"\n"].concat();
    let inputs: [&[u8]; 6] = [
        b"\xff\xfb\0a\rb\r\nc\r\0\xff\xf3d\xff\xf3e\n\xff\xfc\0f\r\n",
        b"alice\nhello\r\n\xed\x95\x9c\xea\xb8\x80\n\r\r\n\0\x1b[2J\n",
        b"a\xff\xfb\x01b\r\0c\xff\xfa\x01\xff\xf0d\xff\xf6\n\xff\xff\n\xff\xfd\x06",
        b"plain\n\x03",
        b"\xff\xfd\x03\r\n\x04",
        &long,
    ];
    for input in inputs {
        let expected = whole(input);
        assert_eq!(tokens(input, || 1), expected);
        for seed in 1..200 {
            assert_eq!(tokens(input, random_cuts(seed)), expected, "seed {seed}");
        }
    }
}
