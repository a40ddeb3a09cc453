//! Records of facts, as they are met when a segment is read from its start.

use super::builder::IndexBuilder;
use super::fault::RebuildFault;
use crate::facts::{FactsBody, FactsLink, FactsPointer, FactsVersion};
use crate::format::{Frame, RecordError, StoredFacts};
use madang_model::{FactsFault, RoomName};

/// The pieces of a checkpoint that were met so far.
#[derive(Debug, Default)]
pub struct FactsScan {
    pieces: Option<Pieces>,
}

#[derive(Debug)]
struct Pieces {
    version: FactsVersion,
    offset_bytes: u64,
    /// How many there were.
    count: u64,
}

impl FactsScan {
    /// Takes the next record of facts. One whose checkpoint is not whole is left out: then the segment is damaged, and
    /// that is reported.
    pub fn take(
        &mut self,
        builder: &mut IndexBuilder,
        frame: Frame<'_>,
        stored: &StoredFacts<'_>,
    ) -> Result<(), RebuildFault> {
        let frame_at = frame.offset_bytes as u64;
        let wrong =
            |fault| RebuildFault::Facts { room: stored.room.to_owned(), offset_bytes: frame_at, fault };
        let room = RoomName::from_log(stored.room)
            .map_err(|source| RecordError::Room { name: stored.room.to_owned(), source })?;
        let (version, body) = FactsBody::decode(stored).map_err(wrong)?;
        let mut offset_bytes = frame_at;
        let (first, oldest) = match body {
            FactsBody::Behind(behind) => {
                self.pieces = None;
                (behind.first(version.revision), behind.oldest)
            }
            FactsBody::Piece { piece, pieces, .. } => {
                let begun = match self.pieces.take() {
                    None if piece == 0 => Pieces { version, offset_bytes, count: 0 },
                    Some(begun) if piece == begun.count && version == begun.version => begun,
                    _ if piece == 0 => Pieces { version, offset_bytes, count: 0 },
                    _ => return Err(wrong(FactsFault::Unreadable("pieces of a checkpoint are missing"))),
                };
                if piece + 1 < pieces {
                    self.pieces = Some(Pieces { count: begun.count + 1, ..begun });
                    return Ok(());
                }
                offset_bytes = begun.offset_bytes;
                (version.revision, builder.segment())
            }
        };
        let bytes = u32::try_from(frame.end_bytes as u64 - offset_bytes);
        let bytes = bytes.map_err(|_| wrong(FactsFault::Unreadable("a record is too long")))?;
        let link =
            FactsLink { directory: builder.directory(), segment: builder.segment(), offset_bytes, bytes };
        builder.push_facts(&room, first, FactsPointer { version, link, oldest });
        Ok(())
    }
}
