//! The configuration: a file, and the same text as overrides.

use madang_config::{Config, Sources, file, keys, load};
use std::path::{Path, PathBuf};

/// A configuration file.
pub fn settings(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let mut errors = Vec::new();
    let mut config = Config::default();
    let assignments = file::assignments(Path::new("madang.toml"), text, &mut errors);
    for assignment in assignments {
        let key = assignment.key;
        if let Ok(value) = assignment.text
            && (key.set)(&mut config, &value).is_ok()
        {
            shows_as_itself(key, &config);
        }
    }
    for error in errors {
        let shown = error.to_string();
        assert!(shown.len() < 4096, "a mistake is told in few words: {shown}");
    }
    overrides(text);
}

/// What is shown is written in the form in which it is read, and reads as the same.
fn shows_as_itself(key: &keys::Key, config: &Config) {
    let shown = (key.show)(config);
    let text = file::loose_content(&shown, key.form).expect("what is shown is of its form");
    let mut again = Config::default();
    (key.set)(&mut again, &text).expect("what is shown is allowed");
    assert_eq!((key.show)(&again), shown, "{}", key.name);
}

fn overrides(text: &str) {
    let sources = Sources {
        // None that lies about on this machine.
        file: Some(PathBuf::from("/dev/null")),
        environment: Vec::new(),
        flags: Vec::new(),
        overrides: text.lines().take(16).map(str::to_owned).collect(),
    };
    if let Err(errors) = load(&sources) {
        let _ = errors.to_string();
    }
}
