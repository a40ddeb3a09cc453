//! The line surface: what `nc` and `telnet` speak (`docs/protocol.md`). It holds no socket and no
//! clock: bytes and replies in, requests and bytes out.
//!
//! `decode` makes lines of bytes, `command` makes commands of lines, `session` and its parts act
//! on commands and replies, and `words` is all that a peer is ever sent.

mod absence;
mod answer;
pub mod command;
pub mod decode;
mod foreign;
mod image;
mod perform;
mod session;
#[cfg(test)]
mod tests;
mod words;

use madang_model::connection::{
    CloseReason, Core, Entrance, EntranceKind, Link, ProtocolReason, Style, Surface, SurfaceId,
};
use madang_model::{Reply, RoomEvent, RoomName, Text};
pub use session::{LineSession, Terminal};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Connections of this protocol.
pub const SURFACE: SurfaceId = SurfaceId(0);

/// Too many bytes came without the end of a line.
pub const ENDLESS_LINE: ProtocolReason = ProtocolReason::new(0, "endless_line", false);
/// Another protocol was spoken; the detail is which.
pub const WRONG_PROTOCOL: ProtocolReason = ProtocolReason::new(1, "wrong_protocol", true);

/// The longest line, in bytes, without its end. Below 65,535, where a line counts as endless. A
/// reload changes it for all who hold a copy.
#[derive(Clone, Debug)]
pub struct LineLimit(Arc<AtomicUsize>);

impl LineLimit {
    /// A limit.
    pub fn new(bytes: usize) -> LineLimit {
        let limit = LineLimit(Arc::default());
        limit.set(bytes);
        limit
    }

    /// From now on it is this.
    pub fn set(&self, bytes: usize) {
        assert!(
            bytes + 1 < decode::ENDLESS_LINE_BYTES as usize,
            "the configuration allows no line that would count as endless"
        );
        self.0.store(bytes, Ordering::Relaxed);
    }

    /// What it is now.
    pub fn bytes(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// What an operator decides about the line surface.
#[derive(Clone, Debug)]
pub struct LineSettings {
    /// The longest line.
    pub line_bytes_max: LineLimit,
    /// The room everyone lands in.
    pub lobby: RoomName,
    /// The first line that everyone sees, without its end.
    pub greeting: Box<str>,
}

impl LineSettings {
    /// The greeting unless configured otherwise.
    pub const GREETING_DEFAULT: &'static str = "* welcome to madang; /help lists what you can type";
}

/// The line protocol for all connections of a shard.
#[derive(Clone, Debug)]
pub struct LineSurface {
    settings: LineSettings,
}

impl LineSurface {
    /// The protocol with these settings.
    pub fn new(settings: LineSettings) -> LineSurface {
        LineSurface { settings }
    }
}

impl Surface for LineSurface {
    type Session = LineSession;

    fn serves(&self, surface: SurfaceId) -> bool {
        surface == SURFACE
    }

    fn open(&self, entrance: &Entrance, link: &mut Link<'_>) -> LineSession {
        let terminal = if entrance.kind.is_telnet { Terminal::Telnet } else { Terminal::Any };
        LineSession::open(&self.settings, terminal, link)
    }

    fn receive(&self, session: &mut LineSession, bytes: &[u8], link: &mut Link<'_>) -> usize {
        session.receive(&self.settings, bytes, link)
    }

    fn end_of_input(&self, session: &mut LineSession, link: &mut Link<'_>) {
        session.end_of_input(&self.settings, link);
    }

    fn reply(&self, session: &mut LineSession, reply: &Reply, link: &mut Link<'_>) {
        session.answer(&self.settings, reply, link);
    }

    fn render(&self, room: &RoomName, event: &RoomEvent, style: Style, out: &mut Vec<u8>) {
        words::room_event(room, event, style, out);
    }

    /// The rest of a line.
    fn begun_bytes(&self, _: &LineSession, outbox: &[u8]) -> usize {
        memchr::memchr(b'\n', outbox).map_or(outbox.len(), |end| end + 1)
    }

    fn farewell(&self, session: &LineSession, reason: &CloseReason, out: &mut Vec<u8>) {
        if words::has_farewell(reason) {
            session.begin_line(out);
        }
        words::farewell(reason, session.line_ends(), out);
    }

    fn going_down(&self, session: &LineSession, out: &mut Vec<u8>) {
        session.begin_line(out);
        words::line(out, session.line_ends(), format_args!("{}", words::GOING_DOWN));
    }

    fn announce(&self, session: &LineSession, text: &Text, core: &mut Core) {
        session.begin_line(&mut core.outbox);
        words::line(&mut core.outbox, core.style, format_args!("* the operator says: {text}"));
    }

    fn save(&self, session: &LineSession) -> Option<Vec<u8>> {
        session.save()
    }

    fn restore(&self, _: EntranceKind, saved: &[u8]) -> Option<LineSession> {
        let restored = LineSession::restore(saved);
        if let Err(error) = &restored {
            tracing::error!(%error, "a connection cannot be resumed");
        }
        restored.ok()
    }

    fn server_full(&self, _: EntranceKind) -> &'static [u8] {
        words::SERVER_FULL
    }
}
