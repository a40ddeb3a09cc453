//! What is asked of the core, and which of what comes back is the answer.
//!
//! A session asks one question at a time: answers come from several homes, in any order, and most refusals do not say
//! what they refuse.

use super::error::CoreError;
use madang_link::EdgeRequest;
use madang_model::{AmendRequest, Amendment, Change, Message, Reply, RoomKey, RoomsPage, RoomsPart, Seq};
use std::sync::Arc;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// What the core answers.
#[derive(Clone, Debug)]
pub enum Answer {
    /// Nothing is answered: it is asked.
    Asked,
    /// One reply; also a refusal.
    Reply(Reply),
    /// What was said, as it is on disk.
    Said(Arc<Message>),
    /// What became of a message or a room, as it is on disk.
    Amended(Arc<Amendment>),
    /// Rooms, of each shard.
    Rooms(Vec<RoomsPage>),
    /// What each shard has for a page of rooms.
    RoomsParts(Vec<RoomsPart>),
}

/// Who waits for an answer.
pub type Waiting = oneshot::Sender<Result<Answer, CoreError>>;

/// What is asked, and who waits for the answer.
#[derive(Debug)]
pub struct Question {
    pub request: EdgeRequest,
    pub waiting: Waiting,
    /// Until when.
    pub deadline: Instant,
}

/// A question that the core has been asked.
#[derive(Debug)]
pub struct Asked {
    expected: Expected,
    waiting: Waiting,
    pub deadline: Instant,
    rooms: Vec<RoomsPage>,
    parts: Vec<RoomsPart>,
    /// How many answers each list of rooms has.
    shard_count: usize,
}

/// What answers a question.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Expected {
    Nothing,
    Claim,
    Whois,
    Whisper,
    Join(RoomKey),
    Leave(RoomKey),
    Publish(RoomKey),
    PublishAs(RoomKey),
    Amend(RoomKey),
    /// Reactions of a second are one event, which may be another session's.
    React(RoomKey, Seq),
    History(RoomKey),
    Resume(RoomKey),
    Who(RoomKey),
    Members(RoomKey),
    Facts(RoomKey),
    Rooms,
    RoomsParts,
}

impl Expected {
    fn by(request: &EdgeRequest) -> Expected {
        match request {
            EdgeRequest::SetAway { .. } | EdgeRequest::MoveRead { .. } => Expected::Nothing,
            EdgeRequest::Claim { .. } => Expected::Claim,
            EdgeRequest::Whois { .. } => Expected::Whois,
            EdgeRequest::Whisper { .. } => Expected::Whisper,
            EdgeRequest::Join { room } => Expected::Join(room.key()),
            EdgeRequest::Leave { room } => Expected::Leave(room.key()),
            EdgeRequest::Publish { room, .. } => Expected::Publish(room.key()),
            EdgeRequest::PublishAs { room, .. } => Expected::PublishAs(room.key()),
            EdgeRequest::Amend { room, target, change: AmendRequest::React { .. }, .. } => {
                Expected::React(room.key(), *target)
            }
            EdgeRequest::Amend { room, .. } => Expected::Amend(room.key()),
            EdgeRequest::History { room, .. } | EdgeRequest::HistoryOf { room, .. } => {
                Expected::History(room.key())
            }
            EdgeRequest::Resume { room, .. } => Expected::Resume(room.key()),
            EdgeRequest::Who { room } => Expected::Who(room.key()),
            EdgeRequest::Members { room, .. } => Expected::Members(room.key()),
            EdgeRequest::ChangeFacts { room, .. } => Expected::Facts(room.key()),
            EdgeRequest::Rooms { .. } => Expected::Rooms,
            EdgeRequest::RoomsInOrder { .. } => Expected::RoomsParts,
        }
    }

    /// Whether a reply is the answer, or one of them.
    fn is_answered_by(self, reply: &Reply) -> bool {
        match (self, reply) {
            (Expected::Nothing, _) => false,
            (
                Expected::Publish(_)
                | Expected::PublishAs(_)
                | Expected::Amend(_)
                | Expected::React(..)
                | Expected::Whisper,
                Reply::NotSaid(_),
            ) => true,
            (Expected::PublishAs(room), Reply::Said { message }) => message.room.key() == room,
            (Expected::Publish(_) | Expected::PublishAs(_) | Expected::Amend(_) | Expected::React(..), _) => {
                false
            }
            (Expected::Claim, Reply::Claimed { .. })
            | (Expected::Whois, Reply::Whois(_))
            | (Expected::Whisper, Reply::Whisper { is_receipt: true, .. })
            | (Expected::Rooms, Reply::Rooms(_))
            | (Expected::RoomsParts, Reply::RoomsPart(_)) => true,
            (Expected::Join(room), Reply::Joined(joined)) => joined.room.key() == room,
            (Expected::Leave(room), Reply::Left { room: left }) => left.key() == room,
            (Expected::History(room), Reply::History(page)) => page.room.key() == room,
            (Expected::Resume(room), Reply::Resumed(entries)) => entries.room.key() == room,
            (Expected::Who(room), Reply::Who(page)) => page.room.key() == room,
            (Expected::Members(room), Reply::Members(page)) => page.room.key() == room,
            (Expected::Facts(room), Reply::FactsChanged { room: changed, .. }) => changed.key() == room,
            (_, Reply::Refused(_)) => true,
            _ => false,
        }
    }
}

/// What came of something that may be an answer.
#[derive(Debug)]
pub enum Taken<T> {
    /// It is none.
    Other(T),
    /// It is one, and more are waited for.
    Part,
    /// It is the last one: the question is answered.
    Whole,
}

impl Asked {
    /// A question is asked of a core with this many shards.
    pub fn new(request: &EdgeRequest, waiting: Waiting, deadline: Instant, shard_count: u16) -> Asked {
        let (rooms, parts) = (Vec::new(), Vec::new());
        let shard_count = usize::from(shard_count);
        Asked { expected: Expected::by(request), waiting, deadline, rooms, parts, shard_count }
    }

    /// Whether nothing will be answered.
    pub fn is_unanswered(&self) -> bool {
        self.expected == Expected::Nothing
    }

    /// The question is answered, or cannot be. Nobody may be waiting any more.
    pub fn finish(self, answer: Result<Answer, CoreError>) {
        let _ = self.waiting.send(answer);
    }

    /// A reply to the session came.
    pub fn take_reply(slot: &mut Option<Asked>, reply: Reply) -> Taken<Reply> {
        let Some(asked) = slot.as_mut().filter(|asked| asked.expected.is_answered_by(&reply)) else {
            return Taken::Other(reply);
        };
        let answer = match reply {
            Reply::Rooms(page) => {
                asked.rooms.push(page);
                if asked.rooms.len() < asked.shard_count {
                    return Taken::Part;
                }
                Answer::Rooms(std::mem::take(&mut asked.rooms))
            }
            Reply::RoomsPart(part) => {
                asked.parts.push(part);
                if asked.parts.len() < asked.shard_count {
                    return Taken::Part;
                }
                Answer::RoomsParts(std::mem::take(&mut asked.parts))
            }
            Reply::Said { message } => Answer::Said(message),
            reply => Answer::Reply(reply),
        };
        answer_with(slot, answer)
    }

    /// Something was said by the session. Whether it was the question.
    pub fn take_message(slot: &mut Option<Asked>, message: &Arc<Message>) -> bool {
        let expected = Expected::Publish(message.room.key());
        let is_it = slot.as_ref().is_some_and(|asked| asked.expected == expected);
        is_it && matches!(answer_with::<()>(slot, Answer::Said(Arc::clone(message))), Taken::Whole)
    }

    /// Something was amended in a room of the session, by it or not. Whether it was the question.
    pub fn take_amendment(slot: &mut Option<Asked>, amendment: &Arc<Amendment>, is_by_it: bool) -> bool {
        let room = amendment.room.key();
        let is_it = slot.as_ref().is_some_and(|asked| match (asked.expected, &amendment.change) {
            (Expected::React(of, target), Change::Reactions(sums)) => {
                of == room && sums.iter().any(|of| of.message == target)
            }
            (Expected::Amend(of), _) => of == room && is_by_it,
            _ => false,
        });
        is_it && matches!(answer_with::<()>(slot, Answer::Amended(Arc::clone(amendment))), Taken::Whole)
    }
}

fn answer_with<T>(slot: &mut Option<Asked>, answer: Answer) -> Taken<T> {
    if let Some(asked) = slot.take() {
        asked.finish(Ok(answer));
    }
    Taken::Whole
}
