//! Homes as small as can be: who has which name, who is in which room, how many come from an address.
//!
//! They take back what is given back only from its holder, as the engine's do, and send a lost session only what the
//! engine would.

use madang_model::{
    ClaimNumber, Event, Everywhere, Joined, LeaveReason, Message, Refusal, Reply, Request, RoomEvent,
    RoomKey, RoomName, Seq, SessionId, Timestamp, UserName, WhoPage,
};
use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;

/// The most that come from one address.
pub const FROM_ADDRESS_MAX: u32 = 2;

#[derive(Default)]
pub struct Homes {
    names: HashMap<String, SessionId>,
    rooms: HashMap<RoomKey, Room>,
    addresses: HashMap<IpAddr, u32>,
    claims: u64,
    events: VecDeque<Event>,
    /// Requests that no home has an answer to, as tests want to see them.
    pub others: Vec<Request>,
}

struct Room {
    name: RoomName,
    members: Vec<(UserName, SessionId)>,
    head: Seq,
}

impl Homes {
    /// The next event that goes to the link.
    pub fn next_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// All events that are on their way get lost.
    pub fn lose_events(&mut self) {
        self.events.clear();
    }

    /// What all sessions hold, as words; empty when none holds anything.
    pub fn held(&self) -> Vec<String> {
        let names = self.names.iter().map(|(name, holder)| format!("{name} is {holder:?}'s"));
        let members = self.rooms.values().flat_map(|room| &room.members);
        let members = members.map(|(user, holder)| format!("{user} is in a room as {holder:?}"));
        let addresses = self.addresses.iter().map(|(address, count)| format!("{count} from {address}"));
        names.chain(members).chain(addresses).collect()
    }

    /// Who is in a room.
    pub fn members(&self, room: &RoomName) -> Vec<&str> {
        let room = self.rooms.get(&room.key());
        room.map_or(Vec::new(), |room| room.members.iter().map(|(user, _)| user.as_str()).collect())
    }

    pub fn handle(&mut self, request: Request) {
        match request {
            Request::Claim { session, name } => self.claim(session, name),
            Request::Release { session, name, .. } | Request::GiveUp { session, name } => {
                if self.names.get(name.as_str()) == Some(&session) {
                    self.names.remove(name.as_str());
                }
                self.events.push_back(Event::GivenBack { to: session.connection });
            }
            Request::Join { session, user, room, .. } => self.join(session, user, room),
            Request::Leave { session, room, reason, everywhere, .. } => {
                self.leave(session, room, (reason, everywhere));
            }
            Request::Rename { session, room, old, new, everywhere, .. } => {
                self.rename(session, room, (old, new, everywhere));
            }
            Request::Publish { session, room, draft, text, .. } => {
                let said = self.rooms.get_mut(&room).and_then(|found| {
                    let author = found.members.iter().find(|(_, member)| *member == session)?.0.clone();
                    found.head = found.head.next();
                    let (room, seq, time) = (found.name.clone(), found.head, Timestamp(0));
                    Some(Arc::new(Message { room, seq, time, author, draft, text }))
                });
                match said {
                    Some(message) => self.tell(room, RoomEvent::Message { message, author: session }),
                    None => self.reply(session, Reply::NotSaid(Refusal::NotMember { room: "".into() })),
                }
            }
            Request::Admit { session, address } => {
                let count = self.addresses.entry(address).or_default();
                *count += 1;
                if *count > FROM_ADDRESS_MAX {
                    let refusal = Refusal::TooManyFromAddress { connections_max: FROM_ADDRESS_MAX };
                    self.reply(session, Reply::Refused(refusal));
                }
            }
            Request::Discharge { session, address } => {
                let count = self.addresses.get_mut(&address).expect("only what was admitted is discharged");
                *count -= 1;
                if *count == 0 {
                    self.addresses.remove(&address);
                }
                self.events.push_back(Event::GivenBack { to: session.connection });
            }
            Request::Who { session, room } => {
                self.others.push(Request::Who { session, room: room.clone() });
                let page = WhoPage { room, members: Vec::new(), total: 0 };
                self.reply(session, Reply::Who(page));
            }
            other => self.others.push(other),
        }
    }

    fn claim(&mut self, session: SessionId, name: UserName) {
        let holder = *self.names.entry(name.as_str().to_owned()).or_insert(session);
        let reply = if holder == session {
            self.claims += 1;
            Reply::Claimed {
                user: name,
                claim: ClaimNumber(self.claims),
                missed_whispers: Vec::new(),
                room: None,
            }
        } else {
            Reply::Refused(Refusal::NameTaken { name })
        };
        self.reply(session, reply);
    }

    fn join(&mut self, session: SessionId, user: UserName, name: RoomName) {
        if name.as_str() == "full" {
            let refusal = Refusal::RoomFull { room: name.as_str().into(), members_max: 0 };
            return self.reply(session, Reply::Refused(refusal));
        }
        let new = Room { name: name.clone(), members: Vec::new(), head: Seq::ZERO };
        let room = self.rooms.entry(name.key()).or_insert(new);
        let is_in = room.members.iter().any(|(_, member)| *member == session);
        if !is_in {
            room.members.push((user.clone(), session));
        }
        let (head, members) = (room.head, room.members.len() as u32);
        let (history, resumed_from) = (Vec::new(), None);
        let joined = Joined { room: name.clone(), user: user.clone(), head, history, members, resumed_from };
        if !is_in {
            self.tell(name.key(), RoomEvent::Joined { user });
        }
        self.reply(session, Reply::Joined(Box::new(joined)));
    }

    fn leave(
        &mut self,
        session: SessionId,
        key: RoomKey,
        (reason, everywhere): (LeaveReason, Option<Arc<Everywhere>>),
    ) {
        let Some(room) = self.rooms.get_mut(&key) else {
            return self.reply(session, Reply::Refused(Refusal::NotMember { room: "".into() }));
        };
        let name = room.name.clone();
        let place = room.members.iter().position(|(_, member)| *member == session);
        let gone = place.map(|place| room.members.swap_remove(place).0);
        if reason != LeaveReason::Lost || gone.is_none() {
            self.reply(session, Reply::Left { room: name });
        }
        if let Some(user) = gone {
            self.tell(key, RoomEvent::Left { user, reason, everywhere });
        }
    }

    fn rename(
        &mut self,
        session: SessionId,
        key: RoomKey,
        (old, new, everywhere): (UserName, UserName, Option<Arc<Everywhere>>),
    ) {
        let Some(room) = self.rooms.get_mut(&key) else { return };
        let member = room.members.iter_mut().find(|(user, member)| *member == session && *user == old);
        if let Some((user, _)) = member {
            *user = new.clone();
            self.tell(key, RoomEvent::Renamed { old, new, everywhere });
        }
    }

    /// One event for the link, if any of its sessions is in the room.
    fn tell(&mut self, room: RoomKey, event: RoomEvent) {
        if self.rooms.get(&room).is_some_and(|room| !room.members.is_empty()) {
            self.events.push_back(Event::Room { room, event });
        }
    }

    fn reply(&mut self, session: SessionId, reply: Reply) {
        self.events.push_back(Event::Reply { to: session.connection, reply });
    }
}
