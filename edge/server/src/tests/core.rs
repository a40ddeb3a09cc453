//! A core as small as can be: the real end of the link, and homes that answer at once, or not at all.

use madang_link::{CoreEnd, CoreSettings};
use madang_model::{
    ClaimNumber, Event, Joined, Message, Moment, Refusal, Reply, Request, RoomEvent, RoomKey, RoomName,
    RoomsPage, Seq, SessionId, ShardId, Timestamp, UserName,
};
use std::collections::HashMap;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How many shards it has.
pub const SHARDS: u16 = 3;
/// How long anything may take before a test gives up.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// What tests do to the core.
#[derive(Default)]
pub struct Levers {
    /// Homes answer nothing.
    pub is_silent: AtomicBool,
    /// The link is cut off, and there is none until this is taken back.
    pub is_cut: AtomicBool,
    pub sessions: AtomicUsize,
    is_over: AtomicBool,
}

/// A core on a socket.
pub struct SmallCore {
    pub levers: Arc<Levers>,
    pub socket: PathBuf,
    thread: Option<JoinHandle<()>>,
    _directory: tempfile::TempDir,
}

impl SmallCore {
    pub fn start() -> SmallCore {
        let directory = tempfile::tempdir().expect("a directory");
        let socket = directory.path().join("link.sock");
        let (levers, path) = (Arc::<Levers>::default(), socket.clone());
        let shared = Arc::clone(&levers);
        let thread = Some(std::thread::spawn(move || run(&path, &shared)));
        SmallCore { levers, socket, thread, _directory: directory }
    }

    /// Waits until it has so many sessions.
    pub async fn expect_sessions(&self, count: usize) {
        let asked_at = Instant::now();
        while self.levers.sessions.load(Ordering::SeqCst) != count {
            assert!(
                asked_at.elapsed() < PATIENCE,
                "{} sessions",
                self.levers.sessions.load(Ordering::SeqCst)
            );
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    pub fn set_silent(&self, is_silent: bool) {
        self.levers.is_silent.store(is_silent, Ordering::SeqCst);
    }

    pub fn set_cut(&self, is_cut: bool) {
        self.levers.is_cut.store(is_cut, Ordering::SeqCst);
    }
}

impl Drop for SmallCore {
    fn drop(&mut self) {
        self.levers.is_over.store(true, Ordering::SeqCst);
        let ended = self.thread.take().map(JoinHandle::join);
        assert!(std::thread::panicking() || ended.is_none_or(|ended| ended.is_ok()));
    }
}

fn run(path: &PathBuf, levers: &Levers) {
    while !levers.is_over.load(Ordering::SeqCst) {
        if levers.is_cut.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(1));
            continue;
        }
        let _ = std::fs::remove_file(path);
        let listener = UnixListener::bind(path).expect("a socket");
        listener.set_nonblocking(true).expect("it does not block");
        while !levers.is_over.load(Ordering::SeqCst) && !levers.is_cut.load(Ordering::SeqCst) {
            match listener.accept() {
                Ok((stream, _)) => serve(&stream, levers),
                Err(_) => std::thread::sleep(Duration::from_millis(1)),
            }
        }
        std::fs::remove_file(path).expect("its socket");
    }
}

fn serve(mut stream: &UnixStream, levers: &Levers) {
    stream.set_read_timeout(Some(Duration::from_millis(1))).expect("a time limit");
    let mut core = CoreEnd::new(CoreSettings::new(ShardId(0x8000), SHARDS));
    let began = Instant::now();
    let now = || Moment(began.elapsed().as_millis() as u64);
    core.connected(now());
    let (mut homes, mut buffer) = (Homes::default(), vec![0; 64 * 1024]);
    while core.ended().is_none() && !levers.is_cut.load(Ordering::SeqCst) {
        while !levers.is_silent.load(Ordering::SeqCst)
            && let Some(request) = core.next_request()
        {
            homes.answer(request).into_iter().for_each(|event| core.event(event));
        }
        while let output @ [_, ..] = core.output() {
            let count = output.len();
            let _ = stream.write_all(output);
            core.sent(count);
        }
        levers.sessions.store(core.session_count(), Ordering::SeqCst);
        match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => core.receive(&buffer[..count], now()),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(_) => break,
        }
        if levers.is_over.load(Ordering::SeqCst) {
            break;
        }
    }
    levers.sessions.store(0, Ordering::SeqCst);
}

#[derive(Default)]
struct Homes {
    names: HashMap<SessionId, UserName>,
    rooms: HashMap<RoomKey, (RoomName, Seq)>,
}

impl Homes {
    fn answer(&mut self, request: Request) -> Vec<Event> {
        let reply = |session: SessionId, reply| Event::Reply { to: session.connection, reply };
        match request {
            Request::Claim { session, name } if name.as_str() == "taken" => {
                vec![reply(session, Reply::Refused(Refusal::NameTaken { name }))]
            }
            Request::Claim { session, name: user } => {
                self.names.insert(session, user.clone());
                let (claim, missed_whispers, room) = (ClaimNumber(1), Vec::new(), None);
                vec![reply(session, Reply::Claimed { user, claim, missed_whispers, room })]
            }
            Request::Release { session, .. } | Request::GiveUp { session, .. } => {
                vec![Event::GivenBack { to: session.connection }]
            }
            Request::Join { session, user, room, .. } => {
                let (_, head) = *self.rooms.entry(room.key()).or_insert((room.clone(), Seq::ZERO));
                let (history, members, resumed_from) = (Vec::new(), 1, None);
                let joined = Joined { room, user, head, history, members, resumed_from };
                vec![reply(session, Reply::Joined(Box::new(joined)))]
            }
            Request::Leave { session, room, .. } => match self.rooms.get(&room) {
                Some((room, _)) => vec![reply(session, Reply::Left { room: room.clone() })],
                None => Vec::new(),
            },
            Request::Publish { session, text, .. } if text.as_str() == "unwanted" => {
                vec![reply(session, Reply::NotSaid(Refusal::NotMember { room: "".into() }))]
            }
            Request::Publish { session, room: key, draft, text, .. } => {
                let (room, head) = self.rooms.get_mut(&key).expect("a room");
                *head = head.next();
                let (room, seq, author) = (room.clone(), *head, self.names[&session].clone());
                let message = Arc::new(Message { room, seq, time: Timestamp(0), author, draft, text });
                vec![Event::Room { room: key, event: RoomEvent::Message { message, author: session } }]
            }
            Request::PublishAs { session, room, author, draft, text } => {
                let (_, head) = self.rooms.entry(room.key()).or_insert((room.clone(), Seq::ZERO));
                *head = head.next();
                let message = Message { room, seq: *head, time: Timestamp(0), author, draft, text };
                vec![reply(session, Reply::Said { message: Arc::new(message) })]
            }
            Request::Rooms { session, .. } => {
                let page = |more| RoomsPage { rooms: Vec::new(), more, is_busy: false };
                (0..SHARDS).map(|shard| reply(session, Reply::Rooms(page(u32::from(shard))))).collect()
            }
            Request::SetAway { .. } => Vec::new(),
            other => panic!("no home answers {other:?}"),
        }
    }
}
