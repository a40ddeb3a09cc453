use crate::facts::{Behind, FactsLink};
use crate::format::{AuthorKind, HEADER_BYTES, RecordKind, StoredFacts};
use crate::testing::{SHARD, Writer, on_disk};
use crate::{FaultKind, MemoryFiles, SegmentNumber, verify};
use madang_model::{AccountId, DatedChange, FactChange, Revision, Seq, Timestamp};

const FIRST: SegmentNumber = SegmentNumber::FIRST;

/// A record behind another, with this many changes and a read position.
fn behind(changes: u64) -> Behind {
    let dated = |account| DatedChange {
        time: Timestamp(1_790_000_000_000_000),
        by: AccountId(1),
        change: FactChange::Join { account: AccountId(account), joined: Seq(account) },
    };
    let link = FactsLink { directory: SHARD, segment: FIRST, offset_bytes: HEADER_BYTES as u64, bytes: 96 };
    Behind {
        link,
        oldest: FIRST,
        is_rolled_up: false,
        changes: (1..=changes).map(dated).collect(),
        reads: [(AccountId(1), Seq(1))].into(),
    }
}

#[test]
fn a_record_tells_of_its_changes_and_of_its_own_revision_where_it_has_none() {
    for (changes, revision, first) in [(0, 0, 0), (1, 0, 0), (0, 5, 5), (1, 5, 5), (5, 5, 1), (7, 5, 1)] {
        let found = behind(changes).first(Revision(revision));
        assert_eq!(found, Revision(first), "{changes} changes up to {revision}");
    }
}

#[test]
fn a_record_of_revision_0_is_checked_as_any_other() {
    let memory = MemoryFiles::default();
    let mut writer = Writer::new(&memory, SHARD, FIRST);
    for changes in [0, 1] {
        let behind = behind(changes);
        let body = behind.encode(1);
        let stored = StoredFacts {
            kind: behind.kind(),
            room: "r1",
            revision: 0,
            time: Timestamp(1_790_000_000_000_000),
            author: (AuthorKind::None, 0),
            body: &body,
        };
        assert_eq!(stored.kind == RecordKind::Facts, changes > 0);
        writer.appender.append_facts([stored].into_iter());
    }
    let batch = writer.write().expect("records wait");
    writer.appender.committed(batch);
    writer.finish();
    let (_data, files) = on_disk(&memory);
    let found = verify(&files, &mut |_| {}).expect("it can be read");
    let is_incomplete =
        |kind: &FaultKind| matches!(kind, FaultKind::FactsIncomplete { revision: Revision(0), .. });
    assert!(found.all_faults().any(|fault| is_incomplete(&fault.kind)), "{:?}", found.faults);
}
