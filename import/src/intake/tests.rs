use super::*;

fn name(room: &str) -> RoomName {
    RoomName::parse(room).expect("a room name")
}

fn give(intake: &mut Intake<u64>, room: &str, time: i64, id: u64) -> Result<bool, Conflict<u64>> {
    let given = Given { time: Timestamp(time), id_hash: id, line_bytes: 10, item: id };
    intake.take(&name(room), given)
}

fn accepted(intake: &mut Intake<u64>) -> Vec<(usize, i64, u64)> {
    intake.accepted().map(|one| (one.room.0, one.time.0, one.item)).collect()
}

#[test]
fn what_is_stored_or_was_given_is_known_in_its_room_only() {
    let mut intake = Intake::new(Times::Given);
    let r1 = intake.room(&name("r1"));
    intake.know(r1, Timestamp(5), 1);
    let mut is_new = |room, id| give(&mut intake, room, 9, id).expect("no conflict yet");
    let seen = [("R1", 1), ("r2", 1), ("r2", 1), ("r1", 2)].map(|(room, id)| is_new(room, id));
    assert_eq!(seen, [false, true, false, true]);
    intake.finish().expect("in order");
    assert_eq!(accepted(&mut intake), [(1, 9, 1), (0, 9, 2)]);
}

#[test]
fn a_message_older_than_the_newest_that_is_stored_is_refused_or_given_its_time() {
    for (times, stored_time) in [(Times::Given, None), (Times::NowOrLater, Some(50))] {
        let mut intake = Intake::new(times);
        let r1 = intake.room(&name("r1"));
        intake.know(r1, Timestamp(50), 1);
        give(&mut intake, "r1", 50, 2).expect("it waits");
        give(&mut intake, "r1", 49, 3).expect("it waits");
        let finished = intake.finish();
        match stored_time {
            Some(_) => {
                finished.expect("no conflict");
                assert_eq!(accepted(&mut intake), [(0, 50, 3), (0, 50, 2)]);
            }
            None => {
                let conflict = finished.expect_err("a conflict");
                assert_eq!((conflict.time, conflict.newest), (Timestamp(49), Timestamp(50)));
                assert_eq!((conflict.late, conflict.item), (Late::Stored, 3));
            }
        }
    }
}

#[test]
fn what_comes_later_than_the_window_reaches_is_refused() {
    let mut intake = Intake::with_window(Times::Given, 30);
    for (id, time) in (0..).zip([10, 20, 30, 40, 50]) {
        give(&mut intake, "r1", time, id).expect("in order");
    }
    give(&mut intake, "r1", 25, 5).expect("the window reaches as far");
    assert_eq!(accepted(&mut intake).last(), Some(&(0, 30, 2)));
    let late = give(&mut intake, "r1", 15, 6).and_then(|_| intake.finish());
    let conflict = late.expect_err("a conflict");
    assert_eq!((conflict.time, conflict.newest, conflict.late), (Timestamp(15), Timestamp(30), Late::Given));
}

#[test]
fn a_second_pass_gives_the_same_as_the_first() {
    let mut intake = Intake::new(Times::NowOrLater);
    let mut passes = Vec::new();
    for _ in 0..2 {
        for (id, time) in [(1, 3), (2, 1), (1, 3), (3, 2)] {
            give(&mut intake, "r1", time, id).expect("no conflict");
        }
        intake.finish().expect("no conflict");
        passes.push(accepted(&mut intake));
        intake = intake.begin_again();
    }
    assert_eq!(passes[0], [(0, 1, 2), (0, 2, 3), (0, 3, 1)]);
    assert_eq!(passes[0], passes[1]);
}

#[test]
fn what_was_erased_does_not_come_back_though_it_had_no_id() {
    let mut intake = Intake::new(Times::Given);
    let r1 = intake.room(&name("r1"));
    intake.know_erased(r1, Timestamp(50));
    assert!(matches!(give(&mut intake, "r1", 50, 2), Ok(false)), "it was said at that moment");
    assert!(matches!(give(&mut intake, "r2", 50, 2), Ok(true)), "in another room");
    assert!(matches!(give(&mut intake, "r1", 51, 3), Ok(true)));
}
