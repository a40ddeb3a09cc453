use super::*;

const NOTHING: [u8; 0] = [];

fn answer(bytes: &[u8]) -> Answer {
    Answer::of(bytes)
}

/// What is answered to all of this, one after another.
fn negotiate(options: &mut Options, said: &[(u8, u8)]) -> Vec<u8> {
    said.iter().flat_map(|(verb, option)| options.negotiate(*verb, *option).bytes().to_vec()).collect()
}

#[test]
fn what_both_want_is_on_and_only_changes_are_answered() {
    let mut options = Options::default();
    assert_eq!(options.negotiate(WILL, BINARY), answer(&[IAC, DO, BINARY]));
    assert_eq!(options.negotiate(WILL, BINARY), answer(&[]));
    assert!(options.is_peer_binary());
    assert_eq!(options.negotiate(DO, BINARY), answer(&[IAC, WILL, BINARY]));
    assert_eq!(options.negotiate(DO, BINARY), answer(&[]));
    assert_eq!(options.negotiate(DONT, BINARY), answer(&[IAC, WONT, BINARY]));
    assert_eq!(options.negotiate(WONT, BINARY), answer(&[IAC, DONT, BINARY]));
    assert_eq!(options.negotiate(WONT, BINARY), answer(&[]));
    assert!(!options.is_peer_binary());
}

#[test]
fn an_offer_is_made_once_and_its_answer_is_not_answered() {
    for (verb, is_on) in [(WILL, true), (WONT, false)] {
        let mut options = Options::default();
        assert_eq!(options.offer(), Some(answer(&OFFER)));
        assert_eq!(options.negotiate(verb, BINARY), answer(&[]));
        assert_eq!(options.is_peer_binary(), is_on);
        assert_eq!(options.offer(), None);
    }
}

/// The commands of three bytes in what was sent; what is between SB and SE is no command.
fn commands(mut sent: &[u8]) -> Vec<(u8, u8)> {
    let mut found = Vec::new();
    while let [IAC, verb, option, rest @ ..] = sent {
        if *verb == SUBNEGOTIATION {
            let end = sent.windows(2).position(|two| two == [IAC, SUBNEGOTIATION_END]).expect("an end");
            sent = &sent[end + 2..];
        } else {
            found.push((*verb, *option));
            sent = rest;
        }
    }
    assert!(sent.is_empty(), "{sent:?} is no command");
    found
}

#[test]
fn two_of_us_agree_and_fall_silent() {
    type Begin = fn(&mut Options) -> Vec<u8>;
    let any: Begin = |options| options.offer().map(|offer| offer.bytes().to_vec()).unwrap_or_default();
    let telnet: Begin = |options| {
        *options = Options::opened();
        OPENING.to_vec()
    };
    for begins in [[any, any], [any, telnet], [telnet, any], [telnet, telnet]] {
        let mut ends = [Options::default(), Options::default()];
        let mut sent = [begins[0](&mut ends[0]), begins[1](&mut ends[1])];
        for round in 0.. {
            assert!(round < 6, "two ends answer each other for ever");
            let [one, other] = sent;
            sent = [negotiate(&mut ends[0], &commands(&other)), negotiate(&mut ends[1], &commands(&one))];
            if sent.iter().all(Vec::is_empty) {
                break;
            }
        }
        assert!(ends.iter().all(Options::is_peer_binary));
    }
}

#[test]
fn a_telnet_that_edits_its_line_is_answered_so_and_go_ahead_is_suppressed() {
    // As inetutils 2.4 answers; its demand for SGA comes before its answer to LINEMODE.
    let mut options = Options::opened();
    let said = [(WILL, BINARY), (WILL, SUPPRESS_GO_AHEAD), (DO, SUPPRESS_GO_AHEAD), (WILL, LINEMODE)];
    let expected = [&EDIT_THERE[..], &[IAC, WILL, SUPPRESS_GO_AHEAD]].concat();
    assert_eq!(negotiate(&mut options, &said), expected);
    assert!(options.is_peer_binary() && !options.is_our_binary());
    assert_eq!(
        negotiate(&mut options, &[(DONT, CHARSET), (DO, SUPPRESS_GO_AHEAD), (WILL, LINEMODE)]),
        NOTHING
    );
    assert!(!options.has_charset());
}

#[test]
fn one_that_knows_no_linemode_keeps_its_line_as_go_ahead_is_not_suppressed() {
    // As PuTTY answers.
    let mut options = Options::opened();
    let said = [(DO, 1), (DO, SUPPRESS_GO_AHEAD), (WILL, SUPPRESS_GO_AHEAD), (WONT, LINEMODE)];
    assert_eq!(negotiate(&mut options, &said), [IAC, WONT, 1, IAC, WONT, SUPPRESS_GO_AHEAD]);
    assert_eq!(negotiate(&mut options, &[(DO, SUPPRESS_GO_AHEAD)]), NOTHING, "a refusal is said once");
}

#[test]
fn who_has_left_linemode_is_not_in_it_again() {
    let mut options = Options::opened();
    negotiate(&mut options, &[(WILL, LINEMODE)]);
    assert_eq!(negotiate(&mut options, &[(WONT, LINEMODE)]), [IAC, DONT, LINEMODE]);
    assert_eq!(negotiate(&mut options, &[(WILL, LINEMODE)]), [IAC, DONT, LINEMODE]);
    assert_eq!(negotiate(&mut options, &[(WILL, LINEMODE), (WONT, LINEMODE)]), NOTHING);
}

#[test]
fn utf_8_is_asked_for_once_of_a_telnet_that_takes_character_sets() {
    let mut options = Options::opened();
    assert_eq!(negotiate(&mut options, &[(DO, CHARSET)]), ASK_FOR_UTF_8);
    assert!(options.has_charset());
    let switched = [(DONT, CHARSET), (DO, CHARSET), (WILL, CHARSET)];
    assert_eq!(
        negotiate(&mut options, &switched),
        [IAC, WONT, CHARSET, IAC, WILL, CHARSET, IAC, DO, CHARSET]
    );
    let mut options = Options::opened();
    assert_eq!(negotiate(&mut options, &[(DONT, CHARSET)]), NOTHING);
    assert!(!options.has_charset());
}

#[test]
fn a_peer_that_is_not_known_to_be_telnet_gets_nothing_but_binary() {
    let mut options = Options::default();
    let said = [(WILL, LINEMODE), (DO, CHARSET), (WILL, CHARSET), (DO, SUPPRESS_GO_AHEAD)];
    let refused =
        [[IAC, DONT, LINEMODE], [IAC, WONT, CHARSET], [IAC, DONT, CHARSET], [IAC, WONT, SUPPRESS_GO_AHEAD]];
    assert_eq!(negotiate(&mut options, &said), refused.concat());
}
