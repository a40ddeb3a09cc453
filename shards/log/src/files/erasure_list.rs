//! The file that holds a list of what was to be erased: that of a data directory, or one that lies beside backups.

use super::owner::give_to_owner_of;
use super::{FileOperation, FilesError, StdFiles, open_regular, open_regular_by};
use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// The list of a data directory.
pub const ERASURES_FILE: &str = "madang.erasures";
/// Follows the name of a list that is written beside, and renamed.
const NEW_SUFFIX: &str = ".new";
/// The maximum of bytes that are read of a list: some 10 million requests.
const ERASURES_BYTES_MAX: u64 = 1 << 30;

/// Where a list is kept. It blocks.
pub trait ErasureListFiles {
    /// The list; `None` when there is none.
    ///
    /// # Errors
    /// When it is there and cannot be read.
    fn read_list(&self) -> Result<Option<Vec<u8>>, FilesError>;

    /// Adds to the list, which must be there, and makes sure of it.
    ///
    /// # Errors
    /// When that fails: of the kind `NotFound` where there is none, else any part of it may be there.
    fn append_list(&self, bytes: &[u8]) -> Result<(), FilesError>;

    /// Whether it may be a list that is added to: then its end may never have been acknowledged. Others are only ever
    /// replaced as a whole.
    fn is_appended(&self) -> bool {
        true
    }

    /// Puts another list in the place of this one, whole or not at all.
    ///
    /// # Errors
    /// When that fails.
    fn replace_list(&self, bytes: &[u8]) -> Result<(), FilesError>;
}

/// A list by the path of its file.
#[derive(Clone, Debug)]
pub struct ErasureListFile(PathBuf);

impl ErasureListFile {
    /// The list in this file, which need not be there.
    pub fn new(path: &Path) -> ErasureListFile {
        ErasureListFile(path.to_owned())
    }

    fn directory(&self) -> &Path {
        self.0.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
    }

    fn failed(&self, operation: FileOperation) -> impl FnOnce(io::Error) -> FilesError {
        let path = self.0.clone();
        move |source| FilesError { path, operation, source }
    }
}

impl ErasureListFiles for ErasureListFile {
    fn read_list(&self) -> Result<Option<Vec<u8>>, FilesError> {
        let read = || -> io::Result<Vec<u8>> {
            let mut bytes = Vec::new();
            open_regular(&self.0)?.take(ERASURES_BYTES_MAX).read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        match read() {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.failed(FileOperation::ReadErasures)(error)),
        }
    }

    fn is_appended(&self) -> bool {
        // Those that lie beside backups have the number of a log behind that name.
        let name = self.0.file_name().and_then(OsStr::to_str).unwrap_or_default();
        !name.strip_prefix(ERASURES_FILE).is_some_and(|number| number.starts_with('.'))
    }

    fn append_list(&self, bytes: &[u8]) -> Result<(), FilesError> {
        let append = || -> io::Result<()> {
            let mut file = open_regular_by(OpenOptions::new().append(true), &self.0)?;
            file.write_all(bytes)?;
            file.sync_all()
        };
        append().map_err(self.failed(FileOperation::WriteErasures))
    }

    fn replace_list(&self, bytes: &[u8]) -> Result<(), FilesError> {
        let replace = || -> io::Result<()> {
            let mut beside = self.0.clone().into_os_string();
            beside.push(NEW_SUFFIX);
            let mut options = OpenOptions::new();
            let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
            give_to_owner_of(&file, &fs::metadata(self.directory())?)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            fs::rename(&beside, &self.0)?;
            File::open(self.directory())?.sync_all()
        };
        replace().map_err(self.failed(FileOperation::WriteErasures))
    }
}

impl StdFiles {
    fn list(&self) -> ErasureListFile {
        ErasureListFile(self.directory.join(ERASURES_FILE))
    }
}

impl ErasureListFiles for StdFiles {
    fn read_list(&self) -> Result<Option<Vec<u8>>, FilesError> {
        self.list().read_list()
    }

    fn append_list(&self, bytes: &[u8]) -> Result<(), FilesError> {
        self.list().append_list(bytes)
    }

    fn replace_list(&self, bytes: &[u8]) -> Result<(), FilesError> {
        self.list().replace_list(bytes)
    }
}
