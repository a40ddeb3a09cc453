//! An edge that does anything at any time, over a stream that is cut anywhere and lost now and then.

use super::chance::Chance;
use super::rig::{Rig, room, say, user};
use crate::{EdgeEvent, EdgeRequest, SessionNumber};
use madang_model::{Moment, Reply, UserName};
use std::collections::HashMap;
use std::net::IpAddr;

const NAMES: [&str; 9] = ["alice", "bob", "carol", "dave", "eve", "frank", "grace", "heidi", "ivan"];
const ROOMS: [&str; 4] = ["r1", "r2", "r3", "full"];

/// What the edge knows.
#[derive(Default)]
struct Known {
    sessions: Vec<SessionNumber>,
    /// The newest message received in each room, while a session is in it.
    heads: HashMap<String, u64>,
    /// Sessions in each room.
    in_room: HashMap<String, Vec<SessionNumber>>,
    /// Messages of such rooms.
    heard: u64,
}

impl Known {
    fn forget(&mut self, session: SessionNumber) {
        self.sessions.retain(|open| *open != session);
        self.in_room.values_mut().for_each(|sessions| sessions.retain(|there| *there != session));
    }
}

fn step(rig: &mut Rig, known: &mut Known, chance: &mut Chance) {
    match chance.below(20) {
        0 if known.sessions.len() < 8 => {
            let address = chance.one_in(2).then(|| IpAddr::from([192, 0, 2, chance.below(6) as u8]));
            if let Ok(session) = rig.edge.open(address) {
                known.sessions.push(session);
                let _ = rig.edge.ask(session, &EdgeRequest::Claim { name: any_name(chance) });
            }
        }
        1 if chance.one_in(4) => {
            if let Some(session) = any(&known.sessions, chance)
                && rig.edge.close(session, chance.one_in(2)).is_ok()
            {
                // From now on it may miss events.
                known.forget(session);
            }
        }
        2 | 3 => {
            if let Some(session) = any(&known.sessions, chance) {
                let _ = rig.edge.ask(session, &anything(chance));
            }
        }
        4 => {
            let name = ROOMS[chance.below(ROOMS.len())];
            if let Some(session) = known.in_room.get(name).and_then(|there| any(there, chance)) {
                let _ = rig.edge.ask(session, &say(name, "hello"));
            }
        }
        5..=7 => drop(rig.carry_to_core(1 + chance.below(500))),
        8..=10 => drop(rig.carry_to_edge(1 + chance.below(500))),
        11..=13 => {
            for _ in 0..chance.below(4) {
                rig.core.next_request().into_iter().for_each(|request| rig.homes.handle(request));
            }
        }
        14 | 15 => {
            for _ in 0..chance.below(6) {
                rig.homes.next_event().into_iter().for_each(|event| rig.core.event(event));
            }
        }
        16 | 17 => {
            for _ in 0..chance.below(6) {
                rig.edge.next_event().into_iter().for_each(|event| hear(event, known));
            }
        }
        18 if chance.one_in(50) => {
            // Events that were on their way get lost, as when a shard has more than can wait.
            if chance.one_in(2) {
                rig.homes.lose_events();
                rig.core.end(crate::LinkEnd::Overrun);
            }
            rig.reconnect();
            *known = Known { heard: known.heard, ..Known::default() };
        }
        _ => {
            rig.now = Moment(rig.now.0 + chance.below(100) as u64);
            rig.core.tick(rig.now);
            rig.edge.tick(rig.now);
        }
    }
}

fn any(sessions: &[SessionNumber], chance: &mut Chance) -> Option<SessionNumber> {
    if sessions.is_empty() { None } else { Some(sessions[chance.below(sessions.len())]) }
}

fn any_name(chance: &mut Chance) -> UserName {
    user(NAMES[chance.below(NAMES.len())])
}

fn anything(chance: &mut Chance) -> EdgeRequest {
    let room = room(ROOMS[chance.below(ROOMS.len())]);
    match chance.below(10) {
        0 => EdgeRequest::Claim { name: any_name(chance) },
        1..=4 => EdgeRequest::Join { room },
        5 => EdgeRequest::Leave { room },
        6 => EdgeRequest::Who { room },
        _ => say(room.as_str(), "hello"),
    }
}

/// Messages of a room arrive without a gap as long as a session is in it.
fn hear(event: EdgeEvent, known: &mut Known) {
    match event {
        EdgeEvent::Reply { session, reply: Reply::Joined(joined) } if known.sessions.contains(&session) => {
            let room = joined.room.as_str().to_owned();
            let sessions = known.in_room.entry(room.clone()).or_default();
            let before = known.heads.insert(room.clone(), joined.head.0);
            if !sessions.is_empty() {
                assert_eq!(before, Some(joined.head.0), "{room} was heard until now");
            }
            if !sessions.contains(&session) {
                sessions.push(session);
            }
        }
        EdgeEvent::Reply { session, reply: Reply::Left { room } } => {
            let sessions = known.in_room.entry(room.as_str().to_owned()).or_default();
            sessions.retain(|there| *there != session);
        }
        EdgeEvent::Closed { session, .. } => known.forget(session),
        EdgeEvent::Message { message, .. } => {
            let room = message.room.as_str();
            if known.in_room.get(room).is_some_and(|sessions| !sessions.is_empty()) {
                known.heard += 1;
                let head = known.heads.get_mut(room).expect("a room that is heard has a head");
                assert_eq!(message.seq.0, *head + 1, "in {room}");
                *head += 1;
            }
        }
        _ => {}
    }
}

#[test]
fn whatever_happens_rooms_are_heard_in_order_and_nothing_stays_held() {
    let mut messages = 0;
    for seed in 0..150 {
        let mut chance = Chance(seed);
        let mut rig = Rig::with(super::rig::settings());
        let mut known = Known::default();
        for _ in 0..4_000 {
            step(&mut rig, &mut known, &mut chance);
            if let Some(end) = rig.core.ended() {
                panic!("seed {seed}: {end}");
            }
        }
        rig.settle();
        while let Some(event) = rig.hear() {
            hear(event, &mut known);
        }
        messages += known.heard;
        // Half of the times the edge closes its sessions, else it is lost.
        if seed % 2 == 0 {
            for session in known.sessions.clone() {
                rig.edge.close(session, true).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
            }
            rig.settle();
            assert_eq!(rig.core.session_count(), 0, "seed {seed}");
            while let Some(event) = rig.hear() {
                hear(event, &mut known);
            }
            assert_eq!((rig.edge.session_count(), known.sessions.len()), (0, 0), "seed {seed}");
        } else {
            rig.core.disconnected();
            while rig.act() {}
        }
        assert_eq!(rig.homes.held(), Vec::<String>::new(), "seed {seed}");
    }
    assert!(messages > 10_000, "{messages} messages are too few to prove anything");
}
