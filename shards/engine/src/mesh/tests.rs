//! What the mesh promises.

use super::*;
use madang_model::{MeshEntry, Request, ShardId, UserKey};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

fn entry(number: usize) -> MeshEntry {
    let user = UserKey::of(&number.to_string());
    let room = madang_model::RoomKey::of("r");
    let connection = madang_model::ConnectionId { index: 0, generation: 0 };
    let session = madang_model::SessionId { shard: ShardId(0), connection };
    MeshEntry::Request(Request::Leave {
        session,
        user,
        room,
        reason: madang_model::LeaveReason::Left,
        everywhere: None,
    })
}

fn user_of(envelope: &MeshEntry) -> UserKey {
    match envelope {
        MeshEntry::Request(Request::Leave { user, .. }) => *user,
        other => panic!("only leaves were sent: {other:?}"),
    }
}

fn counting(rings: &Arc<AtomicU32>) -> WakeShard {
    let count = Arc::clone(rings);
    Arc::new(move || {
        count.fetch_add(1, Ordering::SeqCst);
    })
}

/// Two connected shards; the counters count the rings of each.
fn pair() -> (MeshPort, MeshPort, [Arc<AtomicU32>; 2]) {
    let rings = [Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0))];
    let bells: Vec<WakeShard> = rings.iter().map(counting).collect();
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

/// Two connected shards with an endpoint, and how often its bell and those of the shards have rung.
fn with_endpoint() -> (Vec<MeshPort>, MeshEndpoint, [Arc<AtomicU32>; 3]) {
    let rings = [(); 3].map(|()| Arc::new(AtomicU32::new(0)));
    let bells: Vec<WakeShard> = rings[1..].iter().map(counting).collect();
    let mut ports = connect(&bells);
    let endpoint = connect_endpoint(&mut ports, &bells, &counting(&rings[0]));
    (ports, endpoint, rings)
}

/// Everything the endpoint has received: `None` where entries were dropped.
fn all_received(endpoint: &mut MeshEndpoint) -> Vec<Option<UserKey>> {
    let mut all = Vec::new();
    while let Some(received) = endpoint.receive() {
        match received {
            Received::Batch(batch) => all.extend(batch.iter().map(|entry| Some(user_of(entry)))),
            Received::Overrun => all.push(None),
        }
    }
    all
}

#[test]
fn what_a_shard_has_for_the_endpoint_comes_in_order_by_one_ring() {
    let (mut ports, mut endpoint, rings) = with_endpoint();
    let mut outbound = Outbound::new(2);
    (0..1000).for_each(|number| outbound.push(ENDPOINT, entry(number)));
    assert!(outbound.has_open_batch());
    let delivered = outbound.flush(&mut ports[1]);
    assert_eq!(delivered, Delivered { entries: 1000, waiting: 0 });
    ports[1].ring();
    ports[1].ring();
    assert_eq!(rings[0].load(Ordering::SeqCst), 1);
    assert_eq!(endpoint.waiting_entries(), 1000);
    let sent: Vec<_> = (0..1000).map(|number| Some(user_of(&entry(number)))).collect();
    assert_eq!(all_received(&mut endpoint), sent);
    assert_eq!(endpoint.waiting_entries(), 0);
}

#[test]
fn a_full_endpoint_costs_a_shard_nothing_and_the_others_get_everything() {
    let (mut ports, mut endpoint, rings) = with_endpoint();
    let mut outbound = Outbound::new(2);
    let (mut zero, mut one) = (ports.remove(0), ports.remove(0));
    let mut received = 0;
    const ROUNDS: usize = 2000;
    for _ in 0..ROUNDS {
        (0..100).for_each(|number| outbound.push(ENDPOINT, entry(number)));
        outbound.push(ShardId(1), entry(0));
        outbound.flush(&mut zero);
        assert!(!outbound.has_any(), "the shard keeps nothing");
        while let Some(batch) = one.receive(ShardId(0)) {
            received += batch.len();
        }
    }
    assert_eq!(received, ROUNDS);
    let kept = endpoint.waiting_entries();
    assert!((WAITING_ENTRIES_MAX..WAITING_ENTRIES_MAX + 100).contains(&kept), "{kept} wait");
    assert_eq!(kept as u64 + endpoint.dropped_entries(), 100 * ROUNDS as u64);
    zero.ring();
    assert_eq!(rings[0].load(Ordering::SeqCst), 1);
    let all = all_received(&mut endpoint);
    assert_eq!(all.len(), kept + 1);
    assert_eq!(all.iter().filter(|one| one.is_none()).count(), 1, "it is notified once");
}

#[test]
fn what_comes_after_dropped_entries_comes_after_the_notice_of_them() {
    let (mut ports, mut endpoint, _) = with_endpoint();
    let mut outbound = Outbound::new(2);
    let mut fill = |port: &mut MeshPort, count: usize| {
        (0..count).for_each(|_| outbound.push(ENDPOINT, entry(0)));
        outbound.flush(port);
    };
    fill(&mut ports[0], WAITING_ENTRIES_MAX);
    fill(&mut ports[0], 1); // dropped
    assert!(matches!(endpoint.receive(), Some(Received::Overrun)));
    assert!(matches!(endpoint.receive(), Some(Received::Batch(batch)) if batch.len() == WAITING_ENTRIES_MAX));
    fill(&mut ports[0], 1);
    assert_eq!(all_received(&mut endpoint).len(), 1);
    assert_eq!(endpoint.dropped_entries(), 1);
}

#[test]
fn a_shard_that_takes_nothing_makes_the_endpoint_wait_and_wakes_it() {
    let (mut ports, mut endpoint, rings) = with_endpoint();
    let batch = |number| vec![entry(number)];
    for number in 0..BATCHES_MAX {
        endpoint.try_send(ShardId(1), batch(number)).expect("it fits");
    }
    let refused = endpoint.try_send(ShardId(1), batch(BATCHES_MAX)).expect_err("it is full");
    endpoint.try_send(ShardId(0), batch(0)).expect("the other shard takes it");
    endpoint.ring();
    assert_eq!([1, 2].map(|bell: usize| rings[bell].load(Ordering::SeqCst)), [1, 1]);
    assert!(ports[1].has_mail() && ports[1].waiting_batches() == BATCHES_MAX);
    assert_eq!(rings[0].load(Ordering::SeqCst), 0);
    let first = ports[1].receive(ENDPOINT).expect("a batch");
    assert_eq!(user_of(&first[0]), user_of(&entry(0)));
    assert_eq!(rings[0].load(Ordering::SeqCst), 1, "room was made: the endpoint is woken");
    endpoint.try_send(ShardId(1), refused).expect("it fits now");
}

#[test]
fn without_an_endpoint_or_after_its_end_a_shard_keeps_nothing_for_it() {
    let (mut zero, _one, _) = pair();
    let mut outbound = Outbound::new(2);
    outbound.push(ENDPOINT, entry(0));
    assert_eq!(outbound.flush(&mut zero), Delivered::default());
    let (mut ports, endpoint, _) = with_endpoint();
    drop(endpoint);
    outbound.push(ENDPOINT, entry(0));
    assert_eq!(outbound.flush(&mut ports[0]), Delivered::default());
    assert!(!outbound.has_any());
}
