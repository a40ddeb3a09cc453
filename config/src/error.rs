//! Mistakes in the configuration: where, which key, which value, what is allowed.

use super::keys::{KEYS, Key};
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

/// Where a value was written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Origin {
    /// Nowhere: the default.
    Default,
    /// In a file.
    File {
        /// As it was given.
        path: Arc<PathBuf>,
        /// Counted from 1.
        line: usize,
    },
    /// In the environment variable of that name.
    Environment(String),
    /// With a flag of its own.
    Flag(&'static str),
    /// With `--set`.
    Override,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => f.write_str("default"),
            Origin::File { path, line } => write!(f, "{}:{line}", path.display()),
            Origin::Environment(variable) => f.write_str(variable),
            Origin::Flag(flag) => f.write_str(flag),
            Origin::Override => f.write_str("--set"),
        }
    }
}

/// One mistake.
#[derive(thiserror::Error, Debug)]
pub enum ConfigError {
    /// The file exists or was named, and cannot be read.
    #[error("cannot read configuration '{}': {source}; {remedy}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
        /// What to do.
        remedy: &'static str,
    },
    /// The file is not TOML.
    #[error("{origin}: not TOML: {message}")]
    Syntax {
        /// Where.
        origin: Origin,
        /// What the parser says.
        message: String,
    },
    /// No such section or key.
    #[error("{origin}: unknown key {name}{}", suggestion(name))]
    UnknownKey {
        /// Where.
        origin: Origin,
        /// What was written.
        name: String,
    },
    /// A value that is not allowed.
    #[error("{origin}: {key} = {value}: {why}; allowed is {allowed}")]
    BadValue {
        /// Where.
        origin: Origin,
        /// The key.
        key: &'static str,
        /// What was written, safe to display.
        value: String,
        /// What is wrong with it.
        why: String,
        /// What would be right.
        allowed: String,
    },
    /// An override without `=`.
    #[error("--set {0}: no '=' in it; write --set KEY=VALUE, for example --set limits.burst=80")]
    NotAnAssignment(String),
}

/// Every mistake that was found, at least one.
#[derive(Debug)]
pub struct ConfigErrors(pub Vec<ConfigError>);

impl ConfigErrors {
    /// All mistakes, those of a file in line order.
    pub fn in_order(mut errors: Vec<ConfigError>) -> ConfigErrors {
        errors.sort_by_key(|error| error.line().unwrap_or(usize::MAX));
        ConfigErrors(errors)
    }
}

impl ConfigError {
    /// The line in the file, if any. Faults of the whole file come first.
    fn line(&self) -> Option<usize> {
        match self {
            ConfigError::Unreadable { .. } => Some(0),
            ConfigError::Syntax { origin, .. }
            | ConfigError::UnknownKey { origin, .. }
            | ConfigError::BadValue { origin, .. } => match origin {
                Origin::File { line, .. } => Some(*line),
                _ => None,
            },
            ConfigError::NotAnAssignment(_) => None,
        }
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().enumerate() {
            let line_break = if index == 0 { "" } else { "\n" };
            write!(f, "{line_break}{error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}

/// The most similar key, and the known keys.
fn suggestion(name: &str) -> String {
    let nearest = KEYS
        .iter()
        .map(|key| (likeness(name, key), key.name))
        .max_by(|(one, _), (other, _)| one.total_cmp(other))
        .filter(|(likeness, _)| *likeness > 0.8)
        .map_or_else(String::new, |(_, nearest)| format!("; did you mean {nearest}?"));
    let section = name.split('.').next().unwrap_or(name);
    let mut known: Vec<_> = KEYS.iter().filter(|key| key.section() == section).map(|key| key.name).collect();
    if known.is_empty() {
        known = KEYS.iter().map(|key| key.name).collect();
    }
    format!("{nearest} (known here: {})", known.join(", "))
}

/// From 0 to 1. A key without its section, or in the wrong one, is still recognised.
fn likeness(name: &str, key: &Key) -> f64 {
    let short = name.rsplit('.').next().unwrap_or(name);
    let whole = strsim::jaro_winkler(name, key.name);
    whole.max(0.95 * strsim::jaro_winkler(short, key.short_name()))
}
