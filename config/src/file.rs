//! Reading TOML: from a file with its lines, or one value from anywhere else.

use super::error::{ConfigError, Origin};
use super::keys::Key;
use super::shown::shown;
use super::values::Form;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The largest configuration file, in bytes.
const FILE_BYTES_MAX: u64 = 1_048_576;

/// One `key = value` as it was written.
pub struct Assignment {
    /// The key.
    pub key: &'static Key,
    /// Where it was written.
    pub origin: Origin,
    /// The value as written, for messages.
    pub written: String,
    /// The text for [`Key::set`], or the mistake.
    pub text: Result<String, String>,
}

/// Reads a whole file.
pub fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    let bytes = File::open(path)?.take(FILE_BYTES_MAX + 1).read_to_string(&mut text)?;
    if bytes as u64 > FILE_BYTES_MAX {
        return Err(io::Error::other(format!("it is larger than {FILE_BYTES_MAX} bytes")));
    }
    Ok(text)
}

/// Finds every assignment of a file; anything else is added to `errors`.
pub fn assignments(path: &Path, text: &str, errors: &mut Vec<ConfigError>) -> Vec<Assignment> {
    let mut walk = Walk { path: Arc::new(path.to_owned()), text, found: Vec::new(), errors };
    match DeTable::parse(text) {
        Ok(table) => walk.table("", table.get_ref()),
        Err(error) => {
            let origin = walk.origin(error.span().map_or(0, |span| span.start));
            walk.errors.push(ConfigError::Syntax { origin, message: error.message().to_owned() });
        }
    }
    walk.found
}

struct Walk<'a> {
    path: Arc<PathBuf>,
    text: &'a str,
    found: Vec<Assignment>,
    errors: &'a mut Vec<ConfigError>,
}

impl Walk<'_> {
    fn table(&mut self, prefix: &str, table: &DeTable<'_>) {
        for (name, value) in table {
            let name_at = name.span().start;
            let name = format!("{prefix}{}", name.get_ref());
            match (Key::named(&name), value.get_ref()) {
                (Some(key), _) => self.assignment(key, value),
                (None, DeValue::Table(inner)) if prefix.is_empty() && !inner.is_empty() => {
                    self.table(&format!("{name}."), inner);
                }
                (None, DeValue::Table(_)) if prefix.is_empty() && is_section(&name) => {}
                (None, _) => {
                    let origin = self.origin(name_at);
                    self.errors.push(ConfigError::UnknownKey { origin, name: shown(&name) });
                }
            }
        }
    }

    fn assignment(&mut self, key: &'static Key, value: &Spanned<DeValue<'_>>) {
        let span = value.span();
        self.found.push(Assignment {
            key,
            origin: self.origin(span.start),
            written: shown(self.text.get(span).unwrap_or_default()),
            text: content(value.get_ref(), key.form),
        });
    }

    fn origin(&self, offset: usize) -> Origin {
        let before = self.text.as_bytes().iter().take(offset);
        Origin::File { path: Arc::clone(&self.path), line: 1 + before.filter(|byte| **byte == b'\n').count() }
    }
}

fn is_section(name: &str) -> bool {
    super::keys::KEYS.iter().any(|key| key.section() == name)
}

/// The text for a key whose value comes from the environment or the command line: TOML, or, if a string is allowed,
/// the text itself. In such a text, commas separate the strings of a list.
pub fn loose_content(text: &str, form: Form) -> Result<String, String> {
    match DeValue::parse(text) {
        Ok(value) if matches!(value.get_ref(), DeValue::String(_)) || form != Form::Text => {
            content(value.get_ref(), form)
        }
        _ => Ok(text.to_owned()),
    }
}

fn content(value: &DeValue<'_>, form: Form) -> Result<String, String> {
    match (value, form) {
        (DeValue::String(text), Form::Text | Form::TextOrNumber) => Ok(text.to_string()),
        (DeValue::Integer(digits), Form::Number | Form::TextOrNumber) => {
            let number = i128::from_str_radix(digits.as_str(), digits.radix());
            number.map(|number| number.to_string()).map_err(|_| "too large".to_owned())
        }
        (DeValue::Array(values), Form::Texts) => {
            let item = |(place, value)| {
                let wrong =
                    || format!("item {} of the list is no string, is empty or has a comma", place + 1);
                list_item(value).ok_or_else(wrong)
            };
            let texts: Result<Vec<&str>, String> =
                values.iter().map(|value| value.get_ref()).enumerate().map(item).collect();
            texts.map(|texts| texts.join(","))
        }
        (DeValue::Boolean(value), Form::Boolean) => Ok(value.to_string()),
        (_, Form::Boolean) => Err("neither true nor false".to_owned()),
        (_, Form::Texts) => Err("not a list of strings".to_owned()),
        (_, Form::Text) => Err("not a string".to_owned()),
        (_, Form::Number) => Err("not a whole number".to_owned()),
        (_, Form::TextOrNumber) => Err("neither a string nor a whole number".to_owned()),
    }
}

/// A string of a list. One with a comma would be two, and an empty one no list.
fn list_item<'a>(value: &'a DeValue<'_>) -> Option<&'a str> {
    match value {
        DeValue::String(text) if !text.contains(',') && !text.trim().is_empty() => Some(text),
        _ => None,
    }
}
