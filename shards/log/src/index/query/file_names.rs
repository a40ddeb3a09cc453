//! What the files are called that queries read.

use crate::format::file_name;
use crate::index::amendments::run_file_name;
use crate::index::reads::StoredFile;
use crate::index::segment::index_file_name;
use crate::index::snapshot::SNAPSHOT_FILE_NAME;

impl StoredFile {
    /// Its name in its directory.
    pub fn file_name(self) -> String {
        match self {
            StoredFile::Segment(segment) => file_name(segment),
            StoredFile::Index(segment) => index_file_name(segment),
            StoredFile::Run(run) => run_file_name(run),
            StoredFile::Snapshot | StoredFile::SnapshotEnd => SNAPSHOT_FILE_NAME.to_owned(),
        }
    }
}
