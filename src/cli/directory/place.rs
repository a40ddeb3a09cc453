//! Where the directory is: a file in the data directory, or the database of the configuration.

use super::NotDone;
use crate::cli::options::ConfigOptions;
use crate::data_option::DataOption;
use crate::edge::location;
use crate::server::{BACKUP_FILE, DataDirectoryError};
use clap::Args;
use madang_directory::{Directory, Location, SqliteOpening};

/// Options that say where the directory is.
#[derive(Args, Debug)]
pub struct DirectoryPlace {
    #[command(flatten)]
    data: DataOption,
    #[command(flatten)]
    config: ConfigOptions,
}

impl DirectoryPlace {
    /// The place.
    pub fn location(self) -> Result<Location, NotDone> {
        let data = self.data.to_running();
        if data.join(BACKUP_FILE).exists() {
            let words = DataDirectoryError::IsBackup(data).to_string();
            return Err(NotDone::Failed(words));
        }
        let loaded =
            self.config.try_load(Vec::new()).map_err(|errors| NotDone::Failed(errors.to_string()))?;
        location(&loaded.config, &data).map_err(NotDone::Failed)
    }

    /// The directory, which must be there: what only asks makes none.
    pub fn open(self) -> Result<Directory, NotDone> {
        Ok(Directory::open(&self.location()?, SqliteOpening::Existing)?)
    }

    /// The directory, which is made if it is not there.
    pub fn open_or_make(self) -> Result<Directory, NotDone> {
        let location = self.location()?;
        if let Location::Sqlite(file) = &location
            && let Some(data) = file.parent()
            && !data.is_dir()
        {
            return Err(NotDone::Failed(format!(
                "there is no data directory '{}'; start the server once (`madang serve`), or pass its data directory with \
                 --data or MADANG_DATA",
                data.display()
            )));
        }
        Ok(Directory::open(&location, SqliteOpening::Create)?)
    }
}
