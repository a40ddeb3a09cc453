//! What a client does.

use super::super::chance::Chance;
use super::super::truth::{RoomIndex, Truth};
use super::super::twins;
use super::{AskedPage, Client, DraftedEdit, PendingMessage, PendingRequest};
use std::fmt::Write;
use std::ops::Range;

/// How long texts may be, and who there is to whisper to.
#[derive(Clone, Debug)]
pub struct Habits {
    pub users: usize,
    pub padding_max: usize,
    /// One in this many texts may be that long.
    pub long_one_in: usize,
    pub rooms_max: usize,
    /// Rooms that are nobody's favourites, by index.
    pub side_rooms: Range<RoomIndex>,
    /// Whether facts of rooms are changed.
    pub has_facts: bool,
    /// Whether clients go through the members of rooms.
    pub has_lists: bool,
    /// Whether accounts delete much of what they said.
    pub has_deletions: bool,
}

impl Client {
    /// The first words on a new connection: the name, and the rooms it was in.
    pub fn greet(&mut self, chance: &mut Chance, truth: &Truth) -> String {
        let mut lines = self.introduction();
        let rooms: Vec<RoomIndex> = self.favourites.clone();
        for room in rooms {
            if !chance.one_in(5) {
                self.join(room, truth, &mut lines);
            }
        }
        lines
    }

    fn introduction(&mut self) -> String {
        self.asked.push_back(PendingRequest::Name(self.wanted_name.clone()));
        match self.account {
            Some(account) => format!("name {} {account}\n", self.wanted_name),
            None => format!("name {}\n", self.wanted_name),
        }
    }

    fn join(&mut self, room: RoomIndex, truth: &Truth, lines: &mut String) {
        push(lines, format_args!("join {}", truth.name(room)));
        self.floors.insert(room, truth.head(room));
        self.asked.push_back(PendingRequest::Join(room));
        if self.watches && truth.name(room) != "general" {
            push(lines, format_args!("who {}", truth.name(room)));
            self.asked.push_back(PendingRequest::Who(room));
        }
    }

    /// What is left to do before it does anything new: pages that it has missed.
    pub fn duty(&mut self, truth: &Truth) -> Option<String> {
        if self.name.is_none() || !self.asked.is_empty() || self.is_parting() {
            return None;
        }
        let (room, _) = self.attended().find(|(_, attendance)| attendance.catch_up_to.is_some())?;
        let seq = self.seen.get(&room).copied().unwrap_or(0);
        if self.number.is_multiple_of(2) {
            let count = self.catch_up_count;
            self.asked.push_back(PendingRequest::Resume { room, after: seq, count });
            return Some(format!("resume {} {seq} {count}\n", truth.name(room)));
        }
        let page = AskedPage::After { seq, count: self.catch_up_count };
        self.asked.push_back(PendingRequest::Page { room, page, is_catching_up: true });
        Some(format!("page {} after {seq} {}\n", truth.name(room), self.catch_up_count))
    }

    /// Something by chance. Nothing when it has nothing to do.
    pub fn act(&mut self, chance: &mut Chance, habits: &Habits, truth: &Truth) -> String {
        let mut lines = String::new();
        // While a new name is asked for nobody knows under which one the next words are said.
        let is_renaming = self.asked.iter().any(|asked| matches!(asked, PendingRequest::Name(_)));
        if self.is_parting() || self.name.is_none() || self.asked.len() > 3 || is_renaming {
            return lines;
        }
        if let Some(duty) = self.duty(truth) {
            return duty;
        }
        if habits.has_facts && chance.one_in(5) {
            self.change_facts(chance, truth, &mut lines);
            return lines;
        }
        if habits.has_lists && chance.one_in(3) {
            let room = self.any_room(chance);
            return self.list_members(chance, room, truth).unwrap_or_default();
        }
        if habits.has_deletions && self.account.is_some() && chance.one_in(6) {
            self.delete(chance, truth, &mut lines);
            return lines;
        }
        // Only accounts may edit and delete.
        let amends_from = if self.account.is_some() { 38 } else { 52 };
        match chance.below(100) {
            roll if roll < amends_from => self.say(chance, habits, truth, &mut lines),
            0..=59 => self.amend(chance, habits, truth, &mut lines),
            60..=64 => self.retry(chance, truth, &mut lines),
            65 | 66 => self.say_again(chance, truth, &mut lines),
            67..=74 => self.whisper(chance, habits, truth, &mut lines),
            75..=80 => self.go(chance, habits, truth, &mut lines),
            81..=85 => self.leave(chance, truth, &mut lines),
            86..=93 => self.page(chance, truth, &mut lines),
            94..=96 => self.rename(chance, habits, &mut lines),
            97 => {
                lines.push_str("bye\n");
                self.has_ended = true;
            }
            _ => {
                self.say(chance, habits, truth, &mut lines);
                self.say(chance, habits, truth, &mut lines);
                self.say(chance, habits, truth, &mut lines);
            }
        }
        lines
    }

    /// Changes the facts of a room that it is in, or of one that nobody is ever in; or a member of it reads.
    fn change_facts(&self, chance: &mut Chance, truth: &Truth, lines: &mut String) {
        let nobodys = format!("facts{}", chance.below(4));
        let room = match self.any_room(chance) {
            Some(room) if !chance.one_in(4) && !twins::is_one(truth.name(room)) => truth.name(room),
            _ => &nobodys,
        };
        for _ in 0..chance.between(1, 5) {
            let account = chance.between(1, 9);
            if chance.one_in(4) {
                push(lines, format_args!("read {room} {account} {}", chance.below(50)));
                continue;
            }
            let what = [
                "join", "join", "leave", "owner", "mute", "unmute", "ban", "unban", "invite", "topic", "slow",
            ];
            push(lines, format_args!("fact {room} {} {account}", what[chance.below(what.len())]));
        }
    }

    /// A room that it is in and stays in.
    fn any_room(&self, chance: &mut Chance) -> Option<RoomIndex> {
        let rooms: Vec<RoomIndex> = self.attended().map(|(room, _)| room).collect();
        // Often the same one, so that some rooms are busy.
        (!rooms.is_empty()).then(|| rooms[if chance.one_in(2) { 0 } else { chance.below(rooms.len()) }])
    }

    fn text(&mut self, chance: &mut Chance, habits: &Habits, now_us: i64) -> (Option<String>, String) {
        self.said_count += 1;
        let (number, count) = (self.number, self.said_count);
        let padding = match chance.one_in(habits.long_one_in) {
            true => chance.below(habits.padding_max + 1),
            false => chance.below(24),
        };
        let words = if chance.one_in(6) { "안녕하세요 " } else { "hello " };
        // No name has this mark: in a file, where a room's name may be right before it, a text has its own beginning.
        let text = format!("#{number}.{count} {words}{}", "x".repeat(padding));
        let draft = chance.one_in(2).then(|| match chance.one_in(2) {
            true => format!("d{number}.{count}"),
            false => {
                // A UUID of version 7, by a clock that may be late.
                let made_ms = (now_us / 1000 - chance.below(50_000) as i64).unsigned_abs();
                let made = format!("{made_ms:012x}");
                format!("{}-{}-7000-8000-{number:04x}{count:08x}", &made[..8], &made[8..])
            }
        });
        (draft, text.trim_end().to_owned())
    }

    fn say(&mut self, chance: &mut Chance, habits: &Habits, truth: &Truth, lines: &mut String) {
        let Some(room) = self.any_room(chance) else { return self.go(chance, habits, truth, lines) };
        // A large room receives everything: nobody says much there. Nor where rooms are to stay without messages.
        if (truth.name(room) == "general" || twins::is_one(truth.name(room))) && !chance.one_in(20) {
            return;
        }
        let (draft, text) = self.text(chance, habits, truth.now_us);
        let author = self.name.clone().unwrap_or_default();
        push(lines, format_args!("say {} {} {text}", truth.name(room), draft.as_deref().unwrap_or("-")));
        let said = PendingMessage { room: Some(room), author, draft, text, is_of_before: false };
        // Now and then a client is unsure and repeats itself at once.
        if said.draft.is_some() && chance.one_in(8) {
            self.repeat(&said, truth, lines);
        }
        self.unanswered.push(said);
    }

    /// Edits, deletes, pins or reacts to a message: mostly one of the latest, now and then any. Of a guest edits and
    /// deletions are refused.
    fn amend(&mut self, chance: &mut Chance, habits: &Habits, truth: &Truth, lines: &mut String) {
        let Some(room) = self.any_room(chance) else { return };
        let (name, head) = (truth.name(room), truth.head(room));
        if name == "general" || twins::is_one(name) || head == 0 {
            return;
        }
        if chance.one_in(6) {
            return self.edit_again(chance, truth, lines);
        }
        let from = if chance.one_in(4) { 1 + chance.below(head as usize) as u64 } else { head };
        let author = self.name.clone().unwrap_or_default();
        let own = truth.messages_down(room, from).take(40).find(|seq| truth.is_by(room, *seq, &author));
        let any = truth.messages_down(room, from).nth(chance.below(6));
        match (chance.below(10), own, any) {
            (0..=3, Some(seq), _) => {
                self.asks_as_guest(seq);
                let (draft, text) = self.text(chance, habits, truth.now_us);
                push(lines, format_args!("edit {name} {seq} {} {text}", draft.as_deref().unwrap_or("-")));
                if let Some(draft) = draft {
                    self.edits.push(DraftedEdit { room, target: seq, author, draft, text });
                }
            }
            (4, Some(seq), _) => {
                self.asks_as_guest(seq);
                push(lines, format_args!("delete {name} {seq}"));
            }
            // It may be another's: that is refused.
            (5, _, Some(seq)) if chance.one_in(4) => {
                self.asks_as_guest(seq);
                push(lines, format_args!("delete {name} {seq}"));
            }
            (5 | 6, _, Some(seq)) => push(lines, format_args!("pin {name} {seq}")),
            (7, _, Some(seq)) => push(lines, format_args!("unpin {name} {seq}")),
            (_, _, Some(seq)) => push(lines, format_args!("react {name} {seq}")),
            _ => return,
        }
        self.amends_sent += 1;
        self.has_amended = true;
    }

    /// Deletes something that it said, near or at any depth.
    fn delete(&mut self, chance: &mut Chance, truth: &Truth, lines: &mut String) {
        let Some(room) = self.any_room(chance) else { return };
        let (name, head) = (truth.name(room), truth.head(room));
        if name == "general" || twins::is_one(name) || head == 0 {
            return;
        }
        let from = 1 + chance.below(head as usize) as u64;
        let author = self.name.clone().unwrap_or_default();
        let own = truth.messages_down(room, from).take(40).find(|seq| truth.is_by(room, *seq, &author));
        let Some(seq) = own else { return };
        self.asks_as_guest(seq);
        push(lines, format_args!("delete {name} {seq}"));
        self.amends_sent += 1;
        self.has_amended = true;
    }

    /// A message is asked to be edited or deleted: a guest is to be refused.
    fn asks_as_guest(&mut self, seq: u64) {
        if self.account.is_none() {
            self.needing_account.push(seq);
        }
    }

    /// Asks again for an edit, perhaps of long ago: it is stored once. Now and then behind an amendment of the same message.
    fn edit_again(&mut self, chance: &mut Chance, truth: &Truth, lines: &mut String) {
        if self.edits.is_empty() {
            return;
        }
        let edit = self.edits[chance.below(self.edits.len())].clone();
        let DraftedEdit { room, target, author, draft, text } = edit;
        let is_there = self.attended().any(|(attended, _)| attended == room);
        if !is_there || Some(author) != self.name {
            return;
        }
        let name = truth.name(room);
        if chance.one_in(2) {
            push(lines, format_args!("pin {name} {target}"));
            self.amends_sent += 1;
        }
        self.asks_as_guest(target);
        push(lines, format_args!("edit {name} {target} {draft} {text}"));
        self.amends_sent += 1;
        self.has_amended = true;
    }

    fn repeat(&mut self, said: &PendingMessage, truth: &Truth, lines: &mut String) {
        let (Some(room), Some(draft)) = (said.room, &said.draft) else { return };
        push(lines, format_args!("say {} {draft} {}", truth.name(room), said.text));
        self.repeated.insert(said.text.clone(), truth.now_us);
        self.unanswered.push(said.clone());
    }

    fn retry(&mut self, chance: &mut Chance, truth: &Truth, lines: &mut String) {
        if self.retry.is_empty() {
            return;
        }
        let said = self.retry.swap_remove(chance.below(self.retry.len()));
        let is_there = said.room.is_some_and(|room| self.attended().any(|(attended, _)| attended == room));
        if Some(&said.author) != self.name.as_ref() {
            return;
        }
        if is_there {
            self.repeat(&said, truth, lines);
        } else {
            self.retry.push(said);
        }
    }

    /// Says again what was answered, perhaps long ago: nothing is stored.
    fn say_again(&mut self, chance: &mut Chance, truth: &Truth, lines: &mut String) {
        if self.kept.is_empty() {
            return;
        }
        let said = self.kept[chance.below(self.kept.len())].clone();
        let is_there = said.room.is_some_and(|room| self.attended().any(|(attended, _)| attended == room));
        // One is on its way at a time, so that it is known what the answer is to.
        let is_asked = self.unanswered.iter().any(|asked| asked.text == said.text);
        if is_there && !is_asked && Some(&said.author) == self.name.as_ref() {
            self.repeat(&said, truth, lines);
        }
    }

    fn whisper(&mut self, chance: &mut Chance, habits: &Habits, truth: &Truth, lines: &mut String) {
        let (draft, text) = self.text(chance, habits, truth.now_us);
        let reader = chance.below(habits.users);
        let to = match chance.one_in(3) {
            true => format!("a{}", 1 + reader / 8),
            false => format!("u{reader}"),
        };
        push(lines, format_args!("to {to} {} {text}", draft.as_deref().unwrap_or("-")));
        self.whispered.push((text.clone(), truth.now_us));
        let author = self.name.clone().unwrap_or_default();
        self.unanswered.push(PendingMessage { room: None, author, draft, text, is_of_before: false });
    }

    /// Into another room, or from one into another.
    fn go(&mut self, chance: &mut Chance, habits: &Habits, truth: &Truth, lines: &mut String) {
        let away: Vec<RoomIndex> =
            self.favourites.iter().copied().filter(|room| !self.rooms.contains_key(room)).collect();
        if self.rooms.len() >= habits.rooms_max || !self.asked.is_empty() {
            return;
        }
        // Now and then a room that others seldom are in: it is read from the disk, and evicted.
        let side = habits.side_rooms.start + chance.below(habits.side_rooms.len());
        let is_aside = chance.one_in(3) && !self.rooms.contains_key(&side);
        let new = match away.len() {
            _ if is_aside => side,
            0 => return,
            count => away[chance.below(count)],
        };
        let old = self.any_room(chance).filter(|_| chance.one_in(2));
        let Some(old) = old else { return self.join(new, truth, lines) };
        push(lines, format_args!("move {} {}", truth.name(old), truth.name(new)));
        self.part(old);
        self.floors.insert(new, truth.head(new));
        self.asked.push_back(PendingRequest::Move { old: Some(old), new: Some(new) });
    }

    fn part(&mut self, room: RoomIndex) {
        if let Some(attendance) = self.rooms.get(&room).cloned() {
            self.note_seen(room, &attendance);
        }
        if let Some(attendance) = self.rooms.get_mut(&room) {
            attendance.is_leaving = true;
        }
    }

    fn leave(&mut self, chance: &mut Chance, truth: &Truth, lines: &mut String) {
        if let Some(room) = self.any_room(chance).filter(|_| self.asked.is_empty()) {
            push(lines, format_args!("leave {}", truth.name(room)));
            self.part(room);
            self.asked.push_back(PendingRequest::Leave(room));
        }
    }

    fn page(&mut self, chance: &mut Chance, truth: &Truth, lines: &mut String) {
        let Some(room) = self.any_room(chance) else { return };
        let head = truth.head(room);
        let count = [1, 5, 20, 100, 500][chance.below(5)];
        let seq = chance.below(head as usize + 3) as u64;
        let name = truth.name(room);
        let page = match chance.below(3) {
            0 => AskedPage::Last { count },
            1 => AskedPage::Before { seq, count },
            _ => AskedPage::After { seq, count },
        };
        let kind = match page {
            AskedPage::Last { .. } => "last",
            AskedPage::Before { .. } => "before",
            AskedPage::After { .. } => "after",
        };
        push(lines, format_args!("page {name} {kind} {seq} {count}"));
        self.asked.push_back(PendingRequest::Page { room, page, is_catching_up: false });
    }

    fn rename(&mut self, chance: &mut Chance, habits: &Habits, lines: &mut String) {
        // Handles do not change.
        if !self.asked.is_empty() || self.account.is_some() {
            return;
        }
        self.names_tried += 1;
        let name = match chance.below(3) {
            0 => format!("u{}", chance.below(habits.users)),
            1 => format!("u{}", self.number),
            _ => format!("u{}x{}", self.number, self.names_tried % 4),
        };
        push(lines, format_args!("name {name}"));
        self.asked.push_back(PendingRequest::Name(name));
    }

    /// A name that nobody else wants.
    pub(super) fn own_name(&mut self) -> String {
        self.names_tried += 1;
        format!("u{}y{}", self.number, self.names_tried)
    }

    /// What it says when its first name was refused.
    pub fn insist(&mut self, truth: &Truth) -> String {
        let mut lines = self.introduction();
        for room in self.favourites.clone() {
            self.join(room, truth, &mut lines);
        }
        lines
    }

    /// Whether its name was refused and it has none.
    pub fn is_turned_away(&self) -> bool {
        self.line.is_some() && self.name.is_none() && self.asked.is_empty() && !self.is_parting()
    }
}

fn push(lines: &mut String, words: std::fmt::Arguments<'_>) {
    // A string takes everything.
    let _ = lines.write_fmt(words);
    lines.push('\n');
}
