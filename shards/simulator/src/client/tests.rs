//! What a client accepts as an answer, and what it does not.

use super::super::disk::DurableMessage;
use super::super::truth::Truth;
use super::{Client, Leniency, PendingMessage};
use madang_log::SegmentNumber;
use madang_model::ShardId;

/// A client in `r0` that said a draft, lost its connection before it was answered, and repeated it on this one;
/// and a log that has it.
fn client_that_repeats() -> (Client, Truth) {
    let mut truth = Truth::default();
    let at = (ShardId(0), SegmentNumber::FIRST);
    let [room, author, draft, text] = ["r0", "u1", "d1.1", "#1.1 hello"].map(Box::from);
    let message = DurableMessage { at, room, seq: 1, time_us: 0, author, account: 0, draft, text };
    truth.store(&message, 1).expect("stored");
    let room = truth.room("r0");
    let mut client = Client::new(1, vec![room]);
    client.name = Some("u1".to_owned());
    let (author, draft, text) = ("u1".to_owned(), Some("d1.1".to_owned()), "#1.1 hello".to_owned());
    client.unanswered.push(PendingMessage { room: Some(room), author, draft, text, is_of_before: false });
    client.disconnected();
    client.unanswered.append(&mut client.retry);
    client.rooms.insert(room, super::Attendance::default());
    (client, truth)
}

fn hear(client: &mut Client, truth: &mut Truth, line: &str) -> Result<(), String> {
    client.hear(1, format!("{line}\n").as_bytes(), truth, Leniency::default())
}

#[test]
fn a_repetition_may_be_answered_though_the_first_one_was_received() {
    let (mut client, mut truth) = client_that_repeats();
    hear(&mut client, &mut truth, "msg r0 1 u1 d1.1 #1.1 hello").expect("it is next");
    assert!(client.is_answered(), "the repetition may be what was received");
    hear(&mut client, &mut truth, "known 1 d1.1").expect("it may be what was said first");
    hear(&mut client, &mut truth, "known 1 d1.1").expect_err("it was said twice and is answered three times");
}

#[test]
fn what_was_said_once_is_not_answered_twice() {
    let (mut client, mut truth) = client_that_repeats();
    client.unanswered.iter_mut().for_each(|said| said.is_of_before = false);
    hear(&mut client, &mut truth, "msg r0 1 u1 d1.1 #1.1 hello").expect("it is next");
    hear(&mut client, &mut truth, "known 1 d1.1").expect_err("it was said once");
}
