//! What is to be erased.

use crate::format::{StoredAmendment, StoredChange, StoredEntry, StoredMessage};
use crate::read::Exported;
use hashbrown::HashMap;
use madang_model::{
    Amendment, Change, Edited, Message, RoomKey, RoomName, Seq, ShownEntry, ShownMessage, Timestamp, UserKey,
    UserName,
};

/// Names seen while a log is read: finding the key of one costs more than everything else about a message.
const NAMES_KEPT_MAX: usize = 65_536;

/// How long after it is asked for something may still be changed, as shards hear of it a little later.
const HIDE_US_MAX: i64 = 60_000_000;

/// One thing that is to be erased.
#[derive(Clone, Debug)]
pub enum ErasureRule {
    /// Entries of a room, with what changed their texts later.
    Entries {
        /// The room.
        room: RoomName,
        /// The number of the first.
        first: Seq,
        /// The number of the last.
        last: Seq,
    },
    /// Everything that was said under a name.
    Author {
        /// The name.
        author: UserName,
        /// In this room alone.
        room: Option<RoomName>,
    },
}

/// Everything that is to be erased.
#[derive(Clone, Debug, Default)]
pub struct Erasures {
    entries: HashMap<RoomKey, RoomSpans>,
    authors: HashMap<UserKey, Vec<AuthorScope>>,
}

/// Numbers of a room that were said until then.
#[derive(Clone, Copy, Debug)]
struct NumberSpan {
    first: Seq,
    last: Seq,
    until: Timestamp,
}

/// The spans of a room. Most are of one number, and there may be many.
#[derive(Clone, Debug, Default)]
struct RoomSpans {
    /// By the first number.
    spans: Vec<NumberSpan>,
    /// How many numbers the longest has.
    longest: u64,
}

impl RoomSpans {
    fn add(&mut self, span: NumberSpan) {
        self.longest = self.longest.max(span.last.0.saturating_sub(span.first.0).saturating_add(1));
        let place = self.spans.partition_point(|known| known.first <= span.first);
        self.spans.insert(place, span);
    }

    fn include(&self, seq: Seq, time: Timestamp) -> bool {
        let earliest = Seq(seq.0.saturating_sub(self.longest - 1));
        let from = self.spans.partition_point(|span| span.first < earliest);
        let mut near = self.spans[from..].iter().take_while(|span| span.first <= seq);
        near.any(|span| seq <= span.last && time <= span.until)
    }
}

/// What somebody said until then, in one room or all.
#[derive(Clone, Copy, Debug)]
struct AuthorScope {
    room: Option<RoomKey>,
    until: Timestamp,
}

/// An entry as far as it matters here.
#[derive(Clone, Copy, Debug)]
struct ErasureSubject {
    room: RoomKey,
    seq: Seq,
    time: Timestamp,
    author: Option<UserKey>,
}

impl Erasures {
    /// Adds a rule. What was said after `until` stays: a name may have another owner by then, and numbers are given again
    /// where an older copy of a log was restored.
    pub fn add(&mut self, rule: &ErasureRule, until: Timestamp) {
        match rule {
            ErasureRule::Entries { room, first, last } => {
                let span = NumberSpan { first: *first, last: *last, until };
                self.entries.entry(room.key()).or_default().add(span);
            }
            ErasureRule::Author { author, room } => {
                let scope = AuthorScope { room: room.as_ref().map(RoomName::key), until };
                self.authors.entry(author.key()).or_default().push(scope);
            }
        }
    }

    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.authors.is_empty()
    }

    /// Adds what others include.
    pub fn extend(&mut self, others: &Erasures) {
        for (room, spans) in &others.entries {
            let own = self.entries.entry(*room).or_default();
            spans.spans.iter().for_each(|span| own.add(*span));
        }
        for (author, scopes) in &others.authors {
            self.authors.entry(*author).or_default().extend(scopes);
        }
    }

    /// The rooms that may have any of them; `None` when every room may.
    pub fn rooms(&self) -> Option<Vec<RoomKey>> {
        let of_authors = self.authors.values().flatten().map(|scope| scope.room);
        of_authors.chain(self.entries.keys().map(|room| Some(*room))).collect()
    }

    /// Whether entries with this number of a room that were said by then are among them.
    pub fn covers(&self, room: RoomKey, seq: Seq, time: Timestamp) -> bool {
        self.entries.get(&room).is_some_and(|spans| spans.include(seq, time))
    }

    /// Whether a message that is in memory is among them.
    pub fn include(&self, message: &Message) -> bool {
        !self.is_empty()
            && self.wants(ErasureSubject {
                room: message.room.key(),
                seq: message.seq,
                time: message.time,
                author: Some(message.author.key()),
            })
    }

    /// Whether the text of an amendment that is in memory is among them.
    pub fn include_amendment(&self, amendment: &Amendment) -> bool {
        let target = match amendment.change {
            Change::Edit { .. } => amendment.target,
            Change::Topic { .. } => Seq::ZERO,
            Change::Deletion | Change::Reactions(_) | Change::Pin { .. } => return false,
        };
        if self.is_empty() {
            return false;
        }
        let (room, seq, time) = (amendment.room.key(), amendment.seq, amendment.time);
        let own = ErasureSubject { room, seq, time, author: Some(amendment.author.key()) };
        self.wants(own) || target > Seq::ZERO && self.wants_changed(own, target)
    }

    /// Whether a message as it is now has a text that is among them.
    pub fn include_shown(&self, shown: &ShownMessage) -> bool {
        let Some(message) = shown.message().filter(|_| !self.is_empty()) else { return false };
        let (room, author) = (message.room.key(), Some(message.author.key()));
        self.include(message)
            || shown
                .edited()
                .is_some_and(|Edited { seq, time }| self.wants(ErasureSubject { room, seq, time, author }))
    }

    /// Hides what of an entry is among them; says whether that was anything.
    pub fn hide(&self, entry: &mut ShownEntry) -> bool {
        match entry {
            ShownEntry::Message(shown) => self.hide_shown(shown),
            ShownEntry::Amendment(amendment) if self.include_amendment(amendment) => {
                *entry = ShownEntry::Gone { seq: amendment.seq, time: amendment.time };
                true
            }
            ShownEntry::Amendment(_) | ShownEntry::Gone { .. } => false,
        }
    }

    /// Leaves nothing of a message that is among them; says whether it is.
    pub fn hide_shown(&self, shown: &mut ShownMessage) -> bool {
        let is_included = self.include_shown(shown);
        if is_included {
            *shown = ShownMessage::erased(shown.seq(), shown.time());
        }
        is_included
    }

    /// Whether entries of a room up to this number may be among them, or what changed the text of such.
    pub fn may_reach(&self, room: RoomKey, last: Seq) -> bool {
        !self.authors.is_empty()
            || self
                .entries
                .get(&room)
                .is_some_and(|room| room.spans.first().is_some_and(|span| span.first <= last))
    }

    /// Whether what an entry changes is among them by its number. Its time is not known. Nobody changes what is hidden, so what
    /// changes it much later than it was asked for changes a message that was said later.
    fn wants_changed(&self, change: ErasureSubject, target: Seq) -> bool {
        self.covers(change.room, target, Timestamp(change.time.0.saturating_sub(HIDE_US_MAX)))
    }

    fn wants(&self, asked: ErasureSubject) -> bool {
        let ErasureSubject { room, seq, time, author } = asked;
        let is_own = |scope: &AuthorScope| scope.room.is_none_or(|of| of == room) && time <= scope.until;
        self.entries.get(&room).is_some_and(|spans| spans.include(seq, time))
            || author.and_then(|author| self.authors.get(&author)).is_some_and(|own| own.iter().any(is_own))
    }
}

/// An entry as it is stored, to be matched.
#[derive(Clone, Copy, Debug)]
pub struct ErasureCandidate<'a> {
    /// The room's name as stored.
    pub room: &'a str,
    /// Its number.
    pub seq: Seq,
    /// When it was accepted.
    pub time: Timestamp,
    /// The name of its author, as stored.
    pub author: &'a str,
    /// The entry whose text it changes.
    pub target: Option<Seq>,
}

/// Finds stored entries among what is to be erased.
#[derive(Debug)]
pub struct ErasureMatcher<'e> {
    erasures: &'e Erasures,
    rooms: HashMap<Box<str>, Option<RoomKey>>,
    authors: HashMap<Box<str>, Option<UserKey>>,
}

impl<'e> ErasureMatcher<'e> {
    /// For these.
    pub fn new(erasures: &'e Erasures) -> ErasureMatcher<'e> {
        ErasureMatcher { erasures, rooms: HashMap::new(), authors: HashMap::new() }
    }

    /// Whether a message that is not erased yet is among them.
    pub fn wants_message(&mut self, message: &StoredMessage<'_>) -> bool {
        let (room, seq, time) = (message.room, message.seq, message.time);
        let author = message.author.name;
        !message.is_erased && self.wants(ErasureCandidate { room, seq, time, author, target: None })
    }

    /// Whether an amendment that has a text is among them.
    pub fn wants_amendment(&mut self, amendment: &StoredAmendment<'_>) -> bool {
        let (room, seq, time) = (amendment.room, amendment.seq, amendment.time);
        let author = amendment.author.name;
        let (has_text, target) = match amendment.change {
            StoredChange::Edit { .. } => (true, Some(amendment.target)),
            StoredChange::Topic { .. } => (true, None),
            StoredChange::Deletion
            | StoredChange::Reactions { .. }
            | StoredChange::Pin { .. }
            | StoredChange::Erased(_) => (false, None),
        };
        has_text && self.wants(ErasureCandidate { room, seq, time, author, target })
    }

    /// Leaves out of what an export gives what is among them, as if it were erased: of a message its author, too.
    pub fn hide(&mut self, exported: &mut Exported<'_>) {
        match exported {
            Exported::Message(message) if self.wants_message(message) => {
                (message.is_erased, message.draft, message.text) = (true, "", "");
                message.author.name = "";
            }
            Exported::Amendment(amendment) if self.wants_amendment(amendment) => {
                amendment.change = StoredChange::Erased(amendment.change.kind());
                amendment.author.name = "";
            }
            Exported::Message(_) | Exported::Amendment(_) | Exported::Lost { .. } => {}
        }
    }

    /// Whether an entry is among them.
    pub fn wants_entry(&mut self, entry: &StoredEntry<'_>) -> bool {
        match entry {
            StoredEntry::Message(message) => self.wants_message(message),
            StoredEntry::Amendment(amendment) => self.wants_amendment(amendment),
        }
    }

    /// Whether the numbers include the one of an entry, whether it is erased or not.
    pub fn covers_place_of(&mut self, entry: &StoredEntry<'_>) -> bool {
        let (room, seq, time) = (entry.room(), entry.seq(), entry.time());
        self.wants(ErasureCandidate { room, seq, time, author: "", target: None })
    }

    /// Whether it is among them.
    pub fn wants(&mut self, entry: ErasureCandidate<'_>) -> bool {
        let ErasureCandidate { room, seq, time, author, target } = entry;
        let Some(room) = key_of(&mut self.rooms, room, |name| Some(RoomName::from_log(name).ok()?.key()))
        else {
            return false;
        };
        let author = match self.erasures.authors.is_empty() {
            true => None,
            false => key_of(&mut self.authors, author, |name| Some(UserName::parse(name).ok()?.key())),
        };
        let asked = ErasureSubject { room, seq, time, author };
        self.erasures.wants(asked) || target.is_some_and(|target| self.erasures.wants_changed(asked, target))
    }
}

fn key_of<K: Copy>(
    known: &mut HashMap<Box<str>, Option<K>>,
    name: &str,
    key: impl FnOnce(&str) -> Option<K>,
) -> Option<K> {
    if let Some(known) = known.get(name) {
        return *known;
    }
    if known.len() >= NAMES_KEPT_MAX {
        known.clear();
    }
    let key = key(name);
    known.insert(name.into(), key);
    key
}
