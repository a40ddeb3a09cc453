//! An edge whose sessions come, talk and go, and what it must hear.

mod listing;

pub use listing::{RoomLists, RoomMembers};

use super::chance::Chance;
use super::truth::{Checked, ReceivedMessage, RoomIndex, Truth};
use madang_link::{EdgeEnd, EdgeEvent, EdgeRequest, RequestFault, SessionNumber};
use madang_model::{
    AmendRequest, Message, Moment, Refusal, Reply, RoomName, Seq, ShownMessage, Text, UserName,
};
use std::collections::BTreeMap;

/// Sessions at a time.
const SESSIONS_MAX: usize = 8;
/// Names that edges have: a later one wants those that an earlier one had.
const NAMES: usize = 12;

/// What a session does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Doing {
    Claiming,
    Named,
    Joining,
    In(RoomIndex),
    Leaving,
    Closing,
}

/// A room that sessions are in.
#[derive(Clone, Copy, Debug)]
struct Heard {
    sessions: usize,
    /// The number of the newest message that came.
    last: u64,
}

/// What is known while an edge hears.
pub struct Hearing<'a> {
    pub truth: &'a mut Truth,
    pub step: u64,
    /// Messages that came.
    pub messages: &'a mut u64,
    /// Deletions that were refused.
    pub refused_to_guests: &'a mut u64,
    /// Pages of rooms.
    pub lists: &'a mut RoomLists,
}

/// An edge.
pub struct Edge {
    /// The real end.
    pub end: EdgeEnd,
    sessions: BTreeMap<SessionNumber, Doing>,
    rooms: BTreeMap<RoomIndex, Heard>,
}

impl Edge {
    /// An edge that has just connected.
    pub fn new(now: Moment) -> Edge {
        Edge { end: EdgeEnd::new(now), sessions: BTreeMap::new(), rooms: BTreeMap::new() }
    }

    /// A session does something, if it can. Says what.
    pub fn act(&mut self, chance: &mut Chance, truth: &Truth, lines: &mut u64) -> Option<String> {
        self.end.limits()?;
        if self.sessions.len() < SESSIONS_MAX && chance.one_in(3) {
            let session = self.end.open(None).ok()?;
            let name = format!("edge{}", chance.below(NAMES));
            let claim = EdgeRequest::Claim { name: UserName::parse(&name).expect("a name") };
            self.ask(session, Doing::Claiming, &claim);
            return Some(format!("wants to be {name} in session {session}"));
        }
        let place = chance.below(self.sessions.len().max(1));
        let (session, doing) = self.sessions.iter().nth(place).map(|(session, doing)| (*session, *doing))?;
        match doing {
            Doing::Named => {
                let room = chance.below(truth.room_count());
                // What was whispered is stored in rooms of two, which nobody can join.
                let name = RoomName::parse(truth.name(room)).ok()?;
                let request = EdgeRequest::Join { room: name };
                self.ask(session, Doing::Joining, &request);
                Some(format!("wants to be in {} in session {session}", truth.name(room)))
            }
            Doing::In(room) => match chance.below(10) {
                0 => {
                    self.leaves(room);
                    self.ask(session, Doing::Leaving, &EdgeRequest::Leave { room: room_name(truth, room) });
                    Some(format!("leaves {} in session {session}", truth.name(room)))
                }
                1 => {
                    self.leaves(room);
                    self.close(session, chance.one_in(2));
                    Some(format!("closes session {session}"))
                }
                2 => {
                    let target = Seq(1 + chance.below(self.rooms.get(&room)?.last.max(1) as usize) as u64);
                    let (room, change) = (room_name(truth, room), AmendRequest::Delete);
                    let request = EdgeRequest::Amend { room, draft: None, target, change };
                    self.ask(session, doing, &request);
                    Some(format!("wants #{target} to be deleted in session {session}"))
                }
                _ => {
                    *lines += 1;
                    let text = Text::sanitise(&format!("e.{lines} from the edge")).expect("a text");
                    let request = EdgeRequest::Publish { room: room_name(truth, room), draft: None, text };
                    self.ask(session, doing, &request);
                    Some(format!("says e.{lines} in {}", truth.name(room)))
                }
            },
            Doing::Claiming | Doing::Joining | Doing::Leaving if chance.one_in(20) => {
                self.close(session, chance.one_in(2));
                Some(format!("closes session {session}, which waits"))
            }
            _ => None,
        }
    }

    /// If it cannot be asked, the link is busy or over, and the session waits.
    fn ask(&mut self, session: SessionNumber, then: Doing, request: &EdgeRequest) {
        let is_asked = self.end.ask(session, request).is_ok();
        let doing = if is_asked { then } else { Doing::Closing };
        if !is_asked {
            let _ = self.end.close(session, true);
        }
        self.sessions.insert(session, doing);
    }

    fn close(&mut self, session: SessionNumber, is_clean: bool) {
        let _ = self.end.close(session, is_clean);
        self.sessions.insert(session, Doing::Closing);
    }

    fn leaves(&mut self, room: RoomIndex) {
        if let Some(heard) = self.rooms.get_mut(&room) {
            heard.sessions -= 1;
            if heard.sessions == 0 {
                self.rooms.remove(&room);
            }
        }
    }

    /// Takes what came, and checks it.
    pub fn hear(&mut self, hearing: &mut Hearing<'_>) -> Checked {
        if let Some(epoch) = self.end.epoch() {
            hearing.lists.greeted(epoch, hearing.truth.incarnation)?;
        }
        while let Some(event) = self.end.next_event() {
            match event {
                EdgeEvent::Message { message, .. } => self.message(&message, hearing)?,
                EdgeEvent::Amended { amendment, .. } => {
                    let room = hearing.truth.room(amendment.room.as_str());
                    self.next(room, amendment.seq.0, amendment.room.as_str())?;
                }
                EdgeEvent::Reply { session, reply } => self.reply(session, reply, hearing)?,
                EdgeEvent::Closed { session, .. } => drop(self.sessions.remove(&session)),
                // It has closed its session since.
                EdgeEvent::BadRequest { session, fault: RequestFault::CursorOfOtherEpoch, .. }
                    if self.sessions.get(&session).is_none_or(|doing| *doing == Doing::Closing) => {}
                EdgeEvent::BadRequest { session, fault, words } => {
                    let refused = hearing.lists.refused(session, fault, self.end.epoch());
                    refused.map_err(|wrong| format!("{wrong}: {words}"))?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn message(&mut self, message: &Message, hearing: &mut Hearing<'_>) -> Checked {
        let room = received(message, hearing)?;
        *hearing.messages += 1;
        self.next(room, message.seq.0, message.room.as_str())
    }

    /// Entries of a room come in order.
    fn next(&mut self, room: RoomIndex, seq: u64, name: &str) -> Checked {
        let Some(heard) = self.rooms.get_mut(&room) else { return Ok(()) };
        if seq != heard.last + 1 {
            let last = heard.last;
            return Err(format!("the edge hears #{seq} of {name} behind #{last}"));
        }
        heard.last = seq;
        Ok(())
    }

    fn reply(&mut self, session: SessionNumber, reply: Reply, hearing: &mut Hearing<'_>) -> Checked {
        let Some(doing) = self.sessions.get(&session).copied() else {
            return Err(format!("session {session} is answered, and closed: {reply:?}"));
        };
        if doing == Doing::Closing {
            return Ok(());
        }
        match reply {
            Reply::Claimed { .. } => drop(self.sessions.insert(session, Doing::Named)),
            Reply::Joined(joined) => {
                // What was deleted is left out, and the rest has its text of now.
                for message in joined.history.iter().filter_map(ShownMessage::message) {
                    received_as_now(message, hearing)?;
                }
                let room = hearing.truth.room(joined.room.as_str());
                self.sessions.insert(session, Doing::In(room));
                let head = joined.head.0;
                let heard = self.rooms.entry(room).or_insert(Heard { sessions: 0, last: head });
                heard.sessions += 1;
                if heard.last != head {
                    let (last, name) = (heard.last, joined.room.as_str());
                    return Err(format!("the edge joins {name} at #{head}, and has heard #{last}"));
                }
            }
            Reply::RoomsPart(part) => {
                let shard_count = self.end.limits().map_or(0, |limits| limits.shard_count);
                hearing.lists.part((session, part), shard_count, self.end.epoch())?;
            }
            Reply::Left { .. } => drop(self.sessions.insert(session, Doing::Named)),
            Reply::Refused(_) if doing == Doing::Claiming => self.close(session, true),
            Reply::Refused(_) if doing == Doing::Joining => {
                self.sessions.insert(session, Doing::Named);
            }
            Reply::NotSaid(Refusal::AccountNeeded { .. }) => *hearing.refused_to_guests += 1,
            // Its people are guests: what became of a message is nothing to them.
            Reply::NotSaid(
                refusal @ (Refusal::NotYours { .. }
                | Refusal::NoSuchMessage { .. }
                | Refusal::NothingChanges { .. }),
            ) => return Err(format!("the edge asks as a guest, and hears {refusal:?}")),
            _ => {}
        }
        Ok(())
    }
}

fn room_name(truth: &Truth, room: RoomIndex) -> RoomName {
    RoomName::parse(truth.name(room)).expect("a room that could be joined")
}

/// What is heard is stored.
fn received(message: &Message, hearing: &mut Hearing<'_>) -> Result<RoomIndex, String> {
    let room = hearing.truth.room(message.room.as_str());
    let draft = message.draft.as_ref().map_or("", |draft| draft.as_str());
    let received = ReceivedMessage {
        seq: message.seq.0,
        author: message.author.as_str(),
        draft,
        text: message.text.as_str(),
    };
    hearing.truth.received(room, received, hearing.step)?;
    Ok(room)
}

/// A message is stored, whatever its text is now.
fn received_as_now(message: &Message, hearing: &mut Hearing<'_>) -> Checked {
    let room = hearing.truth.room(message.room.as_str());
    match hearing.truth.is_message(room, message.seq.0) {
        true if hearing.truth.is_hidden(room, message.seq.0) => {
            Err(format!("the edge is shown #{} of {}, which is to be erased", message.seq, message.room))
        }
        true => Ok(()),
        false => Err(format!("the edge is shown #{} of {}, which is no message", message.seq, message.room)),
    }
}
