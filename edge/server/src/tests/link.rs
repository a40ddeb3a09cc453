//! The link as handlers see it.

use super::core::{PATIENCE, SHARDS, SmallCore};
use crate::bounds::{ANSWER_TIME_MAX, EVENTS_MAX, OWN_SESSIONS_MAX, QUESTIONS_MAX};
use crate::link::{Answer, Core, CoreError, CoreSession, ListeningEnd, SessionEvents};
use madang_link::{EdgeEvent, EdgeRequest, SessionEnd};
use madang_model::{Account, AccountId, AccountKind, Refusal, Reply, RoomName, Text, UserName};
use std::time::Duration;
use tokio::time::timeout;

fn claim(name: &str) -> EdgeRequest {
    EdgeRequest::Claim { name: UserName::parse(name).expect("a name") }
}

fn room() -> RoomName {
    RoomName::parse("general").expect("a room")
}

fn say(text: &str) -> EdgeRequest {
    EdgeRequest::Publish { room: room(), draft: None, text: Text::sanitise(text).expect("a text") }
}

async fn connected(small: &SmallCore) -> Core {
    let core = Core::connect(small.socket.clone());
    assert!(core.until(true, PATIENCE).await);
    core
}

/// A session with a name, in the room.
async fn login(core: &Core, name: &str) -> (CoreSession, SessionEvents) {
    let (session, events) = core.open_listening(None).await.expect("a session");
    let claimed = session.ask(claim(name)).await;
    assert!(matches!(claimed, Ok(Answer::Reply(Reply::Claimed { .. }))), "{claimed:?}");
    let joined = session.ask(EdgeRequest::Join { room: room() }).await;
    assert!(matches!(joined, Ok(Answer::Reply(Reply::Joined(_)))), "{joined:?}");
    (session, events)
}

/// The text of the next message that a session hears.
async fn heard(events: &mut SessionEvents) -> String {
    loop {
        let event = timeout(PATIENCE, events.next()).await.expect("in time").expect("an event");
        if let EdgeEvent::Message { message, .. } = &*event {
            return message.text.as_str().to_owned();
        }
    }
}

#[tokio::test]
async fn an_answer_goes_to_whoever_asked_and_events_to_everyone_in_the_room() {
    let small = SmallCore::start();
    let core = connected(&small).await;
    let (alice, mut alice_events) = login(&core, "alice").await;
    let (bob, mut bob_events) = login(&core, "bob").await;
    let said = alice.ask(say("hello")).await;
    assert!(matches!(&said, Ok(Answer::Said(message)) if message.text.as_str() == "hello"), "{said:?}");
    let refused = bob.ask(say("unwanted")).await;
    let Ok(Answer::Reply(Reply::NotSaid(Refusal::NotMember { .. }))) = refused else { panic!("{refused:?}") };
    bob.ask(say("and you")).await.expect("it is said");
    for events in [&mut alice_events, &mut bob_events] {
        assert_eq!([heard(events).await, heard(events).await], ["hello", "and you"]);
    }
    let Ok(Answer::Rooms(pages)) = alice.ask(EdgeRequest::Rooms { pattern: "".into() }).await else {
        panic!("no rooms")
    };
    assert_eq!(pages.len(), usize::from(SHARDS));
    let away = alice.ask(EdgeRequest::SetAway { away: None }).await;
    assert!(matches!(away, Ok(Answer::Asked)), "{away:?}");
    let left = bob.ask(EdgeRequest::Leave { room: room() }).await;
    assert!(matches!(left, Ok(Answer::Reply(Reply::Left { .. }))), "{left:?}");
    alice.ask(say("bob has left")).await.expect("it is said");
    alice.ask(say("the last")).await.expect("it is said");
    assert_eq!(
        [heard(&mut alice_events).await, heard(&mut alice_events).await],
        ["bob has left", "the last"]
    );
    assert!(timeout(Duration::from_millis(50), heard(&mut bob_events)).await.is_err());
    assert_eq!(core.link().sessions, 2);
}

#[tokio::test]
async fn questions_that_are_asked_at_once_are_answered_one_after_another_and_too_many_are_busy() {
    let small = SmallCore::start();
    let core = connected(&small).await;
    let (alice, mut events) = login(&core, "alice").await;
    let alice = std::sync::Arc::new(alice);
    small.set_silent(true);
    // One is asked, as many as may wait do, and one is too many.
    let asking: Vec<_> = (0..QUESTIONS_MAX + 2)
        .map(|number| {
            let alice = std::sync::Arc::clone(&alice);
            tokio::spawn(async move { alice.ask(say(&format!("line {number}"))).await })
        })
        .collect();
    let mut asking = asking.into_iter().enumerate().collect::<Vec<_>>();
    let (_, too_many) = asking.pop().expect("the last");
    let refused = too_many.await.expect("it has asked");
    assert!(matches!(refused, Err(CoreError::Busy)), "{refused:?}");
    small.set_silent(false);
    for (number, asking) in asking {
        let Ok(Answer::Said(message)) = asking.await.expect("it has asked") else { panic!("line {number}") };
        assert_eq!(message.text.as_str(), format!("line {number}"));
    }
    assert_eq!(heard(&mut events).await, "line 0");
}

#[tokio::test]
async fn what_needs_no_session_is_asked_by_the_edges_own_all_at_once() {
    let small = SmallCore::start();
    let core = connected(&small).await;
    small.set_silent(true);
    let post = |number: usize| {
        let account = Account::new(AccountKind::User, AccountId(7)).expect("an account");
        let author = UserName::parse("service").expect("a name").known_as(account.into());
        let text = Text::sanitise(&format!("line {number}")).expect("a text");
        let request = EdgeRequest::PublishAs { room: room(), author, draft: None, text };
        let core = core.clone();
        tokio::spawn(async move { core.ask(request).await })
    };
    let posts: Vec<_> = (0..2 * OWN_SESSIONS_MAX).map(post).collect();
    let asked_at = tokio::time::Instant::now();
    while core.link().sessions < OWN_SESSIONS_MAX as u64 {
        assert!(asked_at.elapsed() < PATIENCE, "{:?}", core.link());
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    small.set_silent(false);
    let mut seqs = Vec::new();
    for post in posts {
        let Ok(Answer::Said(message)) = post.await.expect("it has asked") else { panic!("not said") };
        seqs.push(message.seq);
    }
    seqs.sort();
    seqs.dedup();
    assert_eq!(seqs.len(), 2 * OWN_SESSIONS_MAX);
    assert!(core.link().epoch.is_some());
}

#[tokio::test]
async fn when_the_link_ends_everyone_is_told_and_everything_begins_anew() {
    let small = SmallCore::start();
    let core = connected(&small).await;
    let (alice, mut events) = login(&core, "alice").await;
    small.set_silent(true);
    let (asked, waiting) = tokio::join!(alice.ask(say("is it said?")), async {
        let waiting = alice.ask(say("it is not"));
        let cut = async {
            // The question is on its way, or there.
            tokio::time::sleep(Duration::from_millis(20)).await;
            small.set_cut(true);
        };
        tokio::join!(waiting, cut).0
    });
    assert!(matches!(asked, Err(CoreError::Unknown)), "{asked:?}");
    assert!(matches!(waiting, Err(CoreError::Away)), "{waiting:?}");
    assert_eq!(timeout(PATIENCE, events.next()).await.expect("in time").err(), Some(ListeningEnd::Link));
    assert!(core.until(false, PATIENCE).await && !core.is_up());
    let without = core.open(None).await;
    assert!(matches!(without, Err(CoreError::Away)), "{without:?}");
    small.set_silent(false);
    small.set_cut(false);
    assert!(core.until(true, PATIENCE).await);
    // The old session has the number of the new one.
    let (again, _events) = login(&core, "alice").await;
    assert!(matches!(alice.ask(say("stale")).await, Err(CoreError::Away)));
    drop(alice);
    small.expect_sessions(1).await;
    assert!(matches!(again.ask(say("back")).await, Ok(Answer::Said(_))));
}

#[tokio::test]
async fn a_session_that_nobody_has_any_more_is_closed_at_the_core() {
    let small = SmallCore::start();
    let core = connected(&small).await;
    let (alice, _events) = login(&core, "alice").await;
    let (bob, bob_events) = login(&core, "bob").await;
    small.expect_sessions(2).await;
    drop(alice);
    small.expect_sessions(1).await;
    bob.close();
    small.expect_sessions(0).await;
    drop(bob_events);
    // Nobody waits for what is opened.
    for _ in 0..20 {
        let mut opening = Box::pin(core.open(None));
        let _ = futures_poll_once(&mut opening).await;
    }
    let kept = core.open(None).await.expect("a session");
    small.expect_sessions(1).await;
    drop(kept);
    small.expect_sessions(0).await;
}

/// Lets a future begin, and gives it up.
async fn futures_poll_once(future: &mut (impl Future + Unpin)) {
    tokio::select! {
        biased;
        _ = future => {}
        () = std::future::ready(()) => {}
    }
}

#[tokio::test]
async fn whoever_does_not_take_events_is_closed_and_others_hear_everything() {
    let small = SmallCore::start();
    let core = connected(&small).await;
    let (alice, mut alice_events) = login(&core, "alice").await;
    let (_slow, mut slow_events) = login(&core, "slow").await;
    for number in 0..=EVENTS_MAX {
        let line = format!("line {number}");
        alice.ask(say(&line)).await.expect("it is said");
        assert_eq!(heard(&mut alice_events).await, line);
    }
    for number in 0..EVENTS_MAX {
        assert_eq!(heard(&mut slow_events).await, format!("line {number}"));
    }
    assert_eq!(slow_events.next().await.err(), Some(ListeningEnd::TooSlow));
    small.expect_sessions(1).await;
}

#[tokio::test]
async fn a_question_without_an_answer_closes_its_session_and_no_other() {
    let small = SmallCore::start();
    let core = connected(&small).await;
    let (alice, _events) = login(&core, "alice").await;
    small.set_silent(true);
    let began = tokio::time::Instant::now();
    let late = alice.ask(say("anybody?")).await;
    assert!(matches!(late, Err(CoreError::Late)), "{late:?}");
    assert!(began.elapsed() >= ANSWER_TIME_MAX && began.elapsed() < 2 * ANSWER_TIME_MAX);
    let ended = alice.ask(say("and now?")).await;
    assert!(matches!(ended, Err(CoreError::SessionEnded(SessionEnd::Asked))), "{ended:?}");
    small.set_silent(false);
    let (bob, _events) = login(&core, "bob").await;
    assert!(matches!(bob.ask(say("I am")).await, Ok(Answer::Said(_))));
}

#[tokio::test]
async fn a_text_that_is_too_long_is_refused_before_it_is_asked() {
    let small = SmallCore::start();
    let core = connected(&small).await;
    let (alice, _events) = login(&core, "alice").await;
    let long = alice.ask(say(&"x".repeat(65 * 1024))).await;
    assert!(matches!(long, Err(CoreError::TooLong { bytes_max: 65_536, .. })), "{long:?}");
    assert!(matches!(alice.ask(say("short")).await, Ok(Answer::Said(_))));
}
