use super::*;

fn user(raw: &str) -> UserName {
    UserName::parse(raw).unwrap_or_else(|error| panic!("{raw:?}: {error}"))
}

fn room(raw: &str) -> RoomName {
    RoomName::parse(raw).unwrap_or_else(|error| panic!("{raw:?}: {error}"))
}

#[test]
fn case_width_and_composition_do_not_make_two_names() {
    let same = [
        ("Alice", "alice"),
        ("ａｌｉｃｅ", "alice"),
        ("ＡＬＩＣＥ", "Alice"),
        ("\u{1112}\u{1161}\u{11ab}\u{1100}\u{1173}\u{11af}", "한글"),
        ("Zoe\u{308}", "zoë"),
        ("ΑΛΈΞΗΣ", "αλέξησ"),
        ("ｱｲﾁ", "アイチ"),
        ("  alice ", "alice"),
    ];
    for (a, b) in same {
        assert_eq!(user(a), user(b), "{a} {b}");
        assert_eq!(user(a).skeleton(), user(b).skeleton(), "{a} {b}");
        assert_eq!(room(a).key(), room(b).key(), "{a} {b}");
        assert!(room(a).is_same_as(&room(b)), "{a} {b}");
    }
    assert_ne!(user("alice"), user("alicia"));
    assert!(!room("r1").is_same_as(&room("r2")));
}

#[test]
fn look_alikes_are_two_names_of_one_skeleton() {
    for (a, b) in [("раypal", "paypal"), ("a1ice", "alice"), ("rnadang", "madang")] {
        assert_ne!(user(a), user(b), "{a} {b}");
        assert_eq!(user(a).skeleton(), user(b).skeleton(), "{a} {b}");
    }
}

#[test]
fn names_of_many_scripts_are_names() {
    let names = [
        "alice",
        "Zoë",
        "마당",
        "小明",
        "たろう",
        "علي",
        "דוד",
        "नमस्ते",
        "สมชาย",
        "Łukasz",
        "a-b_c.d",
        "1",
        "_x_",
        "Straße",
    ];
    for name in names {
        assert_eq!(user(name).as_str(), name);
        assert_eq!(room(name).as_str(), name);
    }
}

#[test]
fn what_is_stored_reads_back_as_itself() {
    let names = [
        "Alice",
        "ＡLICE",
        "Zoe\u{308}",
        "ΑΛΈΞΗΣ",
        "ｱｲﾁ",
        "İstanbul",
        "Straße",
        "ẞ1",
        "علي",
        "Ꭰ",
        "ᏸ",
        "\u{1e9e}a",
    ];
    for raw in names {
        let Ok(first) = UserName::parse(raw) else { continue };
        let again = user(first.as_str());
        assert_eq!(
            (again.as_str(), again.key(), again.skeleton()),
            (first.as_str(), first.key(), first.skeleton())
        );
        let (_, canonical) = rules::checked(raw, USER_NAME_CHARS_MAX).expect("it was a name before");
        assert_eq!(user(&canonical).key(), first.key(), "{raw}");
    }
}

#[test]
fn every_single_character_is_a_sound_name_or_none() {
    // Ideographs and Hangul syllables are left out: they are many and alike.
    let ranges = [0..0x3400, 0xa000..0xac10, 0xd7a0..0xd800, 0xf900..0x1_2000, 0x1_d000..0x1_f000];
    for c in ranges.into_iter().flatten().filter_map(char::from_u32) {
        for raw in [c.to_string(), format!("a{c}")] {
            let Ok(name) = UserName::parse(&raw) else { continue };
            let again = UserName::parse(name.as_str()).map(|again| (again.as_str().to_owned(), again.key()));
            assert_eq!(again, Ok((name.as_str().to_owned(), name.key())), "{raw:?}");
            let text = crate::types::Text::sanitise(name.as_str()).map(|text| text.as_str().to_owned());
            assert_eq!(text.as_deref(), Some(name.as_str()), "{raw:?}");
            let direct = RoomName::direct(&name, &user("bob"));
            let read = RoomName::from_log(direct.as_str()).map(|room| room.key());
            assert_eq!(read, Ok(direct.key()), "{raw:?}");
        }
    }
}

#[test]
fn characters_that_hide_or_steer_are_refused() {
    for raw in [
        "a b",
        "a\u{a0}b",
        "a\u{202e}b",
        "a\u{200f}b",
        "a\u{200d}b",
        "a\u{200b}b",
        "\x1b[31m",
        "a\0b",
        "a&b",
        "a*b",
        "/quit",
        "a:b",
        "\u{3164}",
        "a\u{115f}",
        "a\u{34f}b",
        "a\u{fe0f}b",
        "a\u{e0041}b",
        "☃",
        "a\u{ad}b",
    ] {
        let refused = UserName::parse(raw).expect_err(raw);
        assert!(matches!(refused, NameError::BadCharacter { .. }), "{raw:?}: {refused}");
        assert!(!refused.to_string().chars().any(|c| c.is_control() || c == '\u{202e}'), "{raw:?}");
    }
}

#[test]
fn marks_need_a_letter_and_there_are_few_of_them() {
    assert_eq!(UserName::parse("\u{301}bob"), Err(NameError::NotAllowed));
    let zalgo = format!("q{}", "\u{322}\u{301}\u{31b}\u{316}\u{302}");
    assert_eq!(UserName::parse(&zalgo), Err(NameError::NotAllowed));
}

#[test]
fn writing_directions_do_not_mix() {
    assert_eq!(UserName::parse("aliceعلي"), Err(NameError::NotAllowed));
}

#[test]
fn punctuation_alone_is_no_name() {
    for raw in [".", "-", "_", "...", "-_."] {
        let refused = UserName::parse(raw).expect_err(raw);
        assert_eq!(refused.to_string(), format!("a name has at least one letter or digit, {raw} has none"));
    }
    assert_eq!(UserName::parse("  "), Err(NameError::Empty));
}

#[test]
fn a_name_that_is_too_long_is_told_both_numbers() {
    assert_eq!(user(&"한".repeat(32)).as_str().chars().count(), 32);
    let refused = UserName::parse(&"a".repeat(33)).expect_err("33 characters");
    assert_eq!(refused, NameError::TooLong { chars: 33, chars_max: 32 });
    assert_eq!(refused.to_string(), "a name has at most 32 characters, this one has 33");
    assert_eq!(room(&"r".repeat(64)).as_str().len(), 64);
    assert_eq!(RoomName::parse(&"r".repeat(65)).err(), Some(NameError::TooLong { chars: 65, chars_max: 64 }));
    // Its canonical form, which direct rooms are named by, would not fit.
    assert_eq!(UserName::parse(&"İ".repeat(17)), Err(NameError::TooLong { chars: 34, chars_max: 32 }));
}

#[test]
fn a_direct_room_is_the_same_from_both_sides_and_after_storage() {
    let names = ["Alice", "علي", "דוד", "한글", "İstanbul"];
    for a in names {
        for b in names {
            let direct = RoomName::direct(&user(a), &user(b));
            assert!(direct.is_direct());
            assert_eq!(direct.key(), RoomName::direct(&user(b), &user(a)).key());
            assert_eq!(RoomName::from_log(direct.as_str()).map(|room| room.key()), Ok(direct.key()));
        }
    }
}

#[test]
fn direct_rooms_of_mixed_directions_are_told_apart() {
    let first = RoomName::direct(&user("alice"), &user("علي"));
    let second = RoomName::direct(&user("bob"), &user("דוד"));
    assert!(first.is_same_as(&first.clone()));
    assert!(!first.is_same_as(&second));
}
