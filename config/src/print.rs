//! Showing a configuration as TOML.

use super::Config;
use super::keys::KEYS;
use super::layers::Loaded;
use std::fmt::Write;

/// The width of a comment in the default file, in characters.
const COMMENT_CHARS_MAX: usize = 96;

/// A whole configuration file with a comment for each key. The keys are commented out: a file that sets the
/// defaults would hide better defaults of a later version.
pub fn default_file() -> String {
    let defaults = Config::default();
    let mut text = String::from(
        "# Madang's configuration: every key with its default, commented out. To set a key, remove the # before\n\
         # it and change its value. Sizes are \"64 MiB\" (KiB, MiB, GiB, TiB) or bytes.\n\
         # Environment variables (MADANG_LISTEN_LINE …), flags and --set override this file, in that order.\n\
         # `madang config check` shows the values in force.\n",
    );
    let mut section = "";
    for key in KEYS {
        if key.section() != section {
            section = key.section();
            let _ = write!(text, "\n[{section}]\n");
        }
        for line in wrapped(&format!("{} Allowed: {}.", key.about, (key.allowed)())) {
            let _ = writeln!(text, "# {line}");
        }
        let _ = writeln!(text, "#{} = {}", key.short_name(), (key.show)(&defaults));
    }
    text
}

/// The values in force, key by key, with the place where each was set. The result is TOML.
pub fn effective(loaded: &Loaded) -> String {
    let lines: Vec<_> =
        KEYS.iter().map(|key| (format!("{} = {}", key.name, (key.show)(&loaded.config)), key)).collect();
    let width = lines.iter().map(|(line, _)| line.chars().count()).max().unwrap_or_default();
    lines.iter().fold(String::new(), |mut text, (line, key)| {
        let _ = writeln!(text, "{line:width$}  # {}", loaded.origin(key));
        text
    })
}

fn wrapped(text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) if line.chars().count() + 1 + word.chars().count() <= COMMENT_CHARS_MAX => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}
