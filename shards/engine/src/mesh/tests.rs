//! What the mesh promises.

use super::*;
use madang_model::{Envelope, Request, ShardId, UserKey};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

fn entry(number: usize) -> Envelope {
    let user = UserKey::of(&number.to_string());
    let room = madang_model::RoomKey::of("r");
    let connection = madang_model::ConnectionId { index: 0, generation: 0 };
    let session = madang_model::SessionId { shard: ShardId(0), connection };
    Envelope::Request(Request::Leave { session, user, room, is_clean: true })
}

fn user_of(envelope: &Envelope) -> UserKey {
    match envelope {
        Envelope::Request(Request::Leave { user, .. }) => *user,
        other => panic!("only leaves were sent: {other:?}"),
    }
}

/// Two connected shards; the counters count the rings of each.
fn pair() -> (MeshPort, MeshPort, [Arc<AtomicU32>; 2]) {
    let rings = [Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0))];
    let bells: Vec<Bell> = rings
        .iter()
        .map(|count| {
            let count = Arc::clone(count);
            let bell: Bell = Arc::new(move || {
                count.fetch_add(1, Ordering::SeqCst);
            });
            bell
        })
        .collect();
    let mut ports = connect(&bells).into_iter();
    let mut next = || ports.next().expect("two ports");
    (next(), next(), rings)
}

#[test]
fn a_batch_is_one_wake_however_many_entries_it_has() {
    let (mut zero, mut one, rings) = pair();
    let mut outbound = Outbound::new(2);
    for number in 0..1000 {
        outbound.push(ShardId(1), entry(number));
    }
    outbound.flush(&mut zero);
    zero.ring();
    zero.ring();
    assert_eq!(rings[1].load(Ordering::SeqCst), 1);
    assert_eq!(one.receive(ShardId(0)).expect("a batch").len(), 1000);
    assert!(one.receive(ShardId(0)).is_none());
}

#[test]
fn what_does_not_fit_waits_in_order_and_nothing_is_lost() {
    let (mut zero, mut one, rings) = pair();
    let mut outbound = Outbound::new(2);
    const BATCHES: usize = 300;
    for number in 0..BATCHES {
        outbound.push(ShardId(1), entry(number));
        outbound.flush(&mut zero);
    }
    assert!(outbound.is_backed_up(ShardId(1)));
    let mut received = Vec::new();
    while received.len() < BATCHES {
        let rings_before = rings[0].load(Ordering::SeqCst);
        while let Some(batch) = one.receive(ShardId(0)) {
            received.extend(batch.iter().map(user_of));
        }
        if received.len() < BATCHES {
            assert!(rings[0].load(Ordering::SeqCst) > rings_before, "room was made: the sender is woken");
        }
        outbound.flush(&mut zero);
    }
    let sent: Vec<UserKey> = (0..BATCHES).map(|number| user_of(&entry(number))).collect();
    assert_eq!(received, sent);
    assert!(!outbound.is_backed_up(ShardId(1)));
}
