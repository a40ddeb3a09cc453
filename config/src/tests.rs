//! The table, the printed file and the documentation say the same.

use super::keys::KEYS;
use super::*;
use std::ffi::OsString;
use std::path::Path;

fn sources() -> Sources {
    Sources { file: None, environment: Vec::new(), flags: Vec::new(), overrides: Vec::new() }
}

fn assignments_of(text: &str) -> (usize, Config, Vec<String>) {
    let mut errors = Vec::new();
    let mut config = Config::default();
    let assignments = file::assignments(Path::new("madang.toml"), text, &mut errors);
    let count = assignments.len();
    for assignment in assignments {
        (assignment.key.set)(&mut config, &assignment.text.unwrap()).unwrap();
    }
    (count, config, errors.iter().map(ToString::to_string).collect())
}

/// The default file with the keys whose lines begin so.
fn uncommented(beginning: &str) -> String {
    let key =
        |line: &str| line.strip_prefix('#').filter(|rest| rest.starts_with(beginning)).map(str::to_owned);
    let lines = default_file();
    let lines =
        lines.lines().map(|line| key(line).filter(|key| !key.starts_with(' ')).unwrap_or(line.to_owned()));
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn the_default_file_sets_nothing_and_each_key_in_it_is_right_when_uncommented() {
    let (count, _, errors) = assignments_of(&default_file());
    assert_eq!((count, errors), (0, Vec::new()));
    let (count, config, errors) = assignments_of(&uncommented(""));
    assert_eq!((count, errors), (KEYS.len(), Vec::new()));
    for key in KEYS {
        assert_eq!((key.show)(&config), (key.show)(&Config::default()), "{}", key.name);
        let (count, _, errors) = assignments_of(&uncommented(&format!("{} = ", key.short_name())));
        assert_eq!((count, errors), (1, Vec::new()), "{} alone", key.name);
    }
}

#[test]
fn the_documentation_lists_every_key() {
    let documentation = include_str!("../../docs/configuration.md");
    let documented = documentation.lines().filter(|line| line.starts_with("| `")).collect::<Vec<_>>();
    let defaults = Config::default();
    let known = KEYS.iter().map(|key| {
        let (default, allowed) = ((key.show)(&defaults), (key.allowed)());
        format!("| `{}` | `{default}` | {allowed} | {} |", key.name, key.about)
    });
    assert_eq!(documented, known.collect::<Vec<_>>(), "docs/configuration.md lists these keys");
}

#[test]
fn the_documentation_names_the_keys_that_need_a_restart() {
    let documentation = include_str!("../../docs/configuration.md");
    let (_, reload) = documentation.split_once("## Reload").unwrap();
    for name in keys::RESTART_KEYS {
        assert!(Key::named(name).is_some() && reload.contains(&format!("`{name}`")), "{name}");
    }
}

#[test]
fn every_address_that_is_listened_at_is_looked_at_for_overlaps() {
    let mut config = Config::default();
    for key in KEYS.iter().filter(|key| (key.allowed)().starts_with("an IP address and a port")) {
        (key.set)(&mut config, "127.0.0.1:1").unwrap();
        assert!(config.listeners().iter().any(|(listener, _)| *listener == key.name), "{}", key.name);
    }
}

#[test]
fn each_later_layer_wins() {
    let mut sources = sources();
    let set = |text: &str| text.to_owned();
    let burst = |sources: &Sources| load(sources).unwrap().config.limits.burst.number();
    sources.environment = vec![(OsString::from("MADANG_LIMITS_BURST"), OsString::from("2"))];
    assert_eq!(burst(&sources), 2);
    sources.flags = vec![Flag { flag: "--burst", key: "limits.burst", value: set("3") }];
    assert_eq!(burst(&sources), 3);
    sources.overrides = vec![set("limits.burst=4"), set("limits.burst = 5")];
    assert_eq!(burst(&sources), 5);
}

#[test]
fn values_outside_files_are_toml_or_bare_words() {
    for (text, expected) in [
        ("rooms.lobby=2024", "\"2024\""),
        ("rooms.lobby=\"hall\"", "\"hall\""),
        ("rooms.lobby=hall", "\"hall\""),
        ("rooms.lobby=마당", "\"마당\""),
    ] {
        let sources = Sources { overrides: vec![text.to_owned()], ..sources() };
        assert_eq!(load(&sources).unwrap().config.rooms.lobby.as_str(), expected.trim_matches('"'), "{text}");
    }
    let sources = Sources { overrides: vec!["limits.burst=1_000".to_owned()], ..sources() };
    assert_eq!(load(&sources).unwrap().config.limits.burst.number(), 1000);
}

#[test]
fn lists_are_toml_or_bare_words_with_commas_outside_files() {
    let loaded = |text: &str| load(&Sources { overrides: vec![text.to_owned()], ..sources() });
    let key = Key::named("listen.proxy_from").unwrap();
    for (text, expected) in [
        ("listen.proxy_from=[\"10.0.0.0/8\", 'fd00::/8']", "[\"10.0.0.0/8\", \"fd00::/8\"]"),
        ("listen.proxy_from=10.0.0.0/8, ::1", "[\"10.0.0.0/8\", \"::1\"]"),
        ("listen.proxy_from=127.0.0.1", "[\"127.0.0.1\"]"),
        ("listen.proxy_from=[]", "[]"),
        ("listen.proxy_from=", "[]"),
    ] {
        assert_eq!((key.show)(&loaded(text).unwrap().config), expected, "{text}");
    }
    for text in ["[1]", "[\"\"]", "[\"::1,::2\"]", "[[]]", "3", "\"::1\"", "::1,", "localhost"] {
        assert!(loaded(&format!("listen.proxy_from={text}")).is_err(), "{text}");
    }
}

#[test]
fn an_overridden_mistake_is_still_a_mistake() {
    let overrides = vec!["limits.burst=0".to_owned(), "limits.burst=1".to_owned()];
    let error = load(&Sources { overrides, ..sources() }).err().unwrap();
    assert_eq!(error.to_string(), "--set: limits.burst = 0: too small; allowed is 1 to 1000000");
}

#[test]
fn durability_has_one_text_form_each() {
    use values::Setting;
    for text in ["commit", "interval:1ms", "interval:10000ms", "none"] {
        let durability = <Durability as values::Setting>::parse(text).unwrap();
        assert_eq!(durability.to_toml(), format!("\"{text}\""));
    }
    for text in ["", "Commit", "interval", "interval:", "interval:0ms", "interval:10001ms", "interval:50"] {
        assert!(<Durability as values::Setting>::parse(text).is_err(), "{text}");
    }
}
