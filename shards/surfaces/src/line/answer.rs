//! What a reply does: words for the peer, and the end of a wait.

use super::LineSettings;
use super::session::{Gathering, LineSession, PendingQuestion, SessionState, say};
use super::words;
use madang_model::connection::{Flood, Link};
use madang_model::{
    HistoryPage, Joined, LeaveReason, Message, Page, Refusal, Reply, Request, RoomName, RoomSummary,
    RoomsPage, UserName,
};

/// How many rooms are listed in all, of those that the shards name.
const ROOMS_LISTED_MAX: usize = RoomsPage::ROOMS_MAX;

impl LineSession {
    /// Acts on an answer.
    pub fn answer(&mut self, settings: &LineSettings, reply: &Reply, link: &mut Link<'_>) {
        match reply {
            Reply::Claimed { user, missed_whispers, room, claim: _ } => {
                self.claimed(settings, user, (missed_whispers, room.as_ref()), link)
            }
            Reply::Joined(joined) => self.joined(joined, link),
            Reply::Left { room } => self.left(settings, room, link),
            Reply::Renamed { old, new } => {
                words::renamed(old, new, link.core.style, &mut link.core.outbox);
            }
            Reply::Whisper { from, to, message, is_receipt } => {
                self.whispered(from, to, message, *is_receipt, link);
            }
            Reply::WhisperSent { from, to, message } => self.whispered(from, to, message, true, link),
            // Only an edge asks for what this answers.
            Reply::Said { .. } => {}
            Reply::WhisperReaderAway { to, away } => match &away.text {
                Some(text) => say(link, format_args!("* {to} is away: {text}")),
                None => say(link, format_args!("* {to} is away")),
            },
            Reply::Whois(summary) => {
                words::user_summary(summary, link.core.style, &mut link.core.outbox);
                self.asked(|question| matches!(question, PendingQuestion::Whois));
            }
            Reply::Who(page) => {
                words::who(page, link.core.style, &mut link.core.outbox);
                self.asked(|question| matches!(question, PendingQuestion::Who));
            }
            Reply::Rooms(page) => self.gather(page, link),
            Reply::History(page) => self.history(page, link),
            // No command of this protocol asks for these yet: who resumes is shown history, and lists have one page.
            Reply::Resumed(_) | Reply::FactsChanged { .. } | Reply::Members(_) | Reply::RoomsPart(_) => {}
            Reply::Refused(refusal) => self.refused(settings, refusal, link),
            Reply::NotSaid(refusal) => words::refusal(refusal, link.core.style, &mut link.core.outbox),
        }
        self.settle(settings, link);
    }

    fn claimed(
        &mut self,
        settings: &LineSettings,
        user: &UserName,
        (missed, room): (&[(UserName, u32)], Option<&RoomName>),
        link: &mut Link<'_>,
    ) {
        for (from, count) in missed {
            self.absence.get_or_insert_default().whispered(from, *count);
        }
        match self.state {
            // A name that was had has cost nothing: the allowance is for what is said under it.
            SessionState::Claiming => {
                link.core.flood = Flood::default();
                self.is_returning = room.is_some();
                self.join(room.unwrap_or(&settings.lobby).clone(), user.clone(), link);
            }
            SessionState::Renaming => {
                self.state = SessionState::Present;
                // In a room, the room announces it to everyone.
                if self.room.is_none() {
                    say(link, format_args!("* your name is {user} now"));
                }
                // The new name's home does not know yet.
                if let Some(away) = self.absence.as_ref().and_then(|absence| absence.away()) {
                    let away = Some(away.clone());
                    link.request(Request::SetAway { user: user.clone(), room: None, away });
                }
            }
            _ => {}
        }
    }

    fn joined(&mut self, joined: &Joined, link: &mut Link<'_>) {
        if !matches!(self.state, SessionState::Joining) {
            return;
        }
        self.state = SessionState::Present;
        self.is_returning = false;
        if let Some(old) = self.room.replace(joined.room.clone()) {
            link.hear_only_own(old.key());
            let (session, user) = (link.session(), joined.user.key());
            link.request(Request::Leave {
                session,
                user,
                room: old.key(),
                reason: LeaveReason::Left,
                everywhere: None,
            });
        }
        let (style, out) = (link.core.style, &mut link.core.outbox);
        words::joined(&joined.user, &joined.room, style, out);
        for message in &joined.history {
            words::shown(message, style, out);
        }
        if joined.resumed_from.is_some_and(|seen| seen < joined.head) {
            self.absence.get_or_insert_default();
        }
        let Some(absence) = &mut self.absence else { return };
        absence.enter(joined.head, joined.resumed_from);
        if absence.is_away() {
            return;
        }
        if absence.is_read() {
            self.absence = None;
        } else {
            self.tell_unread(link);
        }
    }

    /// The confirmation of `/quit` leads to the lobby; that of a room left for another is not news.
    fn left(&mut self, settings: &LineSettings, room: &RoomName, link: &mut Link<'_>) {
        let is_awaited = matches!(self.state, SessionState::Leaving)
            && self.room.as_ref().is_some_and(|here| here.key() == room.key());
        if is_awaited && let Some(user) = link.user().cloned() {
            words::left(&user, room, link.core.style, &mut link.core.outbox);
            self.room = None;
            self.join(settings.lobby.clone(), user, link);
        }
    }

    fn whispered(
        &mut self,
        from: &UserName,
        to: &UserName,
        message: &Message,
        is_receipt: bool,
        link: &mut Link<'_>,
    ) {
        words::whisper(from, to, message, link.core.style, &mut link.core.outbox);
        if !is_receipt
            && let Some(absence) = &mut self.absence
            && absence.is_away()
        {
            absence.whispered(from, 1);
        }
    }

    fn history(&mut self, page: &HistoryPage, link: &mut Link<'_>) {
        let asked = match self.state {
            SessionState::Asking(PendingQuestion::History(asked)) => asked,
            _ => Page::Last { count: Page::MESSAGES_MAX },
        };
        words::history_page(page, asked, link.core.style, &mut link.core.outbox);
        self.asked(|question| matches!(question, PendingQuestion::History(_)));
    }

    /// Waits for every shard's rooms, then lists them as one.
    fn gather(&mut self, page: &RoomsPage, link: &mut Link<'_>) {
        let SessionState::Asking(PendingQuestion::Rooms(gathering)) = &mut self.state else { return };
        gathering.shards_left = gathering.shards_left.saturating_sub(1);
        gathering.more += u64::from(page.more);
        gathering.is_busy |= page.is_busy;
        gathering.rooms.extend(page.rooms.iter().filter(|room| !room.room.is_direct()).cloned());
        gathering.rooms.sort_by(fullest_first);
        let cut = gathering.rooms.len().saturating_sub(ROOMS_LISTED_MAX);
        gathering.rooms.truncate(ROOMS_LISTED_MAX);
        gathering.more += cut as u64;
        if gathering.shards_left == 0 {
            let Gathering { rooms, more, is_busy, pattern, .. } = &**gathering;
            words::rooms(rooms, *more, *is_busy, pattern, link.core.style, &mut link.core.outbox);
            self.state = SessionState::Present;
        }
    }

    fn refused(&mut self, settings: &LineSettings, refusal: &Refusal, link: &mut Link<'_>) {
        words::refusal(refusal, link.core.style, &mut link.core.outbox);
        match self.state {
            SessionState::Naming | SessionState::Present => return,
            SessionState::Claiming => self.state = SessionState::Naming,
            // One that is no member any more has left.
            SessionState::Leaving => {
                self.room = None;
                if let Some(user) = link.user().cloned() {
                    self.join(settings.lobby.clone(), user, link);
                }
            }
            SessionState::Joining if std::mem::take(&mut self.is_returning) => {
                if let Some(user) = link.user().cloned() {
                    self.join(settings.lobby.clone(), user, link);
                }
            }
            _ => self.state = SessionState::Present,
        }
        self.prompt(link);
    }

    /// Ends the wait for the answer to one kind of question.
    fn asked(&mut self, is_it: impl Fn(&PendingQuestion) -> bool) {
        if matches!(&self.state, SessionState::Asking(question) if is_it(question)) {
            self.state = SessionState::Present;
        }
    }
}

fn fullest_first(a: &RoomSummary, b: &RoomSummary) -> std::cmp::Ordering {
    b.members.cmp(&a.members).then_with(|| a.room.as_str().cmp(b.room.as_str()))
}
