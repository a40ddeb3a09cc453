//! Events that wait for the log.

use crate::mesh::Outbound;
use crate::shard::held::HeldEvents;
use madang_log::BatchId;
use madang_model::{Event, MeshEntry, Reply, RoomName, SessionId, ShardId};

const HERE: ShardId = ShardId(0);

/// An event that names a room.
fn event(room: &str) -> (ShardId, Event) {
    let room = RoomName::from_log(room).expect("a room name");
    (HERE, Event::Reply { to: SessionId::NOBODY.connection, reply: Reply::Left { room } })
}

fn sent(outbound: &mut Outbound) -> Vec<String> {
    let name = |entry: MeshEntry| match entry {
        MeshEntry::Event(Event::Reply { reply: Reply::Left { room }, .. }) => room.as_str().to_owned(),
        other => panic!("{other:?}"),
    };
    outbound.take(HERE).into_iter().map(name).collect()
}

#[test]
fn events_of_a_batch_that_nobody_waited_for_are_held_although_a_later_one_has_events() {
    let (mut held, mut outbound) = (HeldEvents::default(), Outbound::new(1));
    held.hold(BatchId(8), &mut vec![event("later")]);
    // The batch before has only what nobody waits for, until somebody asks about a room that is in it.
    held.hold(BatchId(7), &mut vec![event("earlier")]);
    held.hold(BatchId(7), &mut vec![event("next")]);
    held.release(BatchId(7), &mut outbound);
    assert_eq!(sent(&mut outbound), ["earlier", "next"]);
    held.release(BatchId(8), &mut outbound);
    assert_eq!(sent(&mut outbound), ["later"]);
}
