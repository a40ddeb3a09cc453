use super::super::tests::{message, written_with};
use super::*;
use madang_model::Message;

/// Mallory's messages of a time when the clock was ahead by 70 years are 3, 4 and 6; the first was before that.
fn said() -> Vec<Message> {
    let of = |seq: u64| {
        let author = if [2, 5].contains(&seq) { "bob" } else { "mallory" };
        let mut said = message("r1", seq, None, &format!("secret {seq} of {author}"));
        said.author = UserName::parse(author).expect("a name");
        let ahead_us = if seq == 1 { 0 } else { 70 * 365 * 86_400 * 1_000_000 };
        said.time = Timestamp(said.time.0 + ahead_us);
        said
    };
    (1..=6).map(of).collect()
}

fn rule(room: Option<&str>, seq: Option<(u64, u64)>) -> ErasureRule {
    let room = room.map(|room| RoomName::parse(room).expect("a room"));
    match (room, seq) {
        (Some(room), Some((first, last))) => {
            ErasureRule::Entries { room, first: Seq(first), last: Seq(last) }
        }
        (room, _) => ErasureRule::Author { author: UserName::parse("mallory").expect("a name"), room },
    }
}

#[test]
fn what_was_said_by_a_clock_that_was_ahead_is_erased_too_and_what_the_author_says_next_is_not() {
    let (data, path) = written_with(&said());
    let files = StdFiles::new(data.path());
    let has = |words: &str| {
        let bytes = std::fs::read(&path).expect("a segment");
        bytes.windows(words.len()).any(|window| window == words.as_bytes())
    };
    let author = rule(None, None);
    let (survey, _) = Survey::of(&files, &author, &mut |_| ()).expect("readable");
    let now = wall_time();
    let shown = |(rule, until): (ErasureRule, Timestamp)| (rule.to_string(), until == now);
    let rules: Vec<(String, bool)> = survey.rules(&author, now).into_iter().map(shown).collect();
    assert_eq!(
        rules,
        [
            ("author mallory *".to_owned(), true),
            ("entries r1 3 4".to_owned(), false),
            ("entries r1 6 6".to_owned(), false)
        ],
        "by name only until now"
    );
    assert!(matches!(erase_here(&files, author, data.path()), Ok(Erased::Done)));
    assert!(!has("of mallory") && has("secret 2 of bob"));
    let numbers = rule(Some("r1"), Some((1, 5)));
    let (survey, _) = Survey::of(&files, &numbers, &mut |_| ()).expect("readable");
    let until = survey.rules(&numbers, now)[0].1;
    assert_eq!(until, said()[4].time, "as late as the latest of them");
    let ControlCommand::Erase { until_us, .. } = command(numbers.clone(), until, false) else {
        panic!("a request to erase")
    };
    assert_eq!(until_us, Some(until.0), "a server is asked the same");
    assert!(matches!(erase_here(&files, numbers, data.path()), Ok(Erased::Done)));
    assert!(!has("secret"));
}

#[test]
fn what_cannot_be_read_is_named_and_the_request_stays_until_it_can_be() {
    let (data, path) = written_with(&said());
    let files = StdFiles::new(data.path());
    let pending = || ErasureList::read(&files).expect("a list").pending().count();
    let not = |rule| match erase_here(&files, rule, data.path()) {
        Ok(Erased::Not(words)) => words,
        _ => panic!("it is not done"),
    };
    let mut bytes = std::fs::read(&path).expect("a segment");
    bytes[9] ^= 1;
    std::fs::write(&path, &bytes).expect("space");
    assert!(not(rule(Some("r1"), Some((2, 3)))).contains("what is damaged may hold such messages"));
    assert_eq!(pending(), 1, "what is damaged may be repaired");
    std::fs::remove_file(&path).expect("a segment");
    std::fs::create_dir(&path).expect("space");
    assert!(not(rule(Some("r1"), Some((1, 1)))).contains("it is remembered"));
    assert_eq!(pending(), 2, "it is asked for, though nobody knows what is there");
    std::fs::remove_dir(&path).expect("a directory");
    bytes[9] ^= 1;
    std::fs::write(&path, &bytes).expect("space");
    assert!(matches!(erase_here(&files, rule(None, None), data.path()), Ok(Erased::Done)));
    assert_eq!(pending(), 0);
    let bytes = std::fs::read(&path).expect("a segment");
    let has = |words: &[u8]| bytes.windows(words.len()).any(|window| window == words);
    assert!(!has(b"secret 1") && !has(b"secret 2") && !has(b"mallory"), "all that was asked for is erased");
    assert!(has(b"secret 5 of bob"));
}

#[test]
fn what_an_author_says_once_a_clock_that_was_ahead_is_right_stays() {
    let (data, _) = written_with(&said()[..2]);
    let files = StdFiles::new(data.path());
    let author = rule(None, None);
    let (survey, _) = Survey::of(&files, &author, &mut |_| ()).expect("readable");
    let newest = said()[1].time;
    let ahead = Timestamp(newest.0 + 86_400_000_000);
    assert_eq!(survey.rules(&author, ahead)[0].1, newest, "nothing is there that was said later");
    let before = Timestamp(newest.0 - 1);
    assert_eq!(survey.rules(&author, before)[0].1, before, "by this clock that is now");
    let (nothing, _) = written_with(&[]);
    let (survey, _) = Survey::of(&StdFiles::new(nothing.path()), &author, &mut |_| ()).expect("readable");
    assert_eq!(survey.rules(&author, ahead)[0].1, ahead, "backups may have what a log has not");
}
