//! Combining the sources: defaults, file, environment, flags, overrides.
//!
//! Each layer is checked completely, even if a later one overrides it, so that no mistake is hidden.

use super::Config;
use super::error::{ConfigError, ConfigErrors, Origin};
use super::file::{self, Assignment};
use super::keys::{KEYS, Key};
use super::shown::{shown, shown_without_user};
use std::collections::HashMap;
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

/// Read if no file is named and it exists.
pub const DEFAULT_FILE: &str = "/etc/madang/madang.toml";
/// The prefix of our environment variables.
const VARIABLE_PREFIX: &str = "MADANG_";
/// Variables with that prefix that are not keys.
const OTHER_VARIABLES: &[&str] = &["MADANG_DATA", "MADANG_LEFT", "MADANG_UNIT"];

/// A flag that sets a key.
#[derive(Clone)]
pub struct Flag {
    /// As typed.
    pub flag: &'static str,
    /// The key it sets.
    pub key: &'static str,
    /// Its value.
    pub value: String,
}

/// The sources of the configuration, in rising precedence; the defaults are the lowest.
#[derive(Clone)]
pub struct Sources {
    /// The file that was named.
    pub file: Option<PathBuf>,
    /// The environment of the process.
    pub environment: Vec<(OsString, OsString)>,
    /// Flags that set keys.
    pub flags: Vec<Flag>,
    /// `KEY=VALUE` of each `--set`, in order.
    pub overrides: Vec<String>,
}

/// A configuration and its origins.
pub struct Loaded {
    /// The values in force.
    pub config: Config,
    /// The file that was read, if any.
    pub file: Option<PathBuf>,
    /// The sources, to read it again.
    pub sources: Sources,
    /// Warnings, one sentence each.
    pub warnings: Vec<String>,
    origins: HashMap<&'static str, Origin>,
}

/// A value and where it was written.
#[derive(Clone, Debug)]
pub struct Written {
    /// Where.
    pub origin: Origin,
    key: &'static str,
    value: String,
}

impl fmt::Display for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} = {}", self.key, self.value)
    }
}

impl Loaded {
    /// The value of an existing key, with its origin.
    pub fn written(&self, name: &str) -> Written {
        let Some(key) = Key::named(name) else { unreachable!("{name} is a key") };
        Written { origin: self.origin(key).clone(), key: key.name, value: (key.show)(&self.config) }
    }

    /// Where the value of a key was written.
    pub fn origin(&self, key: &Key) -> &Origin {
        self.origins.get(key.name).unwrap_or(&Origin::Default)
    }
}

/// Reads all sources.
///
/// # Errors
/// Every mistake in any of them.
pub fn load(sources: &Sources) -> Result<Loaded, ConfigErrors> {
    let mut errors = Vec::new();
    let mut warnings = Vec::new();
    let mut assignments = Vec::new();
    let file = match &sources.file {
        Some(path) => Some(path.clone()),
        None => Path::new(DEFAULT_FILE).exists().then(|| PathBuf::from(DEFAULT_FILE)),
    };
    if let Some(path) = &file {
        assignments.extend(from_file(path, &mut errors));
    }
    assignments.extend(from_environment(&sources.environment, &mut warnings));
    assignments.extend(sources.flags.iter().map(from_flag));
    for text in &sources.overrides {
        match from_override(text) {
            Ok(assignment) => assignments.push(assignment),
            Err(error) => errors.push(error),
        }
    }

    let mut loaded = Loaded {
        config: Config::default(),
        file,
        sources: sources.clone(),
        warnings,
        origins: HashMap::new(),
    };
    for Assignment { key, origin, written, text } in assignments {
        match text.and_then(|text| (key.set)(&mut loaded.config, &text)) {
            Ok(()) => {
                loaded.origins.insert(key.name, origin);
            }
            Err(why) => {
                let allowed = (key.allowed)();
                // Whoever got it wrong may have written a password there.
                let written = if key.may_have_password() { shown_without_user(&written) } else { written };
                errors.push(ConfigError::BadValue { origin, key: key.name, value: written, why, allowed });
            }
        }
    }
    if errors.is_empty() { Ok(loaded) } else { Err(ConfigErrors::in_order(errors)) }
}

fn from_file(path: &Path, errors: &mut Vec<ConfigError>) -> Vec<Assignment> {
    match file::read(path) {
        Ok(text) => file::assignments(path, &text, errors),
        Err(source) => {
            let remedy = match source.kind() {
                std::io::ErrorKind::NotFound => {
                    "create it with `madang config default`, or pass another --config"
                }
                std::io::ErrorKind::InvalidData => "save it as UTF-8",
                _ => "make it a file this user may read, or pass another --config",
            };
            errors.push(ConfigError::Unreadable { path: path.to_owned(), source, remedy });
            Vec::new()
        }
    }
}

/// An unknown variable is only a warning: container platforms set some that begin with the name of a service
/// (`MADANG_SERVICE_HOST`, `MADANG_PORT`).
fn from_environment(environment: &[(OsString, OsString)], warnings: &mut Vec<String>) -> Vec<Assignment> {
    let keys: HashMap<String, &'static Key> = KEYS.iter().map(|key| (key.variable(), key)).collect();
    let mut found = Vec::new();
    for (variable, value) in environment {
        let Some(variable) = variable.to_str().filter(|name| name.starts_with(VARIABLE_PREFIX)) else {
            continue;
        };
        match keys.get(variable) {
            Some(key) => {
                let text = value.to_str().ok_or_else(|| "not UTF-8".to_owned());
                found.push(Assignment {
                    key,
                    origin: Origin::Environment(variable.to_owned()),
                    written: shown(&value.to_string_lossy()),
                    text: text.and_then(|text| file::loose_content(text, key.form)),
                });
            }
            None if OTHER_VARIABLES.contains(&variable) => {}
            None => warnings.push(format!(
                "environment variable {} sets nothing; variables are MADANG_ and a key of \
                 `madang config default`, for example MADANG_LISTEN_LINE",
                shown(variable)
            )),
        }
    }
    warnings.sort();
    found
}

fn from_flag(flag: &Flag) -> Assignment {
    let Some(key) = Key::named(flag.key) else { unreachable!("{} stands for a key", flag.flag) };
    Assignment {
        key,
        origin: Origin::Flag(flag.flag),
        written: shown(&flag.value),
        text: file::loose_content(&flag.value, key.form),
    }
}

fn from_override(text: &str) -> Result<Assignment, ConfigError> {
    let (name, value) = text.split_once('=').ok_or_else(|| ConfigError::NotAnAssignment(shown(text)))?;
    let (name, value) = (name.trim(), value.trim());
    let key = Key::named(name)
        .ok_or_else(|| ConfigError::UnknownKey { origin: Origin::Override, name: shown(name) })?;
    let text = file::loose_content(value, key.form);
    Ok(Assignment { key, origin: Origin::Override, written: shown(value), text })
}
