use super::*;
use madang_log::RunRange;

const HERE: ShardId = ShardId(0);
const EARLIER: ShardId = ShardId(1);

#[test]
fn the_tables_that_are_asked_are_those_on_disk_and_those_that_are_not_there_yet() {
    let segment = |directory, number| AmendmentSource::Segment(directory, SegmentNumber(number));
    let run = |first, last| {
        AmendmentSource::Run(HERE, RunRange { first: SegmentNumber(first), last: SegmentNumber(last) })
    };
    let of = |numbers: [u64; 5]| numbers.map(|number| segment(HERE, number));
    let sources = [&[segment(EARLIER, 5), run(1, 4)][..], &of([5, 20, 21, 101, 102])].concat();
    let stored = StartFindings { sources, ..StartFindings::default() };
    let mut archive = Archive::new(HERE, SegmentNumber(103), stored, 1 << 20);
    // The snapshot is far behind, and nothing of segment 21 is in a run.
    archive.sources_renewed(SegmentNumber(21), &[run(1, 16), run(17, 20), segment(HERE, 21)]);
    let expected = [
        segment(EARLIER, 5),
        segment(HERE, 101),
        segment(HERE, 102),
        run(1, 16),
        run(17, 20),
        segment(HERE, 21),
    ];
    assert_eq!(archive.sources, expected);
    archive.sources_renewed(
        SegmentNumber(21),
        &[run(1, 16), run(17, 20), segment(HERE, 21), segment(HERE, 101)],
    );
    assert_eq!(archive.sources.len(), expected.len(), "none is asked twice: {:?}", archive.sources);
}
