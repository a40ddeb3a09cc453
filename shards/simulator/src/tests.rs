//! Sessions by the dozen, and the faults that they must see.

use super::trace::SessionOutcome;
use super::{SessionOptions, run};
use madang_engine::mutation::{self, Mutation};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant, SystemTime};

/// Seeds within which every mutation is seen.
const SEEDS_TO_SEE: u64 = 60;
/// How long fresh seeds are tried.
const FRESH_TIME: Duration = Duration::from_secs(5);

/// A session of a seed: every third with segments that expire, every other with starts that are
/// interrupted, every fifth with storms, three of four with upgrades, and all that together in some.
fn of(seed: u64) -> SessionOptions {
    SessionOptions {
        has_retention: seed.is_multiple_of(3),
        has_interrupted_starts: seed.is_multiple_of(2),
        has_storms: seed.is_multiple_of(5),
        has_upgrades: !seed.is_multiple_of(4),
        ..SessionOptions::small(seed)
    }
}

/// Runs a session. A panic is a violation, too.
fn outcome(options: SessionOptions) -> Result<SessionOutcome, String> {
    let done = catch_unwind(AssertUnwindSafe(|| run(options)));
    let done =
        done.map_err(|_| format!("seed {} ends in a panic; again: {}", options.seed, options.command()))?;
    match &done.violation {
        None => Ok(done),
        Some(_) => Err(done.to_string()),
    }
}

fn check(options: SessionOptions) -> SessionOutcome {
    outcome(options).unwrap_or_else(|wrong| panic!("\n{wrong}"))
}

#[test]
fn fixed_seeds_keep_every_promise() {
    let done: Vec<SessionOutcome> = (1..=24).map(|seed| check(of(seed))).collect();
    let run_rounds = done.iter().map(|it| it.run_rounds).sum::<u64>();
    assert!(run_rounds > 200, "{run_rounds} rounds of runs");
    let refused = done.iter().map(|it| it.refused_to_guests).sum::<u64>();
    println!("{run_rounds} rounds of runs, {refused} edits and deletions refused to guests");
    assert!(refused > 150, "{refused} edits and deletions refused to guests");
}

/// The same with an edge.
fn with_edge(seed: u64) -> SessionOptions {
    SessionOptions { has_link: true, ..of(seed) }
}

#[test]
fn fixed_seeds_with_an_edge_keep_every_promise() {
    let done: Vec<SessionOutcome> = (1..=12).map(|seed| check(with_edge(seed))).collect();
    let sum = |of: fn(&SessionOutcome) -> u64| done.iter().map(of).sum::<u64>();
    let (links, overruns, messages) = (sum(|it| it.links), sum(|it| it.overruns), sum(|it| it.edge_messages));
    assert!(links > 200 && overruns > 0 && messages > 500, "{links} {overruns} {messages}");
    let refused = sum(|it| it.refused_to_edges);
    assert!(refused > 30, "{refused} deletions refused to the guests of edges");
}

/// The same with changes of facts.
fn with_facts(seed: u64) -> SessionOptions {
    SessionOptions { has_facts: true, ..of(seed) }
}

#[test]
fn fixed_seeds_with_facts_keep_every_promise() {
    let done: Vec<SessionOutcome> = (1..=18).map(|seed| check(with_facts(seed))).collect();
    let sum = |of: fn(&SessionOutcome) -> u64| done.iter().map(of).sum::<u64>();
    let (revisions, expired) = (sum(|it| it.revisions), sum(|it| it.expired_segments));
    assert!(revisions > 2_000 && expired > 0, "{revisions} revisions, {expired} segments expired");
}

/// The same with clients that go through the members of rooms.
fn with_lists(seed: u64) -> SessionOptions {
    SessionOptions { has_lists: true, ..of(seed) }
}

#[test]
fn fixed_seeds_with_lists_keep_every_promise() {
    let done: Vec<SessionOutcome> = (1..=12).map(|seed| check(with_lists(seed))).collect();
    let (lists, pages) =
        (done.iter().map(|it| it.lists).sum::<u64>(), done.iter().map(|it| it.list_pages).sum::<u64>());
    assert!(lists > 200 && pages > 2 * lists, "{lists} lists, {pages} pages");
}

/// The same with erasures.
fn with_erasures(seed: u64) -> SessionOptions {
    SessionOptions { has_erasures: true, ..of(seed) }
}

#[test]
fn fixed_seeds_with_erasures_keep_every_promise() {
    let done: Vec<SessionOutcome> = (1..=16).map(|seed| check(with_erasures(seed))).collect();
    let sum = |of: fn(&SessionOutcome) -> u64| done.iter().map(of).sum::<u64>();
    let (passes, erased) = (sum(|it| it.passes), sum(|it| it.erased));
    assert!(passes > 60 && erased > 300, "{passes} {erased}");
}

/// The same with what authors have deleted.
fn with_deletions(seed: u64) -> SessionOptions {
    SessionOptions { has_deletions: true, ..with_erasures(seed) }
}

#[test]
fn fixed_seeds_with_deletions_keep_every_promise() {
    let done: Vec<SessionOutcome> = (1..=16).map(|seed| check(with_deletions(seed))).collect();
    let found = done.iter().map(|it| it.deletions_found).sum::<u64>();
    assert!(found > 60, "{found} requests");
}

/// The same with copies of the log, which take its place, and with an edge that goes through all rooms.
fn with_restores(seed: u64) -> SessionOptions {
    SessionOptions { has_restores: true, has_link: true, has_lists: true, ..with_deletions(seed) }
}

#[test]
fn fixed_seeds_with_restores_keep_every_promise() {
    let done: Vec<SessionOutcome> = (1..=24).map(|seed| check(with_restores(seed))).collect();
    let sum = |of: fn(&SessionOutcome) -> u64| done.iter().map(of).sum::<u64>();
    let (copies, restores) = (sum(|it| it.copies), sum(|it| it.restores));
    assert!(copies > 100 && restores > 60, "{copies} copies, {restores} restores");
}

#[test]
fn a_seed_that_has_found_something_keeps_every_promise() {
    // A page across what had expired, whose index was made again while an older directory was kept.
    let (has_retention, has_interrupted_starts, has_storms, has_upgrades) = (true, true, true, true);
    check(SessionOptions {
        has_retention,
        has_interrupted_starts,
        has_storms,
        has_upgrades,
        ..SessionOptions::small(53)
    });
    // A change of facts behind a checkpoint that was not committed, and a room that returned to a directory.
    let everything = SessionOptions {
        has_retention,
        has_interrupted_starts,
        has_storms,
        has_upgrades,
        ..with_facts(71_003)
    };
    check(everything);
    check(SessionOptions { has_retention, has_facts: true, ..SessionOptions::small(70_054) });
}

#[test]
fn fresh_seeds_keep_every_promise() {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let first = since.map_or(0, |since| u64::try_from(since.as_micros()).unwrap_or(0));
    let started = Instant::now();
    for seed in first.. {
        check(of(seed));
        check(with_edge(seed));
        check(with_facts(seed));
        check(with_erasures(seed));
        check(with_lists(seed));
        check(with_deletions(seed));
        check(with_restores(seed));
        if started.elapsed() > FRESH_TIME {
            return;
        }
    }
}

#[test]
fn a_session_of_a_thousand_users_keeps_every_promise() {
    check(SessionOptions { steps: 5_000, ..SessionOptions::large(1) });
}

#[test]
fn one_seed_is_one_run() {
    for seed in [1, 2, 3] {
        let plain = [of(seed), with_edge(seed), with_facts(seed), with_erasures(seed), with_lists(seed)];
        for options in plain.into_iter().chain([with_deletions(seed), with_restores(seed)]) {
            let (once, again) = (check(options), check(options));
            assert_eq!((once.hash, once.last), (again.hash, again.last), "seed {seed}");
        }
    }
}

/// What a mutation is tried with. What shows only when a sync fails, the server is killed and the power is
/// cut one after another is tried where that comes often.
fn to_see(mutation: Mutation, seed: u64) -> SessionOptions {
    match mutation {
        Mutation::LoseEndpointEntry => with_edge(seed),
        Mutation::AnswerFactsEarly | Mutation::ForgetStoredFacts | Mutation::ForgetReads => with_facts(seed),
        Mutation::SkipAtBorder => with_lists(seed),
        Mutation::ForgetMoreRooms => SessionOptions { has_link: true, ..with_lists(seed) },
        Mutation::StopLookingEarly => with_deletions(seed),
        Mutation::ExpireLiveFacts => SessionOptions { has_retention: true, ..with_facts(seed) },
        Mutation::ShowErased
        | Mutation::ForgetErasures
        | Mutation::WipeBeforeNames
        | Mutation::LeaveReplacedFile => with_erasures(seed),
        Mutation::KeepEpoch
        | Mutation::ForgetErasedSince
        | Mutation::CutCopyShort
        | Mutation::KeepLinkEpoch => with_restores(seed),
        Mutation::TrustPageCache => SessionOptions { has_storms: true, has_upgrades: true, ..of(seed) },
        // Where something is to be erased, segments are sealed before they are full.
        Mutation::TrustSeals => {
            SessionOptions { has_storms: true, has_erasures: true, ..SessionOptions::small(seed) }
        }
        _ => of(seed),
    }
}

/// What the first seed says that sees it.
fn first_to_see(mutation: Mutation) -> Option<String> {
    let sees = |seed: u64| mutation::with(Some(mutation), || outcome(to_see(mutation, seed)).err());
    let said = (1..=SEEDS_TO_SEE).find_map(sees)?;
    said.lines().find(|line| line.starts_with("seed ")).map(str::to_owned)
}

fn is_seen(mutation: Mutation) {
    let seen = first_to_see(mutation);
    println!("{mutation:?}: {seen:?}");
    assert!(seen.is_some(), "{mutation:?} is not seen by any of {SEEDS_TO_SEE} seeds");
}

macro_rules! every_mutation_is_seen {
    ($($test:ident: $mutation:ident,)*) => {
        $(#[test]
        fn $test() {
            is_seen(Mutation::$mutation);
        })*
    };
}

every_mutation_is_seen! {
    delivering_before_the_commit_is_seen: DeliverBeforeCommit,
    skipping_a_number_is_seen: SkipNumber,
    dropping_an_overflow_entry_is_seen: DropOverflowEntry,
    losing_an_entry_for_the_endpoint_is_seen: LoseEndpointEntry,
    forgetting_to_leave_is_seen: ForgetToLeave,
    accepting_a_draft_twice_is_seen: AcceptDraftTwice,
    trusting_an_old_draft_is_seen: TrustOldDraft,
    forgetting_what_waits_behind_a_draft_is_seen: ForgetBehindDraft,
    forgetting_drafts_on_restart_is_seen: ForgetDraftsOnRestart,
    losing_a_listener_on_a_move_is_seen: LoseListenerOnMove,
    repeating_a_delivery_is_seen: RepeatDelivery,
    forgetting_unread_input_is_seen: ForgetUnread,
    granting_a_taken_name_is_seen: GrantTakenName,
    keeping_a_slow_reader_is_seen: KeepSlowReader,
    shortening_a_page_is_seen: ShortenPage,
    forgetting_stored_amendments_is_seen: ForgetStoredAmendments,
    showing_what_was_deleted_is_seen: ShowDeleted,
    forgetting_an_amendment_is_seen: ForgetAmendment,
    resuming_without_amendments_is_seen: ResumeWithoutAmendments,
    deleting_what_others_said_is_seen: DeleteOthers,
    letting_guests_edit_and_delete_is_seen: LetGuestsAmend,
    acknowledging_before_the_sync_is_seen: AcknowledgeBeforeSync,
    ignoring_a_failed_sync_is_seen: IgnoreFailedSync,
    swapping_batches_is_seen: SwapBatches,
    dropping_the_last_frame_is_seen: DropLastFrame,
    forgetting_to_sync_a_directory_is_seen: ForgetDirectorySync,
    evicting_a_used_room_is_seen: EvictUsedRoom,
    making_a_look_alike_is_seen: MakeLookAlike,
    forgetting_carried_looks_is_seen: ForgetCarriedLooks,
    forgetting_stored_looks_is_seen: ForgetStoredLooks,
    miscounting_outboxes_is_seen: MiscountOutboxes,
    trusting_the_page_cache_is_seen: TrustPageCache,
    trusting_seals_is_seen: TrustSeals,
    leaving_later_segments_is_seen: LeaveLaterSegments,
    forgetting_a_carried_outbox_is_seen: ForgetCarriedOutbox,
    forgetting_carried_input_is_seen: ForgetCarriedInput,
    forgetting_what_came_is_seen: ForgetWhatCame,
    forgetting_half_a_line_is_seen: ForgetHalfLine,
    forgetting_a_carried_member_is_seen: ForgetCarriedMember,
    snapshotting_too_soon_is_seen: SnapshotTooSoon,
    resuming_early_is_seen: ResumeEarly,
    sending_before_the_old_process_has_released_is_seen: SendBeforeGo,
    serving_twice_is_seen: ServeTwice,
    leaving_with_any_session_is_seen: LeaveWithAnySession,
    forgetting_carried_sessions_is_seen: ForgetCarriedSessions,
    seeing_a_leave_again_in_another_room_is_seen: SeeAgain,
    whispering_to_one_session_of_several_is_seen: WhisperToFirst,
    reading_a_whisper_to_who_had_the_name_is_seen: ReadAsTaker,
    inheriting_direct_rooms_with_a_name_is_seen: InheritDirectRooms,
    staying_paused_in_a_drain_is_seen: StayPaused,
    receiving_no_events_after_a_failed_upgrade_is_seen: StayDeaf,
    forgetting_connections_that_can_close_is_seen: ForgetClosable,
    saying_farewell_early_is_seen: SayFarewellEarly,
    answering_a_change_of_facts_early_is_seen: AnswerFactsEarly,
    forgetting_stored_facts_is_seen: ForgetStoredFacts,
    forgetting_read_positions_is_seen: ForgetReads,
    expiring_live_facts_is_seen: ExpireLiveFacts,
    showing_what_is_to_be_erased_is_seen: ShowErased,
    forgetting_what_is_to_be_erased_is_seen: ForgetErasures,
    wiping_before_names_are_on_disk_is_seen: WipeBeforeNames,
    leaving_a_replaced_file_is_seen: LeaveReplacedFile,
    skipping_a_member_at_the_border_of_pages_is_seen: SkipAtBorder,
    forgetting_that_more_rooms_follow_is_seen: ForgetMoreRooms,
    stopping_a_look_for_deletions_early_is_seen: StopLookingEarly,
    keeping_the_epoch_is_seen: KeepEpoch,
    forgetting_what_was_erased_since_a_copy_is_seen: ForgetErasedSince,
    cutting_a_copy_short_is_seen: CutCopyShort,
    keeping_the_epoch_of_the_link_is_seen: KeepLinkEpoch,
}
