//! The sessions of one link: questions go in, answers and events come out to whoever waits for them. It does no I/O.

use super::error::CoreError;
use super::question::{Answer, Asked, Question, Taken};
use super::session::{Closings, Listener, ListeningEnd, Opened, SessionKeeper, SessionKey};
use crate::bounds::{OWN_SESSIONS_MAX, QUESTIONS_MAX};
use hashbrown::{HashMap, HashSet};
use madang_link::{EdgeEnd, EdgeEvent, RequestFault, SessionEnd, SessionNumber};
use madang_model::{Moment, Reply, RoomKey, RoomName};
use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Arc;
use tokio::time::Instant;

/// A session that the core knows.
#[derive(Debug, Default)]
struct Held {
    /// What waits to be asked, at most [`QUESTIONS_MAX`].
    waiting: VecDeque<Question>,
    asked: Option<Asked>,
    rooms: Vec<RoomKey>,
    listener: Option<Listener>,
    is_closing: bool,
}

impl Held {
    /// No more events come, and nothing is answered any more. What was asked may be done.
    fn end(&mut self, end: ListeningEnd, asked: &CoreError, waiting: &CoreError) {
        if let Some(listener) = self.listener.take() {
            let _ = listener.end.set(end);
        }
        if let Some(question) = self.asked.take() {
            question.finish(Err(asked.clone()));
        }
        for question in self.waiting.drain(..) {
            let _ = question.waiting.send(Err(waiting.clone()));
        }
    }
}

/// One link and its sessions.
#[derive(Debug)]
pub struct Hub {
    pub end: EdgeEnd,
    life: u64,
    closings: Arc<Closings>,
    sessions: HashMap<SessionNumber, Held>,
    /// Those of the edge's own, at most [`OWN_SESSIONS_MAX`].
    own: Vec<SessionNumber>,
    /// Who is in each room.
    rooms: HashMap<RoomKey, HashSet<SessionNumber>>,
}

impl Hub {
    /// A link that begins now.
    pub fn new(life: u64, closings: Arc<Closings>, now: Moment) -> Hub {
        let (sessions, rooms) = (HashMap::new(), HashMap::new());
        Hub { end: EdgeEnd::new(now), life, closings, sessions, own: Vec::new(), rooms }
    }

    /// How many sessions there are.
    pub fn session_count(&self) -> usize {
        self.sessions.len()
    }

    /// A session is opened.
    pub fn open(&mut self, address: Option<IpAddr>, listener: Option<Listener>, opened: Opened) {
        let number = match self.end.open(address) {
            Ok(number) => number,
            Err(error) => return drop(opened.send(Err(error.into()))),
        };
        self.sessions.insert(number, Held { listener, ..Held::default() });
        let (key, closings) = (SessionKey { life: self.life, number }, Arc::clone(&self.closings));
        // If nobody waits for it any more, it is closed.
        let _ = opened.send(Ok(SessionKeeper { key, closings, is_clean: false }));
    }

    /// A session asks something.
    pub fn ask(&mut self, session: SessionKey, question: Question) {
        let held = self.sessions.get_mut(&session.number).filter(|held| !held.is_closing);
        let refusal = match held {
            _ if session.life != self.life => CoreError::Away,
            None => CoreError::SessionEnded(SessionEnd::Asked),
            Some(held) if held.waiting.len() >= QUESTIONS_MAX => CoreError::Busy,
            Some(held) => {
                held.waiting.push_back(question);
                return self.ask_next(session.number);
            }
        };
        let _ = question.waiting.send(Err(refusal));
    }

    /// One of the edge's own sessions asks something: one that asks nothing, a new one, or the one for which the fewest
    /// wait.
    pub fn ask_by_any(&mut self, question: Question) {
        let load = |number: &SessionNumber| {
            let held = self.sessions.get(number);
            held.map_or(usize::MAX, |held| held.waiting.len() + usize::from(held.asked.is_some()))
        };
        let least = self.own.iter().copied().min_by_key(load);
        let is_idle = least.is_some_and(|number| load(&number) == 0);
        let number = match least {
            Some(number) if is_idle || self.own.len() >= OWN_SESSIONS_MAX => number,
            least => match (self.end.open(None), least) {
                (Ok(number), _) => {
                    self.sessions.insert(number, Held::default());
                    self.own.push(number);
                    number
                }
                (Err(_), Some(number)) => number,
                (Err(error), None) => return drop(question.waiting.send(Err(error.into()))),
            },
        };
        self.ask(SessionKey { life: self.life, number }, question);
    }

    /// A session is closed, if it is one of this link and not closed yet.
    pub fn close(&mut self, session: SessionKey, is_clean: bool) {
        if session.life == self.life {
            let end = SessionEnd::Asked;
            let error = CoreError::SessionEnded(end);
            self.begin_closing(session.number, is_clean, ListeningEnd::Session(end), &error);
        }
    }

    fn begin_closing(&mut self, number: SessionNumber, is_clean: bool, end: ListeningEnd, error: &CoreError) {
        let Some(held) = self.sessions.get_mut(&number).filter(|held| !held.is_closing) else { return };
        held.is_closing = true;
        self.own.retain(|own| *own != number);
        held.end(end, error, error);
        self.leave_all(number);
        // The link may be about to end, and the session with it.
        let _ = self.end.close(number, is_clean);
    }

    /// Asks what waits, if nothing is asked at the moment.
    fn ask_next(&mut self, number: SessionNumber) {
        let shard_count = self.end.limits().map_or(1, |limits| limits.shard_count);
        let Some(held) = self.sessions.get_mut(&number) else { return };
        while held.asked.is_none()
            && let Some(Question { request, waiting, deadline }) = held.waiting.pop_front()
        {
            // Nobody waits for it any more.
            if waiting.is_closed() {
                continue;
            }
            match self.end.ask(number, &request) {
                Ok(()) => {
                    let asked = Asked::new(&request, waiting, deadline, shard_count);
                    match asked.is_unanswered() {
                        true => asked.finish(Ok(Answer::Asked)),
                        false => held.asked = Some(asked),
                    }
                }
                Err(error) => drop(waiting.send(Err(error.into()))),
            }
        }
    }

    /// Hands out everything that has come.
    pub fn take_events(&mut self) {
        while let Some(event) = self.end.next_event() {
            self.take(event);
        }
    }

    fn take(&mut self, event: EdgeEvent) {
        match event {
            EdgeEvent::Reply { session, reply } => self.take_reply(session, reply),
            EdgeEvent::BadRequest { session, fault, words } => self.take_fault(session, fault, words),
            EdgeEvent::Closed { session, reason } => {
                self.own.retain(|own| *own != session);
                if let Some(mut held) = self.sessions.remove(&session) {
                    self.forget_rooms(session, &std::mem::take(&mut held.rooms));
                    let error = CoreError::SessionEnded(reason);
                    held.end(ListeningEnd::Session(reason), &error, &error);
                }
            }
            EdgeEvent::Message { ref message, author } => {
                let room = message.room.key();
                if let Some(author) = author
                    && let Some(held) = self.sessions.get_mut(&author)
                    && Asked::take_message(&mut held.asked, message)
                {
                    self.ask_next(author);
                }
                self.tell_room(room, event);
            }
            EdgeEvent::Amended { ref amendment, author } => {
                let room = amendment.room.key();
                let mut answered = Vec::new();
                for number in self.rooms.get(&room).into_iter().flatten() {
                    if let Some(held) = self.sessions.get_mut(number)
                        && Asked::take_amendment(&mut held.asked, amendment, author == Some(*number))
                    {
                        answered.push(*number);
                    }
                }
                answered.into_iter().for_each(|number| self.ask_next(number));
                self.tell_room(room, event);
            }
            EdgeEvent::UserJoined { ref room, .. }
            | EdgeEvent::UserLeft { ref room, .. }
            | EdgeEvent::UserRenamed { ref room, .. } => self.tell_room(room.key(), event),
            EdgeEvent::UserLeftAll { ref rooms, .. } | EdgeEvent::UserRenamedInAll { ref rooms, .. } => {
                let of_room = |room: &RoomName| self.rooms.get(&room.key()).into_iter().flatten().copied();
                let numbers: HashSet<SessionNumber> = rooms.iter().flat_map(of_room).collect();
                self.tell(numbers, event);
            }
            // Whoever asks is told, and everyone when the link ends.
            EdgeEvent::GoingDown(_) => {}
        }
    }

    fn take_reply(&mut self, number: SessionNumber, reply: Reply) {
        let Some(held) = self.sessions.get_mut(&number) else { return };
        match &reply {
            Reply::Joined(joined) if !held.is_closing => {
                let room = joined.room.key();
                if !held.rooms.contains(&room) {
                    held.rooms.push(room);
                    self.rooms.entry(room).or_default().insert(number);
                }
            }
            Reply::Left { room } => {
                let room = room.key();
                held.rooms.retain(|there| *there != room);
                self.forget_rooms(number, &[room]);
            }
            _ => {}
        }
        let Some(held) = self.sessions.get_mut(&number) else { return };
        match Asked::take_reply(&mut held.asked, reply) {
            Taken::Part => {}
            Taken::Whole => self.ask_next(number),
            Taken::Other(reply) => self.tell([number], EdgeEvent::Reply { session: number, reply }),
        }
    }

    /// The core finds the question invalid: there is one at a time.
    fn take_fault(&mut self, number: SessionNumber, fault: RequestFault, words: Box<str>) {
        let Some(held) = self.sessions.get_mut(&number) else { return };
        if let Some(asked) = held.asked.take() {
            asked.finish(Err(CoreError::Invalid { fault, words }));
            self.ask_next(number);
        }
    }

    fn tell_room(&mut self, room: RoomKey, event: EdgeEvent) {
        let numbers: Vec<SessionNumber> = self.rooms.get(&room).into_iter().flatten().copied().collect();
        self.tell(numbers, event);
    }

    /// Whoever does not take events in time is closed: nobody else waits for it, and none is left out silently.
    fn tell(&mut self, numbers: impl IntoIterator<Item = SessionNumber>, event: EdgeEvent) {
        let event = Arc::new(event);
        let mut slow = Vec::new();
        for number in numbers {
            let listener = self.sessions.get(&number).and_then(|held| held.listener.as_ref());
            let Some(listener) = listener else { continue };
            // Nobody listens any more: it is about to be closed.
            if !listener.events.is_closed() && listener.events.try_send(Arc::clone(&event)).is_err() {
                slow.push(number);
            }
        }
        let error = CoreError::SessionEnded(SessionEnd::Asked);
        for number in slow {
            self.begin_closing(number, false, ListeningEnd::TooSlow, &error);
        }
    }

    fn leave_all(&mut self, number: SessionNumber) {
        let rooms = self.sessions.get_mut(&number).map(|held| std::mem::take(&mut held.rooms));
        self.forget_rooms(number, &rooms.unwrap_or_default());
    }

    fn forget_rooms(&mut self, number: SessionNumber, rooms: &[RoomKey]) {
        for room in rooms {
            if let Some(there) = self.rooms.get_mut(room) {
                there.remove(&number);
                if there.is_empty() {
                    self.rooms.remove(room);
                }
            }
        }
    }

    /// Time has passed: what was not answered in time is given up.
    pub fn tick(&mut self, moment: Moment, now: Instant) {
        self.end.tick(moment);
        let mut late = Vec::new();
        for (number, held) in &mut self.sessions {
            if held.asked.as_ref().is_some_and(|asked| asked.deadline <= now) {
                late.push(*number);
            }
            while held.waiting.front().is_some_and(|question| question.deadline <= now) {
                let question = held.waiting.pop_front();
                question.into_iter().for_each(|question| drop(question.waiting.send(Err(CoreError::Busy))));
            }
        }
        for number in late {
            self.begin_closing(number, false, ListeningEnd::Session(SessionEnd::Asked), &CoreError::Late);
        }
    }

    /// The link has ended: everyone is told.
    pub fn end_all(&mut self) {
        for (_, mut held) in self.sessions.drain() {
            held.end(ListeningEnd::Link, &CoreError::Unknown, &CoreError::Away);
        }
        self.own.clear();
        self.rooms.clear();
    }
}
