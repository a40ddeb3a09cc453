//! Facts of rooms: the bodies of their records.

use madang_log::{AuthorKind, FactsBody, RecordKind, StoredFacts};
use madang_model::{DatedChange, RoomFacts, Timestamp};

/// A kind and a body. What can be read is written so that it is read as the same, and replays on what it may follow.
pub fn facts(bytes: &[u8]) {
    let Some((kind, body)) = bytes.split_first() else { return };
    let kind = match kind % 3 {
        0 => RecordKind::Facts,
        1 => RecordKind::FactsCheckpoint,
        _ => RecordKind::ReadPositions,
    };
    let (time, author) = (Timestamp(1), (AuthorKind::Account, 7));
    let stored = StoredFacts { kind, room: "r1", revision: 5, time, author, body };
    let Ok((version, body)) = FactsBody::decode(&stored) else { return };
    match body {
        FactsBody::Piece { bytes, .. } => {
            let Ok(facts) = RoomFacts::decode(version.revision, bytes) else { return };
            let again = RoomFacts::decode(version.revision, &facts.encode());
            assert_eq!(again.as_ref(), Ok(&facts), "facts are stable");
        }
        FactsBody::Behind(behind) => {
            let body = behind.encode(version.edition);
            let again = FactsBody::decode(&StoredFacts { kind: behind.kind(), body: &body, ..stored });
            let Ok((_, FactsBody::Behind(again))) = again else { panic!("what was read is written") };
            assert_eq!(again, behind, "a record is stable");
            let mut facts = RoomFacts::default();
            for change in &behind.changes {
                let before = facts.clone();
                if facts.change(change).is_err() {
                    assert_eq!(facts, before, "what is refused changes nothing");
                }
            }
            for (account, read) in &behind.reads {
                facts.move_read(*account, *read);
            }
            assert_eq!(RoomFacts::decode(facts.revision(), &facts.encode()), Ok(facts));
            if !behind.changes.is_empty() {
                let changes = DatedChange::decode_all(&DatedChange::encode_all(behind.changes.iter()));
                assert_eq!(changes, Ok(behind.changes));
            }
        }
    }
}
