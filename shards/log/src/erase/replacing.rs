//! Another file takes the place of one, and nothing of the old one stays.
//!
//! The new one is written beside the old one, and the two names are exchanged. Only once that is on disk, and readers had
//! the time to close the old file, what is erased is erased in it, too, and it is wiped before its name goes: so no text
//! is left in freed blocks of a disk that overwrites in place.

use super::rewriting::Rewriting;
use super::{Eraser, PassStep};
use crate::files::{ErasureFiles, FileOperation, FilesError};
use std::io;

/// What follows the name of a file while it is replaced: of the new one, then of the old one.
pub const REPLACED_SUFFIX: &str = ".erasing";

/// How replacing a file ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Replaced {
    /// Nothing of the old one is left.
    Wholly,
    /// The old one is held by a program that reads it, and stays under the other name until a later pass.
    Held,
    /// Not yet: the old file of an earlier pass, which a program holds, is under the other name.
    Waits,
}

impl<F: ErasureFiles> Eraser<'_, F> {
    /// Replaces a file by `bytes`, which differ from it in `rewriting`. `old` is the file, opened by `name`.
    pub(super) fn replace(
        &mut self,
        (name, old): (&str, &F::OpenFile),
        bytes: &[u8],
        rewriting: &Rewriting,
    ) -> Result<Replaced, FilesError> {
        // Another name would lead to the new file, and the old one would stay where the link leads.
        self.files.refuse_link(name).map_err(self.failed(name))?;
        let beside = format!("{name}{REPLACED_SUFFIX}");
        let new = match self.files.create_file(&beside, old) {
            // Whoever holds that one still reads it.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(Replaced::Waits),
            created => created.map_err(self.failed(name))?,
        };
        let staged = self.stage(old, &new, bytes, rewriting).and_then(|()| {
            let is_exchanged = self.files.exchange(&beside, name)?;
            if !is_exchanged {
                self.files.rename_file(&beside, name)?;
            }
            Ok(is_exchanged)
        });
        let is_exchanged = match staged {
            Ok(is_exchanged) => is_exchanged,
            Err(error) => {
                // A full disk gets back what the attempt took, if it can be; a later pass does what is left.
                let _ = self.wipe_named(&beside);
                return Err(self.failed(name)(error));
            }
        };
        // Before it is on disk that the name leads to the new file, the old one must stay whole.
        self.files.sync_directory_of(name).map_err(self.failed(name))?;
        (self.step)(PassStep::ReadersMayHaveIt);
        if is_exchanged && !self.files.take_alone(old) {
            return Ok(Replaced::Held);
        }
        let gone = self.erase_old(old, bytes, rewriting).and_then(|()| match is_exchanged {
            true => self.take_name(&beside),
            false => Ok(()),
        });
        gone.map(|()| Replaced::Wholly).map_err(self.failed(&beside))
    }

    fn stage(
        &mut self,
        old: &F::OpenFile,
        file: &F::OpenFile,
        bytes: &[u8],
        rewriting: &Rewriting,
    ) -> io::Result<()> {
        self.write_all(file, &bytes[..rewriting.end_bytes])?;
        if rewriting.end_bytes < bytes.len() {
            self.files.resize_file(file, bytes.len() as u64)?;
        }
        self.files.follow_time(file, old)?;
        self.files.sync_file(file)
    }

    /// Whoever still has the old file open reads what is erased from now on, and then only zeros.
    fn erase_old(&mut self, old: &F::OpenFile, bytes: &[u8], rewriting: &Rewriting) -> io::Result<()> {
        for range in &rewriting.ranges {
            self.files.write_file(old, range.start as u64, &bytes[range.clone()])?;
        }
        self.files.sync_file(old)?;
        self.overwrite(old)
    }

    /// Overwrites a file that nobody needs, and removes it. Whether the new or the old contents are in it does not matter:
    /// either may hold what is erased later.
    pub(super) fn wipe_named(&mut self, name: &str) -> Result<(), FilesError> {
        let wiped = self.files.open_file(name).and_then(|file| self.overwrite(&file));
        wiped.and_then(|()| self.take_name(name)).map_err(self.failed(name))
    }

    fn take_name(&self, name: &str) -> io::Result<()> {
        self.files.remove_file(name)?;
        self.files.sync_directory_of(name)
    }

    fn overwrite(&mut self, file: &F::OpenFile) -> io::Result<()> {
        let length = usize::try_from(self.files.length_of(file)?).map_err(io::Error::other)?;
        let zeros = vec![0; self.chunk_bytes.min(length)];
        let mut at = 0;
        while at < length {
            let bytes = zeros.len().min(length - at);
            self.write_chunk(file, at, &zeros[..bytes])?;
            at += bytes;
        }
        self.files.sync_file(file)
    }

    fn write_all(&mut self, file: &F::OpenFile, bytes: &[u8]) -> io::Result<()> {
        let chunk_bytes = self.chunk_bytes;
        let mut chunks = bytes.chunks(chunk_bytes).enumerate();
        chunks.try_for_each(|(index, chunk)| self.write_chunk(file, index * chunk_bytes, chunk))
    }

    fn write_chunk(&mut self, file: &F::OpenFile, at: usize, chunk: &[u8]) -> io::Result<()> {
        self.files.write_file(file, at as u64, chunk)?;
        self.files.write_out(file, at as u64, chunk.len() as u64);
        self.outcome.written_bytes += chunk.len() as u64;
        (self.step)(PassStep::Wrote(chunk.len() as u64));
        Ok(())
    }

    pub(super) fn failed(&self, name: &str) -> impl FnOnce(io::Error) -> FilesError {
        let path = self.files.path_of(name);
        move |source| FilesError { path, operation: FileOperation::Erase, source }
    }
}
