//! Clients that remember what they received, and check it.

mod epoch;
mod hear;
mod listing;
mod speak;
#[cfg(test)]
mod tests;
mod whispers;

use listing::Listing;
pub use speak::Habits;

use super::network::Line;
use super::truth::{RoomIndex, Truth};
use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};

/// So many messages that it took for refused are remembered.
const TAKEN_MAX: usize = 64;
/// This much of what was answered is kept, to be said again.
const KEPT_MAX: usize = 12;

/// An edit that was asked for from a draft.
#[derive(Clone, Debug)]
struct DraftedEdit {
    room: RoomIndex,
    target: u64,
    author: String,
    draft: String,
    text: String,
}

/// Something that was requested and is answered in its turn.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum PendingRequest {
    Name(String),
    Join(RoomIndex),
    Leave(RoomIndex),
    /// Both answers may come first.
    Move {
        old: Option<RoomIndex>,
        new: Option<RoomIndex>,
    },
    Page {
        room: RoomIndex,
        page: AskedPage,
        is_catching_up: bool,
    },
    /// Everything after a number, which it catches up with.
    Resume {
        room: RoomIndex,
        after: u64,
        count: u64,
    },
    Who(RoomIndex),
    Members(RoomIndex),
}

/// A page, as it was asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AskedPage {
    Last { count: u64 },
    Before { seq: u64, count: u64 },
    After { seq: u64, count: u64 },
}

impl AskedPage {
    /// The messages that it means in a room with this head, of which all up to a number are missing.
    fn messages(self, truth: &Truth, room: RoomIndex, head: u64, missing: u64) -> Vec<u64> {
        let newest = |last: u64, count: u64| {
            let mut newest: Vec<u64> = truth.messages_down(room, last).take(count as usize).collect();
            newest.reverse();
            newest.retain(|seq| *seq > missing);
            newest
        };
        match self {
            AskedPage::Last { count } => newest(head, count),
            AskedPage::Before { seq, count } => newest(seq.saturating_sub(1).min(head), count),
            AskedPage::After { seq, count } => {
                truth.messages_up(room, seq.max(missing) + 1, head).take(count as usize).collect()
            }
        }
    }
}

/// Something said that is not answered yet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PendingMessage {
    /// Where, unless it is a whisper.
    room: Option<RoomIndex>,
    /// The name it was said under.
    author: String,
    draft: Option<String>,
    text: String,
    /// A connection has ended since it was said first.
    is_of_before: bool,
}

/// A room as a member sees it.
#[derive(Clone, Debug, Default)]
pub struct Attendance {
    /// The newest message seen.
    pub last: u64,
    /// It is leaving, and receives its own messages only.
    is_leaving: bool,
    /// What came before up to this number is still to be asked for.
    catch_up_to: Option<u64>,
    /// The members of the room, as far as they can be known.
    pub view: Option<BTreeSet<String>>,
}

/// One client.
#[derive(Debug)]
pub struct Client {
    pub number: usize,
    /// The connection, while there is one.
    pub line: Option<Line>,
    /// The name, once it is granted.
    pub name: Option<String>,
    wanted_name: String,
    /// The epoch of the numbers that it knows, and how often the log was replaced until then.
    epoch: Option<(String, u64)>,
    /// The id of its account, if it has one: others of its sessions are other clients.
    account: Option<u64>,
    names_tried: u32,
    said_count: u64,
    /// The rooms it likes to be in.
    pub favourites: Vec<RoomIndex>,
    pub rooms: BTreeMap<RoomIndex, Attendance>,
    /// Of each room, the number up to which it has seen everything.
    pub seen: BTreeMap<RoomIndex, u64>,
    /// Of each room that it asked to join, the newest number at that time: it may not receive less.
    floors: BTreeMap<RoomIndex, u64>,
    pub asked: VecDeque<PendingRequest>,
    /// The members of a room, as far as it has gone through them.
    listing: Option<Listing>,
    unanswered: Vec<PendingMessage>,
    /// Amendments asked for: how many of them are refused for want of storage is not known.
    amends_sent: usize,
    /// Messages that it asked to edit or to delete as a guest, and was not told of that this needs an account.
    needing_account: Vec<u64>,
    /// How often it was told that.
    pub refused_as_guest: u64,
    /// How often it was told on this connection that something cannot be stored, or that it is in no such room.
    unsaid: usize,
    refused: usize,
    retry: Vec<PendingMessage>,
    /// Messages that it took for refused, of late: as it amends others, too, an amendment may have been refused.
    taken_for_refused: Vec<PendingMessage>,
    has_amended: bool,
    /// Edits with drafts, to be asked for again.
    edits: Vec<DraftedEdit>,
    /// What was answered, to be said again: oldest first.
    kept: VecDeque<PendingMessage>,
    /// What was said on an earlier connection, repeated on this one and then received: by what was said first, and
    /// the repetition is answered as well, or by the repetition.
    perhaps_known: Vec<PendingMessage>,
    /// What others did in several of its rooms at once: each once a room.
    acts: HashSet<(String, RoomIndex)>,
    /// Whispers received, each once.
    heard: HashSet<(RoomIndex, u64)>,
    /// When it learned that it has its name, in microseconds since 1970.
    named_us: i64,
    /// What it sent once more, and when it did last, in microseconds since 1970.
    pub repeated: BTreeMap<String, i64>,
    /// What it whispered, and when it sent that.
    pub whispered: Vec<(String, i64)>,
    /// As which it takes part in direct rooms, under each of its names on this connection.
    sides: HashSet<String>,
    /// Direct rooms of whispers that came before the name for which they were meant.
    early: Vec<String>,
    partial: Vec<u8>,
    /// The step in which the first byte of the partial line was written.
    partial_step: u64,
    /// Messages of a page or of a history that are still to come.
    listed: Option<Listed>,
    /// How many messages it asks for when it catches up.
    catch_up_count: u64,
    is_farewell_said: bool,
    pub is_paused: bool,
    has_ended: bool,
    watches: bool,
    pub lines_heard: u64,
    pub deliveries: u64,
    /// Lists of members that it went through to the end, and pages of such lists.
    pub lists: u64,
    pub list_pages: u64,
}

/// A list of messages that is being received.
#[derive(Debug)]
struct Listed {
    room: RoomIndex,
    /// The numbers that are still to come, in order.
    expected: VecDeque<u64>,
    /// The room's newest number at that time.
    head: u64,
    is_catching_up: bool,
    /// Whether all entries are listed, and not messages alone.
    has_all: bool,
}

/// What a session allows a server to do.
#[derive(Clone, Copy, Debug, Default)]
pub struct Leniency {
    /// Messages expire.
    pub may_expire: bool,
    /// The disk had faults since this start of the server: what it cannot read it may say so of.
    pub has_faults: bool,
}

impl Client {
    pub fn new(number: usize, favourites: Vec<RoomIndex>) -> Client {
        // Of four clients one is a guest's, and three are of one account.
        let account = (number % 8 >= 5).then(|| 1 + number as u64 / 8);
        Client {
            number,
            line: None,
            name: None,
            wanted_name: account.map_or_else(|| format!("u{number}"), |account| format!("a{account}")),
            epoch: None,
            account,
            names_tried: 0,
            said_count: 0,
            favourites,
            rooms: BTreeMap::new(),
            seen: BTreeMap::new(),
            floors: BTreeMap::new(),
            asked: VecDeque::new(),
            listing: None,
            unanswered: Vec::new(),
            amends_sent: 0,
            needing_account: Vec::new(),
            refused_as_guest: 0,
            unsaid: 0,
            refused: 0,
            retry: Vec::new(),
            taken_for_refused: Vec::new(),
            has_amended: false,
            edits: Vec::new(),
            kept: VecDeque::new(),
            perhaps_known: Vec::new(),
            acts: HashSet::new(),
            heard: HashSet::new(),
            named_us: i64::MAX,
            repeated: BTreeMap::new(),
            whispered: Vec::new(),
            sides: HashSet::new(),
            early: Vec::new(),
            partial: Vec::new(),
            partial_step: 0,
            listed: None,
            catch_up_count: 100,
            is_farewell_said: false,
            is_paused: false,
            has_ended: false,
            watches: number.is_multiple_of(3),
            lines_heard: 0,
            deliveries: 0,
            lists: 0,
            list_pages: 0,
        }
    }

    /// The connection is gone: what was not answered is tried again later, if it can be.
    pub fn disconnected(&mut self) {
        for (room, attendance) in std::mem::take(&mut self.rooms) {
            self.note_seen(room, &attendance);
        }
        let name = self.name.take();
        let may_retry = |said: &PendingMessage| said.draft.is_some() && said.room.is_some();
        let lost = std::mem::take(&mut self.unanswered).into_iter().filter(may_retry);
        self.retry.extend(lost.filter(|said| Some(&said.author) == name.as_ref()));
        self.retry.truncate(8);
        self.retry.iter_mut().for_each(|said| said.is_of_before = true);
        self.perhaps_known.clear();
        self.acts.clear();
        self.line = None;
        self.sides.clear();
        self.early.clear();
        self.asked.clear();
        self.listing = None;
        self.refused = 0;
        self.amends_sent = 0;
        self.needing_account.clear();
        self.unsaid = 0;
        self.partial.clear();
        self.listed = None;
        self.is_farewell_said = false;
        self.is_paused = false;
        self.has_ended = false;
    }

    /// Another process has its connection now.
    pub fn is_carried(&mut self) {
        self.acts.clear();
    }

    fn note_seen(&mut self, room: RoomIndex, attendance: &Attendance) {
        if attendance.catch_up_to.is_none() && !attendance.is_leaving {
            self.seen.insert(room, attendance.last);
        }
    }

    /// Whether everything it asked and said is answered.
    pub fn is_answered(&self) -> bool {
        self.asked.is_empty()
            && self.unanswered.len() == self.refused
            && self.listed.is_none()
            && self.needing_account.len() <= self.unsaid
    }

    /// What it waits for, in words.
    pub fn waits_for(&self) -> String {
        let Client { asked, refused, unanswered, needing_account, .. } = self;
        format!("{asked:?}, {refused} refused of {unanswered:?}, and as a guest {needing_account:?}")
    }

    /// Whether it was confirmed that this is its name, and has not asked for it again.
    pub fn goes_by(&self, name: &str) -> bool {
        let asked = |asked: &PendingRequest| matches!(asked, PendingRequest::Name(wanted) if wanted == name);
        self.name.as_deref() == Some(name) && !self.asked.iter().any(asked)
    }

    /// Whether it received the last words, or ends by itself.
    pub fn is_parting(&self) -> bool {
        self.is_farewell_said || self.has_ended
    }

    /// It says nothing more, and expects the end.
    pub fn ends(&mut self) {
        self.has_ended = true;
    }

    /// The rooms that it is in and means to stay in, and that it knows completely.
    pub fn attended(&self) -> impl Iterator<Item = (RoomIndex, &Attendance)> {
        let stays = |(_, attendance): &(&RoomIndex, &Attendance)| !attendance.is_leaving;
        self.rooms.iter().filter(stays).map(|(room, attendance)| (*room, attendance))
    }
}
