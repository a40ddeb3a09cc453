//! Reading back what was written, perhaps by an older program, perhaps by nobody.

use super::document::{Document, SCHEMA_VERSION};
use crate::output::OutputError;
use serde::Deserialize;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// More than any run of ours writes; a larger file is a mistake.
const FILE_BYTES_MAX: u64 = 256 << 20;

/// What every version has.
#[derive(Deserialize)]
struct AnyVersion {
    schema_version: u64,
}

/// Reads a file of results.
///
/// # Errors
/// [`OutputError`] says what the file is when it is not that.
pub fn read(path: &Path) -> Result<Document, OutputError> {
    let text = text(path).map_err(|source| OutputError::CannotRead { path: path.to_owned(), source })?;
    let not_results =
        |error: serde_json::Error| OutputError::NotResults { path: path.to_owned(), what: error.to_string() };
    let AnyVersion { schema_version: found } = serde_json::from_str(&text).map_err(not_results)?;
    if found != SCHEMA_VERSION {
        return Err(OutputError::OtherSchema { path: path.to_owned(), found, expected: SCHEMA_VERSION });
    }
    serde_json::from_str(&text).map_err(not_results)
}

fn text(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    let read_bytes = File::open(path)?.take(FILE_BYTES_MAX + 1).read_to_string(&mut text)? as u64;
    if read_bytes > FILE_BYTES_MAX {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    Ok(text)
}
