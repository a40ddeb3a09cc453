//! The sessions of the edge, as home shards know them.

mod answers;
mod asking;
mod closing;
mod hearing;
mod lost;
mod requests;
mod session;

pub use requests::comes_from_link;

use crate::bounds::PAGE_BYTES_MAX;
use crate::words::{RequestFault, SessionEnd};
use hashbrown::HashMap;
use lost::LostSessions;
use madang_model::{
    ConnectionId, Everywhere, Moment, Reply, Request, RoomEvent, RoomKey, RoomName, SeenEvents, SessionId,
    ShardId, Sight, UserName,
};
use session::EdgeSession;
use std::collections::VecDeque;

/// What is sent to the edge about a session.
#[derive(Debug)]
pub enum SessionNotice {
    /// An answer.
    Reply(u32, Reply),
    /// It has ended.
    Closed(u32, SessionEnd),
    /// It has sent an invalid request.
    BadRequest(u32, RequestFault, Box<str>),
}

/// Messages that a room shows on coming in, at most (`rooms.history_on_join`).
const JOIN_MESSAGES_MAX: u32 = 64;
/// Bytes of a list of members or rooms, at most.
const LIST_BYTES_MAX: u32 = 64 * 1024;
/// Bytes of a message beside its text, at most: its names, its draft id and its numbers.
const BESIDE_TEXT_BYTES_MAX: u32 = 1024;

/// How long a second may take until it has passed here.
const SECOND_MS_MAX: u64 = 3_000;

/// A room that sessions are in.
#[derive(Debug)]
struct HeardRoom {
    name: RoomName,
    /// How many of them; not 0.
    sessions: u32,
}

/// All sessions of one edge, and what is still to be sent for those of earlier edges.
///
/// On the mesh a session is a connection of the link's number; its generation is the life of the link, so that
/// what comes for a session of an earlier life is not taken for one of this.
#[derive(Debug)]
pub struct Sessions {
    shard: ShardId,
    life: u32,
    last_opened: u32,
    sessions: HashMap<u32, EdgeSession>,
    rooms: HashMap<RoomKey, HeardRoom>,
    lost: LostSessions,
    /// How many shards there are: each answers for its rooms.
    shard_count: u16,
    /// Bytes of a message, at most.
    message_bytes_max: u32,
    /// Bytes that the long answers may have that are on their way, together.
    due: u64,
    /// The time of the last second that has passed.
    now: Moment,
    /// What the edge has seen of events that come from several rooms.
    seen: SeenEvents<()>,
    /// What follows from what came; taken before anything else comes.
    requests: VecDeque<Request>,
    notices: VecDeque<SessionNotice>,
}

impl Sessions {
    /// No sessions yet.
    pub fn new(shard: ShardId, shard_count: u16) -> Sessions {
        Sessions {
            shard,
            life: 0,
            last_opened: 0,
            sessions: HashMap::new(),
            rooms: HashMap::new(),
            lost: LostSessions::default(),
            shard_count,
            message_bytes_max: 0,
            due: 0,
            now: Moment::default(),
            seen: SeenEvents::default(),
            requests: VecDeque::new(),
            notices: VecDeque::new(),
        }
    }

    /// Another edge connects: its sessions are none of the earlier ones.
    pub fn begin_life(&mut self) {
        assert!(self.sessions.is_empty(), "the sessions of a link are lost before the next begins");
        self.life = self.life.wrapping_add(1);
        self.last_opened = 0;
    }

    /// Every session is lost with its link.
    pub fn lose_all(&mut self) {
        let (shard, generation) = (self.shard, self.life);
        let mut sessions: Vec<(u32, EdgeSession)> = self.sessions.drain().collect();
        // In an order of its own, so that a seed of the simulator stays one history.
        sessions.sort_unstable_by_key(|(number, _)| *number);
        for (number, session) in sessions {
            let connection = ConnectionId { index: number, generation };
            self.lost.add(SessionId { shard, connection }, session);
        }
        self.sessions.shrink_to_fit();
        self.rooms = HashMap::new();
        self.seen = SeenEvents::default();
        self.notices.clear();
        self.due = 0;
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.sessions.len()
    }

    /// The next request, if any: those of sessions that are lost go before those of later ones, which may want
    /// the same names.
    pub fn next_request(&mut self) -> Option<Request> {
        self.requests.pop_front().or_else(|| self.lost.next_request())
    }

    /// Whether requests are left that need nothing more from the edge.
    pub fn has_requests(&self) -> bool {
        !self.requests.is_empty() || !self.lost.is_empty()
    }

    /// What is to be sent to the edge next.
    pub fn next_notice(&mut self) -> Option<SessionNotice> {
        self.notices.pop_front()
    }

    /// Bytes of the long answers that shards may still send: pages, rooms as they are found on coming in, and lists.
    pub fn due_bytes(&self) -> usize {
        usize::try_from(self.due).unwrap_or(usize::MAX)
    }

    /// From now on texts have at most so many bytes.
    pub fn limit_texts(&mut self, text_bytes_max: u32) {
        self.message_bytes_max = text_bytes_max.saturating_add(BESIDE_TEXT_BYTES_MAX);
    }

    /// Lets a session ask, and counts the long answers that will come of it.
    fn counting<T>(
        &mut self,
        number: u32,
        act: impl FnOnce(SessionId, &mut EdgeSession, &mut VecDeque<Request>) -> T,
    ) -> Option<T> {
        let id = self.id(number);
        let session = self.sessions.get_mut(&number)?;
        let asked = self.requests.len();
        let done = act(id, session, &mut self.requests);
        for request in self.requests.range(asked..) {
            let messages = |count: u32| {
                // Beyond that the older part is left out.
                count.saturating_mul(self.message_bytes_max).min(PAGE_BYTES_MAX as u32)
            };
            let (answers, bytes) = match request {
                Request::History { page, .. } | Request::HistoryOf { page, .. } => {
                    (1, messages(page.count()))
                }
                Request::Join { .. } => (1, messages(JOIN_MESSAGES_MAX)),
                // What became of messages may be longer than they are.
                Request::Resume { .. } => (1, PAGE_BYTES_MAX as u32),
                Request::Who { .. } | Request::Members { .. } => (1, LIST_BYTES_MAX),
                Request::Rooms { .. } | Request::RoomsInOrder { .. } => (self.shard_count, LIST_BYTES_MAX),
                Request::Claim { .. }
                | Request::Release { .. }
                | Request::GiveUp { .. }
                | Request::SetAway { .. }
                | Request::Whois { .. }
                | Request::Whisper { .. }
                | Request::PublishAs { .. }
                | Request::PublishDirect { .. }
                | Request::WhisperMissed { .. }
                | Request::Leave { .. }
                | Request::Rename { .. }
                | Request::Publish { .. }
                | Request::Amend { .. }
                | Request::Admit { .. }
                | Request::Discharge { .. }
                | Request::TakeLooks { .. }
                | Request::LooksAnswered { .. }
                | Request::GiveLooks { .. }
                | Request::ChangeFacts { .. }
                | Request::MoveRead { .. }
                | Request::LoadFacts { .. }
                | Request::Carry(_) => continue,
            };
            session.due.extend((0..answers).map(|_| bytes));
            self.due += u64::from(answers) * u64::from(bytes);
        }
        Some(done)
    }

    /// A long answer has come, or a refusal in its place. Several may come in another order than they were asked for
    /// in: the sum is right when all have come.
    fn answered(&mut self, number: u32) {
        let answered = self.sessions.get_mut(&number).and_then(|session| session.due.pop_front());
        self.due -= u64::from(answered.unwrap_or(0));
    }

    /// Long answers that come for a session are not sent to the edge any more.
    fn expect_no_answers(&mut self, number: u32) {
        let Some(session) = self.sessions.get_mut(&number) else { return };
        self.due -= session.due.drain(..).map(u64::from).sum::<u64>();
    }

    /// A room that sessions are in.
    pub fn room(&self, key: RoomKey) -> Option<&RoomName> {
        self.rooms.get(&key).map(|room| &room.name)
    }

    /// The number of a session of this life.
    pub fn number_of(&self, session: SessionId) -> Option<u32> {
        (session.shard == self.shard).then(|| self.number_in_life(session.connection)).flatten()
    }

    fn number_in_life(&self, connection: ConnectionId) -> Option<u32> {
        (connection.generation == self.life).then_some(connection.index)
    }

    /// A session of this life as shards name it.
    fn id(&self, number: u32) -> SessionId {
        let connection = ConnectionId { index: number, generation: self.life };
        SessionId { shard: self.shard, connection }
    }

    /// What the edge is to see of an event that comes from this room.
    pub fn see(&mut self, event: &RoomEvent, room: RoomKey) -> Sight {
        let Sessions { seen, rooms, .. } = self;
        let names = (room, event.gone().map(UserName::key), event.come().map(UserName::key));
        let is_here = |room: &RoomKey| rooms.contains_key(room);
        let shared = |everywhere: &Everywhere| everywhere.rooms.iter().copied().filter(is_here).collect();
        seen.sight(event.everywhere().map(AsRef::as_ref), names, ((), true), shared)
    }

    /// A second has passed.
    pub fn tick(&mut self, now: Moment) {
        self.now = now;
        self.seen.tick();
    }

    /// Notes that a session is in a room.
    fn enter_room(&mut self, name: &RoomName) {
        let at_the_latest = Moment(self.now.0 + SECOND_MS_MAX);
        self.seen.enter((), name.key(), at_the_latest);
        let room = self.rooms.entry(name.key());
        room.or_insert_with(|| HeardRoom { name: name.clone(), sessions: 0 }).sessions += 1;
    }

    /// Notes that a session is no longer in a room.
    fn leave_room(&mut self, key: RoomKey) {
        let Some(room) = self.rooms.get_mut(&key) else { return };
        room.sessions -= 1;
        if room.sessions == 0 {
            self.rooms.remove(&key);
        }
    }
}
