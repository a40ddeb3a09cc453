//! What a room knows of drafts, and for how long.

use super::*;

const SECOND: i64 = 1_000_000;
/// A time from which ids of UUIDs count.
const START: i64 = 1_800_000_000 * SECOND;

fn author(number: usize) -> UserKey {
    UserKey::of(&format!("user{number}"))
}

fn draft(author: UserKey, number: u64, seconds: i64) -> KnownDraft {
    KnownDraft { author, hash: number, seq: Seq(number), time: at(seconds) }
}

fn at(seconds: i64) -> Timestamp {
    Timestamp(START + seconds * SECOND)
}

/// An id that says that it was made then.
fn made_at(seconds: i64) -> DraftId {
    let text = format!("{:012x}", at(seconds).0 / 1000);
    DraftId::parse(&format!("{}-{}-7000-8000-000000000000", &text[..8], &text[8..])).expect("a draft id")
}

fn judge(drafts: &Drafts, author: UserKey, hash: u64, made: Option<i64>, now: i64) -> DraftVerdict {
    let id = made.map_or_else(|| DraftId::parse("d1").expect("a draft id"), made_at);
    drafts.judge(author, hash, &id, at(now))
}

fn empty() -> Drafts {
    Drafts::default()
}

fn spare(seconds: i64) -> Timestamp {
    Timestamp(at(seconds).0 - DRAFT_CLOCK_US_MAX)
}

#[test]
fn a_draft_is_known_for_ten_minutes_and_looked_for_after_that_if_its_id_says_when_it_was_made() {
    let mut drafts = empty();
    drafts.push(draft(author(1), 1, 0));
    assert_eq!(judge(&drafts, author(1), 1, None, 600), DraftVerdict::Stored(Seq(1)));
    drafts.push(draft(author(2), 2, 601));
    assert_eq!(judge(&drafts, author(1), 1, None, 601), DraftVerdict::New);
    assert_eq!(judge(&drafts, author(1), 1, Some(0), 601), DraftVerdict::Unknown { from: spare(0) });
    let week = 7 * 86_400;
    assert_eq!(judge(&drafts, author(1), 1, Some(0), week), DraftVerdict::Unknown { from: spare(0) });
    assert_eq!(judge(&drafts, author(1), 1, Some(0), week + 1), DraftVerdict::TooOld);
}

#[test]
fn a_draft_that_was_just_made_needs_no_disk_and_one_from_a_wrong_clock_has_none_either() {
    let drafts = empty();
    for made in [0, -540, 60, 61, 1_000_000] {
        assert_eq!(judge(&drafts, author(1), 1, Some(made), 0), DraftVerdict::New, "made at {made}");
    }
    assert_eq!(judge(&drafts, author(1), 1, Some(-541), 0), DraftVerdict::Unknown { from: spare(-541) });
}

#[test]
fn an_author_with_many_drafts_loses_its_own_oldest_and_nobody_elses() {
    let mut drafts = empty();
    drafts.push(draft(author(1), 1, 0));
    for number in 2..=70 {
        drafts.push(draft(author(2), number, number.cast_signed()));
    }
    assert_eq!(judge(&drafts, author(1), 1, None, 70), DraftVerdict::Stored(Seq(1)));
    assert_eq!(judge(&drafts, author(2), 7, None, 70), DraftVerdict::Stored(Seq(7)));
    assert_eq!(judge(&drafts, author(2), 6, None, 70), DraftVerdict::New);
    assert_eq!(judge(&drafts, author(2), 6, Some(5), 70), DraftVerdict::Unknown { from: spare(5) });
    assert_eq!(judge(&drafts, author(2), 99, Some(69), 70), DraftVerdict::New, "it was just made");
    assert_eq!(drafts.take_forgotten_early(), 0);
}

#[test]
fn a_room_with_too_many_forgets_the_oldest_counts_them_and_knows_that_it_did() {
    let mut drafts = empty();
    for number in 0..Drafts::MAX as u64 + 10 {
        drafts.push(draft(author(number as usize), number, (number / 100).cast_signed()));
    }
    assert_eq!(
        (drafts.count, drafts.take_forgotten_early(), drafts.take_forgotten_early()),
        (Drafts::MAX, 10, 0)
    );
    assert!(drafts.order.len() <= 2 * Drafts::MAX);
    assert_eq!(judge(&drafts, author(9), 9, None, 82), DraftVerdict::New);
    assert_eq!(judge(&drafts, author(9), 9, Some(0), 82), DraftVerdict::Unknown { from: spare(0) });
    assert_eq!(judge(&drafts, author(10), 10, None, 82), DraftVerdict::Stored(Seq(10)));
}

#[test]
fn what_an_author_floods_does_not_pile_up_and_all_memory_is_given_back_in_time() {
    let mut drafts = empty();
    for number in 0..100_000 {
        drafts.push(draft(author(1), number, (number / 1000).cast_signed()));
    }
    assert_eq!(drafts.count, Drafts::PER_AUTHOR_MAX);
    assert!(drafts.order.len() <= 2 * Drafts::PER_AUTHOR_MAX);
    drafts.expire(at(1_000));
    assert!(drafts.is_empty() && drafts.by_author.is_empty());
    assert_eq!((drafts.order.capacity(), drafts.by_author.capacity()), (0, 0));
}

#[test]
fn what_was_not_read_at_a_start_is_looked_for() {
    let mut drafts = Drafts::restore([draft(author(1), 5, 100)], at(90), Seq(4));
    assert_eq!(judge(&drafts, author(1), 5, None, 120), DraftVerdict::Stored(Seq(5)));
    assert_eq!(judge(&drafts, author(1), 4, Some(89), 150), DraftVerdict::Unknown { from: spare(89) });
    assert_eq!(judge(&drafts, author(1), 4, Some(90), 150), DraftVerdict::New);
    assert!(drafts.knows_after(author(1), Seq(4)) && !drafts.knows_after(author(1), Seq(3)));
    drafts.expire(at(100));
    assert!(!drafts.is_empty());
}

/// Against a plain list of everything that was said.
#[test]
fn it_never_takes_a_stored_draft_for_a_new_one_whose_id_says_when_it_was_made() {
    let mut state = 7_u64;
    let mut below = |bound: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % bound
    };
    let (mut drafts, mut said, mut now) = (empty(), Vec::new(), 0);
    let mut verdicts = [0; 3];
    let mut known_after = [0; 2];
    for number in 1..=60_000_u64 {
        now += i64::from(below(40) == 0) * below(20).cast_signed();
        let one = draft(author(below(150) as usize % 40), number, now);
        said.push((one, now - below(30).cast_signed()));
        drafts.push(one);
        let (again, made) =
            said[said.len() - 1 - (below(said.len() as u64) as usize).min(below(9_000) as usize)];
        let found = judge(&drafts, again.author, again.hash, Some(made), now);
        // Whoever knows all that was said behind this one's predecessor knows this one.
        let knows = drafts.knows_after(again.author, Seq(again.seq.0 - 1));
        assert!(!knows || matches!(found, DraftVerdict::Stored(_)), "{again:?} at {now}");
        known_after[usize::from(knows)] += 1;
        verdicts[match found {
            DraftVerdict::Stored(seq) => {
                assert_eq!(seq, again.seq);
                0
            }
            DraftVerdict::Unknown { from } => {
                assert!(from <= again.time, "it is looked for where it is");
                1
            }
            DraftVerdict::TooOld => {
                assert!(now - made > 7 * 86_400);
                2
            }
            DraftVerdict::New => panic!("{again:?} of {made} is new at {now}"),
        }] += 1;
    }
    assert!(verdicts[0] > 1_000 && verdicts[1] > 1_000, "{verdicts:?}");
    assert!(known_after.iter().all(|count| *count > 1_000), "{known_after:?}");
}
