//! A protocol of a few words, so that shards can be tested without any real one.
//!
//! `name X`, `join R`, `say T`, `draft ID T`, `to X T`, `history`, `page KIND AT COUNT`, `rooms P`, `part COUNT AFTER P`, `times`, `fact R WHAT ACCOUNT`,
//! `read R ACCOUNT SEQ`, `as X ACCOUNT R T`, `of R KIND AT COUNT`, `bye`, one a line. Everything sent comes back as a line.

use madang_model::connection::{CloseReason, Core, Entrance, EntranceKind, Link, Style, Surface, SurfaceId};
use madang_model::{
    Account, AccountId, AccountKind, AmendRequest, Amendment, Change, DraftId, FactChange, ListStart,
    LogEpoch, Message, Page, Reaction, Refusal, Reply, Request, RoomEvent, RoomKey, RoomName, Seq,
    ShownEntry, ShownMessage, Text, Timestamp, UserName,
};

#[derive(Clone, Copy)]
pub struct Words;

#[derive(Default)]
pub struct Session {
    is_waiting: bool,
    shows_times: bool,
}

impl Surface for Words {
    type Session = Session;

    fn serves(&self, surface: SurfaceId) -> bool {
        surface == SurfaceId::default()
    }

    fn open(&self, entrance: &Entrance, link: &mut Link<'_>) -> Session {
        let at = if entrance.kind.is_telnet { format!(" telnet at {entrance}") } else { String::new() };
        link.output().extend_from_slice(format!("hello{at}\n").as_bytes());
        Session::default()
    }

    fn receive(&self, session: &mut Session, bytes: &[u8], link: &mut Link<'_>) -> usize {
        let mut consumed = 0;
        while !session.is_waiting
            && link.core.closing.is_none()
            && let Some(end) = bytes[consumed..].iter().position(|b| *b == b'\n')
        {
            let line = std::str::from_utf8(&bytes[consumed..consumed + end]).expect("tests send UTF-8");
            consumed += end + 1;
            self.obey(session, line, link);
        }
        consumed
    }

    fn end_of_input(&self, _: &mut Session, link: &mut Link<'_>) {
        link.close(CloseReason::Quit);
    }

    fn reply(&self, session: &mut Session, reply: &Reply, link: &mut Link<'_>) {
        let line = match reply {
            Reply::Claimed { user, .. } => format!("you are {user}"),
            Reply::Said { message } => format!("{} (said)", said(message)),
            Reply::NotSaid(Refusal::NoSuchRoom { room }) => format!("not said: no room {room}"),
            Reply::NotSaid(Refusal::NotStored { reason }) => format!("not stored: {reason}"),
            Reply::NotSaid(Refusal::DraftRepeated { seq, draft }) => format!("draft {draft} is #{seq}"),
            Reply::History(page) => {
                let time = |m: &ShownMessage| match session.shows_times {
                    true => format!("{} ", m.time().0),
                    false => String::new(),
                };
                let history: Vec<String> = page.messages.iter().map(|m| time(m) + &shown(m)).collect();
                format!("history [{}]", history.join(", "))
            }
            Reply::Joined(joined) => {
                let history: Vec<String> = joined.history.iter().map(shown).collect();
                format!("you joined {} [{}]", joined.room, history.join(", "))
            }
            Reply::Resumed(page) => {
                let entries: Vec<String> = page.entries.iter().map(entry).collect();
                format!("resumed [{}] of #{}, gap {:?}", entries.join(", "), page.head, page.gap)
            }
            Reply::Rooms(page) => {
                let rooms: Vec<&str> = page.rooms.iter().map(|room| room.room.as_str()).collect();
                let busy = if page.is_busy { ", busy" } else { "" };
                format!("rooms [{}] and {}{busy}", rooms.join(", "), page.more)
            }
            Reply::RoomsPart(part) => {
                let rooms: Vec<&str> = part.rooms.iter().map(|room| room.room.as_str()).collect();
                let rest = if part.is_busy {
                    "busy"
                } else if part.has_more {
                    "more"
                } else {
                    "end"
                };
                format!("part {} {rest} {}", part.shard, rooms.join(" "))
            }
            Reply::Whisper { from, to, message, is_receipt } => {
                let mark = if *is_receipt { " (receipt)" } else { "" };
                format!("{from} -> {to}: {}{mark}", message.text)
            }
            Reply::FactsChanged { room, result: Ok(revision) } => format!("{room} is at revision {revision}"),
            Reply::FactsChanged { room, result: Err(why) } => format!("{room} is not changed: {why}"),
            Reply::WhisperSent { from, to, message } => format!("{from} -> {to}: {} (sent)", message.text),
            other => format!("{other:?}"),
        };
        if matches!(reply, Reply::Claimed { .. } | Reply::Joined(_) | Reply::Refused(_)) {
            session.is_waiting = false;
        }
        link.output().extend_from_slice(line.as_bytes());
        link.output().push(b'\n');
    }

    fn render(&self, _: &RoomName, event: &RoomEvent, _: Style, out: &mut Vec<u8>) {
        let line = match event {
            RoomEvent::Message { message, .. } => said(message),
            RoomEvent::Amended { amendment, .. } => amended(amendment),
            RoomEvent::Joined { user } => format!("{user} joined"),
            RoomEvent::Left { user, .. } => format!("{user} left"),
            RoomEvent::Renamed { old, new, .. } => format!("{old} is now {new}"),
        };
        out.extend_from_slice(line.as_bytes());
        out.push(b'\n');
    }

    fn render_in_all(&self, rooms: &[&RoomName], event: &RoomEvent, _: Style, out: &mut Vec<u8>) {
        let rooms: Vec<&str> = rooms.iter().map(|room| room.as_str()).collect();
        let rooms = rooms.join(" and ");
        let line = match event {
            RoomEvent::Left { user, .. } => format!("{user} left {rooms}"),
            RoomEvent::Renamed { old, new, .. } => format!("{old} is now {new} in {rooms}"),
            RoomEvent::Message { .. } | RoomEvent::Amended { .. } | RoomEvent::Joined { .. } => {
                panic!("that is of one room")
            }
        };
        out.extend_from_slice(line.as_bytes());
        out.push(b'\n');
    }

    fn begun_bytes(&self, _: &Session, outbox: &[u8]) -> usize {
        outbox.iter().position(|byte| *byte == b'\n').map_or(outbox.len(), |end| end + 1)
    }

    fn farewell(&self, _: &Session, reason: &CloseReason, out: &mut Vec<u8>) {
        out.extend_from_slice(format!("closed: {reason:?}\n").as_bytes());
    }

    fn going_down(&self, _: &Session, out: &mut Vec<u8>) {
        out.extend_from_slice(b"going down\n");
    }

    fn announce(&self, _: &Session, text: &Text, core: &mut Core) {
        core.outbox.extend_from_slice(format!("announced: {text}\n").as_bytes());
    }

    fn save(&self, session: &Session) -> Option<Vec<u8>> {
        (!session.is_waiting).then(|| vec![u8::from(session.shows_times)])
    }

    fn restore(&self, _: EntranceKind, saved: &[u8]) -> Option<Session> {
        Some(Session { is_waiting: false, shows_times: *saved.first()? == 1 })
    }

    fn server_full(&self, _: EntranceKind) -> &'static [u8] {
        b"full\n"
    }
}

impl Words {
    fn obey(&self, session: &mut Session, line: &str, link: &mut Link<'_>) {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let sender = link.session();
        let user = link.user().cloned();
        let text = |raw: &str| Text::sanitise(raw).expect("tests send text");
        match (word, user) {
            ("name", _) => {
                session.is_waiting = true;
                // `name X` of a guest, `name X N` of account N.
                let (name, account) = rest.split_once(' ').unwrap_or((rest, "0"));
                let account = Account::new(AccountKind::User, AccountId(account.parse().expect("an id")));
                let name = UserName::parse(name).expect("tests send names").known_as(account.into());
                link.request(Request::Claim { session: sender, name });
            }
            ("join", Some(user)) => {
                session.is_waiting = true;
                let room = RoomName::parse(rest).expect("tests send room names");
                let claim = link.claim();
                link.request(Request::Join { session: sender, user, claim, room, is_away: false });
            }
            ("say", Some(user)) => publish(link, &user, None, rest),
            ("draft", Some(user)) => {
                let (id, said) = rest.split_once(' ').expect("draft ID T");
                publish(link, &user, DraftId::parse(id), said);
            }
            ("history", Some(user)) => {
                let room = link.rooms.room_of(&link.core.subscriptions[0]).name.key();
                let page = Page::Last { count: 20 };
                link.request(Request::History { session: sender, user: user.key(), room, page });
            }
            ("page", Some(user)) => {
                let words: Vec<&str> = rest.split(' ').collect();
                let [kind, at, count] = words[..] else { panic!("page KIND AT COUNT") };
                let page = page(kind, at, count);
                let room = link.rooms.room_of(&link.core.subscriptions[0]).name.key();
                link.request(Request::History { session: sender, user: user.key(), room, page });
            }
            ("of", _) => {
                let words: Vec<&str> = rest.split(' ').collect();
                let [room, kind, at, count] = words[..] else { panic!("of R KIND AT COUNT") };
                let (room, page) = (named(room), page(kind, at, count));
                link.request(Request::HistoryOf { session: sender, room, page });
            }
            ("as", _) => {
                let words: Vec<&str> = rest.splitn(4, ' ').collect();
                let [name, account, room, said] = words[..] else { panic!("as X ACCOUNT R T") };
                let account = Account::new(AccountKind::User, AccountId(account.parse().expect("an id")));
                let author = UserName::parse(name).expect("tests send names").known_as(account.into());
                let (said, draft) = drafted(said);
                let (room, text) = (named(room), text(said));
                link.request(Request::PublishAs { session: sender, author, room, draft, text });
            }
            (word @ ("edit" | "delete" | "react" | "unreact" | "pin" | "unpin" | "topic"), Some(user)) => {
                let (target, rest) = rest.split_once(' ').unwrap_or((rest, ""));
                let (said, draft) = drafted(rest);
                let word = (word, said);
                let reaction = |is_added| {
                    let reaction = Reaction::parse(word.1).expect("tests send reactions");
                    AmendRequest::React { reaction, is_added }
                };
                let change = match word.0 {
                    "edit" => AmendRequest::Edit { text: text(word.1) },
                    "delete" => AmendRequest::Delete,
                    "react" => reaction(true),
                    "unreact" => reaction(false),
                    "pin" => AmendRequest::Pin { is_pinned: true },
                    "unpin" => AmendRequest::Pin { is_pinned: false },
                    _ => AmendRequest::Topic { topic: Text::sanitise(word.1) },
                };
                let room = link.rooms.room_of(&link.core.subscriptions[0]).name.key();
                let target = Seq(target.parse().expect("a number"));
                let user = user.key();
                link.request(Request::Amend { session: sender, user, room, draft, target, change });
            }
            ("resume", Some(user)) => {
                let (after, count) = rest.split_once(' ').expect("resume N COUNT");
                let room = link.rooms.room_of(&link.core.subscriptions[0]).name.key();
                let (after, count) = (Seq(after.parse().expect("a number")), count.parse().expect("a count"));
                link.request(Request::Resume { session: sender, user: user.key(), room, after, count });
            }
            ("to", Some(from)) => {
                let (to, said) = rest.split_once(' ').expect("to X T");
                let to = UserName::parse(to).expect("tests send names");
                let (said, draft) = drafted(said);
                link.request(Request::Whisper {
                    session: sender,
                    from,
                    to,
                    draft,
                    text: text(said),
                    copies_to: None,
                });
            }
            ("rooms", Some(_)) => link.request(Request::Rooms { session: sender, pattern: rest.into() }),
            ("part", Some(_)) => {
                let words: Vec<&str> = rest.splitn(3, ' ').collect();
                let [count, after, pattern] = words[..] else { panic!("part COUNT AFTER P") };
                let after = (after != "-").then(|| RoomKey::from_bits(after.parse().expect("a key")));
                let start = ListStart { epoch: LogEpoch(1), after, count: count.parse().expect("a number") };
                link.request(Request::RoomsInOrder { session: sender, pattern: pattern.into(), start });
            }
            ("times", Some(_)) => session.shows_times = true,
            ("fact", Some(_)) => {
                let words: Vec<&str> = rest.split(' ').collect();
                let [room, what, account] = words[..] else { panic!("fact R WHAT ACCOUNT") };
                let (room, account) = (named(room), AccountId(account.parse().expect("a number")));
                let change = Box::new(match what {
                    "join" => FactChange::Join { account, joined: Seq(0) },
                    "leave" => FactChange::Leave(account),
                    other => panic!("no change is called {other}"),
                });
                link.request(Request::ChangeFacts { session: sender, room, by: AccountId(1), change });
            }
            ("read", Some(_)) => {
                let words: Vec<&str> = rest.split(' ').collect();
                let [room, account, read] = words[..] else { panic!("read R ACCOUNT SEQ") };
                let account = AccountId(account.parse().expect("a number"));
                let (room, read) = (named(room), Seq(read.parse().expect("a number")));
                link.request(Request::MoveRead { room, account, read });
            }
            ("bye", _) => link.close(CloseReason::Quit),
            other => panic!("tests send words that are known: {other:?}"),
        }
    }
}

fn page(kind: &str, at: &str, count: &str) -> Page {
    let at: i64 = at.parse().expect("a number");
    let (seq, time) = (Seq(at.unsigned_abs()), Timestamp(at));
    let count = count.parse().expect("a number");
    match kind {
        "around" => Page::Around { seq, count },
        "before" => Page::Before { seq, count },
        "after" => Page::After { seq, count },
        "since" => Page::Since { time, count },
        "until" => Page::Until { time, count },
        other => panic!("no page is called {other}"),
    }
}

fn named(room: &str) -> RoomName {
    RoomName::parse(room).expect("tests send room names")
}

fn publish(link: &mut Link<'_>, user: &UserName, draft: Option<DraftId>, text: &str) {
    let room = link.rooms.room_of(&link.core.subscriptions[0]).name.key();
    let text = Text::sanitise(text).expect("tests send text");
    link.request(Request::Publish { session: link.session(), user: user.key(), room, draft, text });
}

fn shown(shown: &ShownMessage) -> String {
    let mut line = match shown.message() {
        Some(message) => said(message),
        None => format!("#{} deleted", shown.seq()),
    };
    if let Some(edited) = shown.edited() {
        line += &format!(" (edited by #{})", edited.seq);
    }
    for (reaction, count) in shown.reactions().iter() {
        line += &format!(" {reaction}{count}");
    }
    if shown.is_pinned() { line + " (pinned)" } else { line }
}

fn entry(entry: &ShownEntry) -> String {
    match entry {
        ShownEntry::Message(message) => shown(message),
        ShownEntry::Amendment(amendment) => amended(amendment),
        ShownEntry::Gone { seq, .. } => format!("#{seq} gone"),
    }
}

fn amended(amendment: &Amendment) -> String {
    let Amendment { seq, author, target, change, .. } = amendment;
    let what = match change {
        Change::Edit { text } => format!("edits #{target}: {text}"),
        Change::Deletion => format!("deletes #{target}"),
        Change::Reactions(of) => {
            let of: Vec<String> = of.iter().map(|of| format!("#{}", of.message)).collect();
            format!("reacts to {}", of.join(" "))
        }
        Change::Pin { is_pinned } => format!("{} #{target}", if *is_pinned { "pins" } else { "unpins" }),
        Change::Topic { topic } => format!("topic {}", topic.as_deref().unwrap_or("none")),
    };
    format!("#{seq} {author} {what}")
}

fn said(message: &Message) -> String {
    format!("#{} {}: {}", message.seq, message.author, message.text)
}

/// A text, and its draft where that is before it: `draft ID T`.
fn drafted(said: &str) -> (&str, Option<DraftId>) {
    match said.strip_prefix("draft ").and_then(|said| said.split_once(' ')) {
        Some((draft, said)) => (said, DraftId::parse(draft)),
        None => (said, None),
    }
}
