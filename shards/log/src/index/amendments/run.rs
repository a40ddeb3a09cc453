//! Runs: the tables of many segments as one file, and with them where each entry of those segments is.

use super::group::KeyedGroups;
use super::table::{TablePlace, write_buckets};
use crate::format::SegmentNumber;
use crate::index::bytes::{
    AMENDMENTS_VERSION, BUCKET_ENTRIES, BUCKET_PREFIX_BYTES, FileIdentity, FileKind, RUN_VERSION,
    bucket_bits, field, open_bucket,
};
use madang_model::ShardId;
use std::fmt;
use std::io::{self, Read, Write};

/// The block that a run begins with.
pub const RUN_HEADER_BYTES: usize = 64;
const MAGIC: [u8; 8] = *b"MADANGRN";
const CHECKSUM_AT: usize = RUN_HEADER_BYTES - 4;
/// The most segments of a run: above, nothing more is merged.
const SEGMENTS_MAX: u64 = MERGED.pow(8);
const MERGED: u64 = RunRange::MERGED;

/// The segments that a run is about, all of one directory: aligned, and of a number that is a power of
/// [`MERGED`](Self::MERGED).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct RunRange {
    /// The first of them.
    pub first: SegmentNumber,
    /// The last of them.
    pub last: SegmentNumber,
}

impl fmt::Display for RunRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "segments {} to {}", self.first, self.last)
    }
}

impl RunRange {
    /// So many runs, or tables of segments, become one.
    pub const MERGED: u64 = 4;

    /// How many segments there are in it.
    pub fn segments(self) -> u64 {
        self.last.0 - self.first.0 + 1
    }

    /// Whether a segment is in it.
    pub fn contains(self, segment: SegmentNumber) -> bool {
        (self.first..=self.last).contains(&segment)
    }

    /// Whether all segments of another, smaller one are in it.
    pub fn contains_run(self, other: RunRange) -> bool {
        self.contains(other.first) && self.contains(other.last) && other != self
    }

    /// The ranges that it is made of; none where those are of one segment each.
    pub fn parts(self) -> impl Iterator<Item = RunRange> {
        let segments = self.segments() / MERGED;
        (0..MERGED).filter(move |_| segments > 1).map(move |number| {
            let first = self.first.0 + number * segments;
            RunRange { first: SegmentNumber(first), last: SegmentNumber(first + segments - 1) }
        })
    }

    fn identity(self, directory: ShardId) -> FileIdentity {
        FileIdentity { kind: FileKind::Run, directory, number: self.last.0, version: RUN_VERSION }
    }
}

/// The file of a run; it lies beside the segments.
pub fn run_file_name(range: RunRange) -> String {
    format!("{:020}-{:020}.run", range.first.0, range.last.0)
}

/// The run whose file has this name, if it is one.
pub fn run_file_range(name: &str) -> Option<RunRange> {
    let (first, last) = name.strip_suffix(".run")?.split_once('-')?;
    let range =
        RunRange { first: SegmentNumber(first.parse().ok()?), last: SegmentNumber(last.parse().ok()?) };
    let is_range = range.first.0 > 0 && range.first < range.last;
    (is_range && run_file_name(range) == name).then_some(range)
}

/// The runs that are to be there when all segments up to `newest` are finished, the largest first: they cover all but
/// the last few segments, without a segment in two. Segments before `oldest` have expired.
pub fn due_runs(oldest: SegmentNumber, newest: SegmentNumber) -> Vec<RunRange> {
    let mut due = Vec::new();
    let mut first = 1;
    while first <= newest.0 {
        let left = newest.0 - first + 1;
        let mut segments = MERGED.pow(left.ilog(MERGED)).min(SEGMENTS_MAX);
        // Aligned, so that a run once written stays right while the log grows.
        while !(first - 1).is_multiple_of(segments) {
            segments /= MERGED;
        }
        if segments == 1 {
            break;
        }
        let range = RunRange { first: SegmentNumber(first), last: SegmentNumber(first + segments - 1) };
        if range.last >= oldest {
            due.push(range);
        }
        first += segments;
    }
    due
}

/// Where the table of a run is, by its first [`RUN_HEADER_BYTES`], and the format of the run; `None` when they are not a
/// run's. A run of which nothing is to be said has an empty table.
pub fn run_table(start: &[u8], directory: ShardId, range: RunRange) -> Option<(TablePlace, u32)> {
    let block: &[u8; RUN_HEADER_BYTES] = start.first_chunk()?;
    let version = u32::from_le_bytes(field(block, 8));
    let checksum = range.identity(directory).of_version(version).checksum(0, &block[..CHECKSUM_AT]);
    let is_this = block[..8] == MAGIC
        && (AMENDMENTS_VERSION..=RUN_VERSION).contains(&version)
        && u64::from_le_bytes(field(block, 16)) == range.first.0
        && u64::from_le_bytes(field(block, 24)) == range.last.0
        && u32::from_le_bytes(field(block, CHECKSUM_AT)) == checksum;
    let place = TablePlace { slots_at: RUN_HEADER_BYTES as u64, bucket_bits: block[14] };
    (is_this && place.is_possible()).then_some((place, version))
}

/// What the checksums of a run cover besides its bytes.
pub fn run_identity(directory: ShardId, range: RunRange) -> FileIdentity {
    range.identity(directory)
}

/// Writes a run from start to end, without going back: `groups` gives the same each time, first to learn where the buckets
/// will be. Holds a slot for each bucket.
///
/// # Errors
/// What reading or writing says.
pub fn write_run<I: Iterator<Item = io::Result<(u64, KeyedGroups)>>>(
    directory: ShardId,
    range: RunRange,
    groups: &mut dyn FnMut() -> io::Result<I>,
    groups_expected: u64,
    out: &mut dyn Write,
) -> io::Result<()> {
    write_run_of_version(directory, range, groups, groups_expected, (RUN_VERSION, out))
}

/// The same in some format that is read.
pub fn write_run_of_version<I: Iterator<Item = io::Result<(u64, KeyedGroups)>>>(
    directory: ShardId,
    range: RunRange,
    groups: &mut dyn FnMut() -> io::Result<I>,
    groups_expected: u64,
    (version, out): (u32, &mut dyn Write),
) -> io::Result<()> {
    let identity = range.identity(directory).of_version(version);
    let mut place =
        TablePlace { slots_at: RUN_HEADER_BYTES as u64, bucket_bits: bucket_bits(groups_expected) };
    let (mut slots, count) = write_buckets(identity, place, groups()?, &mut io::sink())?;
    if bucket_bits(count) < place.bucket_bits {
        // Groups of several segments have become one.
        place.bucket_bits = bucket_bits(count);
        (slots, _) = write_buckets(identity, place, groups()?, &mut io::sink())?;
    }
    let mut block = [0; RUN_HEADER_BYTES];
    block[..8].copy_from_slice(&MAGIC);
    block[8..12].copy_from_slice(&version.to_le_bytes());
    block[12..14].copy_from_slice(&directory.0.to_le_bytes());
    block[14] = place.bucket_bits;
    block[16..24].copy_from_slice(&range.first.0.to_le_bytes());
    block[24..32].copy_from_slice(&range.last.0.to_le_bytes());
    let checksum = identity.checksum(0, &block[..CHECKSUM_AT]);
    block[CHECKSUM_AT..].copy_from_slice(&checksum.to_le_bytes());
    out.write_all(&block)?;
    out.write_all(&slots)?;
    let mut out = out;
    write_buckets(identity, place, groups()?, &mut out).map(drop)
}

/// Reads the groups of a run from start to end, a bucket at a time.
#[derive(Debug)]
pub struct RunReader<R> {
    source: R,
    identity: FileIdentity,
    buckets_left: u64,
    offset_bytes: u64,
    bucket: std::vec::IntoIter<(u64, KeyedGroups)>,
    /// How many buckets it has.
    pub bucket_bits: u8,
}

impl<R: Read> RunReader<R> {
    /// Begins at the start of a file; give it one with a buffer.
    ///
    /// # Errors
    /// Of the kind `InvalidData` when it is not this run.
    pub fn new(mut source: R, directory: ShardId, range: RunRange) -> io::Result<RunReader<R>> {
        let mut start = Vec::new();
        source.by_ref().take(RUN_HEADER_BYTES as u64).read_to_end(&mut start)?;
        let (place, version) = run_table(&start, directory, range).ok_or(io::ErrorKind::InvalidData)?;
        let slots_bytes = place.buckets_at() - place.slots_at;
        let skipped = io::copy(&mut source.by_ref().take(slots_bytes), &mut io::sink())?;
        if skipped < slots_bytes {
            return Err(io::ErrorKind::InvalidData.into());
        }
        Ok(RunReader {
            source,
            identity: range.identity(directory).of_version(version),
            buckets_left: 1 << place.bucket_bits,
            offset_bytes: place.buckets_at(),
            bucket: Vec::new().into_iter(),
            bucket_bits: place.bucket_bits,
        })
    }

    /// Whether it has all that this program writes.
    pub fn is_of_newest_format(&self) -> bool {
        self.identity.version == RUN_VERSION
    }

    fn read_bucket(&mut self) -> io::Result<Vec<(u64, KeyedGroups)>> {
        let mut bytes = Vec::new();
        self.source.by_ref().take(BUCKET_PREFIX_BYTES as u64).read_to_end(&mut bytes)?;
        let Some(prefix) = bytes.first_chunk::<BUCKET_PREFIX_BYTES>() else {
            return Err(io::ErrorKind::InvalidData.into());
        };
        let length = u32::from_le_bytes(field(prefix, 0));
        self.source.by_ref().take(u64::from(length)).read_to_end(&mut bytes)?;
        let entries = open_bucket(self.identity, self.offset_bytes, &bytes);
        let FileIdentity { directory, version, .. } = self.identity;
        let groups = entries.and_then(|entries| KeyedGroups::decode_bucket(entries, directory, version));
        self.offset_bytes += bytes.len() as u64;
        groups.ok_or_else(|| io::ErrorKind::InvalidData.into())
    }
}

impl<R: Read> Iterator for RunReader<R> {
    type Item = io::Result<(u64, KeyedGroups)>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(group) = self.bucket.next() {
                return Some(Ok(group));
            }
            if self.buckets_left == 0 {
                return None;
            }
            self.buckets_left -= 1;
            match self.read_bucket() {
                Ok(groups) => self.bucket = groups.into_iter(),
                Err(error) => {
                    self.buckets_left = 0;
                    return Some(Err(error));
                }
            }
        }
    }
}

/// A guess at the groups of a run, from how many buckets those have that it is made of.
pub fn groups_of_buckets(bucket_bits: u8) -> u64 {
    BUCKET_ENTRIES << bucket_bits.min(32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_that_are_due_leave_a_few_segments_and_stay_as_the_log_grows() {
        let ranges = |newest: u64| -> Vec<(u64, u64)> {
            let due = due_runs(SegmentNumber(1), SegmentNumber(newest));
            due.iter().map(|range| (range.first.0, range.last.0)).collect()
        };
        assert_eq!(ranges(3), []);
        assert_eq!(ranges(4), [(1, 4)]);
        assert_eq!(ranges(21), [(1, 16), (17, 20)]);
        assert_eq!(ranges(64), [(1, 64)]);
        for newest in 1..1_000 {
            let due = ranges(newest);
            assert!(due.len() <= 12, "{newest}: {due:?}");
            let covered: u64 = due.iter().map(|(first, last)| last - first + 1).sum();
            assert!(newest - covered < 4, "{newest}: {due:?}");
            assert!(due.windows(2).all(|pair| pair[0].1 + 1 == pair[1].0));
        }
        assert_eq!(due_runs(SegmentNumber(17), SegmentNumber(21)).len(), 1);
        let name = run_file_name(due_runs(SegmentNumber(1), SegmentNumber(4))[0]);
        assert_eq!(run_file_range(&name).map(RunRange::segments), Some(4));
        assert_eq!(run_file_range(&name.replace("04.run", "4.run")), None);
    }
}
