//! What a command does: a request to a home shard, or an answer at once.

use super::LineSettings;
use super::command::Command;
use super::session::{Gathering, LineSession, PendingQuestion, SessionState, help, say};
use super::words;
use madang_model::connection::{CloseReason, Link};
use madang_model::{Away, DraftId, LeaveReason, Request, RoomName, Seq, Text, UserName};

impl LineSession {
    /// Acts on a command of a user whose name is known.
    pub(super) fn perform(&mut self, settings: &LineSettings, command: Command, link: &mut Link<'_>) {
        let Some(user) = link.user().cloned() else {
            // The engine sets the name before it says `Claimed`, and the state follows from that.
            unreachable!("a session acts on commands only once its name is claimed");
        };
        let session = link.session();
        match command {
            Command::Talk { draft, text } => self.talk(settings, &user, draft, text, link),
            Command::Whisper { to, .. } if to == user => {
                say(link, format_args!("! {to} is you; whisper to somebody else (try /who)"));
            }
            Command::Whisper { to, text } => {
                link.request(Request::Whisper {
                    session,
                    from: user,
                    to,
                    draft: None,
                    text,
                    copies_to: None,
                });
            }
            Command::Channel(room) => match &self.room {
                Some(here) if here.key() == room.key() => {
                    say(link, format_args!("* you are already in {here}"));
                }
                _ => self.join(room, user, link),
            },
            Command::Quit => self.quit(settings, &user, link),
            Command::Help => help(link),
            Command::Who(room) => {
                if let Some(room) = room.or_else(|| self.here(settings, link)) {
                    self.ask(Request::Who { session, room }, PendingQuestion::Who, link);
                }
            }
            Command::Rooms(pattern) => {
                let gathering = Gathering {
                    shards_left: link.shard_count,
                    rooms: Vec::new(),
                    more: 0,
                    is_busy: false,
                    pattern: pattern.clone(),
                };
                self.ask(
                    Request::Rooms { session, pattern },
                    PendingQuestion::Rooms(Box::new(gathering)),
                    link,
                );
            }
            Command::Whois(name) => self.ask(Request::Whois { session, name }, PendingQuestion::Whois, link),
            Command::History(page) => {
                if let Some(room) = self.here(settings, link) {
                    let request = Request::History { session, user: user.key(), room: room.key(), page };
                    self.ask(request, PendingQuestion::History(page), link);
                }
            }
            Command::Nick(name) if name.as_str() == user.as_str() => {
                say(link, format_args!("* your name is {user} already"));
            }
            Command::Nick(name) => {
                link.request(Request::Claim { session, name });
                self.state = SessionState::Renaming;
            }
            Command::Away(text) => self.leave_for_a_while(user, Away { text }, link),
            Command::Back => self.come_back(user, link),
            Command::Unread => self.tell_unread(link),
            Command::Read => {
                let head = self.head(link);
                if self.absence.as_mut().is_some_and(|absence| absence.read(head)) {
                    self.absence = None;
                }
                say(link, format_args!("* nothing is unread any more"));
            }
            Command::Echo(is_on) => {
                link.set_echo(is_on);
                say(
                    link,
                    format_args!(
                        "* your own messages {}",
                        if is_on { "come back to you" } else { "do not come back" }
                    ),
                );
            }
            Command::Time(is_on) => {
                let style = words::with_times(link.core.style, is_on);
                link.set_style(style);
                say(
                    link,
                    format_args!(
                        "* messages are shown {}",
                        if is_on { "with their time (UTC)" } else { "without their time" }
                    ),
                );
            }
            Command::Ping => say(link, format_args!("pong")),
        }
    }

    /// Asks for a room. The current room is left once the new one has accepted.
    pub(super) fn join(&mut self, room: RoomName, user: UserName, link: &mut Link<'_>) {
        let is_away = self.absence.as_ref().is_some_and(|absence| absence.is_away());
        let claim = link.claim();
        link.request(Request::Join { session: link.session(), user, claim, room, is_away });
        self.state = SessionState::Joining;
    }

    fn talk(
        &mut self,
        settings: &LineSettings,
        user: &UserName,
        draft: Option<DraftId>,
        text: Text,
        link: &mut Link<'_>,
    ) {
        let Some(room) = &self.room else { return self.tell_no_room(settings, link) };
        let (session, room) = (link.session(), room.key());
        link.request(Request::Publish { session, user: user.key(), room, draft, text });
    }

    fn quit(&mut self, settings: &LineSettings, user: &UserName, link: &mut Link<'_>) {
        match &self.room {
            Some(room) if room.key() != settings.lobby.key() => {
                let (session, room) = (link.session(), room.key());
                link.request(Request::Leave {
                    session,
                    user: user.key(),
                    room,
                    reason: LeaveReason::Left,
                    everywhere: None,
                });
                self.state = SessionState::Leaving;
            }
            _ => link.close(CloseReason::Quit),
        }
    }

    fn leave_for_a_while(&mut self, user: UserName, away: Away, link: &mut Link<'_>) {
        match &away.text {
            Some(text) => say(link, format_args!("* you are away: {text}")),
            None => say(link, format_args!("* you are away")),
        }
        self.set_away(user, Some(away.clone()), link);
        let head = self.head(link);
        self.absence.get_or_insert_default().leave(away, head);
    }

    fn come_back(&mut self, user: UserName, link: &mut Link<'_>) {
        let head = self.head(link);
        if !self.absence.as_mut().is_some_and(|absence| absence.come_back(head)) {
            return say(link, format_args!("* you are not away"));
        }
        self.set_away(user, None, link);
        say(link, format_args!("* you are back"));
        if self.absence.as_ref().is_some_and(|absence| !absence.is_read()) {
            self.tell_unread(link);
        } else {
            self.absence = None;
        }
    }

    /// Notifies the user's home and the room's: each answers for what it owns.
    fn set_away(&self, user: UserName, away: Option<Away>, link: &mut Link<'_>) {
        if let Some(room) = &self.room {
            let room = Some(room.key());
            link.request(Request::SetAway { user: user.clone(), room, away: away.clone() });
        }
        link.request(Request::SetAway { user, room: None, away });
    }

    pub(super) fn tell_unread(&self, link: &mut Link<'_>) {
        let head = self.head(link);
        let absence = self.absence.as_deref();
        let is_any =
            absence.is_some_and(|absence| absence.list(self.room.as_ref(), head, |words| say(link, words)));
        if !is_any {
            say(link, format_args!("* nothing is unread"));
        }
    }

    fn ask(&mut self, request: Request, question: PendingQuestion, link: &mut Link<'_>) {
        link.request(request);
        self.state = SessionState::Asking(question);
    }

    /// The current room, or a hint how to join one.
    fn here(&self, settings: &LineSettings, link: &mut Link<'_>) -> Option<RoomName> {
        if self.room.is_none() {
            self.tell_no_room(settings, link);
        }
        self.room.clone()
    }

    fn tell_no_room(&self, settings: &LineSettings, link: &mut Link<'_>) {
        say(link, format_args!("! you are in no channel (try /channel {})", settings.lobby));
    }

    fn head(&self, link: &Link<'_>) -> Seq {
        self.room.as_ref().and_then(|room| link.head(room.key())).unwrap_or_default()
    }
}
