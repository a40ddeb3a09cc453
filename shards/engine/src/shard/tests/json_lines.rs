//! A second protocol, to test what a surface must implement: rooms as lines of JSON, as a program would read them.
//!
//! A line is `NAME ROOM` (once), `say T`, `slowly T`, `receipt ID`, `pings SECONDS` or `end`. What is sent is a JSON
//! object a line; that of a room begins with a number of the reader's own, `{"n":3,…`, as each STOMP subscription has
//! an id of its own.

use madang_model::connection::{
    CloseReason, Core, Entrance, EntranceKind, Link, ProtocolReason, Silence, Style, Surface, SurfaceId,
};
use madang_model::{Reply, Request, RoomEvent, RoomName, Text, UserName};
use std::cell::Cell;
use std::time::Duration;

/// Connections of it.
pub const JSON_LINES: SurfaceId = SurfaceId(7);
/// It sent nothing though it was asked.
pub const SILENT: ProtocolReason = ProtocolReason::new(15, "silent", false);

#[derive(Clone, Copy)]
pub struct JsonLines;

#[derive(Default)]
pub struct Session {
    room: Option<RoomName>,
    is_waiting: bool,
    receipt: Option<String>,
    ping_seconds: Option<u64>,
    /// Events received from rooms.
    heard: Cell<u32>,
}

impl Surface for JsonLines {
    type Session = Session;

    fn serves(&self, surface: SurfaceId) -> bool {
        surface == JSON_LINES
    }

    fn open(&self, entrance: &Entrance, link: &mut Link<'_>) -> Session {
        write_line(link.output(), &format!("{{\"here\":\"{}\"}}", entrance.address));
        // More forms than one, and a number that no table of eight has.
        let style = Style { form: 200, ..link.core.style };
        link.set_style(style);
        Session::default()
    }

    fn receive(&self, session: &mut Session, bytes: &[u8], link: &mut Link<'_>) -> usize {
        let mut consumed = 0;
        while !session.is_waiting
            && link.follow_up.delay.is_none()
            && link.core.closing.is_none()
            && let Some(end) = bytes[consumed..].iter().position(|byte| *byte == b'\n')
        {
            let line = std::str::from_utf8(&bytes[consumed..consumed + end]).expect("tests send UTF-8");
            consumed += end + 1;
            obey(session, line, link);
        }
        consumed
    }

    fn end_of_input(&self, _: &mut Session, link: &mut Link<'_>) {
        link.close(CloseReason::Quit);
    }

    fn reply(&self, session: &mut Session, reply: &Reply, link: &mut Link<'_>) {
        match reply {
            Reply::Claimed { user, claim, .. } => {
                let room = session.room.clone().expect("a name comes with a room");
                let (session, user, claim) = (link.session(), user.clone(), *claim);
                link.request(Request::Join { session, user, claim, room, is_away: false });
            }
            other => {
                session.is_waiting = false;
                let body =
                    if matches!(other, Reply::Joined(_)) { "{\"joined\":true}" } else { "{\"other\":true}" };
                write_line(link.output(), body);
            }
        }
    }

    fn all_answered(&self, session: &mut Session, link: &mut Link<'_>) {
        let receipt = session.receipt.take().expect("it was asked for");
        session.is_waiting = false;
        write_line(link.output(), &format!("{{\"receipt\":\"{receipt}\"}}"));
    }

    fn reminded(&self, session: &mut Session, since: Silence, link: &mut Link<'_>) {
        if since.has_heard_nothing && !since.has_sent_nothing {
            return link.close(CloseReason::Protocol(SILENT));
        }
        if since.has_sent_nothing {
            write_line(link.output(), "{\"ping\":true}");
        }
        link.remind_after(Duration::from_secs(session.ping_seconds.expect("it was asked for")));
    }

    fn reminder(&self, session: &Session) -> Option<Duration> {
        session.ping_seconds.map(Duration::from_secs)
    }

    fn render(&self, room: &RoomName, event: &RoomEvent, style: Style, out: &mut Vec<u8>) {
        assert_eq!(style, Style { surface: JSON_LINES, form: 200 });
        let body = match event {
            RoomEvent::Message { message, .. } => {
                format!(
                    "\"seq\":{},\"from\":\"{}\",\"text\":\"{}\"}}",
                    message.seq, message.author, message.text
                )
            }
            RoomEvent::Amended { amendment, .. } => format!("\"amended\":{}}}", amendment.target),
            RoomEvent::Joined { user } => format!("\"joined\":\"{user}\",\"room\":\"{room}\"}}"),
            RoomEvent::Left { user, reason, .. } => format!("\"{}\":\"{user}\"}}", reason.name()),
            RoomEvent::Renamed { old, new, .. } => format!("\"old\":\"{old}\",\"new\":\"{new}\"}}"),
        };
        write_line(out, &body);
    }

    fn deliver(&self, session: &Session, _: &RoomName, body: &[u8], outbox: &mut Vec<u8>) {
        session.heard.set(session.heard.get() + 1);
        outbox.extend_from_slice(format!("{{\"n\":{},", session.heard.get()).as_bytes());
        outbox.extend_from_slice(body);
    }

    fn begun_bytes(&self, _: &Session, _: &[u8]) -> usize {
        0
    }

    fn farewell(&self, _: &Session, reason: &CloseReason, out: &mut Vec<u8>) {
        write_line(
            out,
            if matches!(reason, CloseReason::Quit) { "{\"end\":true}" } else { "{\"cut\":true}" },
        );
    }

    fn going_down(&self, _: &Session, out: &mut Vec<u8>) {
        write_line(out, "{\"going_down\":true}");
    }

    fn announce(&self, _: &Session, text: &Text, core: &mut Core) {
        write_line(&mut core.outbox, &format!("{{\"operator\":\"{text}\"}}"));
    }

    fn save(&self, session: &Session) -> Option<Vec<u8>> {
        let seconds = session.ping_seconds.unwrap_or_default();
        (!session.is_waiting)
            .then(|| [&seconds.to_le_bytes()[..], &session.heard.get().to_le_bytes()].concat())
    }

    fn restore(&self, entrance: EntranceKind, saved: &[u8]) -> Option<Session> {
        assert_eq!(entrance.surface, JSON_LINES);
        let (seconds, heard) = saved.split_first_chunk()?;
        let heard = Cell::new(u32::from_le_bytes(*heard.first_chunk()?));
        let ping_seconds = Some(u64::from_le_bytes(*seconds)).filter(|seconds| *seconds > 0);
        Some(Session { heard, ping_seconds, ..Session::default() })
    }

    fn server_full(&self, _: EntranceKind) -> &'static [u8] {
        b"{\"full\":true}\n"
    }
}

fn obey(session: &mut Session, line: &str, link: &mut Link<'_>) {
    let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
    match (word, link.user().cloned()) {
        ("say" | "slowly", Some(user)) => {
            let room = link.rooms.room_of(&link.core.subscriptions[0]).name.key();
            let text = Text::sanitise(rest).expect("tests send text");
            let (session, user) = (link.session(), user.key());
            link.request(Request::Publish { session, user, room, draft: None, text });
            if word == "slowly" {
                link.delay_input(Duration::from_secs(3));
            }
        }
        ("receipt", _) => {
            // What follows waits: it is not of this receipt.
            (session.receipt, session.is_waiting) = (Some(rest.to_owned()), true);
            link.call_when_answered();
        }
        ("pings", _) => {
            session.ping_seconds = rest.parse().ok();
            link.remind_after(Duration::from_secs(session.ping_seconds.expect("seconds")));
        }
        ("end", _) => link.close(CloseReason::Quit),
        (name, _) => {
            session.is_waiting = true;
            session.room = Some(RoomName::parse(rest).expect("tests send room names"));
            let name = UserName::parse(name).expect("tests send names");
            link.request(Request::Claim { session: link.session(), name });
        }
    }
}

fn write_line(out: &mut Vec<u8>, line: &str) {
    out.extend_from_slice(line.as_bytes());
    out.push(b'\n');
}
