//! How links end.

use super::rig::{Rig, room, say};
use crate::{AskError, CoreEnd, EdgeEnd, EdgeEvent, GoingDown, LinkEnd};
use madang_model::Moment;

fn wait(rig: &mut Rig, ms: u64) {
    rig.now = Moment(rig.now.0 + ms);
    rig.core.tick(rig.now);
    rig.edge.tick(rig.now);
}

#[test]
fn ends_that_have_nothing_to_say_say_that_they_are_there() {
    let mut rig = Rig::new();
    for _ in 0..100 {
        wait(&mut rig, 1_000);
        rig.exchange();
    }
    assert!(rig.core.ended().is_none() && rig.edge.ended().is_none());
}

#[test]
fn a_greeting_that_comes_a_byte_now_and_then_has_no_more_time_than_one_that_does_not_come() {
    let mut rig = Rig::new();
    rig.reconnect();
    for _ in 0..3 {
        rig.now = Moment(rig.now.0 + 2_000);
        rig.carry_to_core(1);
        rig.core.tick(rig.now);
    }
    assert_eq!(rig.core.ended(), Some(&LinkEnd::Silent { silent_ms: 6_000 }));
}

#[test]
fn an_end_that_is_stopped_is_given_up() {
    let mut rig = Rig::new();
    rig.named("alice");
    // The edge neither reads nor writes: it does not get any time either.
    for _ in 0..22 {
        rig.now = Moment(rig.now.0 + 1_000);
        rig.core.tick(rig.now);
        let written = rig.core.output().len();
        rig.core.sent(written);
    }
    assert_eq!(rig.core.ended(), Some(&LinkEnd::Silent { silent_ms: 21_000 }));
    rig.core.disconnected();
    while let Some(request) = rig.core.next_request() {
        rig.homes.handle(request);
    }
    assert_eq!(rig.homes.held(), Vec::<String>::new());
}

#[test]
fn who_connects_and_says_nothing_is_given_up_soon() {
    let mut core = CoreEnd::new(super::rig::settings());
    core.connected(Moment(1_000));
    core.tick(Moment(6_000));
    assert!(core.ended().is_none());
    core.tick(Moment(6_001));
    assert_eq!(core.ended(), Some(&LinkEnd::Silent { silent_ms: 5_001 }));
    let mut edge = EdgeEnd::new(Moment(0));
    edge.tick(Moment(5_001));
    assert!(matches!(edge.ended(), Some(LinkEnd::Silent { .. })));
}

#[test]
fn a_core_that_goes_down_takes_nothing_more_and_answers_what_it_took() {
    let mut rig = Rig::new();
    let alice = rig.named("alice");
    rig.join(alice, "r1");
    rig.ask(alice, say("r1", "taken"));
    rig.exchange();
    while let Some(request) = rig.core.next_request() {
        rig.homes.handle(request);
    }
    rig.ask(alice, say("r1", "not taken"));
    rig.exchange();
    rig.core.go_down(GoingDown::Upgrade);
    rig.settle();
    let mut heard = Vec::new();
    while let Some(event) = rig.edge.next_event() {
        heard.push(match event {
            EdgeEvent::Message { message, .. } => message.text.as_str().to_owned(),
            EdgeEvent::GoingDown(GoingDown::Upgrade) => "going down".to_owned(),
            other => panic!("neither was said: {other:?}"),
        });
    }
    heard.sort();
    assert_eq!(heard, ["going down", "taken"]);
    assert_eq!(rig.edge.ask(alice, &say("r1", "more")), Err(AskError::GoingDown));
    rig.core.end(LinkEnd::GoingDown(GoingDown::Upgrade));
    rig.exchange();
    assert!(matches!(rig.edge.ended(), Some(LinkEnd::Goodbye(words)) if &**words == "the core is upgraded"));
    rig.core.disconnected();
    while let Some(request) = rig.core.next_request() {
        rig.homes.handle(request);
    }
    assert!(rig.homes.members(&room("r1")).is_empty());
}

#[test]
fn an_edge_that_connects_while_the_core_goes_down_learns_so() {
    let mut rig = Rig::with(super::rig::settings());
    rig.core.go_down(GoingDown::Stop);
    rig.exchange();
    assert!(matches!(rig.edge.next_event(), Some(EdgeEvent::GoingDown(GoingDown::Stop))));
    assert_eq!(rig.edge.open(None), Err(AskError::GoingDown));
}

#[test]
fn the_first_reason_is_the_one_that_counts() {
    let mut rig = Rig::new();
    rig.core.end(LinkEnd::Overrun);
    rig.core.end(LinkEnd::Lost);
    assert_eq!(rig.core.disconnected(), Some(LinkEnd::Overrun));
    assert_eq!(rig.core.disconnected(), None);
}

#[test]
fn an_edge_that_says_goodbye_is_believed() {
    let mut rig = Rig::new();
    rig.edge.end(LinkEnd::GoingDown(GoingDown::Stop));
    rig.exchange();
    assert!(matches!(rig.core.ended(), Some(LinkEnd::Goodbye(_))));
}
