use super::*;

#[test]
fn what_steers_a_terminal_is_removed() {
    let cases = [
        ("a\x1b[2Jb", "a[2Jb"),
        ("a\rb", "ab"),
        ("a\0b", "ab"),
        ("a\x7fb", "ab"),
        ("a\u{9b}31mb", "a31mb"),
        ("a\u{85}b\u{2028}c", "abc"),
        ("a\u{202e}b", "ab"),
        ("a\u{2067}b", "ab"),
        ("a\u{2062}b", "ab"),
        ("tab\there", "tab here"),
    ];
    for (raw, clean) in cases {
        assert_eq!(Text::sanitise(raw).as_deref(), Some(clean), "{raw:?}");
    }
}

#[test]
fn every_character_that_is_left_is_no_control() {
    let all: String = (0..=0x0010_ffff).filter_map(char::from_u32).collect();
    let clean = Text::sanitise(&all).expect("most of Unicode is visible");
    assert!(!clean.chars().any(|c| c.is_control() || ('\u{202a}'..='\u{202e}').contains(&c)));
}

#[test]
fn what_people_write_stays() {
    for text in ["안녕하세요", "👩‍👩‍👧 family", "می‌خواهم", "  indented", "naïve", "שלום \u{200f}!"]
    {
        assert_eq!(Text::sanitise(text).as_deref(), Some(text));
    }
}

#[test]
fn letters_are_composed_even_when_something_removed_stood_between() {
    assert_eq!(Text::sanitise("\u{1112}\u{1161}\u{11ab}").as_deref(), Some("한"));
    assert_eq!(Text::sanitise("e\u{feff}\u{301}").as_deref(), Some("é"));
}

#[test]
fn nothing_visible_is_no_text() {
    for raw in ["", "   ", "\x1b\x07", "\u{feff}\u{200b}", "\u{200d}", "\u{3164}\u{2800}", "\u{3000}"] {
        assert_eq!(Text::sanitise(raw), None, "{raw:?}");
    }
}

#[test]
fn to_clean_twice_changes_nothing() {
    for raw in ["a\x1bb", "e\u{301}", "\u{1d15e}x", "\u{344}y"] {
        let once = Text::sanitise(raw).expect("it is visible");
        assert_eq!(Text::sanitise(&once), Some(once.clone()), "{raw:?}");
    }
}

#[test]
fn what_unicode_draws_as_nothing_is_no_text_and_goes_from_one() {
    for c in ["\u{1d173}", "\u{1bca0}", "\u{fff0}", "\u{ad}", "\u{17b4}", "\u{ffa0}", "\u{2065}", "\u{e0001}"]
    {
        assert_eq!(Text::sanitise(c), None, "{c:?}");
        assert_eq!(Text::sanitise(&format!("가{c}b")).as_deref(), Some("가b"), "{c:?}");
    }
    for c in ["\u{fdd0}", "\u{ffff}", "\u{1fffe}", "\u{10ffff}"] {
        assert_eq!(Text::sanitise(c), None, "{c:?}");
        assert_eq!(Text::sanitise(&format!("a{c}b")).as_deref(), Some("ab"), "{c:?}");
    }
}

/// By the crate's own word on each, whatever blocks they lie in.
#[test]
fn no_single_character_is_a_text_that_nobody_sees() {
    for c in (0..=0x0010_ffff).filter_map(char::from_u32) {
        let is_ignorable = unicode_security::skeleton(c.encode_utf8(&mut [0; 4])).next().is_none();
        assert_eq!(is_unseen(c), is_ignorable, "{c:?}");
        if is_ignorable || c.is_whitespace() || c.is_control() {
            assert_eq!(Text::sanitise(&c.to_string()), None, "{c:?}");
        }
    }
}

#[test]
fn unseen_characters_stay_where_emoji_and_scripts_need_them() {
    let needed = [
        "👩‍👩‍👧",
        "❤\u{fe0f}‍🔥",
        "1\u{fe0f}\u{20e3} #\u{fe0f}\u{20e3}",
        "🏴\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f} wins",
        "می\u{200c}خواهم",
        "ന\u{d4d}\u{200d} ",
        "\u{200d}ه",
        "ක්\u{200d}ෂ",
        "葛\u{e0100}城",
        "ᠭ\u{180b}ᠠ\u{180e}ᠠ",
        "\u{115f}\u{1161}\u{11a8}",
        "\u{1100}\u{1160}\u{11a8}",
        "\u{200f}שלום\u{200e}",
    ];
    for text in needed {
        assert_eq!(Text::sanitise(text).as_deref(), Some(text), "{text:?}");
    }
    let needless = [
        ("a\u{200d}b", "ab"),
        ("\u{200d}a\u{200d}", "a"),
        ("가\u{200d}\u{200d}\u{200c}나", "가\u{200d}나"),
        ("a \u{fe0f}b\u{fe0f}", "a b"),
        ("가\u{fe0f}\u{fe0e}", "가\u{fe0f}"),
        ("🏴\u{e0067}\u{e0062}", "🏴"),
        ("가\u{e0067}\u{e0062}\u{e0065}\u{e007f}", "가"),
        ("\u{115f}a\u{1160}b", "ab"),
        ("e\u{200d}\u{301}", "é"),
        ("\u{212a}\u{200d}x", "Kx"),
    ];
    for (raw, clean) in needless {
        assert_eq!(Text::sanitise(raw).as_deref(), Some(clean), "{raw:?}");
    }
}

#[test]
fn to_clean_twice_changes_nothing_whatever_stands_beside_what() {
    let pieces = [
        "a",
        "1",
        "가",
        "\u{1100}",
        "\u{1161}",
        "\u{11a8}",
        "\u{115f}",
        "\u{1160}",
        "\u{301}",
        "\u{345}",
        "\u{212a}",
        "\u{200d}",
        "\u{200c}",
        "\u{34f}",
        "\u{fe0f}",
        "\u{180b}",
        "\u{180e}",
        "\u{200e}",
        "🏴",
        "\u{e0067}",
        "\u{e007f}",
        "👩",
        "ന",
        "\u{d4d}",
        " ",
        "\u{ad}",
        "\x07",
    ];
    let mut chosen = 1_u64;
    for _ in 0..60_000 {
        let mut raw = String::new();
        for _ in 0..6 {
            chosen = chosen.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            raw.push_str(pieces[(chosen >> 33) as usize % pieces.len()]);
        }
        if let Some(once) = Text::sanitise(&raw) {
            assert_eq!(Text::sanitise(&once), Some(once.clone()), "{raw:?}");
        }
    }
}

#[test]
fn a_text_that_was_stored_can_always_be_shown() {
    assert_eq!(Text::restore("hello").as_deref(), Some("hello"));
    // An earlier release took these for visible.
    for stored in ["\u{1d173}\u{fff0}", "\u{1bca0}", "\u{ffff}"] {
        assert_eq!(Text::restore(stored).as_deref(), Some("\u{fffd}"), "{stored:?}");
    }
    for never in ["", "  ", "\x07"] {
        assert_eq!(Text::restore(never), None);
    }
}
