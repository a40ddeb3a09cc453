use super::rules::by_rules;
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

/// Hebrew with points, Arabic with vowels: a mark may stand anywhere but first (RFC 5893, section 2).
#[test]
fn marks_stand_within_names_from_right_to_left() {
    for name in ["שָׁלוֹם", "שלוֹם", "مَرحبا", "مُحَمَّد", "مرحباً", "שָׁלוֹם1", "مَرْحَبًا"]
    {
        let shown = user(name);
        assert_eq!(user(shown.as_str()).key(), shown.key(), "{name}");
        let direct = RoomName::direct(&shown, &user("bob"));
        assert_eq!(RoomName::from_log(direct.as_str()).map(|read| read.key()), Ok(direct.key()), "{name}");
        assert_eq!(room(name).as_str(), shown.as_str());
    }
    assert_eq!(
        UserName::parse("ש\u{5c1}\u{5b8}\u{5bc}\u{5bf}\u{5c4}"),
        Err(NameError::TooManyMarks { marks_max: 4 })
    );
}

#[test]
fn letters_that_keyboards_have_only_in_another_form_are_taken() {
    let same = [
        ("น\u{e49}\u{e33}", "น\u{e4d}\u{e49}\u{e32}"),
        ("น\u{e49}\u{e4d}\u{e32}", "น\u{e4d}\u{e49}\u{e32}"),
        ("ค\u{e33}", "ค\u{e4d}\u{e32}"),
        ("ນ\u{ec9}\u{eb3}", "ນ\u{ecd}\u{ec9}\u{eb2}"),
        ("\u{edd}າ", "ຫມາ"),
        ("\u{edc}ູ", "ຫນູ"),
        ("Լ\u{587}ոն", "Լեւոն"),
    ];
    for (typed, shown) in same {
        assert_eq!(user(typed).as_str(), shown);
        assert_eq!(user(typed), user(shown), "{shown}");
        assert_eq!(user(typed).skeleton(), user(shown).skeleton(), "{shown}");
        assert_eq!(room(typed).key(), room(shown).key(), "{shown}");
    }
    assert_eq!(user("Լ\u{587}ոն"), user("լ\u{587}ոն"));
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
            let text = crate::Text::sanitise(name.as_str()).map(|text| text.as_str().to_owned());
            assert_eq!(text.as_deref(), Some(name.as_str()), "{raw:?}");
            let direct = RoomName::direct(&name, &user("bob"));
            let read = RoomName::from_log(direct.as_str()).map(|room| room.key());
            assert_eq!(read, Ok(direct.key()), "{raw:?}");
        }
    }
}

#[test]
fn what_is_a_name_by_its_bytes_is_the_same_name_by_every_rule() {
    let ascii = || (0_u8..128).map(char::from);
    let two = ascii().flat_map(|first| ascii().map(move |second| format!("{first}{second}")));
    let lengths = (1..6).map(|length| "Ab-_.9".repeat(length));
    let mut names = 0;
    for raw in ascii().map(String::from).chain(two).chain(lengths) {
        let trimmed = raw.trim();
        if !trimmed.is_empty() {
            assert_eq!(checked(&raw, 24), by_rules(trimmed, 24), "{raw:?}");
            names += usize::from(checked(&raw, 24).is_ok());
        }
    }
    assert!(names > 62 * 62);
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
    assert_eq!(UserName::parse("\u{301}bob"), Err(NameError::MarkFirst));
    let zalgo = format!("q{}", "\u{322}\u{301}\u{31b}\u{316}\u{302}");
    assert_eq!(UserName::parse(&zalgo), Err(NameError::TooManyMarks { marks_max: 4 }));
    // They are counted as the name is kept: a letter that has its mark has one less, in whatever form it was typed.
    let four = "\u{323}\u{316}\u{33b}\u{30b}";
    for letter in ["é", "e\u{301}"] {
        assert!(UserName::parse(&format!("{letter}\u{316}\u{33b}\u{30b}\u{30f}")).is_ok(), "{letter:?}");
        let five = UserName::parse(&format!("{letter}\u{316}\u{33b}\u{30b}\u{30f}\u{30d}"));
        assert_eq!(five, Err(NameError::TooManyMarks { marks_max: 4 }), "{letter:?}");
    }
    assert!(UserName::parse(&format!("q{four}")).is_ok());
}

#[test]
fn writing_directions_do_not_mix() {
    for name in ["aliceعلي", "1علي", "علي-"] {
        assert_eq!(UserName::parse(name), Err(NameError::MixedDirections), "{name}");
    }
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
fn a_name_that_is_too_long_is_reported_with_both_numbers() {
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
fn characters_are_counted_as_they_are_shown() {
    // As a Mac types Korean: three code points a syllable.
    let decomposed = "\u{1112}\u{1161}\u{11ab}".repeat(11);
    assert_eq!(user(&decomposed).as_str(), "한".repeat(11));
    assert_eq!(user(&"\u{1112}\u{1161}\u{11ab}".repeat(32)), user(&"한".repeat(32)));
    assert_eq!(room(&"e\u{301}".repeat(64)).as_str(), "é".repeat(64));
    // Half-width letters and their marks are one character each when they are wide.
    assert_eq!(user(&"ｶﾞ".repeat(32)).as_str(), "ガ".repeat(32));
    let refused = UserName::parse(&"\u{1112}\u{1161}\u{11ab}".repeat(33));
    assert_eq!(refused, Err(NameError::TooLong { chars: 33, chars_max: 32 }));
    let refused = UserName::parse(&"한".repeat(1000));
    assert_eq!(refused, Err(NameError::TooLong { chars: 1000, chars_max: 32 }));
}

#[test]
fn korean_letters_by_themselves_are_a_name() {
    for name in ["ㅋㅋ", "ㅇㅇ", "ㅇㅅㅇ", "홍ㄱ동", "kㅋ1", "ㅠㅠ각갂갃", "ㅣ_ㅡ"] {
        assert_eq!(user(name).as_str(), name);
        assert_eq!(room(name).as_str(), name);
        let direct = RoomName::direct(&user(name), &user("bob"));
        assert_eq!(RoomName::from_log(direct.as_str()).map(|read| read.key()), Ok(direct.key()), "{name}");
    }
    assert_eq!(user("ㅋㅋA"), user("ㅋㅋa"));
    assert_eq!(user("ㄱㅏ").skeleton(), user("가").skeleton());
}

#[test]
fn a_refusal_says_the_real_reason_and_what_to_write_instead() {
    let cases = [
        ("ﬁn", "'ﬁ' is another form of fi: use fi in a name"),
        ("x²", "'²' is another form of 2: use 2 in a name"),
        ("ﾡ", "'ﾡ' is another form of ㄱ: use ㄱ in a name"),
        ("ſam", "'ſ' is another form of s: use s in a name"),
        (
            "\u{110f}\u{110f}",
            "'\u{110f}' is a part of a syllable: use whole syllables in a name, or letters of today's Korean (ㅋㅋ)",
        ),
        (
            "ㆍ",
            "'ㆍ' is a part of a syllable: use whole syllables in a name, or letters of today's Korean (ㅋㅋ)",
        ),
        ("𞤀", "'𞤀' is newer than the letters that names are made of (Unicode 6.3, RFC 8264): use another"),
        (
            "٣۴",
            "the characters of this name cannot stand together (RFC 8265); use letters and digits of one script",
        ),
        ("\u{301}a", "a name begins with a letter or digit, not with a mark that belongs over or under one"),
        ("a b", "a name is made of letters and digits of any script and - _ . (a space is not one)"),
        ("a\tb", "a name is made of letters and digits of any script and - _ . (U+0009 is not one)"),
        ("☃", "a name is made of letters and digits of any script and - _ . ('☃' is not one)"),
    ];
    for (name, words) in cases {
        assert_eq!(UserName::parse(name).expect_err(name).to_string(), words);
    }
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
fn direct_rooms_of_mixed_directions_are_distinguished() {
    let first = RoomName::direct(&user("alice"), &user("علي"));
    let second = RoomName::direct(&user("bob"), &user("דוד"));
    assert!(first.is_same_as(&first.clone()));
    assert!(!first.is_same_as(&second));
}

/// Each look of a name leads to one home, whatever characters it is made of.
#[test]
fn names_that_look_alike_have_one_home() {
    let mut parts: Vec<String> = Vec::new();
    for c in (0..=0x0010_ffff).filter_map(char::from_u32).filter(|c| c.is_alphanumeric()) {
        // Ideographs and Hangul syllables have no case, and their looks none.
        if matches!(c, '\u{3400}'..='\u{4dff}' | '\u{4e2c}'..='\u{9fff}' | '가'..='힣' | '\u{20000}'..) {
            continue;
        }
        let Ok((shown, canonical)) = rules::checked(&c.to_string(), USER_NAME_CHARS_MAX) else { continue };
        let [lower_case, seen] = looks::homes_of_looks(&shown, &canonical);
        assert_eq!(lower_case, seen, "the fold of U+{:04X} {c} is missing in FOLDS", u32::from(c));
        if shown.as_ref() != canonical {
            parts.push(c.into());
        }
    }
    parts.extend(["\u{301}", "\u{328}", "-", ".", "0", "1", "I", "O", "rn", "vv", "ㅇ"].map(str::to_owned));
    let mut chosen = 1_u64;
    for _ in 0..100_000 {
        let mut raw = "a".to_owned();
        for _ in 0..4 {
            chosen = chosen.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            raw.push_str(&parts[(chosen >> 33) as usize % parts.len()]);
        }
        let Ok((shown, canonical)) = rules::checked(&raw, USER_NAME_CHARS_MAX) else { continue };
        let [lower_case, seen] = looks::homes_of_looks(&shown, &canonical);
        assert_eq!(lower_case, seen, "{raw:?}");
    }
}

#[test]
fn what_can_be_taken_for_another_is_alike_and_has_its_home() {
    let alike = [
        ("aIice", "alice"),
        ("aIice", "Alice"),
        ("AIice", "alice"),
        ("ALICE", "allce"),
        ("PayPaI", "paypal"),
        ("PAYPAI", "PayPal"),
        ("Iarry", "larry"),
        ("Ian", "lan"),
        ("a1ice", "alice"),
        ("b0b", "BOB"),
        ("b0b", "bob"),
        // Whole-script and mixed-script, Cyrillic and Greek.
        ("сосо", "coco"),
        ("СОСО", "coco"),
        ("раypal", "paypal"),
        ("ΝΑΝ", "nan"),
        ("Νan", "nan"),
        ("νan", "van"),
        ("Г0", "ГО"),
        ("ㅇㅇ", "oo"),
        ("ㄱㅏ", "가"),
        // Marks that nobody sees on their letter, or on their like.
        ("ali\u{307}ce", "alice"),
        ("alıce", "alice"),
        ("alı\u{307}ce", "alice"),
        ("i\u{328}\u{307}", "į"),
        ("\u{456}\u{307}van", "ivan"),
        ("j\u{307}an", "jan"),
        ("İan", "ian"),
        ("alice\u{335}", "alice"),
        ("al\u{20d2}ice", "alice"),
        ("a1\u{20d3}ice", "alice"),
        ("c\u{327}\u{327}a", "ça"),
        ("o\u{338}\u{338}", "ø"),
    ];
    for (a, b) in alike {
        assert!(room(a).looks().are_alike(room(b).looks()), "{a} {b}");
        let (a, b) = (user(a), user(b));
        assert!(a.looks().are_alike(b.looks()) && b.looks().are_alike(a.looks()), "{a} {b}");
        for shards in [2, 3, 7, 64] {
            assert_eq!(a.home(shards), b.home(shards), "{a} {b}");
        }
    }
    for (a, b) in
        [("ian", "lan"), ("mail", "mall"), ("nan", "van"), ("sun", "syn"), ("lee", "iee"), ("마당", "미당")]
            .into_iter()
            // Marks that are seen.
            .chain([
                ("ali\u{308}ce", "alice"),
                ("i\u{307}\u{307}", "i"),
                ("o\u{307}", "o"),
                ("ŧ", "t"),
                ("á", "a"),
            ])
    {
        assert!(!user(a).looks().are_alike(user(b).looks()), "{a} {b}");
    }
}

#[test]
fn homes_are_spread_over_shards() {
    let mut homes = [0_u32; 8];
    for n in 0..8000 {
        homes[user(&format!("user{n}")).home(8).index()] += 1;
    }
    assert!(homes.iter().all(|count| (500..2000).contains(count)), "{homes:?}");
}
