//! Service keys.

use super::*;
use crate::audit::Target;
use crate::service_keys::{KeySecret, OVERLAP_US_MAX};

fn scopes(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

#[test]
fn a_key_is_known_by_its_secret_which_is_not_stored() {
    on_both(|place| {
        let directory = place.open();
        let wanted = scopes(&["rooms:write", "messages:read", "rooms:write"]);
        let (key, secret) = directory.add_key("Game-One", &wanted, "game1.", Actor::Operator, NOW).unwrap();
        assert_eq!(key.scopes, ["messages:read", "rooms:write"]);
        assert_eq!((key.name.as_str(), key.prefix.as_str()), ("game-one", "game1."));
        let shown = secret.reveal();
        assert!(shown.starts_with("mdk_") && format!("{secret:?}") == "KeySecret(…)");
        assert_eq!(directory.check_key(&KeySecret::parse(&shown).unwrap(), NOW).unwrap(), key);
        assert_eq!(directory.keys().unwrap(), [key]);
        assert_eq!(KeySecret::parse("mdk_AAAA"), None);
        let other = KeySecret::parse(&format!("mdk_{}", "A".repeat(43))).unwrap();
        assert_eq!(code(directory.check_key(&other, NOW)), "no-key");
        if let Location::Sqlite(path) = &place.location {
            let secret = &shown[4..];
            for file in [path.clone(), path.with_extension("sqlite-wal")] {
                let bytes = std::fs::read(file).unwrap_or_default();
                assert!(!bytes.windows(secret.len()).any(|part| part == secret.as_bytes()));
            }
        }
    });
}

#[test]
fn a_rotated_key_has_a_new_secret_and_the_old_one_as_long_as_was_said() {
    on_both(|place| {
        let directory = place.open();
        let by = Actor::Operator;
        let (_, first) = directory.add_key("bot", &scopes(&["rooms:read"]), "", by, NOW).unwrap();
        let (key, second) = directory.rotate_key("BOT", 60 * SECOND, by, NOW).unwrap();
        assert_eq!((key.rotated_at, key.old_secret_until), (Some(NOW), Some(after(60))));
        directory.check_key(&first, after(59)).unwrap();
        directory.check_key(&second, after(59)).unwrap();
        assert_eq!(code(directory.check_key(&first, after(60))), "no-key");
        let (_, third) = directory.rotate_key("bot", 0, by, after(1)).unwrap();
        assert_eq!(code(directory.check_key(&first, after(1))), "no-key");
        assert_eq!(code(directory.check_key(&second, after(1))), "no-key");
        directory.check_key(&third, after(1)).unwrap();
        assert_eq!(code(directory.rotate_key("none", 0, by, NOW)), "no-key");
        assert_eq!(code(directory.rotate_key("bot", OVERLAP_US_MAX + 1, by, NOW)), "bad-value");
        directory.remove_key("bot", "lost", by, after(2)).unwrap();
        assert_eq!(code(directory.check_key(&third, after(2))), "no-key");
        assert_eq!(code(directory.remove_key("bot", "", by, NOW)), "no-key");
        let entries = directory.audit(None, 10).unwrap().entries;
        let acts: Vec<_> = entries.iter().map(|entry| (entry.act.as_str(), entry.target)).collect();
        let key = Target::Key(1);
        assert_eq!(acts, [("key.remove", key), ("key.rotate", key), ("key.rotate", key), ("key.add", key)]);
    });
}

#[test]
fn what_is_wrong_with_a_key_is_refused() {
    on_both(|place| {
        let directory = place.open();
        let add = |name: &str, words: &[&str], prefix: &str| {
            directory.add_key(name, &scopes(words), prefix, Actor::Operator, NOW).map(|(key, _)| key)
        };
        add("one", &["rooms:read"], "game1.").unwrap();
        add("two", &["rooms:read"], "").unwrap();
        assert_eq!(code(add("ONE", &["rooms:read"], "")), "key-taken");
        assert_eq!(code(add("three", &["rooms:read"], "game1.sub.")), "prefix-taken");
        add("four", &["rooms:read"], "game.").unwrap();
        for prefix in ["game2", ".", "Game2.", "ga me.", &format!("{}.", "x".repeat(32))] {
            assert_eq!(code(add("five", &["rooms:read"], prefix)), "bad-value", "{prefix}");
        }
        for words in [&[][..], &["rooms"], &["rooms:"], &["Rooms:read"], &["a:b:c"], &["a b:c"]] {
            assert_eq!(code(add("five", words, "")), "bad-value", "{words:?}");
        }
        assert_eq!(code(add("no name!", &["rooms:read"], "")), "name-invalid");
    });
}
