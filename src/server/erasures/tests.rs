use super::*;
use madang_model::{RoomName, Seq};

fn rules(count: u64) -> Vec<ErasureRule> {
    let room = RoomName::parse("방").expect("a room");
    (1..=count)
        .map(Seq)
        .map(|seq| ErasureRule::Entries { room: room.clone(), first: seq, last: seq })
        .collect()
}

#[test]
fn nothing_is_accepted_while_a_program_takes_over_that_does_not_know_the_list() {
    let data = tempfile::tempdir().expect("a directory");
    let (desk, before) = (ErasureDesk::new(data.path()), ErasureDesk::new(data.path()));
    before.open().expect("there is no list");
    before.pause_requests().expect("nothing is to be done");
    let refused = before.ask(rules(1), wall_time(), Urgency::InTime).expect_err("it waits for the other");
    assert!(refused.contains("older program"), "{refused}");
    assert!(before.ask_deleted(rules(1), wall_time()).is_err());
    before.resume();
    let ids = before.ask(rules(2), wall_time(), Urgency::InTime).expect("space");
    assert_eq!(before.pause_requests(), Err(2));
    assert_eq!(desk.pause_requests(), Err(2), "nor before it has opened the list");
    before.finish(&ids, 2).expect("nothing was paused");
    before.pause_requests().expect("all is done");
    desk.pause_requests().expect("all is done");
}

#[test]
fn what_was_asked_for_is_remembered_by_the_next_process_until_it_is_done() {
    let data = tempfile::tempdir().expect("a directory");
    let desk = ErasureDesk::new(data.path());
    desk.set_time_max(Duration::from_secs(3_600));
    assert!(desk.ask(rules(1), wall_time(), Urgency::Now).is_err(), "the log is another process's yet");
    desk.open().expect("there is no list");
    let ids = desk.ask(rules(2), wall_time(), Urgency::InTime).expect("space");
    assert!(!desk.wait(Duration::ZERO), "there is time for more");
    let other = ErasureDesk::new(data.path());
    assert!(!other.read().expect("a list").is_empty());
    other.set_time_max(Duration::from_secs(3_600));
    other.open().expect("a list");
    assert!(other.wait(Duration::ZERO), "the next start does at once what the last process left");
    assert_eq!(other.pending().ids, ids);
    other.finish(&ids[..1], 7).expect("space");
    assert!(other.progress(ids[0]).is_done && !other.progress(ids[1]).is_done);
    let figures = other.figures();
    assert_eq!((figures.pending, figures.done, figures.entries), (1, 1, 7));
    other.finish(&ids, 0).expect("space");
    assert!(!other.wait(Duration::ZERO) && other.pending().erasures.is_empty());
    assert!(ErasureDesk::new(data.path()).read().expect("a list").is_empty());
}

#[test]
fn what_is_urgent_does_not_wait_and_nothing_waits_longer_than_half_of_its_time() {
    let data = tempfile::tempdir().expect("a directory");
    let desk = ErasureDesk::new(data.path());
    desk.set_time_max(Duration::from_secs(3_600));
    desk.open().expect("there is no list");
    desk.ask(rules(1), wall_time(), Urgency::InTime).expect("space");
    assert!(!desk.wait(Duration::ZERO) && !desk.is_late());
    desk.set_time_max(Duration::ZERO);
    assert!(desk.wait(Duration::ZERO) && desk.is_late());
    desk.set_time_max(Duration::from_secs(3_600));
    desk.ask(rules(1), wall_time(), Urgency::Now).expect("space");
    assert!(desk.wait(Duration::ZERO));
}

#[test]
fn deletions_wait_for_others_unless_they_are_old_or_many_and_are_hidden_before_the_pass() {
    let data = tempfile::tempdir().expect("a directory");
    let desk = ErasureDesk::new(data.path());
    let hour = Duration::from_secs(3_600);
    desk.set_time_max(hour);
    desk.open().expect("there is no list");
    let ago = |minutes: i64| Timestamp(wall_time().0 - minutes * 60_000_000);
    desk.ask_deleted(rules(2), ago(14)).expect("space");
    assert!(!desk.wait(Duration::ZERO) && !desk.is_shown(), "there is time for more");
    let room = RoomName::parse("방").expect("a room").key();
    let asked = desk.asked().expect("few wait");
    assert!(asked.covers(room, Seq(2), ago(1)));
    assert!(!asked.covers(room, Seq(3), ago(1)));
    desk.ask_deleted(rules(1), ago(16)).expect("space");
    assert!(desk.wait(Duration::ZERO) && desk.is_shown(), "a page may be under way while it is erased");
    desk.finish(&desk.pending().ids, 2).expect("space");
    assert!(desk.hide(|_| true) && !desk.wait(Duration::ZERO));
    assert!(desk.asked().expect("few wait").covers(room, Seq(2), ago(1)), "though it is done");
    desk.ask_deleted(rules(BUNDLE_MAX as u64), ago(0)).expect("space");
    assert!(desk.wait(Duration::ZERO), "many do not wait");
    assert_eq!(desk.look_time(), hour / LOOKS);
}

#[test]
fn what_is_asked_for_while_something_is_hidden_stays_hidden() {
    let data = tempfile::tempdir().expect("a directory");
    let desk = ErasureDesk::new(data.path());
    desk.open().expect("there is no list");
    let hidden = Mutex::new(0);
    let hide = |erasures: &Arc<Erasures>| {
        *hidden.lock().expect("a number") = erasures.rooms().map_or(0, |rooms| rooms.len());
        true
    };
    let is_asked = std::sync::Barrier::new(2);
    std::thread::scope(|scope| {
        // The thread that erases hides nothing, and is slow; whoever asks hides what it asked for.
        scope.spawn(|| {
            desk.hide(|erasures| {
                is_asked.wait();
                is_asked.wait();
                std::thread::sleep(Duration::from_millis(50));
                hide(erasures)
            });
        });
        is_asked.wait();
        desk.ask(rules(1), wall_time(), Urgency::InTime).expect("space");
        assert!(desk.is_shown());
        is_asked.wait();
        desk.hide(hide);
    });
    assert_eq!(*hidden.lock().expect("a number"), 1);
    assert!(!desk.is_shown());
    assert!(!desk.hide(|_| false) && desk.is_shown(), "a shard did not answer: it is hidden again");
}

#[test]
fn nothing_is_done_before_the_list_is_known() {
    let data = tempfile::tempdir().expect("a directory");
    let desk = ErasureDesk::new(data.path());
    let before = desk.progress(7);
    assert!(!before.is_done && before.trouble.is_some_and(|words| words.contains("starting")));
    desk.open().expect("there is no list");
    let id = desk.ask(rules(1), wall_time(), Urgency::Now).expect("space")[0];
    let next = ErasureDesk::new(data.path());
    next.read().expect("a list");
    assert!(!next.progress(id).is_done && !next.wait(Duration::ZERO));
    assert_eq!(next.figures().pending, 1, "it is known already");
    let path = data.path().join(ERASURES_FILE);
    let list = std::fs::read(&path).expect("a list");
    std::fs::write(&path, &list[1..]).expect("space");
    let error = next.open().expect_err("it is damaged");
    assert_eq!((next.progress(id).trouble, next.figures().failures), (Some(error), 1));
    std::fs::write(&path, list).expect("space");
    next.open().expect("a list");
    assert!(next.wait(Duration::ZERO) && next.progress(id).trouble.is_none());
}

#[test]
fn a_list_that_cannot_be_read_is_named_with_its_line() {
    let data = tempfile::tempdir().expect("a directory");
    let desk = ErasureDesk::new(data.path());
    desk.open().expect("there is no list");
    desk.ask(rules(2), wall_time(), Urgency::Now).expect("space");
    let path = data.path().join(ERASURES_FILE);
    let list = std::fs::read_to_string(&path).expect("a list");
    std::fs::write(&path, list.replace(" 2 2\n", " 2 3\n")).expect("space");
    let words = desk.read().expect_err("it is damaged").to_string();
    assert!(words.contains("madang.erasures'") && words.contains("in line 4; restore it"), "{words}");
}

#[test]
fn something_urgent_ends_the_pause_before_another_attempt() {
    let data = tempfile::tempdir().expect("a directory");
    let desk = ErasureDesk::new(data.path());
    desk.open().expect("there is no list");
    desk.ask(rules(1), wall_time(), Urgency::Now).expect("space");
    let (attempt, hour) = (desk.pending(), Duration::from_secs(3_600));
    assert!(!desk.pause(&attempt, hour) && desk.is_shown(), "it is to be hidden, and that is all");
    assert!(desk.hide(|_| true) && desk.pause(&attempt, Duration::ZERO), "the time is over");
    desk.ask(rules(1), wall_time(), Urgency::InTime).expect("space");
    assert!(!desk.pause(&attempt, hour), "this is to be hidden, and can wait otherwise");
    desk.hide(|_| true);
    desk.fail(0, "a segment is damaged".to_owned());
    let id = desk.ask(rules(1), wall_time(), Urgency::Now).expect("space")[0];
    assert!(desk.pause(&attempt, hour));
    assert!(desk.progress(id).trouble.is_some(), "what is in the way is known until it is not");
}

#[test]
fn nobody_who_asks_how_far_it_is_waits_for_the_disk() {
    let data = tempfile::tempdir().expect("a directory");
    let desk = ErasureDesk::new(data.path());
    desk.open().expect("there is no list");
    let id = desk.ask(rules(1), wall_time(), Urgency::Now).expect("space")[0];
    std::thread::scope(|scope| {
        let writing = desk.lock_list();
        let asking = scope.spawn(|| {
            desk.fail(0, "a segment is damaged".to_owned());
            (desk.figures(), desk.progress(id), desk.wait(Duration::ZERO), desk.is_late(), desk.is_shown())
        });
        let (figures, progress, is_due, ..) = asking.join().expect("no panic");
        assert_eq!((figures.pending, figures.failures, is_due), (1, 1, true));
        assert!(!progress.is_done && progress.trouble.is_some());
        drop(writing);
    });
    desk.finish(&[id], 1).expect("space");
    assert!(desk.progress(id).is_done);
    assert_eq!((desk.figures().pending, desk.figures().oldest), (0, Duration::ZERO));
}

#[test]
fn a_request_of_a_clock_that_was_ahead_and_those_behind_it_wait_no_longer_than_others() {
    let data = tempfile::tempdir().expect("a directory");
    let mut list = ErasureList::default();
    let ahead = Timestamp(wall_time().0 + 400 * 86_400_000_000);
    let files = StdFiles::new(data.path());
    let first = list.ask(&files, rules(1), ahead, ahead).expect("space")[0];
    let desk = ErasureDesk::new(data.path());
    desk.set_time_max(Duration::from_secs(3_600));
    desk.open().expect("a list");
    assert!(desk.wait(Duration::ZERO), "what was left is due");
    let id = desk.ask(rules(2), wall_time(), Urgency::InTime).expect("space")[0];
    assert!(id > first, "ids rise");
    desk.finish(&[first], 1).expect("space");
    let now = wall_time();
    assert!(desk.lock().oldest.is_some_and(|since| since <= now), "it waits since it was asked for");
    desk.read().expect("a list");
    assert!(desk.lock().waiting[&id] <= now, "and not since it was read again");
    assert!(!desk.wait(Duration::ZERO), "there is time for more");
    // Half an hour later it is due.
    desk.lock().oldest = Some(Timestamp(now.0 - 1_800_000_000));
    assert!(desk.wait(Duration::ZERO) && desk.figures().oldest >= Duration::from_secs(1_800));
    assert_eq!(waits_since(5, Timestamp(7)), Timestamp(5));
}
