//! Where the directory of accounts is.

use madang_config::Config;
use madang_directory::Location;
use std::path::Path;

/// The file in the data directory, or the database of the configuration.
///
/// # Errors
/// What is wrong with the configuration, or its password file.
pub fn location(config: &Config, data: &Path) -> Result<Location, String> {
    let Some(url) = &config.directory.url.0 else { return Ok(Location::in_data(data)) };
    let location = Location::of_url(url).map_err(|mistake| format!("directory.url: {mistake}"))?;
    match &config.directory.password_file.0 {
        Some(file) => location.with_password_file(file).map_err(|error| error.to_string()),
        None => Ok(location),
    }
}
