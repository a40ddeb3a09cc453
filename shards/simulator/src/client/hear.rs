//! What a client receives, and how it checks it.

use super::super::truth::{Checked, ReceivedMessage, RoomIndex, Truth};
use super::{
    AskedPage, Attendance, Client, KEPT_MAX, Leniency, Listed, PendingMessage, PendingRequest, TAKEN_MAX,
};
use std::collections::VecDeque;

/// What is needed to check a line.
pub(super) struct ClientHearing<'a> {
    pub(super) truth: &'a mut Truth,
    leniency: Leniency,
    /// When the server wrote the start of the line.
    pub(super) step: u64,
}

impl Client {
    /// Takes bytes that the server wrote in `step`.
    ///
    /// # Errors
    /// What is wrong with what they say.
    pub fn hear(&mut self, step: u64, bytes: &[u8], truth: &mut Truth, leniency: Leniency) -> Checked {
        let mut rest = bytes;
        while let Some(end) = rest.iter().position(|b| *b == b'\n') {
            let (head, tail) = rest.split_at(end);
            rest = &tail[1..];
            let began = if self.partial.is_empty() { step } else { self.partial_step };
            let mut line = std::mem::take(&mut self.partial);
            line.extend_from_slice(head);
            let text = std::str::from_utf8(&line).map_err(|_| "a line is no UTF-8".to_owned())?;
            let mut hearing = ClientHearing { truth, leniency, step: began };
            self.lines_heard += 1;
            self.line_heard(text, &mut hearing).map_err(|wrong| format!("{wrong}; received in {text:?}"))?;
            line.clear();
            self.partial = line;
        }
        if !rest.is_empty() {
            if self.partial.is_empty() {
                self.partial_step = step;
            }
            self.partial.extend_from_slice(rest);
        }
        Ok(())
    }

    fn line_heard(&mut self, line: &str, hearing: &mut ClientHearing<'_>) -> Checked {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        if self.listed.is_some() && !matches!(word, "old" | "bye" | "down") {
            return Err(format!("a list ends early: {:?}", self.listed));
        }
        match word {
            "msg" => self.message(rest, hearing),
            "old" => self.old(rest, hearing),
            "in" | "out" | "nick" => self.presence(word, rest, hearing),
            "gone" | "nicks" => self.presence_in_all(word, rest, hearing),
            "sent" => self.sent(rest, hearing),
            "you" => self.named(rest, hearing),
            "joined" => self.joined(rest, hearing),
            "left" => self.left(hearing.truth.room(rest)),
            "page" => self.page_received(rest, hearing),
            "resumed" => self.resumed(rest, hearing),
            // There is none, or nothing would change.
            "unamended" => Ok(()),
            "notyours" if self.account.is_some() => Ok(()),
            "notyours" => Err(format!("client {} is a guest, and is told of an author", self.number)),
            "noaccount" => self.needs_account(number(rest)?),
            "who" => self.who_received(rest, hearing),
            "members" => self.members_received(rest, hearing.truth),
            "no" => self.refused(rest),
            "unsaid" => self.unsaid(rest),
            "known" => self.known(rest, hearing),
            "tooold" => self.too_old(rest, hearing),
            "whisper" | "receipt" => self.whispered(word == "receipt", rest, hearing),
            "bye" if rest == "notcarried" && !hearing.leniency.has_faults => {
                Err(format!("client {} is not carried over", self.number))
            }
            "bye" => {
                self.is_farewell_said = true;
                self.listed = None;
                Ok(())
            }
            "fact" => {
                let (room, revision) = rest.split_once(' ').ok_or("fact ROOM REVISION")?;
                hearing.truth.facts.acknowledged(room, number(revision)?, hearing.step)
            }
            "hello" => self.greeted(rest, hearing.truth),
            "down" | "nofact" => Ok(()),
            _ => Err("nobody knows this word".to_owned()),
        }
    }

    fn named(&mut self, rest: &str, hearing: &mut ClientHearing<'_>) -> Checked {
        let (granted, side) = rest.split_once(' ').ok_or("you NAME SIDE")?;
        match self.asked.pop_front() {
            Some(PendingRequest::Name(name)) if name == granted => {
                self.wanted_name.clone_from(&name);
                self.name = Some(name);
                self.named_us = hearing.truth.now_us;
            }
            other => return Err(format!("{other:?} was asked")),
        }
        self.known_as(side, hearing.truth)
    }

    fn message(&mut self, rest: &str, hearing: &mut ClientHearing<'_>) -> Checked {
        let (room, received) = received(rest, hearing.truth)?;
        hearing.truth.received(room, received, hearing.step)?;
        self.deliveries += 1;
        let Some(attendance) = self.rooms.get_mut(&room) else {
            return Err(format!("client {} is not in this room", self.number));
        };
        let is_next = received.seq == attendance.last + 1;
        let is_allowed = is_next || (attendance.is_leaving && received.seq > attendance.last);
        if !is_allowed {
            let last = attendance.last;
            return Err(format!("#{} follows #{last} for client {}", received.seq, self.number));
        }
        attendance.last = received.seq;
        if attendance.catch_up_to.is_none() && !attendance.is_leaving {
            self.seen.insert(room, received.seq);
        }
        let speaker = received.text.strip_prefix('#').and_then(|rest| rest.split_once('.'));
        let speaker = speaker.and_then(|(number, _)| number.parse().ok());
        if speaker == Some(self.number) {
            self.answered(received.text);
        }
        Ok(())
    }

    /// One that was said is stored.
    pub(super) fn answered(&mut self, text: &str) {
        if let Some(place) = self.unanswered.iter().position(|said| said.text == text) {
            let said = self.unanswered.swap_remove(place);
            if said.is_of_before {
                self.perhaps_known.push(said);
            } else {
                self.keep(said);
            }
            self.settle_refused();
        } else if let Some(place) = self.retry.iter().position(|said| said.text == text) {
            // It was said twice, perhaps: the other is answered, too.
            self.retry.swap_remove(place);
        }
    }

    /// When all that is left was refused, the drafts of it are for another time.
    fn settle_refused(&mut self) {
        if self.refused < self.unanswered.len() {
            return;
        }
        self.refused = 0;
        let mut again: Vec<PendingMessage> =
            self.unanswered.drain(..).filter(|said| said.draft.is_some()).collect();
        if self.has_amended {
            self.taken_for_refused.extend(again.iter().cloned());
            let old = self.taken_for_refused.len().saturating_sub(TAKEN_MAX);
            self.taken_for_refused.drain(..old);
        }
        again.retain(|said| said.room.is_some());
        self.retry.extend(again);
        self.retry.truncate(8);
    }

    /// What was answered as refused, though that may have been an amendment.
    fn taken_for_refused(&self, draft: &str) -> Option<PendingMessage> {
        self.taken_for_refused.iter().find(|said| said.draft.as_deref() == Some(draft)).cloned()
    }

    /// A guest may not edit or delete, whatever became of the message.
    fn needs_account(&mut self, seq: u64) -> Checked {
        let Some(place) = self.needing_account.iter().position(|target| *target == seq) else {
            return Err(format!("client {} has not asked for a change of #{seq} as a guest", self.number));
        };
        self.needing_account.remove(place);
        self.refused_as_guest += 1;
        Ok(())
    }

    fn unsaid(&mut self, why: &str) -> Checked {
        self.unsaid += 1;
        // It may have left while the message that it amends was looked up.
        let is_of_amendment = why == "stranger" || self.refused >= self.unanswered.len();
        if is_of_amendment && self.amends_sent > 0 {
            self.amends_sent -= 1;
            return Ok(());
        }
        self.refused += 1;
        if self.refused > self.unanswered.len() {
            return Err("more is refused than was said".to_owned());
        }
        self.settle_refused();
        if why == "stranger" {
            return Err(format!("client {} is in every room it speaks in", self.number));
        }
        Ok(())
    }

    fn known(&mut self, rest: &str, hearing: &mut ClientHearing<'_>) -> Checked {
        let (seq, draft) = rest.split_once(' ').ok_or("known SEQ DRAFT")?;
        if let Some(edit) = self.edits.iter().find(|edit| edit.draft == draft) {
            return hearing.truth.known_draft(edit.room, number(seq)?, &edit.author, draft, hearing.step);
        }
        let said = self.take_said(draft)?;
        self.settle_refused();
        // Whispers are repeated too seldom to be looked up here.
        let Some(room) = said.room else { return Ok(()) };
        hearing.truth.known_draft(room, number(seq)?, &said.author, draft, hearing.step)
    }

    fn too_old(&mut self, draft: &str, hearing: &ClientHearing<'_>) -> Checked {
        if let Some(edit) = self.edits.iter().find(|edit| edit.draft == draft) {
            return hearing.truth.too_old(Some(edit.room), draft);
        }
        let said = self.take_said(draft)?;
        self.settle_refused();
        // A whisper, too, may be read late.
        hearing.truth.too_old(said.room, draft)
    }

    /// What was said from a draft and is answered by the draft.
    fn take_said(&mut self, draft: &str) -> Result<PendingMessage, String> {
        let is_it = |said: &PendingMessage| said.draft.as_deref() == Some(draft);
        // One that waits to be said again was taken for refused, and an amendment was.
        for all in [&mut self.unanswered, &mut self.perhaps_known, &mut self.retry] {
            if let Some(place) = all.iter().position(is_it) {
                return Ok(all.swap_remove(place));
            }
        }
        self.taken_for_refused(draft).ok_or_else(|| "no such draft was said".to_owned())
    }

    /// Remembers something that was answered, to say it again much later.
    fn keep(&mut self, said: PendingMessage) {
        if said.draft.is_some() && said.room.is_some() && self.said_count.is_multiple_of(3) {
            self.kept.push_back(said);
            if self.kept.len() > KEPT_MAX {
                self.kept.pop_front();
            }
        }
    }

    /// What one act of a session did in all of these rooms.
    fn presence_in_all(&mut self, word: &str, rest: &str, hearing: &mut ClientHearing<'_>) -> Checked {
        let words: Vec<&str> = rest.split(' ').collect();
        let (single, who, rooms) = match (word, &words[..]) {
            ("gone", [mark, who, rooms @ ..]) => ("out", format!("{who} {mark}"), rooms),
            ("nicks", [mark, old, new, rooms @ ..]) => ("nick", format!("{old} {mark} {new}"), rooms),
            _ => return Err("gone MARK WHO ROOMS, or nicks MARK OLD NEW ROOMS".to_owned()),
        };
        if rooms.len() < 2 {
            return Err("it happened in one room".to_owned());
        }
        rooms.iter().try_for_each(|room| self.presence(single, &format!("{room} {who}"), hearing))
    }

    fn presence(&mut self, word: &str, rest: &str, hearing: &mut ClientHearing<'_>) -> Checked {
        let mut words = rest.split(' ');
        let room = hearing.truth.room(words.next().unwrap_or_default());
        let who = words.next().unwrap_or_default();
        let (mark, new) = (words.next().unwrap_or("-"), words.next().unwrap_or_default());
        if word != "in" {
            self.has_left(room, who);
            self.has_left(room, new);
        }
        let Some(attendance) = self.rooms.get_mut(&room) else {
            return Err(format!("client {} is not in this room", self.number));
        };
        if mark != "-" && !self.acts.insert((format!("{mark} {who} {new}"), room)) {
            return Err(format!("client {} has seen this before", self.number));
        }
        // A room that lags behind may say that somebody is there who is gone, or is gone who is there: that is undone once more.
        let (gone, come) = if word == "in" { ("", who) } else { (who, new) };
        self.acts.retain(|(act, seen_in)| {
            let mut names = act.split(' ').skip(1);
            let (was_gone, has_come) = (names.next().unwrap_or_default(), names.next().unwrap_or_default());
            let is_undone = (!come.is_empty() && was_gone == come) || (!gone.is_empty() && has_come == gone);
            *seen_in != room || !is_undone
        });
        let Some(view) = &mut attendance.view else { return Ok(()) };
        match word {
            "in" => {
                view.insert(who.to_owned());
            }
            "out" => {
                view.remove(who);
            }
            _ => {
                view.remove(who);
                view.insert(new.to_owned());
            }
        }
        Ok(())
    }

    fn joined(&mut self, rest: &str, hearing: &mut ClientHearing<'_>) -> Checked {
        let mut words = rest.split(' ');
        let room = hearing.truth.room(words.next().unwrap_or_default());
        let mut next = || number(words.next().unwrap_or_default());
        let (head, count) = (next()?, next()?);
        match self.asked.front_mut() {
            Some(PendingRequest::Join(asked)) if *asked == room => {
                self.asked.pop_front();
            }
            Some(PendingRequest::Move { old, new }) if *new == Some(room) => {
                *new = None;
                if old.is_none() {
                    self.asked.pop_front();
                }
            }
            other => return Err(format!("{other:?} was asked")),
        }
        let floor = self.floors.remove(&room).unwrap_or(0);
        if head < floor {
            return Err(format!("the newest is #{head}, and #{floor} was on disk before it was asked"));
        }
        let expired = hearing.truth.expired(room);
        let latest: Vec<u64> = hearing.truth.messages_down(room, head).take(15).collect();
        let wanted = latest.len() as u64;
        let is_lenient = hearing.leniency.may_expire || hearing.leniency.has_faults;
        if count != wanted && !(is_lenient && count < wanted) {
            return Err(format!("a history of {count} where {wanted} are stored"));
        }
        let seen = self.seen.get(&room).copied();
        if seen.is_some_and(|seen| seen > head) {
            return Err(format!("client {} has seen up to #{seen:?} before", self.number));
        }
        let expected: VecDeque<u64> = latest.into_iter().take(count as usize).rev().collect();
        let from = expected.front().map_or(head, |first| first - 1);
        let catch_up_to = seen.filter(|seen| (*seen).max(expired) < from).map(|_| from);
        if catch_up_to.is_none() {
            self.seen.insert(room, head);
        }
        self.acts.retain(|(_, seen_in)| *seen_in != room);
        let attendance = Attendance { last: head, catch_up_to, ..Attendance::default() };
        if self.rooms.insert(room, attendance).is_some() {
            return Err("it is in this room already".to_owned());
        }
        self.list(Listed { room, expected, head, is_catching_up: false, has_all: false });
        Ok(())
    }

    fn list(&mut self, listed: Listed) {
        if !listed.expected.is_empty() {
            self.listed = Some(listed);
        }
    }

    fn old(&mut self, rest: &str, hearing: &mut ClientHearing<'_>) -> Checked {
        let (room, received) = received(rest, hearing.truth)?;
        let Some(mut listed) = self.listed.take() else { return Err("no list was begun".to_owned()) };
        if room != listed.room || listed.expected.pop_front() != Some(received.seq) {
            return Err(format!("#{} stands where {listed:?} continues", received.seq));
        }
        match listed.has_all {
            true => hearing.truth.resumed(room, received, listed.head, hearing.step)?,
            false => hearing.truth.received_as_of(room, received, listed.head, hearing.step)?,
        }
        if listed.is_catching_up {
            self.caught_up(room, received.seq);
        }
        self.list(listed);
        Ok(())
    }

    /// Everything up to this number was seen, or has expired.
    fn caught_up(&mut self, room: RoomIndex, seq: u64) {
        let Some(attendance) = self.rooms.get_mut(&room) else { return };
        let Some(to) = attendance.catch_up_to else { return };
        let seen = if seq >= to {
            attendance.catch_up_to = None;
            attendance.last
        } else {
            seq
        };
        self.seen.insert(room, seen);
    }

    fn left(&mut self, room: RoomIndex) -> Checked {
        match self.asked.front_mut() {
            Some(PendingRequest::Leave(asked)) if *asked == room => {
                self.asked.pop_front();
            }
            Some(PendingRequest::Move { old, new }) if *old == Some(room) => {
                *old = None;
                if new.is_none() {
                    self.asked.pop_front();
                }
            }
            other => return Err(format!("{other:?} was asked")),
        }
        self.end_listing(room);
        self.rooms.remove(&room).map(|_| ()).ok_or_else(|| "it was not in this room".to_owned())
    }

    fn refused(&mut self, why: &str) -> Checked {
        match self.asked.pop_front() {
            Some(PendingRequest::Name(name)) => {
                if self.name.is_none() && self.account.is_none() {
                    self.wanted_name = self.own_name();
                }
                self.name_refused()?;
                match why {
                    "toomany" if self.account.is_some() => Ok(()),
                    "taken" | "confusable" => Ok(()),
                    _ => Err(format!("nothing is wrong with the name {name}")),
                }
            }
            Some(PendingRequest::Move { old, new: Some(_) })
                if matches!(why, "full" | "roomconfusable" | "roomnotmade") =>
            {
                if old.is_some() {
                    self.asked.push_front(PendingRequest::Move { old, new: None });
                }
                Ok(())
            }
            Some(PendingRequest::Join(_))
                if matches!(why, "full" | "nameless" | "roomconfusable" | "roomnotmade") =>
            {
                Ok(())
            }
            // An upgrade on a disk that fails gives the log an epoch of its own.
            Some(PendingRequest::Members(room)) if why == "oldcursor" && self.epoch.is_some() => {
                self.end_listing(room);
                Ok(())
            }
            Some(PendingRequest::Who(room) | PendingRequest::Members(room))
                if !self.rooms.contains_key(&room) =>
            {
                self.end_listing(room);
                Ok(())
            }
            other => Err(format!("{other:?} was asked by client {}", self.number)),
        }
    }

    fn who_received(&mut self, rest: &str, hearing: &mut ClientHearing<'_>) -> Checked {
        let mut words = rest.split(' ');
        let room = hearing.truth.room(words.next().unwrap_or_default());
        let total = number(words.next().unwrap_or_default())?;
        match self.asked.pop_front() {
            Some(PendingRequest::Who(asked)) if asked == room => {}
            other => return Err(format!("{other:?} was asked")),
        }
        let names: std::collections::BTreeSet<String> = words.map(str::to_owned).collect();
        if names.len() as u64 != total {
            return Err("it does not add up".to_owned());
        }
        // What the room says from now on is news.
        self.acts.retain(|(_, seen_in)| *seen_in != room);
        if let Some(attendance) = self.rooms.get_mut(&room) {
            attendance.view = Some(names);
        }
        Ok(())
    }

    fn page_received(&mut self, rest: &str, hearing: &mut ClientHearing<'_>) -> Checked {
        let words: Vec<&str> = rest.split(' ').collect();
        let [name, head, gap_first, gap_last, why, count] = words[..] else {
            return Err("page ROOM HEAD FIRST LAST WHY COUNT".to_owned());
        };
        let room = hearing.truth.room(name);
        let (head, count) = (number(head)?, number(count)?);
        let (gap_first, gap_last) = (number(gap_first)?, number(gap_last)?);
        let (page, is_catching_up) = match self.asked.pop_front() {
            Some(PendingRequest::Page { room: asked, page, is_catching_up }) if asked == room => {
                (page, is_catching_up)
            }
            other => return Err(format!("{other:?} was asked")),
        };
        if head > hearing.truth.head(room) {
            return Err("a head that is not on disk".to_owned());
        }
        let missing = if why == "none" { 0 } else { gap_last };
        let expected = page.messages(hearing.truth, room, head, missing);
        check_gap(page, (gap_first, gap_last), (why, count), room, hearing)?;
        // Where something has expired or cannot be read, what follows it need not be all that was asked for.
        let may_be_fewer = why != "none" && matches!(page, AskedPage::After { .. });
        if count != expected.len() as u64 && !(may_be_fewer && count < expected.len() as u64) {
            return Err(format!("{page:?} means {expected:?}, as of #{head}"));
        }
        let expected: VecDeque<u64> = expected.into_iter().take(count as usize).collect();
        if is_catching_up {
            match why {
                "expired" => self.caught_up(room, gap_last),
                "much" => self.catch_up_count = (self.catch_up_count / 2).max(1),
                // Behind the last message there is nothing but what became of messages.
                "none" if expected.len() < self.catch_up_count as usize => {
                    let last = expected.back().copied().unwrap_or(0).max(head);
                    if expected.is_empty() {
                        self.caught_up(room, last);
                    }
                }
                _ => {}
            }
        }
        let is_whole = matches!(why, "none" | "expired");
        let is_catching_up = is_catching_up && is_whole;
        self.list(Listed { room, expected, head, is_catching_up, has_all: false });
        Ok(())
    }

    fn resumed(&mut self, rest: &str, hearing: &mut ClientHearing<'_>) -> Checked {
        let words: Vec<&str> = rest.split(' ').collect();
        let [name, head, gap_first, gap_last, why, count] = words[..] else {
            return Err("resumed ROOM HEAD FIRST LAST WHY COUNT".to_owned());
        };
        let room = hearing.truth.room(name);
        let (head, count) = (number(head)?, number(count)?);
        let (gap_first, gap_last) = (number(gap_first)?, number(gap_last)?);
        let after = match self.asked.pop_front() {
            Some(PendingRequest::Resume { room: asked, after, count: most }) if asked == room => {
                if count > most {
                    return Err(format!("at most {most} were asked for"));
                }
                after
            }
            other => return Err(format!("{other:?} was asked")),
        };
        if head > hearing.truth.head(room) {
            return Err("a head that is not on disk".to_owned());
        }
        let Leniency { may_expire, has_faults } = hearing.leniency;
        let is_due = match why {
            "none" => true,
            "expired" => may_expire && gap_last <= hearing.truth.expired(room),
            "much" | "busy" => true,
            _ => has_faults,
        };
        if !is_due || (why != "none" && gap_first != after + 1) {
            return Err(format!("after #{after} nothing is missing"));
        }
        let from = if why == "none" { after } else { gap_last } + 1;
        if count == 0 && why == "none" && head > after {
            return Err(format!("#{head} is after #{after}, and nothing comes"));
        }
        match why {
            "expired" => self.caught_up(room, gap_last),
            "much" => self.catch_up_count = (self.catch_up_count / 2).max(1),
            "none" if count == 0 => self.caught_up(room, head),
            _ => {}
        }
        let is_catching_up = matches!(why, "none" | "expired");
        let expected = (from..from + count).collect();
        self.list(Listed { room, expected, head, is_catching_up, has_all: true });
        Ok(())
    }
}

fn check_gap(
    page: AskedPage,
    (gap_first, gap_last): (u64, u64),
    (why, count): (&str, u64),
    room: RoomIndex,
    hearing: &ClientHearing<'_>,
) -> Checked {
    let Leniency { may_expire, has_faults } = hearing.leniency;
    let is_due = match why {
        "none" => return Ok(()),
        "expired" => may_expire && gap_last <= hearing.truth.expired(room),
        "much" | "busy" => true,
        "unreadable" => has_faults,
        _ => false,
    };
    if is_due && gap_first <= gap_last {
        return Ok(());
    }
    let expired = hearing.truth.expired(room);
    Err(format!("{page:?} lacks #{gap_first} to #{gap_last} of {count}, and #1 to #{expired} have expired"))
}

/// `ROOM SEQ AUTHOR DRAFT TEXT`
pub(super) fn received<'a>(
    rest: &'a str,
    truth: &mut Truth,
) -> Result<(RoomIndex, ReceivedMessage<'a>), String> {
    let mut words = rest.splitn(5, ' ');
    let mut word = || words.next().ok_or("ROOM SEQ AUTHOR DRAFT TEXT");
    let room = truth.room(word()?);
    Ok((room, ReceivedMessage { seq: number(word()?)?, author: word()?, draft: word()?, text: word()? }))
}

fn number(word: &str) -> Result<u64, String> {
    word.parse().map_err(|_| format!("{word:?} is no number"))
}
