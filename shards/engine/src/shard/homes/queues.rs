//! What waits until something was looked up in the log for it: messages whose drafts may be stored already, and
//! amendments of messages that are not in memory. What the session asks of the room after it waits behind it, so that
//! a session has one lookup of a room at a time and is answered in its order. Nobody else waits.

use super::{Effects, Homes, refuse_message};
use crate::shard::archive::{DraftAnswer, FirstAnswer};
use hashbrown::HashMap;
use madang_model::{Refusal, Request, RoomKey, SessionId};
use std::collections::VecDeque;

/// Messages that wait, of all sessions; more are refused.
const WAITING_MAX: usize = 4096;
/// Messages of one session that wait, an eighth of all; more are refused.
pub const WAITING_OF_SESSION_MAX: usize = 512;

/// What a session asks of a room: the first has something looked up.
#[derive(Debug)]
struct Queue {
    requests: VecDeque<Request>,
    /// How often the message that the first amends was looked up, this time included.
    target_lookups: u8,
}

/// What was looked up for a request that is handled now.
#[derive(Debug)]
pub struct LookupResult {
    pub answer: FirstAnswer,
    /// How often the message that it amends was looked up.
    pub target_lookups: u8,
}

/// What waits for the log.
#[derive(Debug, Default)]
pub struct LookupQueues {
    waiting: HashMap<(RoomKey, SessionId), Queue>,
    /// How many messages of each session wait.
    messages: HashMap<SessionId, usize>,
    /// How many messages wait.
    message_count: usize,
    /// How many requests wait.
    count: usize,
    /// What was looked up for the request that was the first, until it is handled.
    answers: HashMap<(RoomKey, SessionId), LookupResult>,
}

impl LookupResult {
    /// What was found of its draft, if that was looked for.
    pub fn draft(self) -> Option<DraftAnswer> {
        match self.answer {
            FirstAnswer::Draft(answer) => Some(answer),
            FirstAnswer::Target(_) => None,
        }
    }
}

impl LookupQueues {
    /// Whether nobody waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.answers.is_empty()
    }

    /// How many requests wait.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Whether one more message of a session may wait.
    pub fn has_place(&self, session: SessionId) -> bool {
        let own = self.messages.get(&session).copied().unwrap_or(0);
        self.message_count < WAITING_MAX && own < WAITING_OF_SESSION_MAX
    }

    /// A request waits for what is looked up now; nothing of its session waits in its room. The message that it amends
    /// was looked up so often, this time included.
    pub fn begin(&mut self, at: (RoomKey, SessionId), request: Request, target_lookups: u8) {
        self.entered(&request, at.1);
        self.waiting.insert(at, Queue { requests: VecDeque::from([request]), target_lookups });
    }

    /// What the first request of a session in a room waits for was looked up. Returns what waited, in order.
    pub fn answered(&mut self, at: (RoomKey, SessionId), answer: FirstAnswer) -> VecDeque<Request> {
        let Some(Queue { requests, target_lookups }) = self.waiting.remove(&at) else {
            return VecDeque::new();
        };
        self.count -= requests.len();
        let message_count = requests.iter().filter(|request| is_message(request)).count();
        self.message_count -= message_count;
        if let Some(own) = self.messages.get_mut(&at.1) {
            *own -= message_count;
            if *own == 0 {
                self.messages.remove(&at.1);
            }
        }
        #[cfg(any(test, feature = "deliberate-faults"))]
        let requests = crate::mutation::forget_behind_draft(requests);
        self.answers.insert(at, LookupResult { answer, target_lookups });
        requests
    }

    /// Takes what was looked up for a request that is handled now: the first of its session in its room.
    pub fn take(&mut self, request: &Request) -> Option<LookupResult> {
        if self.answers.is_empty() || !is_message(request) {
            return None;
        }
        self.answers.remove(&(request.room()?, request.session()?))
    }

    fn entered(&mut self, request: &Request, session: SessionId) {
        self.count += 1;
        if is_message(request) {
            self.message_count += 1;
            *self.messages.entry(session).or_default() += 1;
        }
    }
}

impl Homes {
    /// Lets a request wait behind another of the same session in the same room; gives it back if none waits.
    pub(super) fn wait_behind(&mut self, request: Request, effects: &mut Effects<'_>) -> Option<Request> {
        if self.queues.waiting.is_empty() {
            return Some(request);
        }
        let (Some(room), Some(session)) = (request.room(), request.session()) else { return Some(request) };
        if !self.queues.waiting.contains_key(&(room, session)) {
            return Some(request);
        }
        if is_message(&request) && !self.queues.has_place(session) {
            refuse_message(session, too_many(), effects);
            return None;
        }
        self.queues.entered(&request, session);
        if let Some(queue) = self.queues.waiting.get_mut(&(room, session)) {
            queue.requests.push_back(request);
        }
        None
    }
}

/// Only these are looked up for, and are refused where too many wait.
fn is_message(request: &Request) -> bool {
    use Request as R;
    matches!(request, R::Publish { .. } | R::PublishAs { .. } | R::PublishDirect { .. } | R::Amend { .. })
}

pub(super) fn too_many() -> Refusal {
    Refusal::NotStored { reason: "too many wait until it is known whether they are stored".into() }
}
