//! A protocol of a few words, one command a line, everything sent in lines that begin with a word
//! of their own. Requests are answered one by one, but what is said is not waited for.
//!
//! `name N`, `name N ID` of an account, `join R`, `leave R`, `move A B`, `say R DRAFT T`, `to N DRAFT T`,
//! `edit R SEQ DRAFT T`, `delete|pin|unpin|react R SEQ`, `page R last|before|after S COUNT`,
//! `resume R S COUNT`, `who R`, `members R CURSOR COUNT`, `fact R WHAT ACCOUNT`, `read R ACCOUNT S`, `bye`; a `-` is no
//! draft, or no cursor. The first line is `hello`, with the epoch of the log where that may change.

use super::disk::words_of_reactions;
use madang_engine::mutation::{Mutation, is_on};
use madang_model::connection::{
    CloseReason, Core, Entrance, EntranceKind, Link, ProtocolReason, Style, Surface, SurfaceId,
};
use madang_model::{
    Account, AccountId, AccountKind, AmendRequest, Amendment, Change, Cursor, CursorFault, DraftId,
    Everywhere, FactChange, Gap, GapReason, LeaveReason, ListStart, LogEpoch, Message, Page, Reaction,
    Refusal, Reply, Request, RoomEvent, RoomName, RoomRole, RoomSetting, Seq, SessionId, ShownEntry,
    ShownMessage, Text, UserName,
};
use std::io::Write;
use std::sync::{Arc, OnceLock};

/// A line that does not end.
const ENDLESS_LINE: ProtocolReason = ProtocolReason::new(0, "endless_line", false);
/// The epoch of the log where it never changes.
pub const ONLY_EPOCH: LogEpoch = LogEpoch(1);
/// The epoch of the log, once a process that owns it has named it.
pub type ServedEpoch = Arc<OnceLock<LogEpoch>>;
/// The longest line.
const LINE_BYTES_MAX: usize = 8192;

/// The protocol.
#[derive(Clone)]
pub struct Words {
    /// The epoch of the log.
    pub epoch: ServedEpoch,
}

/// A connection that speaks it.
#[derive(Default)]
pub struct WordsSession {
    /// Answers that are waited for before anything else is obeyed.
    waiting: u8,
    line: Vec<u8>,
}

impl Surface for Words {
    type Session = WordsSession;

    fn serves(&self, _: SurfaceId) -> bool {
        true
    }

    fn open(&self, _: &Entrance, link: &mut Link<'_>) -> WordsSession {
        match self.epoch.get() {
            Some(epoch) => line(link.output(), format_args!("hello {epoch}")),
            None => link.output().extend_from_slice(b"hello\n"),
        }
        WordsSession::default()
    }

    fn receive(&self, session: &mut WordsSession, bytes: &[u8], link: &mut Link<'_>) -> usize {
        let mut consumed = 0;
        while session.waiting == 0 && link.core.closing.is_none() {
            let Some(end) = bytes[consumed..].iter().position(|b| *b == b'\n') else {
                session.line.extend_from_slice(&bytes[consumed..]);
                if session.line.len() > LINE_BYTES_MAX {
                    link.close(CloseReason::Protocol(ENDLESS_LINE));
                }
                return bytes.len();
            };
            let mut line = std::mem::take(&mut session.line);
            line.extend_from_slice(&bytes[consumed..consumed + end]);
            consumed += end + 1;
            let line = String::from_utf8(line).expect("clients send UTF-8");
            let epoch = self.epoch.get().copied().unwrap_or(ONLY_EPOCH);
            obey((&mut *session, epoch), &line, link);
        }
        consumed
    }

    fn end_of_input(&self, _: &mut WordsSession, link: &mut Link<'_>) {
        link.close(CloseReason::Quit);
    }

    fn reply(&self, session: &mut WordsSession, reply: &Reply, link: &mut Link<'_>) {
        let is_awaited = matches!(
            reply,
            Reply::Claimed { .. }
                | Reply::Joined(_)
                | Reply::Left { .. }
                | Reply::Who(_)
                | Reply::Members(_)
                | Reply::History(_)
                | Reply::Resumed(_)
                | Reply::Refused(_)
        );
        if is_awaited {
            session.waiting = session.waiting.saturating_sub(1);
        }
        write_reply(reply, link.output());
    }

    fn render(&self, room: &RoomName, event: &RoomEvent, _: Style, out: &mut Vec<u8>) {
        match event {
            RoomEvent::Message { message, .. } => {
                out.extend_from_slice(b"msg ");
                out.extend_from_slice(room.as_str().as_bytes());
                said(message, out);
            }
            RoomEvent::Amended { amendment, .. } => amended("msg", amendment, out),
            RoomEvent::Joined { user } => line(out, format_args!("in {room} {user}")),
            RoomEvent::Left { user, everywhere, .. } => {
                line(out, format_args!("out {room} {user} {}", mark_of(everywhere.as_deref())));
            }
            RoomEvent::Renamed { old, new, everywhere } => {
                line(out, format_args!("nick {room} {old} {} {new}", mark_of(everywhere.as_deref())));
            }
        }
    }

    fn render_in_all(&self, rooms: &[&RoomName], event: &RoomEvent, _: Style, out: &mut Vec<u8>) {
        let rooms: Vec<&str> = rooms.iter().map(|room| room.as_str()).collect();
        let rooms = rooms.join(" ");
        match event {
            RoomEvent::Left { user, everywhere, .. } => {
                line(out, format_args!("gone {} {user} {rooms}", mark_of(everywhere.as_deref())));
            }
            RoomEvent::Renamed { old, new, everywhere } => {
                line(out, format_args!("nicks {} {old} {new} {rooms}", mark_of(everywhere.as_deref())));
            }
            RoomEvent::Message { .. } | RoomEvent::Amended { .. } | RoomEvent::Joined { .. } => {}
        }
    }

    fn begun_bytes(&self, _: &Self::Session, outbox: &[u8]) -> usize {
        outbox.iter().position(|byte| *byte == b'\n').map_or(outbox.len(), |end| end + 1)
    }

    fn farewell(&self, _: &WordsSession, reason: &CloseReason, out: &mut Vec<u8>) {
        let word = match reason {
            CloseReason::Quit => "quit",
            CloseReason::SlowReader { .. } => "slow",
            CloseReason::LoginTimeout { .. } => "nameless",
            CloseReason::GoingDown => "down",
            CloseReason::NotCarried => "notcarried",
            _ => "other",
        };
        line(out, format_args!("bye {word}"));
    }

    fn going_down(&self, _: &WordsSession, out: &mut Vec<u8>) {
        out.extend_from_slice(b"down\n");
    }

    fn save(&self, session: &WordsSession) -> Option<Vec<u8>> {
        let line = || if is_on(Mutation::ForgetHalfLine) { Vec::new() } else { session.line.clone() };
        (session.waiting == 0).then(line)
    }

    fn restore(&self, _: EntranceKind, saved: &[u8]) -> Option<WordsSession> {
        Some(WordsSession { waiting: 0, line: saved.to_vec() })
    }

    fn announce(&self, _: &WordsSession, _: &Text, _: &mut Core) {}

    fn server_full(&self, _: EntranceKind) -> &'static [u8] {
        b"full\n"
    }
}

fn obey((session, epoch): (&mut WordsSession, LogEpoch), line: &str, link: &mut Link<'_>) {
    let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
    let sender = link.session();
    if word == "bye" {
        return link.close(CloseReason::Quit);
    }
    if word == "name" {
        session.waiting += 1;
        // `name N ID` of an account.
        let (name, id) = rest.split_once(' ').unwrap_or((rest, "0"));
        let account = Account::new(AccountKind::User, AccountId(id.parse().expect("clients send ids")));
        let name = UserName::parse(name).expect("clients send names").known_as(account.into());
        return link.request(Request::Claim { session: sender, name });
    }
    let Some(user) = link.user().cloned() else {
        let answers: &[u8] = match word {
            "say" | "to" | "edit" | "delete" | "pin" | "unpin" | "react" => b"unsaid nameless\n",
            "fact" => b"nofact nameless\n",
            "read" => b"",
            "move" => b"no nameless\nno nameless\n",
            _ => b"no nameless\n",
        };
        return link.output().extend_from_slice(answers);
    };
    let room = |name: &str| RoomName::parse(name).expect("clients send room names");
    let text = |raw: &str| Text::sanitise(raw).expect("clients send text");
    match word {
        "join" => {
            session.waiting += 1;
            let claim = link.claim();
            link.request(Request::Join { session: sender, user, claim, room: room(rest), is_away: false });
        }
        "leave" => {
            session.waiting += 1;
            let room = room(rest).key();
            link.request(Request::Leave {
                session: sender,
                user: user.key(),
                room,
                reason: LeaveReason::Left,
                everywhere: None,
            });
        }
        "move" => {
            session.waiting += 2;
            let (old, new) = rest.split_once(' ').expect("move A B");
            let old = room(old).key();
            link.hear_only_own(old);
            link.request(Request::Leave {
                session: sender,
                user: user.key(),
                room: old,
                reason: LeaveReason::Left,
                everywhere: None,
            });
            let claim = link.claim();
            link.request(Request::Join { session: sender, user, claim, room: room(new), is_away: false });
        }
        "say" => {
            let (name, rest) = rest.split_once(' ').expect("say R DRAFT T");
            let (draft, said) = rest.split_once(' ').expect("say R DRAFT T");
            let (room, draft, text) = (room(name).key(), draft_of(draft), text(said));
            link.request(Request::Publish { session: sender, user: user.key(), room, draft, text });
        }
        "edit" | "delete" | "pin" | "unpin" | "react" => {
            let mut words = rest.splitn(4, ' ');
            let room = room(words.next().expect("edit R SEQ DRAFT T")).key();
            let target = words.next().and_then(|seq| seq.parse().ok()).map(Seq).expect("edit R SEQ DRAFT T");
            let draft = words.next().and_then(draft_of);
            let change = match word {
                "edit" => AmendRequest::Edit { text: text(words.next().expect("edit R SEQ DRAFT T")) },
                "delete" => AmendRequest::Delete,
                "react" => {
                    let reaction = Reaction::parse("👍").expect("it is one");
                    AmendRequest::React { reaction, is_added: true }
                }
                word => AmendRequest::Pin { is_pinned: word == "pin" },
            };
            let (session, user) = (sender, user.key());
            link.request(Request::Amend { session, user, room, draft, target, change });
        }
        "to" => {
            let (to, rest) = rest.split_once(' ').expect("to N DRAFT T");
            let (draft, said) = rest.split_once(' ').expect("to N DRAFT T");
            let to = UserName::parse(to).expect("clients send names");
            let (draft, text) = (draft_of(draft), text(said));
            link.request(Request::Whisper { session: sender, from: user, to, draft, text, copies_to: None });
        }
        "page" => {
            session.waiting += 1;
            let mut words = rest.split(' ');
            let name = words.next().expect("page R KIND S COUNT");
            let kind = words.next().expect("page R KIND S COUNT");
            let mut number = || words.next().and_then(|n| n.parse::<u64>().ok()).expect("a number");
            let (seq, count) = (Seq(number()), number() as u32);
            let page = match kind {
                "last" => Page::Last { count },
                "before" => Page::Before { seq, count },
                _ => Page::After { seq, count },
            };
            let room = room(name).key();
            link.request(Request::History { session: sender, user: user.key(), room, page });
        }
        "resume" => {
            session.waiting += 1;
            let mut words = rest.split(' ');
            let room = room(words.next().expect("resume R AFTER COUNT")).key();
            let mut number = || words.next().and_then(|n| n.parse::<u64>().ok()).expect("a number");
            let (after, count) = (Seq(number()), number() as u32);
            link.request(Request::Resume { session: sender, user: user.key(), room, after, count });
        }
        "fact" => {
            let mut words = rest.split(' ');
            let mut word = || words.next().expect("fact R WHAT A");
            let (room, what) = (room(word()), word());
            let account = AccountId(word().parse().expect("a number"));
            let (by, change) = (AccountId(1 + account.0 % 3), Box::new(change_of(what, account)));
            link.request(Request::ChangeFacts { session: sender, room, by, change });
        }
        "read" => {
            let mut words = rest.split(' ');
            let mut word = || words.next().expect("read R A S");
            let room = room(word());
            let mut number = || word().parse::<u64>().expect("a number");
            let (account, read) = (AccountId(number()), Seq(number()));
            link.request(Request::MoveRead { room, account, read });
        }
        "who" => {
            session.waiting += 1;
            link.request(Request::Who { session: sender, room: room(rest) });
        }
        "members" => {
            session.waiting += 1;
            let words: Vec<&str> = rest.split(' ').collect();
            let [name, cursor, count] = words[..] else { panic!("members R CURSOR COUNT") };
            let (room, count) = (room(name), count.parse().expect("a number"));
            let after = (cursor != "-").then(|| {
                let cursor = Cursor::parse(cursor).expect("clients send cursors that they were given");
                cursor.member(epoch, room.key())
            });
            let after = match after.transpose() {
                Ok(after) => after,
                Err(CursorFault::OtherEpoch { .. }) => {
                    session.waiting -= 1;
                    return link.output().extend_from_slice(b"no oldcursor\n");
                }
                Err(fault) => panic!("clients send cursors of the list: {fault}"),
            };
            let start = ListStart { epoch, after, count };
            link.request(Request::Members { session: sender, room, start });
        }
        other => panic!("clients send words that are known: {other}"),
    }
}

/// A change of the facts of a room, about an account or by its number.
fn change_of(what: &str, account: AccountId) -> FactChange {
    match what {
        "join" => FactChange::Join { account, joined: Seq(account.0) },
        "leave" => FactChange::Leave(account),
        "owner" => FactChange::Role { account, role: RoomRole::Owner },
        "mute" => FactChange::Mute { account, until: None },
        "unmute" => FactChange::Unmute(account),
        "ban" => FactChange::Ban { account, until: None },
        "unban" => FactChange::Unban(account),
        "invite" => FactChange::Invite(account),
        "topic" => FactChange::Topic(Text::sanitise(&"x".repeat(100 * account.0 as usize))),
        _ => FactChange::Set(RoomSetting::SlowS(account.0 as u32)),
    }
}

/// A word by which it is known whether two events are of one act of one session.
fn mark_of(everywhere: Option<&Everywhere>) -> String {
    everywhere.map_or_else(
        || "-".to_owned(),
        |everywhere| {
            let SessionId { shard, connection } = everywhere.session;
            let grant = everywhere.renamed.map_or(0, |(_, claim)| claim.0);
            format!("{}.{connection}.{grant}@{}", shard.0, everywhere.at.0)
        },
    )
}

fn draft_of(word: &str) -> Option<DraftId> {
    (word != "-").then(|| DraftId::parse(word).expect("clients send draft ids"))
}

fn write_reply(reply: &Reply, out: &mut Vec<u8>) {
    match reply {
        Reply::Claimed { user, .. } => {
            // As the direct rooms of this one are called.
            let rooms = RoomName::direct(user, user);
            let side = rooms.as_str().split('&').next().unwrap_or_default();
            line(out, format_args!("you {user} {side}"));
        }
        Reply::Joined(joined) => {
            let (room, head, count) = (&joined.room, joined.head, joined.history.len());
            line(out, format_args!("joined {room} {head} {count}"));
            joined.history.iter().for_each(|message| old(&joined.room, message, out));
        }
        Reply::Left { room } => line(out, format_args!("left {room}")),
        Reply::Whisper { from, to, message, is_receipt } => {
            let word = if *is_receipt { "receipt" } else { "whisper" };
            let _ = write!(out, "{word} {from} {to} {}", message.room);
            said(message, out);
        }
        Reply::Said { message } => {
            let _ = write!(out, "said in {}", message.room);
            said(message, out);
        }
        Reply::WhisperSent { from, to, message } => {
            let _ = write!(out, "sent {from} {to} {}", message.room);
            said(message, out);
        }
        Reply::Who(page) => {
            let _ = write!(out, "who {} {}", page.room, page.total);
            for member in &page.members {
                let _ = write!(out, " {}", member.name);
            }
            out.push(b'\n');
        }
        Reply::Members(page) => {
            let next = page.cursor().map_or_else(|| "-".to_owned(), |cursor| cursor.to_string());
            let _ = write!(out, "members {} {next}", page.room);
            for member in &page.members {
                let _ = write!(out, " {}", member.name);
            }
            out.push(b'\n');
        }
        Reply::History(page) => {
            let (first, last, why) = gap_words(page.gap);
            let (room, head, count) = (&page.room, page.head, page.messages.len());
            line(out, format_args!("page {room} {head} {first} {last} {why} {count}"));
            page.messages.iter().for_each(|message| old(room, message, out));
        }
        Reply::Resumed(page) => {
            let (first, last, why) = gap_words(page.gap);
            let (room, head, count) = (&page.room, page.head, page.entries.len());
            line(out, format_args!("resumed {room} {head} {first} {last} {why} {count}"));
            for entry in &page.entries {
                match entry {
                    ShownEntry::Message(message) => old(room, message, out),
                    ShownEntry::Amendment(amendment) => amended("old", amendment, out),
                    ShownEntry::Gone { seq, .. } => line(out, format_args!("old {room} {seq} - - ~gone")),
                }
            }
        }
        Reply::FactsChanged { room, result: Ok(revision) } => {
            line(out, format_args!("fact {room} {revision}"));
        }
        Reply::FactsChanged { room, result: Err(_) } => line(out, format_args!("nofact {room}")),
        Reply::Refused(refusal) => line(out, format_args!("no {}", word_of(refusal))),
        Reply::NotSaid(Refusal::DraftRepeated { seq, draft }) => {
            line(out, format_args!("known {seq} {draft}"))
        }
        Reply::NotSaid(Refusal::DraftTooOld { draft }) => line(out, format_args!("tooold {draft}")),
        Reply::NotSaid(Refusal::AccountNeeded { seq }) => line(out, format_args!("noaccount {seq}")),
        Reply::NotSaid(Refusal::NotYours { seq }) => line(out, format_args!("notyours {seq}")),
        Reply::NotSaid(Refusal::NoSuchMessage { .. } | Refusal::NothingChanges { .. }) => {
            out.extend_from_slice(b"unamended\n");
        }
        Reply::NotSaid(refusal) => line(out, format_args!("unsaid {}", word_of(refusal))),
        // It was sent `you`.
        Reply::Renamed { .. }
        | Reply::WhisperReaderAway { .. }
        | Reply::Whois(_)
        | Reply::Rooms(_)
        | Reply::RoomsPart(_) => {}
    }
}

fn word_of(refusal: &Refusal) -> &'static str {
    match refusal {
        Refusal::NameTaken { .. } => "taken",
        Refusal::NameConfusable { .. } => "confusable",
        Refusal::RoomConfusable { .. } => "roomconfusable",
        Refusal::RoomNotMade { .. } => "roomnotmade",
        Refusal::NoSuchUser { .. } => "nobody",
        Refusal::UserOffline { .. } => "offline",
        Refusal::NoSuchRoom { .. } => "noroom",
        Refusal::RoomFull { .. } => "full",
        Refusal::NotMember { .. } => "stranger",
        Refusal::NotStored { .. } => "notstored",
        Refusal::TooManySessions { .. } => "toomany",
        _ => "other",
    }
}

fn old(room: &RoomName, shown: &ShownMessage, out: &mut Vec<u8>) {
    let message = shown.message();
    let draft = message.and_then(|message| message.draft.as_ref()).map_or("-", DraftId::as_str);
    let author = shown.author().map_or("-", UserName::as_str);
    line(out, format_args!("old {room} {} {author} {draft} {}", shown.seq(), words_of_shown(shown)));
}

/// A message as it is now: its text, behind what else there is to say of it.
fn words_of_shown(shown: &ShownMessage) -> String {
    let Some(message) = shown.message() else { return "~deleted".to_owned() };
    let edited = shown.edited().map_or(0, |edited| edited.seq.0);
    let reactions: u64 = shown.reactions().iter().map(|(_, count)| u64::from(count)).sum();
    state_words(edited, shown.is_pinned(), reactions, &message.text)
}

/// A message's text, behind the entry that gave it that, whether it is pinned, and how many reacted.
pub fn state_words(edited: u64, is_pinned: bool, reactions: u64, text: &str) -> String {
    match (edited, is_pinned, reactions) {
        (0, false, 0) => text.to_owned(),
        _ => format!("~{edited},{is_pinned},{reactions} {text}"),
    }
}

fn amended(word: &str, amendment: &Amendment, out: &mut Vec<u8>) {
    let Amendment { room, seq, author, draft, .. } = amendment;
    let draft = draft.as_ref().map_or("-", DraftId::as_str);
    line(out, format_args!("{word} {room} {seq} {author} {draft} {}", words_of(amendment)));
}

fn gap_words(gap: Option<Gap>) -> (u64, u64, &'static str) {
    gap.map_or((0, 0, "none"), |gap| {
        let why = match gap.reason {
            GapReason::Expired => "expired",
            GapReason::TooMuch => "much",
            GapReason::Busy => "busy",
            GapReason::Unreadable => "unreadable",
        };
        (gap.first.0, gap.last.0, why)
    })
}

/// What an amendment says.
fn words_of(amendment: &Amendment) -> String {
    let target = amendment.target;
    match &amendment.change {
        Change::Edit { text } => format!("~edit {target} {text}"),
        Change::Deletion => format!("~delete {target}"),
        Change::Reactions(of) => format!("~react {}", words_of_reactions(of)),
        Change::Pin { is_pinned: true } => format!("~pin {target}"),
        Change::Pin { is_pinned: false } => format!("~unpin {target}"),
        Change::Topic { topic } => format!("~topic {}", topic.as_deref().unwrap_or("")),
    }
}

fn said(message: &Message, out: &mut Vec<u8>) {
    let draft = message.draft.as_ref().map_or("-", DraftId::as_str);
    line(out, format_args!(" {} {} {draft} {}", message.seq, message.author, message.text));
}

fn line(out: &mut Vec<u8>, words: std::fmt::Arguments<'_>) {
    // A vector takes everything.
    let _ = out.write_fmt(words);
    out.push(b'\n');
}
