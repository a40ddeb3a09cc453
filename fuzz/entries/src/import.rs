//! Lines of an import: each is a message that the server could have stored, or is refused in words; and whatever their
//! order, the times of a room never fall.

use madang_import::{Given, Intake, LineReader, ReadLine, SentMessage, Times};
use madang_log::TEXT_BYTES_MAX;
use madang_model::{RoomName, Text, Timestamp, UserName};
use std::collections::{HashMap, HashSet};

const NOW: Timestamp = Timestamp(1_800_000_000_000_000);

/// Reads lines and stores what they hold, twice.
pub fn import(bytes: &[u8]) {
    let mut reader = LineReader::new(NOW);
    let mut messages = Vec::new();
    for line in bytes.split(|byte| *byte == b'\n') {
        match reader.read(line) {
            Ok(ReadLine::Message(message)) => {
                check(&mut reader, &message);
                messages.push(message);
            }
            Ok(
                ReadLine::Lost | ReadLine::Amendment | ReadLine::Facts | ReadLine::Erased | ReadLine::Blank,
            ) => {}
            Err(fault) => assert!(fault.to_string().len() > 10, "a fault is in words"),
        }
    }
    let mut intake = Intake::new(Times::NowOrLater);
    let ids: HashSet<_> = messages.iter().map(|message| (message.room.key(), message.id_hash)).collect();
    for _ in 0..2 {
        for message in &messages {
            let (time, id_hash) = (message.time, message.id_hash);
            let taken = intake.take(&message.room, Given { time, id_hash, line_bytes: 1 << 22, item: () });
            assert!(taken.is_ok(), "late messages get the time of the newest");
        }
        assert!(intake.finish().is_ok(), "late messages get the time of the newest");
        let mut newest = HashMap::new();
        let mut count = 0;
        for accepted in intake.accepted() {
            let before = newest.insert(accepted.room, accepted.time);
            assert!(before.is_none_or(|before| before <= accepted.time), "the times of a room never fall");
            count += 1;
        }
        assert_eq!(count, ids.len(), "each id is stored once");
        intake = intake.begin_again();
    }
}

fn check(reader: &mut LineReader, message: &SentMessage) {
    let SentMessage { room, time, author, id, id_hash, text } = message;
    assert!(*time <= NOW && text.len() <= TEXT_BYTES_MAX);
    assert!(RoomName::from_log(room.as_str()).is_ok_and(|again| again.is_same_as(room)));
    assert!(UserName::parse(author.as_str()).is_ok_and(|again| again == *author));
    assert_eq!(Text::sanitise(text).as_ref(), Some(text), "a text is clean");
    // As an export would have it, but for the form of the time.
    let exported = serde_json::json!({
        "room": room.as_str(), "seq": 1, "time": time.0, "author": author.as_str(), "draft": id.as_str(),
        "text": text.as_str(),
    });
    // Numbers are read from 1973 on, so that seconds are not taken for microseconds.
    if time.0 < 100_000_000_000_000 {
        return;
    }
    match reader.read(exported.to_string().as_bytes()) {
        Ok(ReadLine::Message(again)) => {
            assert_eq!((again.time, &again.id, again.id_hash), (*time, id, *id_hash));
            assert!(again.room.is_same_as(room) && again.text == *text);
        }
        other => panic!("an export of {message:?} is read as {other:?}"),
    }
}
