//! Where records of facts are.

use crate::append::Position;
use crate::coding::{Reader, push_varint};
use crate::format::{HEADER_BYTES, SEGMENT_BYTES_MAX, SegmentNumber};
use madang_model::{Revision, ShardId};

/// Frames begin at multiples of this, and are as long.
const FRAME_ALIGN_BYTES: u64 = 16;

/// Which record of a room it is: records that make no revision are counted within it, so that of two always one is
/// known to be the later.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default)]
pub struct FactsVersion {
    /// The room's revision after it.
    pub revision: Revision,
    /// Which record of that revision: 0 made it; later ones hold read positions, or all facts once more.
    pub edition: u64,
}

impl FactsVersion {
    /// A version that was stored; `None` where nothing could follow it, which was never stored.
    pub(crate) fn stored(revision: u64, edition: u64) -> Option<FactsVersion> {
        let revision = Revision(revision);
        (revision.0 < u64::MAX && edition < u64::MAX).then_some(FactsVersion { revision, edition })
    }
}

/// Where a record is: one exact read.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct FactsLink {
    /// The directory; shards of an earlier shard count too.
    pub directory: ShardId,
    /// The segment.
    pub segment: SegmentNumber,
    /// Where its first frame begins.
    pub offset_bytes: u64,
    /// The bytes of its frames, which follow one another.
    pub bytes: u32,
}

/// What is known of a room's facts where they are not in memory: which record is the newest, and where.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct FactsPointer {
    /// Which it is.
    pub version: FactsVersion,
    /// Where it is.
    pub link: FactsLink,
    /// The segment of the same directory from which on everything is needed to read the facts.
    pub oldest: SegmentNumber,
}

impl FactsPointer {
    /// Whether the facts can be read only with this segment.
    pub fn needs(&self, directory: ShardId, segment: SegmentNumber) -> bool {
        self.link.directory == directory && (self.oldest..=self.link.segment).contains(&segment)
    }

    /// Where it ends.
    pub fn end(&self) -> Position {
        let FactsLink { segment, offset_bytes, bytes, .. } = self.link;
        Position { segment, offset_bytes: offset_bytes + u64::from(bytes) }
    }

    /// The later one of two.
    #[must_use]
    pub fn or_later(self, other: Option<FactsPointer>) -> FactsPointer {
        other.filter(|other| other.version > self.version).unwrap_or(self)
    }

    /// Writes it: about eight bytes.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        push_varint(out, self.version.revision.0);
        push_varint(out, self.version.edition);
        self.link.encode(out);
        push_varint(out, self.link.segment.0 - self.oldest.0);
    }

    /// Reads what [`encode`](Self::encode) wrote.
    pub(crate) fn decode(bytes: &mut Reader<'_>) -> Option<FactsPointer> {
        let version = FactsVersion::stored(bytes.varint()?, bytes.varint()?)?;
        let link = FactsLink::decode(bytes)?;
        let oldest = SegmentNumber(link.segment.0.checked_sub(bytes.varint()?)?);
        Some(FactsPointer { version, link, oldest })
    }
}

impl FactsLink {
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        push_varint(out, u64::from(self.directory.0));
        push_varint(out, self.segment.0);
        push_varint(out, self.offset_bytes / FRAME_ALIGN_BYTES);
        push_varint(out, u64::from(self.bytes) / FRAME_ALIGN_BYTES);
    }

    pub(crate) fn decode(bytes: &mut Reader<'_>) -> Option<FactsLink> {
        let directory = ShardId(u16::try_from(bytes.varint()?).ok()?);
        let segment = SegmentNumber(bytes.varint()?);
        let within =
            |units: u64| units.checked_mul(FRAME_ALIGN_BYTES).filter(|bytes| *bytes <= SEGMENT_BYTES_MAX);
        let offset_bytes = within(bytes.varint()?).filter(|offset| *offset >= HEADER_BYTES as u64)?;
        let bytes = u32::try_from(within(bytes.varint()?)?).ok().filter(|bytes| *bytes > 0)?;
        Some(FactsLink { directory, segment, offset_bytes, bytes })
    }
}
