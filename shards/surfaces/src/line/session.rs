//! One connection of the line protocol: which line it waits for, and which reply.

use super::absence::Absence;
use super::command::{Command, cleaned};
use super::decode::{LineDecoder, Token};
use super::foreign::{self, Foreign};
use super::words;
use super::{ENDLESS_LINE, LineSettings};
use madang_model::connection::{CloseReason, Link, Style};
use madang_model::{Page, Request, RoomName, RoomSummary, UserName};
use std::fmt;

/// The prompt for a name. It has no end of line: the name is typed behind it.
const PROMPT: &[u8] = b"name: ";
/// The answer to telnet when it asks whether anyone is there (RFC 854).
const HERE: &str = "* yes, madang is here";
/// For one whose telnet takes bytes of Korean for keys: Ctrl-\\ is 0x1C, and 0x9C without its highest bit.
const MANGLED: &str = "mangled: telnet took a byte of the line for a key such as Ctrl-\\; nothing of it was sent, \
                       send it again, or use nc";

/// Who is expected at the other end of a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Terminal {
    /// Anything that sends lines, `nc` first. It is sent nothing of telnet before it has begun with it.
    Any,
    /// A telnet: it is asked for all that it takes to type any character, as it comes.
    Telnet,
}

/// What the protocol remembers of one connection. A million of them are idle at once, so that
/// what few need is behind a pointer.
#[derive(Debug)]
pub struct LineSession {
    pub(super) decoder: LineDecoder,
    /// The room that lines are said in. `None` before the first, and between two.
    pub(super) room: Option<RoomName>,
    /// What came while the user was away.
    pub(super) absence: Option<Box<Absence>>,
    pub(super) state: SessionState,
    /// The peer will send no more.
    pub(super) has_ended: bool,
    /// The prompt stands in the last line of the peer's terminal.
    pub(super) is_prompting: bool,
    /// Something was typed since a name was had.
    pub(super) has_typed: bool,
    /// The room that shall be entered is the one in which the connection before was lost: else it is the lobby.
    pub(super) is_returning: bool,
}

/// What comes next.
#[derive(Debug)]
pub(super) enum SessionState {
    /// A line with a name.
    Naming,
    /// The answer to the first name.
    Claiming,
    /// Any line.
    Present,
    /// The answer of a room that shall be entered. The old one, if any, is left only then.
    Joining,
    /// The confirmation that the room is left; the lobby comes next.
    Leaving,
    /// The answer to another name.
    Renaming,
    /// The answer to a question.
    Asking(PendingQuestion),
}

/// What was asked.
#[derive(Debug)]
pub(super) enum PendingQuestion {
    History(Page),
    Who,
    Whois,
    Rooms(Box<Gathering>),
}

/// The answers of the shards to `/rooms`, so far.
#[derive(Debug)]
pub(super) struct Gathering {
    pub(super) shards_left: u16,
    pub(super) rooms: Vec<RoomSummary>,
    pub(super) more: u64,
    pub(super) is_busy: bool,
    pub(super) pattern: Box<str>,
}

impl LineSession {
    /// Greets a new connection and asks for a name.
    pub fn open(settings: &LineSettings, terminal: Terminal, link: &mut Link<'_>) -> LineSession {
        let decoder = match terminal {
            Terminal::Any => LineDecoder::default(),
            Terminal::Telnet => {
                link.set_style(words::with_crlf(link.core.style));
                LineDecoder::of_telnet()
            }
        };
        greet(settings, &decoder, link.core.style, &mut link.core.outbox);
        LineSession {
            decoder,
            room: None,
            absence: None,
            state: SessionState::Naming,
            has_ended: false,
            is_prompting: true,
            has_typed: false,
            is_returning: false,
        }
    }

    /// Acts on what came, up to a line whose reply must come first. Says how much that was.
    pub fn receive(&mut self, settings: &LineSettings, bytes: &[u8], link: &mut Link<'_>) -> usize {
        let mut consumed = 0;
        while consumed < bytes.len() && !self.is_waiting() && link.core.closing.is_none() {
            if self.is_prompting
                && let Some(protocol) = foreign::of_bytes(self.decoder.line_start(&bytes[consumed..]))
            {
                self.turn_away(settings, protocol, link);
                break;
            }
            let (taken, token) = self.decoder.next(&bytes[consumed..], settings.line_bytes_max.bytes());
            consumed += taken;
            if self.decoder.is_telnet() && !words::is_crlf(link.core.style) {
                let style = words::with_crlf(link.core.style);
                link.set_style(style);
            }
            if let Some(token) = token {
                self.take(settings, token, link);
            }
        }
        // Nothing that follows a farewell matters.
        if link.core.closing.is_some() { bytes.len() } else { consumed }
    }

    /// The peer will send no more: what it sent is handled, then the connection is closed.
    pub fn end_of_input(&mut self, settings: &LineSettings, link: &mut Link<'_>) {
        self.has_ended = true;
        self.settle(settings, link);
    }

    /// Whether a reply must come before the next line.
    pub(super) fn is_waiting(&self) -> bool {
        !matches!(self.state, SessionState::Naming | SessionState::Present)
    }

    /// How lines end, before any reply is at hand to look it up.
    pub(super) fn line_ends(&self) -> Style {
        let style = Style::default();
        if self.decoder.is_telnet() { words::with_crlf(style) } else { style }
    }

    /// Closes the connection of a peer that has ended its input, as soon as nothing is awaited. A last line
    /// without an end counts: `printf hello | nc` means it.
    pub(super) fn settle(&mut self, settings: &LineSettings, link: &mut Link<'_>) {
        if !self.has_ended || self.is_waiting() || link.core.closing.is_some() {
            return;
        }
        if let Some(token) = self.decoder.rest(settings.line_bytes_max.bytes()) {
            self.take(settings, token, link);
        }
        if !self.is_waiting() {
            link.close(CloseReason::Quit);
        }
    }

    fn take(&mut self, settings: &LineSettings, token: Token<'_>, link: &mut Link<'_>) {
        let was_prompting = self.is_prompting;
        // After the end of a line the peer is at the start of the next.
        self.is_prompting &= !token.ends_line();
        let foreign = match &token {
            Token::Line(line) if was_prompting => foreign::of_line(line),
            Token::TooLong { is_http: true, .. } if was_prompting => Some(Foreign::Http),
            _ => None,
        };
        if let Some(protocol) = foreign {
            return self.turn_away(settings, protocol, link);
        }
        if token.ends_line() && self.decoder.needs_return_at_line_end() {
            link.output().push(b'\r');
        }
        match token {
            Token::Line(line) => match std::str::from_utf8(&line) {
                Ok(line) => self.line(settings, line, link),
                Err(error) => {
                    let (at, byte) = (error.valid_up_to() + 1, line[error.valid_up_to()]);
                    self.refuse_line(link, format_args!("not UTF-8: 0x{byte:02X} is byte {at} of the line; nothing of it was sent, set your terminal to UTF-8"));
                    if let Some(offer) = self.decoder.offer_for_broken_line() {
                        link.output().extend_from_slice(offer.bytes());
                    }
                }
            },
            Token::Mangled => self.refuse_line(link, format_args!("{MANGLED}")),
            Token::TooLong { bytes, .. } => {
                let bytes_max = settings.line_bytes_max.bytes();
                self.refuse_line(link, format_args!("too long: the line has {bytes} bytes, {bytes_max} are allowed; nothing of it was sent, send it in pieces"));
            }
            Token::Endless => link.close(CloseReason::Protocol(ENDLESS_LINE)),
            Token::Leave => link.close(CloseReason::Quit),
            // Past the allowance it is not even refused: the refusal would be longer than the answer.
            Token::AreYouThere if link.spend(1).is_ok() => {
                self.begin_line(link.output());
                self.complain(link, format_args!("{HERE}"));
            }
            Token::AreYouThere => {}
            Token::Answer(answer) => link.output().extend_from_slice(answer.bytes()),
        }
    }

    fn line(&mut self, settings: &LineSettings, line: &str, link: &mut Link<'_>) {
        if matches!(self.state, SessionState::Naming) {
            return self.name(line, link);
        }
        if line.is_empty() {
            return;
        }
        let is_first = !std::mem::replace(&mut self.has_typed, true);
        if is_first && asks_for_help(line) {
            if self.spend(1, link) {
                let line = line.trim();
                say(link, format_args!("* /help lists what you can type (to say {line}, type it again)"));
            }
            return;
        }
        let command = Command::parse(line);
        // Quitting is always allowed.
        let now = link.now.wall;
        let cost = command.as_ref().map_or(1, |command| command.as_ref().map_or(1, |one| one.cost(now)));
        if cost > 0 && !self.spend(cost, link) {
            return;
        }
        match command {
            Ok(Some(command)) => self.perform(settings, command, link),
            Ok(None) => {}
            Err(mistake) => say(link, format_args!("! {mistake}")),
        }
    }

    /// A line before there is a name: it should be one.
    fn name(&mut self, line: &str, link: &mut Link<'_>) {
        let line = &*cleaned(line);
        // Trying names or asking for help costs as much as talking. Quitting is always allowed.
        let is_free = line.starts_with('/') && matches!(Command::parse(line), Ok(Some(Command::Quit)));
        if !is_free && !self.spend(1, link) {
            return self.prompt(link);
        }
        if line.starts_with('/') {
            match Command::parse(line) {
                Ok(Some(Command::Quit)) => return link.close(CloseReason::Quit),
                Ok(Some(Command::Help)) => help(link),
                _ => {
                    say(link, format_args!("! a name comes first (try alice; /help and /quit work here too)"))
                }
            }
            return self.prompt(link);
        }
        if asks_for_help(line) {
            return self.complain(link, format_args!("* /help lists what you can type; a name comes first"));
        }
        if foreign::is_hello(line.as_bytes()) {
            return self.complain(
                link,
                format_args!("! {} is what mail programs begin with; choose another name", line.trim()),
            );
        }
        match UserName::parse(line) {
            Ok(name) => {
                link.request(Request::Claim { session: link.session(), name });
                self.state = SessionState::Claiming;
            }
            Err(error) => self.complain(link, format_args!("! {error}; choose another")),
        }
    }

    /// Says a line, and asks for the name again while there is none.
    pub(super) fn complain(&mut self, link: &mut Link<'_>, words: fmt::Arguments<'_>) {
        say(link, words);
        self.prompt(link);
    }

    pub(super) fn prompt(&mut self, link: &mut Link<'_>) {
        if matches!(self.state, SessionState::Naming) {
            link.output().extend_from_slice(PROMPT);
            self.is_prompting = true;
        }
    }

    /// What is said without being asked for begins a line, also where the prompt stands.
    pub(super) fn begin_line(&self, out: &mut Vec<u8>) {
        if self.is_prompting {
            words::end(out, self.line_ends());
        }
    }

    /// The peer speaks another protocol. Where that came before the greeting was sent, nothing is said
    /// before the answer, which is no answer to clients of HTTP otherwise.
    fn turn_away(&mut self, settings: &LineSettings, protocol: Foreign, link: &mut Link<'_>) {
        self.is_prompting = false;
        let mut greeting = Vec::new();
        greet(settings, &self.decoder, link.core.style, &mut greeting);
        if link.core.outbox == greeting {
            link.core.outbox.clear();
        }
        link.close(CloseReason::Protocol(protocol.reason()));
    }

    /// A line that cannot be read costs as much as one that can.
    fn refuse_line(&mut self, link: &mut Link<'_>, words: fmt::Arguments<'_>) {
        if self.spend(1, link) {
            self.complain(link, format_args!("! {words}"));
        } else {
            self.prompt(link);
        }
    }

    /// Takes what a line costs from the allowance, or says that there is not enough left.
    fn spend(&self, cost: u32, link: &mut Link<'_>) -> bool {
        let Err(wait) = link.spend(cost) else { return true };
        let wait_ms = wait.as_micros().div_ceil(1000);
        let (rate, burst) = (link.flood.messages_per_second, link.flood.burst.max(1));
        let limit = format_args!("! too fast: {rate} messages a second, {burst} at once");
        match cost {
            1 => say(link, format_args!("{limit}; wait {wait_ms} ms and send it again")),
            _ => say(
                link,
                format_args!("{limit}, and this counts as {cost}; wait {wait_ms} ms and send it again"),
            ),
        }
        false
    }
}

/// Writes one line to the peer.
pub(super) fn say(link: &mut Link<'_>, words: fmt::Arguments<'_>) {
    words::line(&mut link.core.outbox, link.core.style, words);
}

/// Writes every command in a line each.
pub(super) fn help(link: &mut Link<'_>) {
    for line in words::HELP {
        say(link, format_args!("{line}"));
    }
}

fn greet(settings: &LineSettings, decoder: &LineDecoder, style: Style, out: &mut Vec<u8>) {
    out.extend_from_slice(decoder.opening());
    words::line(out, style, format_args!("{}", settings.greeting));
    out.extend_from_slice(PROMPT);
}

/// Whether somebody who knows no command yet is looking for one.
fn asks_for_help(line: &str) -> bool {
    let line = line.trim();
    line == "?" || line.eq_ignore_ascii_case("help")
}
