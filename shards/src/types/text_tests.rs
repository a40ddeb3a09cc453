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
