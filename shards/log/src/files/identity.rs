//! By what a file is recognised as the one that was written, and not a copy of it.

use std::fmt;
use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::time::SystemTime;

/// Precedes the inode number.
const FILE_WORDS: &str = "file ";
/// Precedes the birth time in nanoseconds since 1970.
const BORN_WORDS: &str = " born ";

/// The identity of a file that says it itself. A copy has another inode number and a later birth time, which no
/// program can set. Some file systems renumber files each time they are mounted, but keep the birth time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct InodeIdentity {
    /// The inode number.
    pub number: u64,
    /// In nanoseconds since 1970; `None` if the file system does not record it.
    pub born_ns: Option<u128>,
}

impl InodeIdentity {
    /// That of an open file.
    pub fn of(file: &File) -> Option<InodeIdentity> {
        let found = file.metadata().ok()?;
        let born = found.created().ok().and_then(|born| born.duration_since(SystemTime::UNIX_EPOCH).ok());
        Some(InodeIdentity { number: found.ino(), born_ns: born.map(|born| born.as_nanos()) })
    }

    /// Reads a line that [`Display`](fmt::Display) wrote.
    pub fn parse(text: &str) -> Option<InodeIdentity> {
        let words = text.strip_prefix(FILE_WORDS)?;
        let (number, born) = words.split_once(BORN_WORDS).map_or((words, None), |(n, b)| (n, Some(b)));
        let born_ns = born.map(str::parse).transpose().ok()?;
        Some(InodeIdentity { number: number.parse().ok()?, born_ns })
    }

    /// Whether the file with the identity `own`, whose content says `self`, is a copy. If that is uncertain it is
    /// none: losses that are refused elsewhere are repaired in a copy.
    pub fn is_another(self, own: InodeIdentity) -> bool {
        let has_other_birth = self.born_ns.zip(own.born_ns).is_some_and(|(born, own)| born != own);
        has_other_birth && self.number != own.number
    }
}

impl fmt::Display for InodeIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{FILE_WORDS}{}", self.number)?;
        self.born_ns.map_or(Ok(()), |born_ns| write!(f, "{BORN_WORDS}{born_ns}"))
    }
}
