use super::{SECRET, erase, is_nowhere, is_sound, messages, only_these_are_erased, talked, text};
use crate::harness::{Dice, madang, seed};
use std::process::Stdio;
use std::thread::sleep;
use std::time::{Duration, Instant};

const ROUNDS: u64 = 12;

/// Kills a command that erases at any moment of it. What it did not finish the next one does.
#[test]
fn killed_at_any_moment_it_changes_nothing_else_and_the_next_one_leaves_the_text_nowhere() {
    let mut server = talked();
    assert!(server.terminate().0.success());
    let data = server.data();
    let before = messages(&data);
    let numbers: Vec<u64> = before
        .iter()
        .filter(|((room, _), was)| room == "r2" && was["author"] == "mallory")
        .map(|((_, n), _)| *n)
        .collect();
    let mut chance = Dice(seed());
    let mut whole = Duration::from_millis(60);
    let per_round = numbers.len() / ROUNDS as usize;
    for round in 0..ROUNDS as usize {
        let (first, last) = (numbers[round * per_round], numbers[(round + 1) * per_round - 1]);
        let seq = format!("{first}-{last}");
        let mut program = madang();
        program.args(["log", "erase", "--room", "r2", "--seq", &seq, "--data"]).arg(&data);
        let began = Instant::now();
        let mut child = program.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("madang");
        sleep(Duration::from_micros(chance.roll(whole.as_micros() as u64 * 3 / 2)));
        child.kill().expect("kill");
        child.wait().expect("wait");
        is_sound(&data);
        let again = Instant::now();
        let output = erase(&data, &["--room", "r2", "--seq", &seq]);
        whole = again.elapsed().max(Duration::from_millis(20)).min(began.elapsed());
        // Where the killed one had done it, there is nothing left to do.
        assert!(matches!(output.status.code(), Some(0 | 1)), "{}", super::words(&output));
        for number in &numbers[round * per_round..(round + 1) * per_round] {
            let said = before[&("r2".to_owned(), *number)]["text"].as_str().expect("a text").to_owned();
            is_nowhere(&data, &format!("{said}\u{0}"));
        }
        let gone = last;
        only_these_are_erased(&before, &messages(&data), |was| {
            was["room"] == "r2"
                && was["author"] == "mallory"
                && was["seq"].as_u64().is_some_and(|n| n <= gone)
        });
    }
    is_sound(&data);
}

/// The same of a server.
#[test]
fn a_server_killed_while_it_erases_is_started_again_and_leaves_the_text_nowhere() {
    let mut server = talked();
    let data = server.data();
    let before = messages(&data);
    let mut chance = Dice(seed());
    for _ in 0..6 {
        let mut program = madang();
        program.args(["log", "erase", "--author", "mallory", "--data"]).arg(&data);
        let mut child = program.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("madang");
        sleep(Duration::from_millis(chance.roll(4_000)));
        server.kill_nine();
        let _ = child.kill();
        child.wait().expect("wait");
        server.start_again();
        let mut carol = server.login_to("carol", "r2");
        let page = carol.ask("/history 100");
        assert!(!page.iter().any(|line| line.contains("cannot be read")), "{page:?}");
    }
    let output = erase(&data, &["--author", "mallory"]);
    assert!(matches!(output.status.code(), Some(0 | 1)), "{}", super::words(&output));
    is_nowhere(&data, SECRET);
    only_these_are_erased(&before, &messages(&data), |was| was["author"] == "mallory");
    assert!(text("mallory", 1).contains(SECRET));
    server.verify();
}
