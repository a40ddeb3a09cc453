//! What is true: the messages that are stored, whatever anybody says of them. They are on the disk: synced
//! where `durability` promises that, and written where it promises no more.

mod amended;
mod facts;
mod restored;

pub use facts::FactsTruth;
pub use restored::{AskedEntries, CopiedTruth};

use super::disk::DurableMessage;
use amended::Amended;
use madang_log::SegmentNumber;
use madang_model::{DRAFT_AGE_US_MAX, DRAFT_WINDOW_US, DraftId, ShardId};
use std::collections::{HashMap, HashSet};

/// A room, by the order in which rooms were first mentioned.
pub type RoomIndex = usize;
/// What a check says: nothing, or what is wrong.
pub type Checked = Result<(), String>;

/// This many of an author's drafts are recognised in a room, whatever happened in between.
const DRAFTS_OF_AUTHOR: usize = 64;

/// A message as a client receives it.
#[derive(Clone, Copy, Debug)]
pub struct ReceivedMessage<'a> {
    pub seq: u64,
    pub author: &'a str,
    pub draft: &'a str,
    pub text: &'a str,
}

#[derive(Clone, Debug)]
struct TruthEntry {
    author: Box<str>,
    /// The id of the account; 0 is a guest's.
    account: u64,
    draft: Box<str>,
    text: Box<str>,
    /// When it was accepted, in microseconds since 1970.
    time_us: i64,
    /// When it was stored.
    step: u64,
    /// Where it was stored last.
    at: At,
    has_expired: bool,
    erasure: Erasure,
    /// Of an edit: whoever asked to erase its message did so in another life of the log, where it was not made. Such a
    /// request says nothing of it.
    is_apart: bool,
}

/// Whether a message was to be erased.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Erasure {
    /// It was not.
    No,
    /// Nobody knows: asking for it has failed.
    Perhaps,
    /// It was asked for. What was to be sent before shows it yet.
    Asked,
    /// Nothing that is sent may show it.
    Hidden,
}

/// A segment.
type At = (ShardId, SegmentNumber);

#[derive(Clone, Debug, Default)]
struct RoomTruth {
    name: String,
    /// Number `n` is at `n - 1`.
    entries: Vec<TruthEntry>,
    /// Numbers up to this one have expired.
    expired: u64,
    /// By message: what became of it, in order.
    amended: HashMap<u64, Vec<Amended>>,
}

/// Everything that was stored.
#[derive(Clone, Debug, Default)]
pub struct Truth {
    /// The disk failed since this start of the server: a room whose latest messages could not be read
    /// begins without knowing their drafts, as `docs/durability.md` says.
    pub may_forget_drafts: bool,
    /// The time, in microseconds since 1970.
    pub now_us: i64,
    rooms: Vec<RoomTruth>,
    by_name: HashMap<String, RoomIndex>,
    /// Where each text was stored last: every text is said once, unless as a repeated draft.
    texts: HashMap<Box<str>, (RoomIndex, u64)>,
    /// What each segment holds.
    segments: HashMap<At, Vec<(RoomIndex, u64)>>,
    pub messages: u64,
    /// As which guests have taken part in direct rooms: each for as long as its session has its name.
    pub guests: HashSet<String>,
    /// Facts of rooms.
    pub facts: FactsTruth,
    /// How often the log was replaced by a copy, so that numbers are given again.
    pub incarnation: u64,
    /// What the list of erasures has.
    pub asked: AskedEntries,
}

impl Truth {
    /// The index of a room, by its name.
    pub fn room(&mut self, name: &str) -> RoomIndex {
        if let Some(index) = self.by_name.get(name) {
            return *index;
        }
        self.rooms.push(RoomTruth { name: name.to_owned(), ..RoomTruth::default() });
        self.by_name.insert(name.to_owned(), self.rooms.len() - 1);
        self.rooms.len() - 1
    }

    /// How many rooms there are.
    pub fn room_count(&self) -> usize {
        self.rooms.len()
    }

    pub fn name(&self, room: RoomIndex) -> &str {
        &self.rooms[room].name
    }

    /// The number of a room's newest message.
    pub fn head(&self, room: RoomIndex) -> u64 {
        self.rooms[room].entries.len() as u64
    }

    /// Numbers up to this one have expired.
    pub fn expired(&self, room: RoomIndex) -> u64 {
        self.rooms[room].expired
    }

    /// All rooms that have messages.
    pub fn rooms(&self) -> impl Iterator<Item = (RoomIndex, &str)> {
        let rooms = self.rooms.iter().enumerate().filter(|(_, room)| !room.entries.is_empty());
        rooms.map(|(index, room)| (index, room.name.as_str()))
    }

    /// The whispers between an account, written `~7`, or all guests with a name, and others.
    pub fn whispers_of(&self, side: &str) -> impl Iterator<Item = (RoomIndex, u64, &str)> {
        let is_one = move |one: &str| {
            one.strip_prefix(side).is_some_and(|rest| rest.is_empty() || rest.starts_with('~'))
        };
        let is_between = move |room: &str| room.split_once('&').is_some_and(|(a, b)| is_one(a) || is_one(b));
        let rooms = self.rooms.iter().enumerate().filter(move |(_, room)| is_between(&room.name));
        rooms.flat_map(|(index, room)| {
            room.entries.iter().zip(1..).map(move |(entry, seq)| (index, seq, &*entry.text))
        })
    }

    /// A message was stored.
    pub fn store(&mut self, stored: &DurableMessage, step: u64) -> Checked {
        let room = self.room(&stored.room);
        self.segments.entry(stored.at).or_default().push((room, stored.seq));
        let received = ReceivedMessage {
            seq: stored.seq,
            author: &stored.author,
            draft: &stored.draft,
            text: &stored.text,
        };
        if let Some(entry) = self.entry_mut(room, stored.seq) {
            entry.at = stored.at;
            let is_erased = stored.author.is_empty() && matches!(&*stored.text, "" | "~erased");
            if is_erased && self.erasure(room, stored.seq) != Erasure::No {
                return Ok(());
            }
            return self.compare(room, received, "is stored");
        }
        let head = self.head(room);
        if stored.seq != head + 1 {
            return Err(format!("#{} of {} is stored behind #{head}", stored.seq, stored.room));
        }
        let DurableMessage { at, seq, time_us, author, account, draft, text, .. } = stored.clone();
        let id = DraftId::parse(&draft);
        if text.starts_with('~') {
            self.store_amendment(room, seq, (&author, account), &text)?;
        }
        // The same may become of a message more than once.
        let is_said_once = !text.starts_with('~') || text.starts_with("~edit");
        let earlier = if is_said_once { self.texts.insert(text.clone(), (room, seq)) } else { None };
        self.rooms[room].entries.push(TruthEntry {
            author,
            account,
            draft,
            text,
            time_us,
            step,
            at,
            has_expired: false,
            erasure: Erasure::No,
            is_apart: false,
        });
        self.messages += 1;
        let Some((known_room, known)) = earlier else { return Ok(()) };
        // Once it is erased, its author's repeat of it may be a new one.
        if self.entry(known_room, known).is_some_and(|entry| entry.erasure != Erasure::No) {
            return Ok(());
        }
        // One whose id says when it was made is looked for in the log; any other is a new one after a while, or once it
        // has expired.
        let is_new_later = id.is_some_and(|id| id.made_at().is_none());
        if is_new_later && known_room == room && (self.is_forgotten(room, known) || self.may_forget_drafts) {
            return Ok(());
        }
        let DurableMessage { room, draft, text, .. } = stored;
        Err(format!("{text:?} is stored twice in {room}, as #{known} and as #{seq} (draft {draft:?})"))
    }

    /// Whether the draft of a message may be forgotten, now that the newest was said. What has expired within the window
    /// is not found when the room is loaded.
    fn is_forgotten(&self, room: RoomIndex, seq: u64) -> bool {
        let entries = &self.rooms[room].entries;
        let Some((known, newest)) = self.entry(room, seq).zip(entries.last()) else { return false };
        let later = entries.iter().skip(seq as usize);
        let own = later.filter(|entry| entry.author == known.author && !entry.draft.is_empty());
        // So is what comes before something that has expired, which may be in another directory.
        let has_expired = self.expired(room) >= seq;
        has_expired || newest.time_us - known.time_us > DRAFT_WINDOW_US || own.count() > DRAFTS_OF_AUTHOR
    }

    /// An author was answered that a draft is too old to be looked for.
    pub fn too_old(&self, room: Option<RoomIndex>, draft: &str) -> Checked {
        let made = DraftId::parse(draft).and_then(|id| id.made_at());
        let Some(made) = made else {
            return Err(format!("draft {draft} says nothing of its age and is too old"));
        };
        let has_expired = room.is_none_or(|room| self.expired(room) > 0);
        if self.now_us - made.0 > DRAFT_AGE_US_MAX || has_expired {
            return Ok(());
        }
        Err(format!("draft {draft} is not old, and its room has all its messages"))
    }

    fn entry(&self, room: RoomIndex, seq: u64) -> Option<&TruthEntry> {
        let index = usize::try_from(seq.checked_sub(1)?).ok()?;
        self.rooms[room].entries.get(index)
    }

    fn entry_mut(&mut self, room: RoomIndex, seq: u64) -> Option<&mut TruthEntry> {
        let index = usize::try_from(seq.checked_sub(1)?).ok()?;
        self.rooms[room].entries.get_mut(index)
    }

    fn compare(&self, room: RoomIndex, received: ReceivedMessage<'_>, how: &str) -> Checked {
        let Some(entry) = self.entry(room, received.seq) else { return Ok(()) };
        let draft = if received.draft == "-" { "" } else { received.draft };
        if *entry.author == *received.author && *entry.draft == *draft && *entry.text == *received.text {
            return Ok(());
        }
        let name = &self.rooms[room].name;
        Err(format!("#{} of {name} was {entry:?} and {how} as {received:?}", received.seq))
    }

    /// A client received a message, in bytes that the server wrote in `step`.
    pub fn received(&self, room: RoomIndex, received: ReceivedMessage<'_>, step: u64) -> Checked {
        let Some(entry) = self.entry(room, received.seq) else {
            let name = &self.rooms[room].name;
            return Err(format!("#{} of {name} is received and not on disk: {received:?}", received.seq));
        };
        if entry.step > step {
            let (name, seq, stored) = (&self.rooms[room].name, received.seq, entry.step);
            return Err(format!("#{seq} of {name} is received in step {step} and stored in step {stored}"));
        }
        let name = &self.rooms[room].name;
        match (self.erasure(room, received.seq), received.author.is_empty()) {
            (Erasure::No, true) => Err(format!("#{} of {name} is shown as erased: {entry:?}", received.seq)),
            (Erasure::Hidden, false) => {
                Err(format!("#{} of {name} is shown, and to be erased", received.seq))
            }
            (_, true) => Ok(()),
            (_, false) => self.compare(room, received, "is received"),
        }
    }

    /// Messages are to be erased, or perhaps.
    pub fn erase(&mut self, room: RoomIndex, first: u64, last: u64, is_certain: bool) {
        let erasure = if is_certain { Erasure::Asked } else { Erasure::Perhaps };
        for seq in first..=last {
            let Some(entry) = self.entry_mut(room, seq) else { continue };
            // There is nothing to erase in a reaction or a pin.
            let has_text = !entry.text.starts_with('~') || entry.text.starts_with("~edit");
            if has_text && matches!(entry.erasure, Erasure::No | Erasure::Perhaps) {
                entry.erasure = erasure;
            }
        }
        self.note_asked(room, (first, last), is_certain);
    }

    /// Everything that was to be sent was read: what is to be erased is shown to nobody from now on.
    pub fn hide_erased(&mut self) {
        let entries = self.rooms.iter_mut().flat_map(|room| &mut room.entries);
        for entry in entries.filter(|entry| entry.erasure == Erasure::Asked) {
            entry.erasure = Erasure::Hidden;
        }
    }

    /// The texts that are to be in no file once everything is erased. One that was said twice, and is to be erased once, is
    /// not among them, nor one that was sent once more after it was accepted, as `repeated` tells: that may be on its way.
    pub fn erased_texts(&self, repeated: &HashMap<&str, i64>) -> Vec<&str> {
        let (mut erased, mut kept) = (Vec::new(), HashSet::new());
        for (room, truth) in self.rooms.iter().enumerate() {
            for (entry, seq) in truth.entries.iter().zip(1..) {
                let text = amended::text_of(&entry.text);
                if self.erasure(room, seq) >= Erasure::Asked {
                    if repeated.get(text).is_none_or(|sent_us| *sent_us <= entry.time_us) {
                        erased.push(text);
                    }
                } else {
                    kept.insert(text);
                }
            }
        }
        erased.retain(|text| !kept.contains(text));
        erased
    }

    /// An author was answered that a draft is stored already.
    pub fn known_draft(&self, room: RoomIndex, seq: u64, author: &str, draft: &str, step: u64) -> Checked {
        match self.entry(room, seq) {
            Some(entry) if *entry.author == *author && *entry.draft == *draft && entry.step <= step => Ok(()),
            found => Err(format!("draft {draft} of {author} is said to be #{seq}, which is {found:?}")),
        }
    }

    /// A segment has expired.
    pub fn expire(&mut self, segment: At) {
        for (room, seq) in self.segments.remove(&segment).into_iter().flatten() {
            // What a failed write left behind is in a later segment, too.
            let Some(entry) = self.entry_mut(room, seq).filter(|entry| entry.at == segment) else { continue };
            entry.has_expired = true;
            let expired = &mut self.rooms[room].expired;
            *expired = (*expired).max(seq);
        }
    }

    /// What a whole log gives is what was stored, but for what has expired; `None` is erased.
    pub fn check_all(&self, found: &[(String, u64, Option<String>)]) -> Checked {
        let mut there: HashSet<(RoomIndex, u64)> = HashSet::new();
        for (name, seq, text) in found {
            let Some(room) = self.by_name.get(name).copied() else {
                return Err(format!("nobody spoke in {name}"));
            };
            there.insert((room, *seq));
            let is_it = self.is_exported_as(room, *seq, text.as_deref());
            if !is_it {
                return Err(format!(
                    "the log says #{seq} of {name} is {text:?}: {:?}",
                    self.entry(room, *seq)
                ));
            }
        }
        for (room, name) in self.rooms() {
            let entries = self.rooms[room].entries.iter().zip(1..);
            let is_lost =
                |(entry, seq): &(&TruthEntry, u64)| !entry.has_expired && !there.contains(&(room, *seq));
            if let Some((entry, seq)) = entries.into_iter().find(is_lost) {
                return Err(format!("the log has no #{seq} of {name}, which has not expired: {entry:?}"));
            }
        }
        Ok(())
    }
}
