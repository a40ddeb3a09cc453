//! A small edge: the other end of the link, over the real socket.

use super::{PATIENCE, Server};
use madang_link::{EdgeEnd, EdgeEvent, EdgeRequest, LinkEnd, SessionNumber};
use madang_model::{Account, AccountId, AccountKind, Moment, Reply, RoomName, Text, UserName};
use std::io::{ErrorKind, Read, Write};
use std::net::IpAddr;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

/// How long to read before it is written again.
const READ_MAX: Duration = Duration::from_millis(20);

/// An edge that is connected.
pub struct Edge {
    stream: UnixStream,
    end: EdgeEnd,
    started_at: Instant,
}

impl Edge {
    /// Connects as soon as the server lets it, and both greet each other.
    #[track_caller]
    pub fn connect(server: &Server) -> Edge {
        let mut edge = Edge::begin(&server.data());
        let deadline = Instant::now() + PATIENCE;
        while !edge.is_greeted() {
            assert!(Instant::now() < deadline && edge.end.ended().is_none(), "{:?}", edge.end.ended());
            edge.exchange();
        }
        edge
    }

    /// Connects and greets, unless the server that it meets is about to end.
    pub fn try_connect(data: &Path) -> Option<Edge> {
        let mut edge = Edge::begin(data);
        let deadline = Instant::now() + PATIENCE;
        while !edge.is_greeted() {
            assert!(Instant::now() < deadline, "nobody greets");
            edge.exchange();
            if edge.has_ended() {
                return None;
            }
        }
        Some(edge)
    }

    /// A session with a name, in a room, unless the link ends meanwhile.
    pub fn try_login(&mut self, name: &str, in_room: &str) -> Option<SessionNumber> {
        let session = self.end.open(None).ok()?;
        for request in [EdgeRequest::Claim { name: user(name) }, EdgeRequest::Join { room: room(in_room) }] {
            self.end.ask(session, &request).ok()?;
            let deadline = Instant::now() + PATIENCE;
            loop {
                let is_answered = |event: &EdgeEvent| match event {
                    EdgeEvent::Reply { reply: Reply::Claimed { .. } | Reply::Joined(_), session: of } => {
                        *of == session
                    }
                    EdgeEvent::Reply { reply: Reply::Refused(refusal), .. } => panic!("{name}: {refusal:?}"),
                    _ => false,
                };
                if self.take_events().iter().any(is_answered) {
                    break;
                }
                assert!(Instant::now() < deadline, "{name} is not answered");
                self.exchange();
                if self.has_ended() {
                    return None;
                }
            }
        }
        Some(session)
    }

    /// Connects, and has said nothing yet.
    #[track_caller]
    pub fn begin(data: &Path) -> Edge {
        let stream = connect(data);
        Edge { stream, end: EdgeEnd::new(Moment(0)), started_at: Instant::now() }
    }

    /// Cuts the connection off in the middle of what it says.
    pub fn cut_off(mut self) {
        self.open();
        let output = self.end.output();
        let half = output.len() / 2;
        self.stream.write_all(&output[..half]).expect("write to the core");
    }

    /// Begins a session.
    #[track_caller]
    pub fn open(&mut self) -> SessionNumber {
        self.end.open(None).expect("a session")
    }

    /// A session with a name, in a room.
    #[track_caller]
    pub fn login(&mut self, name: &str, in_room: &str) -> SessionNumber {
        self.login_from(None, name, in_room)
    }

    /// The same for somebody at an address.
    #[track_caller]
    pub fn login_from(&mut self, address: Option<IpAddr>, name: &str, in_room: &str) -> SessionNumber {
        self.login_known(address, user(name), in_room)
    }

    /// A session of an account, by its id, under a name, in a room.
    #[track_caller]
    pub fn login_as(&mut self, account: u64, name: &str, in_room: &str) -> SessionNumber {
        let account = Account::new(AccountKind::User, AccountId(account)).expect("an account");
        self.login_known(None, user(name).known_as(account.into()), in_room)
    }

    #[track_caller]
    fn login_known(&mut self, address: Option<IpAddr>, name: UserName, in_room: &str) -> SessionNumber {
        let session = self.end.open(address).expect("a session");
        self.ask(session, &EdgeRequest::Claim { name });
        self.expect("its name", |event| matches!(event, EdgeEvent::Reply { session: of, reply: Reply::Claimed { .. } } if *of == session));
        self.ask(session, &EdgeRequest::Join { room: room(in_room) });
        self.expect("the room", |event| matches!(event, EdgeEvent::Reply { session: of, reply: Reply::Joined(_) } if *of == session));
        session
    }

    /// Asks something for a session. It goes out with the next exchange.
    #[track_caller]
    pub fn ask(&mut self, session: SessionNumber, request: &EdgeRequest) {
        self.end.ask(session, request).expect("it can be asked");
    }

    /// Says something in a room.
    #[track_caller]
    pub fn say(&mut self, session: SessionNumber, in_room: &str, text: &str) {
        let text = Text::sanitise(text).expect("a text");
        self.ask(session, &EdgeRequest::Publish { room: room(in_room), draft: None, text });
        self.flush();
    }

    /// Writes what is to be written, reads what is there.
    #[track_caller]
    pub fn exchange(&mut self) {
        self.flush();
        self.stream.set_read_timeout(Some(READ_MAX)).expect("set a time-out");
        let mut buffer = vec![0; 64 * 1024];
        match self.stream.read(&mut buffer) {
            Ok(0) => self.end.disconnected(),
            Ok(count) => self.end.receive(&buffer[..count], self.now()),
            Err(error) => match error.kind() {
                ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted => {}
                _ => self.end.disconnected(),
            },
        }
        self.end.tick(self.now());
    }

    /// Writes what is to be written.
    pub fn flush(&mut self) {
        while let output @ [_, ..] = self.end.output() {
            let count = output.len();
            // If the core is gone, its last words are still to be read.
            let _ = self.stream.write_all(output);
            self.end.sent(count);
        }
    }

    /// Takes events up to one that is wanted.
    #[track_caller]
    pub fn expect(&mut self, what: &str, is_wanted: impl Fn(&EdgeEvent) -> bool) -> EdgeEvent {
        let deadline = Instant::now() + PATIENCE;
        let mut seen = Vec::new();
        loop {
            while let Some(event) = self.end.next_event() {
                if is_wanted(&event) {
                    return event;
                }
                seen.push(event);
            }
            let ended = self.end.ended();
            assert!(Instant::now() < deadline && ended.is_none(), "no {what}: {seen:?}, ended: {ended:?}");
            self.exchange();
        }
    }

    /// Takes events up to this line of a room: `author: text`.
    #[track_caller]
    pub fn expect_line(&mut self, line: &str) -> EdgeEvent {
        self.expect(line, |event| match event {
            EdgeEvent::Message { message, .. } => {
                line == format!("{}: {}", message.author.as_str(), message.text.as_str())
            }
            _ => false,
        })
    }

    /// Says something, if it can be asked now. It goes out with the next exchange.
    pub fn try_say(&mut self, session: SessionNumber, in_room: &str, text: &str) -> bool {
        let text = Text::sanitise(text).expect("a text");
        self.end.ask(session, &EdgeRequest::Publish { room: room(in_room), draft: None, text }).is_ok()
    }

    /// Takes what has come.
    pub fn take_events(&mut self) -> Vec<EdgeEvent> {
        std::iter::from_fn(|| self.end.next_event()).collect()
    }

    /// Whether the link has ended.
    pub fn has_ended(&self) -> bool {
        self.end.ended().is_some()
    }

    /// Exchanges until the link has ended, and says why.
    #[track_caller]
    pub fn expect_end(&mut self) -> LinkEnd {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(end) = self.end.ended() {
                return end.clone();
            }
            assert!(Instant::now() < deadline, "the link lasts");
            self.exchange();
        }
    }

    /// Whether the server has answered the greeting.
    pub fn is_greeted(&self) -> bool {
        self.end.limits().is_some()
    }

    fn now(&self) -> Moment {
        Moment(u64::try_from(self.started_at.elapsed().as_millis()).expect("a short test"))
    }
}

/// Connects to the link of a server as soon as its socket is there.
#[track_caller]
pub fn connect(data: &Path) -> UnixStream {
    connect_to(&data.join("link.sock"))
}

/// Connects to a socket as soon as it is there.
#[track_caller]
pub fn connect_to(path: &Path) -> UnixStream {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match UnixStream::connect(path) {
            Ok(stream) => return stream,
            Err(error) => assert!(Instant::now() < deadline, "cannot connect: {error}"),
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A room by its name.
pub fn room(name: &str) -> RoomName {
    RoomName::parse(name).expect("a room name")
}

/// A user by name.
pub fn user(name: &str) -> UserName {
    UserName::parse(name).expect("a user name")
}
