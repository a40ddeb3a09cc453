//! Both ends, joined by a stream of bytes.

use super::chance::Chance;
use super::homes::Homes;
use crate::{CoreEnd, CoreSettings, EdgeEnd, EdgeEvent, EdgeRequest, SessionNumber};
use madang_model::{DraftId, Event, Moment, Reply, RoomName, ShardId, Text, UserName};
use std::net::IpAddr;

/// The number of the link on the mesh.
pub const LINK: ShardId = ShardId(0x8000);
/// How many shards there are.
pub const SHARDS: u16 = 2;

/// Both ends, and homes behind the core's.
pub struct Rig {
    pub core: CoreEnd,
    pub edge: EdgeEnd,
    pub homes: Homes,
    pub now: Moment,
}

impl Rig {
    /// An edge that has connected, and both have greeted each other.
    pub fn new() -> Rig {
        let mut rig = Rig::with(settings());
        rig.exchange();
        assert!(rig.core.is_up(), "{:?}", rig.core.ended());
        rig
    }

    /// An edge that has connected, and nothing was said yet.
    pub fn with(settings: CoreSettings) -> Rig {
        let now = Moment(1_000);
        let mut core = CoreEnd::new(settings);
        core.connected(now);
        Rig { core, edge: EdgeEnd::new(now), homes: Homes::default(), now }
    }

    /// Bytes go both ways until none are left; neither end takes anything. Returns whether there were any.
    pub fn exchange(&mut self) -> bool {
        let mut is_any = false;
        while self.carry_to_core(usize::MAX) + self.carry_to_edge(usize::MAX) > 0 {
            is_any = true;
        }
        is_any
    }

    /// Moves at most `bytes_max` bytes to the core. Returns how many.
    pub fn carry_to_core(&mut self, bytes_max: usize) -> usize {
        let output = self.edge.output();
        let bytes = output[..output.len().min(bytes_max)].to_vec();
        self.edge.sent(bytes.len());
        self.core.receive(&bytes, self.now);
        bytes.len()
    }

    /// Moves at most `bytes_max` bytes to the edge. Returns how many.
    pub fn carry_to_edge(&mut self, bytes_max: usize) -> usize {
        let output = self.core.output();
        let bytes = output[..output.len().min(bytes_max)].to_vec();
        self.core.sent(bytes.len());
        self.edge.receive(&bytes, self.now);
        bytes.len()
    }

    /// Everything that can happen does: homes act, and bytes go both ways.
    pub fn settle(&mut self) {
        while self.exchange() | self.act() {}
    }

    /// The core takes what it can, and the homes answer. Returns whether anything happened.
    pub fn act(&mut self) -> bool {
        let mut is_any = false;
        while let Some(request) = self.core.next_request() {
            is_any = true;
            self.homes.handle(request);
        }
        while let Some(event) = self.homes.next_event() {
            is_any = true;
            self.core.event(event);
        }
        is_any
    }

    /// The edge's socket is closed, and another one connects.
    pub fn reconnect(&mut self) {
        self.edge.disconnected();
        self.core.disconnected();
        self.core.connected(self.now);
        self.edge = EdgeEnd::new(self.now);
    }

    /// The next event that the edge receives.
    pub fn hear(&mut self) -> Option<EdgeEvent> {
        self.settle();
        self.edge.next_event()
    }

    /// The next event, as an answer to a session.
    pub fn answer(&mut self, to: SessionNumber) -> Reply {
        match self.hear() {
            Some(EdgeEvent::Reply { session, reply }) if session == to => reply,
            other => panic!("session {to} gets an answer, not {other:?}"),
        }
    }

    /// A session that has a name.
    pub fn named(&mut self, name: &str) -> SessionNumber {
        self.named_from(name, None)
    }

    /// A session that has a name and counts against an address.
    pub fn named_from(&mut self, name: &str, address: Option<IpAddr>) -> SessionNumber {
        let session = self.edge.open(address).expect("a session");
        self.ask(session, EdgeRequest::Claim { name: user(name) });
        match self.answer(session) {
            Reply::Claimed { user, .. } => assert_eq!(user.as_str(), name),
            other => panic!("{name} is claimed, not {other:?}"),
        }
        session
    }

    /// Puts a session into a room.
    pub fn join(&mut self, session: SessionNumber, name: &str) {
        self.ask(session, EdgeRequest::Join { room: room(name) });
        match self.answer(session) {
            Reply::Joined(joined) => assert_eq!(joined.room.as_str(), name),
            other => panic!("{name} is joined, not {other:?}"),
        }
    }

    /// A session asks.
    pub fn ask(&mut self, session: SessionNumber, request: EdgeRequest) {
        self.edge.ask(session, &request).expect("it can be asked");
    }

    /// An event comes from a shard.
    pub fn event(&mut self, event: Event) {
        self.core.event(event);
    }
}

/// A server of two shards, where each address counts.
pub fn settings() -> CoreSettings {
    CoreSettings { counted: Box::new(Some), ..CoreSettings::new(LINK, SHARDS) }
}

pub fn user(name: &str) -> UserName {
    UserName::parse(name).expect("a user's name")
}

pub fn room(name: &str) -> RoomName {
    RoomName::parse(name).expect("a room's name")
}

pub fn text(text: &str) -> Text {
    Text::sanitise(text).expect("a text")
}

pub fn draft(id: &str) -> Option<DraftId> {
    Some(DraftId::parse(id).expect("a draft id"))
}

pub fn say(name: &str, words: &str) -> EdgeRequest {
    EdgeRequest::Publish { room: room(name), draft: None, text: text(words) }
}

/// Hands bytes over in pieces of any length.
pub fn in_pieces(bytes: &[u8], chance: &mut Chance, mut receive: impl FnMut(&[u8])) {
    let mut rest = bytes;
    while !rest.is_empty() {
        let most = if chance.one_in(3) { 7 } else { rest.len() };
        let (piece, later) = rest.split_at(1 + chance.below(most.min(rest.len())));
        receive(piece);
        rest = later;
    }
}
