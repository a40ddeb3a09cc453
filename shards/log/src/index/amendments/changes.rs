//! What became of one message, as far as some segments say it.

use crate::format::{RecordKind, SegmentNumber};
use crate::index::bytes::{Reader, field, push_varint};
use crate::index::segment::FramePosition;
use madang_model::{Seq, ShardId};

/// Where the entry is that says it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AmendmentPlace {
    /// Its number in the room.
    pub seq: Seq,
    /// Whose directory: that of the file which says it.
    pub directory: ShardId,
    /// Which segment.
    pub segment: SegmentNumber,
    /// Where in it.
    pub position: FramePosition,
}

/// The last entries that say something of a message: of each kind one, but none beside a deletion.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct TargetChanges {
    /// The last edit.
    pub edit: Option<AmendmentPlace>,
    /// The deletion.
    pub deletion: Option<AmendmentPlace>,
    /// The last sums of reactions.
    pub reactions: Option<AmendmentPlace>,
    /// The last pin, or its end.
    pub pin: Option<AmendmentPlace>,
}

/// The bits of what is there, in the order in which it is stored.
const EDIT: u8 = 1;
const DELETION: u8 = 2;
const REACTIONS: u8 = 4;
const PIN: u8 = 8;

impl TargetChanges {
    /// Takes note of an entry.
    pub fn note(&mut self, place: AmendmentPlace) {
        let known = match place.position.kind() {
            RecordKind::Edit => &mut self.edit,
            RecordKind::Deletion => &mut self.deletion,
            RecordKind::Reactions => &mut self.reactions,
            RecordKind::Pin | RecordKind::Unpin => &mut self.pin,
            _ => return,
        };
        if known.is_none_or(|known| known.seq < place.seq) {
            *known = Some(place);
        }
        if self.deletion.is_some() {
            // Nothing of the message is shown any more.
            *self = TargetChanges { deletion: self.deletion, ..TargetChanges::default() };
        }
    }

    /// Takes note of what other segments say.
    pub fn merge(&mut self, other: &TargetChanges) {
        other.places().for_each(|place| self.note(place));
    }

    /// All there are.
    pub fn places(&self) -> impl Iterator<Item = AmendmentPlace> {
        [self.edit, self.deletion, self.reactions, self.pin].into_iter().flatten()
    }

    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        self.places().next().is_none()
    }

    /// Whether the message is pinned.
    pub fn is_pinned(&self) -> bool {
        self.pin.is_some_and(|pin| pin.position.kind() == RecordKind::Pin)
    }

    /// Drops what segments before `first` say: they have expired.
    pub fn expire(&mut self, first: SegmentNumber) {
        for place in [&mut self.edit, &mut self.deletion, &mut self.reactions, &mut self.pin] {
            *place = place.filter(|place| place.segment >= first);
        }
    }

    /// Appends what is known of the message `target`.
    pub fn encode(&self, target: Seq, out: &mut Vec<u8>) {
        let bits =
            [(self.edit, EDIT), (self.deletion, DELETION), (self.reactions, REACTIONS), (self.pin, PIN)];
        out.push(bits.iter().filter(|(place, _)| place.is_some()).fold(0, |all, (_, bit)| all | bit));
        for place in self.places() {
            push_varint(out, place.seq.0 - target.0);
            push_varint(out, place.segment.0);
            out.extend_from_slice(&place.position.bytes());
        }
    }

    /// Reads what [`encode`](Self::encode) wrote.
    pub fn decode(bytes: &mut Reader<'_>, directory: ShardId, target: Seq) -> Option<TargetChanges> {
        let bits = bytes.byte()?;
        let mut changes = TargetChanges::default();
        let TargetChanges { edit, deletion, reactions, pin } = &mut changes;
        for (place, bit) in [(edit, EDIT), (deletion, DELETION), (reactions, REACTIONS), (pin, PIN)] {
            if bits & bit != 0 {
                let seq = Seq(target.0.checked_add(bytes.varint()?)?);
                let segment = SegmentNumber(bytes.varint()?);
                let position = FramePosition::of_bytes(field(bytes.bytes(6)?, 0));
                *place = Some(AmendmentPlace { seq, directory, segment, position });
            }
        }
        (bits & !(EDIT | DELETION | REACTIONS | PIN) == 0).then_some(changes)
    }
}
