//! One connection with an engine made of answers: enough of a server to hold a conversation.

use crate::line::{LineLimit, LineSession, LineSettings, LineSurface, Terminal, WRONG_PROTOCOL};
use madang_model::connection::{
    CloseReason, Core, Entrance, EntranceKind, FloodLimit, FollowUp, Link, LocalMember, LocalRooms, Surface,
};
use madang_model::*;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

/// 2026-11-20 12:03:11 UTC.
pub const NOON: Timestamp = Timestamp(1_795_176_191_000_000);

pub struct Rig {
    surface: LineSurface,
    session: Option<LineSession>,
    pub core: Core,
    rooms: LocalRooms,
    pub flood: FloodLimit,
    pub refused_too_fast: u64,
    pub now: Now,
    /// Typed, and not consumed yet.
    pending: Vec<u8>,
    is_ended: bool,
    /// Whether requests are answered by themselves.
    pub answers: bool,
    /// Every request so far, as `{:?}` shows it.
    pub requests: Vec<String>,
    /// Said in each room so far.
    pub said: BTreeMap<String, Vec<Arc<Message>>>,
    /// What is refused, by the name of the user or room asked for.
    pub refused: BTreeMap<String, Refusal>,
}

pub fn user(name: &str) -> UserName {
    UserName::parse(name).expect("a user name")
}

pub fn room(name: &str) -> RoomName {
    RoomName::parse(name).expect("a room name")
}

pub fn message(room_name: &str, seq: u64, author: &str, text: &str) -> Arc<Message> {
    let text = Text::sanitise(text).expect("a text");
    Arc::new(Message {
        room: room(room_name),
        seq: Seq(seq),
        time: NOON,
        author: user(author),
        draft: None,
        text,
    })
}

impl Rig {
    /// A connection that was greeted; the greeting is taken.
    pub fn new() -> Rig {
        let mut rig = Rig::ungreeted();
        assert_eq!(rig.output(), "* welcome to madang; /help lists what you can type\nname: ");
        rig
    }

    /// A connection whose greeting waits to be sent.
    pub fn ungreeted() -> Rig {
        Rig::at(Terminal::Any)
    }

    /// The same, of one that has somebody like this at its other end.
    pub fn at(terminal: Terminal) -> Rig {
        let connection = ConnectionId { index: 0, generation: 0 };
        let settings = LineSettings {
            line_bytes_max: LineLimit::new(4096),
            lobby: room("general"),
            greeting: LineSettings::GREETING_DEFAULT.into(),
        };
        let mut rig = Rig {
            surface: LineSurface::new(settings),
            session: None,
            core: Core::new(SessionId { shard: ShardId(0), connection }, EntranceKind::default()),
            rooms: LocalRooms::default(),
            flood: FloodLimit { messages_per_second: 20, burst: 40 },
            refused_too_fast: 0,
            now: Now { wall: NOON, monotonic: Moment(1000) },
            pending: Vec::new(),
            is_ended: false,
            answers: true,
            requests: Vec::new(),
            said: BTreeMap::new(),
            refused: BTreeMap::new(),
        };
        let kind =
            EntranceKind { is_telnet: matches!(terminal, Terminal::Telnet), ..EntranceKind::default() };
        let entrance = Entrance { kind, address: SocketAddr::from(([127, 0, 0, 1], 0)) };
        let session = rig.call(|surface, _, link| surface.open(&entrance, link)).0;
        rig.session = Some(session);
        rig
    }

    /// A connection that is named and in the lobby.
    pub fn named(name: &str) -> Rig {
        let mut rig = Rig::new();
        rig.send(format!("{name}\n"));
        assert_eq!(rig.output(), format!("{name} has joined general\n"));
        rig.requests.clear();
        rig
    }

    /// Bytes come; what they lead to is done.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.pending.extend_from_slice(bytes.as_ref());
        self.go_on();
    }

    /// Another process resumes the connection.
    pub fn hand_over(&mut self) {
        let session = self.session.take().expect("a session");
        let saved = self.surface.save(&session).expect("it waits for nothing");
        self.session = Some(self.surface.restore(self.core.entrance, &saved).expect("what was saved"));
    }

    /// The peer will send no more.
    pub fn end(&mut self) {
        self.is_ended = true;
        self.go_on();
    }

    /// What was typed and not consumed.
    pub fn pending(&self) -> &[u8] {
        &self.pending
    }

    /// An answer comes.
    pub fn reply(&mut self, reply: Reply) {
        self.reply_only(reply);
        self.go_on();
    }

    /// Something happens in a room.
    pub fn event(&mut self, room_name: &str, event: RoomEvent) {
        if let RoomEvent::Message { message, .. } = &event
            && let Some(slot) = self.rooms.slot_of(message.room.key())
        {
            self.rooms.by_slot_mut(slot).head = message.seq;
        }
        self.surface.render(&room(room_name), &event, self.core.style, &mut self.core.outbox);
    }

    /// What was written since the last look, with the farewell when the connection was closed.
    pub fn bytes(&mut self) -> Vec<u8> {
        if let (Some(reason), Some(session)) = (&self.core.closing, &self.session) {
            self.surface.farewell(session, reason, &mut self.core.outbox);
        }
        std::mem::take(&mut self.core.outbox)
    }

    pub fn output(&mut self) -> String {
        String::from_utf8(self.bytes()).expect("UTF-8 is all that is ever written, but for telnet answers")
    }

    /// Whether it is closed as it spoke another protocol.
    pub fn was_of_another_protocol(&self) -> bool {
        matches!(self.core.closing, Some(CloseReason::Protocol(reason)) if reason.place() == WRONG_PROTOCOL.place())
    }

    pub fn going_down(&mut self) {
        let session = self.session.as_ref().expect("a session");
        self.surface.going_down(session, &mut self.core.outbox);
    }

    fn call<R>(
        &mut self,
        act: impl FnOnce(&LineSurface, Option<&mut LineSession>, &mut Link<'_>) -> R,
    ) -> (R, Vec<Request>) {
        let mut requests = Vec::new();
        let mut link = Link {
            now: self.now,
            core: &mut self.core,
            rooms: &mut self.rooms,
            requests: &mut requests,
            follow_up: &mut FollowUp::default(),
            flood: &self.flood,
            refused_too_fast: &mut self.refused_too_fast,
            shard_count: 2,
        };
        let result = act(&self.surface, self.session.as_mut(), &mut link);
        self.requests.extend(requests.iter().map(|request| format!("{request:?}")));
        (result, requests)
    }

    fn go_on(&mut self) {
        loop {
            let pending = std::mem::take(&mut self.pending);
            let (consumed, requests) = self.call(|surface, session, link| {
                let session = session.expect("a session");
                if pending.is_empty() { 0 } else { surface.receive(session, &pending, link) }
            });
            self.pending = pending[consumed..].to_vec();
            self.serve(requests);
            if consumed == 0 || self.pending.is_empty() {
                break;
            }
        }
        if self.pending.is_empty() && std::mem::take(&mut self.is_ended) {
            let ((), requests) = self.call(|surface, session, link| {
                surface.end_of_input(session.expect("a session"), link);
            });
            self.serve(requests);
        }
    }

    fn reply_only(&mut self, reply: Reply) {
        if let Reply::Claimed { user, .. } = &reply {
            self.core.user = Some(user.clone());
        }
        let ((), requests) = self.call(|surface, session, link| {
            surface.reply(session.expect("a session"), &reply, link);
        });
        self.serve(requests);
    }

    fn serve(&mut self, requests: Vec<Request>) {
        if self.answers {
            for request in requests {
                self.serve_one(request);
            }
        }
    }

    fn serve_one(&mut self, request: Request) {
        let about = match &request {
            Request::Claim { name, .. } | Request::Whois { name, .. } => name.as_str().to_owned(),
            Request::Whisper { to, .. } => to.as_str().to_owned(),
            Request::Join { room, .. } | Request::Who { room, .. } => room.as_str().to_owned(),
            _ => String::new(),
        };
        if let Some(refusal) = self.refused.get(&about) {
            let refusal = refusal.clone();
            return self.reply_only(Reply::Refused(refusal));
        }
        match request {
            Request::Claim { name, .. } => {
                let old = self.core.user.clone();
                self.reply_only(Reply::Claimed {
                    user: name.clone(),
                    claim: ClaimNumber(1),
                    missed_whispers: Vec::new(),
                    room: None,
                });
                if let Some(old) = old {
                    self.event("general", RoomEvent::Renamed { old, new: name, everywhere: None });
                }
            }
            Request::Join { room, user, .. } => {
                let history = self.said.entry(room.as_str().to_owned()).or_default().clone();
                let head = history.last().map_or(Seq::ZERO, |message| message.seq);
                self.subscribe(&room, head);
                let history = history.into_iter().map(Into::into).collect();
                let joined = Joined { room, user, head, history, members: 1, resumed_from: None };
                self.reply_only(Reply::Joined(Box::new(joined)));
            }
            Request::Leave { room, .. } => {
                let name = self.rooms.by_key(room).expect("a room one is in").name.clone();
                let slot = self.rooms.slot_of(room);
                let place = self.core.subscriptions.iter().position(|here| Some(here.room) == slot);
                let gone = self.core.subscriptions.remove(place.expect("a subscription"));
                self.rooms.unsubscribe(gone);
                self.reply_only(Reply::Left { room: name });
            }
            Request::Publish { session, room, draft, text, .. } => {
                let name = self.rooms.by_key(room).expect("a room one is in").name.clone();
                let author = self.core.user.clone().expect("a named user");
                let said = self.said.entry(name.as_str().to_owned()).or_default();
                let seq = said.last().map_or(Seq(1), |message| message.seq.next());
                let message = Arc::new(Message { room: name.clone(), seq, time: NOON, author, draft, text });
                said.push(Arc::clone(&message));
                self.event(name.as_str(), RoomEvent::Message { message, author: session });
            }
            Request::Whisper { from, to, text, .. } => {
                let room = RoomName::direct(&from, &to);
                let message =
                    Message { room, seq: Seq(1), time: NOON, author: from.clone(), draft: None, text };
                self.reply_only(Reply::Whisper { from, to, message: Arc::new(message), is_receipt: true });
            }
            _ => {}
        }
    }

    fn subscribe(&mut self, room: &RoomName, head: Seq) {
        let member = LocalMember {
            connection: self.core.session.connection,
            style: self.core.style,
            hears_only_own: false,
        };
        let subscription = self.rooms.subscribe(room, head, member);
        self.core.subscriptions.push(subscription);
    }
}
