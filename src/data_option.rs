//! The option that names the data directory.

use clap::Args;
use std::path::{Path, PathBuf};

/// Names the data directory if no flag does.
const DATA_VARIABLE: &str = "MADANG_DATA";
/// The data directory if nothing else is given.
const DATA_DEFAULT: &str = "madang-data";
/// The data directory of the systemd unit.
const DATA_INSTALLED: &str = "/var/lib/madang";

/// The data directory of a server that runs, or has run before.
#[derive(Args, Debug)]
pub struct DataOption {
    /// The server's data directory [default: $MADANG_DATA, ./madang-data, or /var/lib/madang]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

impl DataOption {
    /// The option with this value.
    #[cfg(test)]
    pub fn of(data: PathBuf) -> DataOption {
        DataOption { data: Some(data) }
    }

    /// The directory of the server.
    pub fn to_running(&self) -> PathBuf {
        let named = named(self.data.clone());
        let is_here = Path::new(DATA_DEFAULT).exists();
        named.unwrap_or_else(|| PathBuf::from(if is_here { DATA_DEFAULT } else { DATA_INSTALLED }))
    }
}

/// The directory to serve; it is created if missing.
pub fn to_serve(flag: Option<PathBuf>) -> PathBuf {
    named(flag).unwrap_or_else(|| PathBuf::from(DATA_DEFAULT))
}

fn named(flag: Option<PathBuf>) -> Option<PathBuf> {
    let variable = std::env::var_os(DATA_VARIABLE).filter(|path| !path.is_empty());
    flag.or_else(|| variable.map(PathBuf::from))
}
