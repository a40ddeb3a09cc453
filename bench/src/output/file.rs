//! Files that are known to be writable before the work begins, and appear whole or not at all.

use super::OutputError;
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use tempfile::{Builder, NamedTempFile};

/// What the caller's umask makes of it is what any other program's file would have.
const MODE: u32 = 0o666;

/// A file that will be written once.
#[derive(Debug)]
pub struct OutputFile {
    path: PathBuf,
    place: Destination,
}

#[derive(Debug)]
enum Destination {
    /// Beside where it will be, so that it gets there by a rename.
    Beside(NamedTempFile),
    /// A terminal, a pipe or a device, which cannot be replaced.
    Into(File),
}

impl OutputFile {
    /// Makes sure that `path` can be written, and changes nothing there yet.
    ///
    /// # Errors
    /// [`OutputError::CannotWrite`].
    pub fn prepare(path: &Path) -> Result<OutputFile, OutputError> {
        let place =
            prepare(path).map_err(|source| OutputError::CannotWrite { path: path.to_owned(), source })?;
        Ok(OutputFile { path: path.to_owned(), place })
    }

    /// Where it will be.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes all of it, and puts it in place of what was there.
    ///
    /// # Errors
    /// [`OutputError::CannotWrite`]; what was there before is still there then.
    pub fn write(self, contents: &[u8]) -> Result<(), OutputError> {
        let path = self.path;
        let written = match self.place {
            Destination::Into(mut file) => file.write_all(contents),
            Destination::Beside(mut file) => write_beside(&mut file, contents)
                // A link stays, and what it leads to is replaced.
                .and_then(|()| fs::canonicalize(&path).or_else(|_| Ok(path.clone())))
                .and_then(|end| file.persist(end).map(drop).map_err(|error| error.error)),
        };
        written.map_err(|source| OutputError::CannotWrite { path, source })
    }
}

fn write_beside(file: &mut NamedTempFile, contents: &[u8]) -> io::Result<()> {
    file.write_all(contents)?;
    file.as_file().sync_all()
}

fn prepare(path: &Path) -> io::Result<Destination> {
    let name = path.file_name().ok_or_else(|| io::Error::from(io::ErrorKind::IsADirectory))?;
    match fs::metadata(path) {
        Ok(there) if there.is_dir() => return Err(io::ErrorKind::IsADirectory.into()),
        Ok(there) if !there.is_file() => {
            return OpenOptions::new().write(true).open(path).map(Destination::Into);
        }
        // A file that may not be written is not replaced behind its owner's back.
        Ok(_) => drop(OpenOptions::new().append(true).open(path)?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let end = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let directory = match end.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    // Said by its own words, as those of a temporary file would name another path.
    fs::metadata(directory)?;
    let mut prefix = OsString::from(".");
    prefix.push(name);
    let mut builder = Builder::new();
    builder.prefix(&prefix).permissions(Permissions::from_mode(MODE));
    builder.tempfile_in(directory).map(Destination::Beside)
}

/// A directory in which several files will be written.
#[derive(Debug)]
pub struct OutputDirectory {
    path: PathBuf,
}

impl OutputDirectory {
    /// Makes the directory, and makes sure that files can be made in it.
    ///
    /// # Errors
    /// [`OutputError::CannotWrite`].
    pub fn prepare(path: &Path) -> Result<OutputDirectory, OutputError> {
        fs::create_dir_all(path)
            .and_then(|()| tempfile::tempfile_in(path))
            .map_err(|source| OutputError::CannotWrite { path: path.to_owned(), source })?;
        Ok(OutputDirectory { path: path.to_owned() })
    }

    /// A file in it.
    ///
    /// # Errors
    /// [`OutputError::CannotWrite`].
    pub fn file(&self, name: &str) -> Result<OutputFile, OutputError> {
        OutputFile::prepare(&self.path.join(name))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).expect("a directory");
        entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn a_file_appears_whole_and_the_old_one_stays_until_then() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("결과.json");
        fs::write(&path, "old").expect("a file");
        let given_up = OutputFile::prepare(&path).expect("a place");
        drop(given_up);
        assert_eq!(fs::read(&path).expect("the old file"), b"old");
        OutputFile::prepare(&path).expect("a place").write(b"new").expect("to be written");
        assert_eq!(fs::read(&path).expect("the new file"), b"new");
        assert_eq!(names(directory.path()), ["결과.json"]);
    }

    #[test]
    fn what_cannot_be_written_is_refused_before_the_work() {
        let directory = tempfile::tempdir().expect("a directory");
        for path in [directory.path().to_owned(), directory.path().join("missing/file"), PathBuf::from("/")] {
            let refusal = OutputFile::prepare(&path).expect_err("no place").to_string();
            assert!(refusal.contains(&format!("cannot write '{}'", path.display())), "{refusal}");
        }
        let file = directory.path().join("file");
        fs::write(&file, "").expect("a file");
        assert!(OutputDirectory::prepare(&file).is_err());
    }

    #[test]
    fn a_link_is_followed_and_a_device_is_not_replaced() {
        let directory = tempfile::tempdir().expect("a directory");
        let (file, link) = (directory.path().join("file"), directory.path().join("link"));
        fs::write(&file, "old").expect("a file");
        std::os::unix::fs::symlink(&file, &link).expect("a link");
        OutputFile::prepare(&link).expect("a place").write(b"new").expect("to be written");
        assert_eq!(fs::read(&file).expect("the file"), b"new");
        assert!(fs::symlink_metadata(&link).expect("the link").is_symlink());
        OutputFile::prepare(Path::new("/dev/null")).expect("a place").write(b"new").expect("to be written");
        assert!(!fs::metadata("/dev/null").expect("the device").is_file());
    }
}
