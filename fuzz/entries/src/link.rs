//! Both ends of the link.

use madang_link::{CoreEnd, CoreSettings, EdgeEnd};
use madang_model::{ClaimNumber, Event, Joined, Moment, Reply, Request, RoomEvent, Seq, ShardId, UserName};
use std::collections::HashMap;

/// Bytes of the headers of a batch and of an envelope.
const HEADERS_BYTES: usize = 16 + 8;

/// Two bytes say which end it is that hears the rest, whether that is envelopes (each with its kind and its length
/// before it) or what a stream may be, and where the network cuts.
pub fn link(bytes: &[u8]) {
    let [what, cut, rest @ ..] = bytes else { return };
    let (is_core, is_raw) = (what & 1 == 0, what & 2 != 0);
    let mut stream = greeting(is_core);
    if is_raw {
        stream.extend_from_slice(rest);
    } else {
        envelopes(rest, &mut stream);
    }
    let pieces = stream.chunks(1 + usize::from(*cut));
    if is_core { core(pieces) } else { edge(pieces) }
}

/// What the other end says first.
fn greeting(to_core: bool) -> Vec<u8> {
    let mut edge = EdgeEnd::new(Moment(0));
    let hello = edge.output().to_vec();
    if to_core {
        return hello;
    }
    let mut core = CoreEnd::new(settings());
    core.connected(Moment(0));
    core.receive(&hello, Moment(0));
    core.output().to_vec()
}

fn settings() -> CoreSettings {
    CoreSettings { counted: Box::new(Some), ..CoreSettings::new(ShardId(0x8000), 2) }
}

/// Batches of one envelope each, as the format has them.
fn envelopes(mut bytes: &[u8], stream: &mut Vec<u8>) {
    while let [kind, low, high, rest @ ..] = bytes {
        let length = usize::from(u16::from_le_bytes([*low, *high])).min(rest.len());
        let (body, rest) = rest.split_at(length);
        let padded = length.next_multiple_of(8);
        // Requests and events have a version, what is said of the link has none.
        let version = u8::from(matches!(kind, 16 | 17));
        stream.extend_from_slice(b"MDLK");
        for number in [8 + padded, 1, 0, length] {
            stream.extend_from_slice(&(number as u32).to_le_bytes());
        }
        stream.extend_from_slice(&[version, 0, *kind, 0]);
        stream.extend_from_slice(body);
        stream.resize(stream.len() + padded - length, 0);
        bytes = rest;
    }
}

/// Takes envelopes out of what an end has sent, as [`link`] understands them.
pub fn envelopes_of(mut stream: &[u8]) -> Vec<u8> {
    let mut envelopes = Vec::new();
    while stream.len() >= HEADERS_BYTES {
        let number =
            |at: usize| u32::from_le_bytes(stream[at..at + 4].try_into().expect("four bytes")) as usize;
        let (mut at, end) = (16, 16 + number(4));
        while at < end {
            let length = number(at);
            envelopes.push(stream[at + 6]);
            envelopes.extend_from_slice(&u16::try_from(length).expect("a short envelope").to_le_bytes());
            envelopes.extend_from_slice(&stream[at + 8..at + 8 + length]);
            at += 8 + length.next_multiple_of(8);
        }
        stream = &stream[end..];
    }
    envelopes
}

/// A core gives back whatever it has asked for, whatever its edge says.
fn core<'a>(pieces: impl Iterator<Item = &'a [u8]>) {
    let mut core = CoreEnd::new(settings());
    core.connected(Moment(0));
    let mut held = Held::default();
    for piece in pieces {
        core.receive(piece, Moment(0));
        held.answer(&mut core);
        let written = core.output().len();
        core.sent(written);
    }
    core.disconnected();
    held.answer(&mut core);
    assert!(held.0.values().all(|count| *count == 0), "something is not given back: {:?}", held.0);
    assert_eq!((core.session_count(), core.has_requests()), (0, false));
}

/// How often each thing is held.
#[derive(Default)]
struct Held(HashMap<String, i64>);

impl Held {
    /// Answers what a core asks, until it asks nothing more.
    fn answer(&mut self, core: &mut CoreEnd) {
        while let Some(request) = core.next_request() {
            for event in self.events_of(request) {
                core.event(event);
            }
        }
    }

    fn events_of(&mut self, request: Request) -> Vec<Event> {
        let reply = |to, reply| vec![Event::Reply { to, reply }];
        match request {
            Request::Claim { session, name } => {
                self.0.insert(format!("{name} {session:?}"), 1);
                let claim = ClaimNumber(1);
                reply(
                    session.connection,
                    Reply::Claimed { user: name, claim, missed_whispers: Vec::new(), room: None },
                )
            }
            Request::Release { session, name, .. } | Request::GiveUp { session, name } => {
                self.0.insert(format!("{name} {session:?}"), 0);
                vec![Event::GivenBack { to: session.connection }]
            }
            Request::Admit { session, address } => {
                *self.0.entry(format!("{address} {session:?}")).or_default() += 1;
                Vec::new()
            }
            Request::Discharge { session, address } => {
                *self.0.entry(format!("{address} {session:?}")).or_default() -= 1;
                vec![Event::GivenBack { to: session.connection }]
            }
            Request::Join { session, user, room, .. } => {
                self.0.insert(format!("{:?} {session:?}", room.key()), 1);
                let event = RoomEvent::Joined { user: bob() };
                let told = Event::Room { room: room.key(), event };
                let (head, history, members, resumed_from) = (Seq(1), Vec::new(), 2, None);
                let joined = Joined { room, user, head, history, members, resumed_from };
                let mut events = reply(session.connection, Reply::Joined(Box::new(joined)));
                events.push(told);
                events
            }
            Request::Leave { session, room, .. } => {
                self.0.insert(format!("{room:?} {session:?}"), 0);
                Vec::new()
            }
            _ => Vec::new(),
        }
    }
}

fn bob() -> UserName {
    UserName::parse("bob").expect("a user's name")
}

/// An edge hears what can be shown.
fn edge<'a>(pieces: impl Iterator<Item = &'a [u8]>) {
    let mut edge = EdgeEnd::new(Moment(0));
    for piece in pieces {
        edge.receive(piece, Moment(0));
        while let Some(event) = edge.next_event() {
            assert!(!format!("{event:?}").is_empty());
        }
        let written = edge.output().len();
        edge.sent(written);
    }
}
