//! The least that a chat server can do, to measure others against: it reads what is ready, writes each
//! reader once, and knows nothing of limits, names or failure. With a file it also writes each turn's lines
//! to it and syncs them before anyone sees them, on the thread that read them.
//!
//! With several threads connections and rooms are dealt out to them in turn, and each has a file of its own
//! (FILE.0, FILE.1). A line goes to the thread that has its room, and from there to those that have a member,
//! so that all hear a room's lines in one order. A thread is told once a turn, and woken only from sleep.
//!
//! `cargo run --release --example bare_chat -p madang-bench -- [THREADS [FILE]]` says where it listens;
//! `madang bench --target ADDRESS fanout --rate 1000` measures it. It ends by a signal.

#![allow(clippy::unwrap_used, reason = "whoever measures sees what failed")]

use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::event::{EventfdFlags, eventfd};
use rustix::net::{RecvFlags, SendFlags};
use std::collections::HashMap;
use std::fs::File;
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;

/// A file is written over and over: so many bytes, filled with zeros before.
const FILE_BYTES: u64 = 64 << 20;
const LISTENER: u64 = u64::MAX;
const BELL: u64 = u64::MAX - 1;

/// What one thread tells another. A room is known by its number, and lives on the thread that this gives.
enum Note {
    Newcomer(TcpStream),
    Join { room: usize, thread: usize, connection: usize },
    Joined { room: usize, connection: usize },
    Said { room: usize, line: Vec<u8> },
    Heard { room: usize, lines: Vec<u8> },
}

struct Peer {
    notes: Sender<Vec<Note>>,
    bell: OwnedFd,
    is_asleep: AtomicBool,
}

/// What all threads know.
struct World {
    peers: Vec<Peer>,
    rooms: Mutex<HashMap<String, usize>>,
}

struct Connection {
    stream: TcpStream,
    name: Option<String>,
    room: Option<usize>,
    outbox: Vec<u8>,
}

#[derive(Default)]
struct Room {
    /// Connections of this thread.
    members: Vec<usize>,
    /// At the room's home: the threads with members, and what was said in this turn.
    threads: Vec<usize>,
    said: Vec<u8>,
}

struct Chat {
    me: usize,
    world: Arc<World>,
    /// What this thread waits for.
    set: OwnedFd,
    connections: Vec<Option<Connection>>,
    rooms: HashMap<usize, Room>,
    /// Rooms of this thread in which something was said in this turn.
    talking: Vec<usize>,
    /// Connections with something to read.
    dirty: Vec<usize>,
    /// For each thread, what it is to be told.
    notes: Vec<Vec<Note>>,
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let threads: usize = arguments.next().map_or(1, |count| count.parse().unwrap());
    let path = arguments.next();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let mut listener = Some(listener);
    let (mut peers, mut inboxes) = (Vec::new(), Vec::new());
    for _ in 0..threads {
        let (notes, inbox) = channel();
        let bell = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).unwrap();
        peers.push(Peer { notes, bell, is_asleep: AtomicBool::new(false) });
        inboxes.push(inbox);
    }
    let world = Arc::new(World { peers, rooms: Mutex::default() });
    let logs: Vec<_> =
        (0..threads).map(|me| path.as_ref().map(|path| Log::create(&format!("{path}.{me}")))).collect();
    println!("{address}");
    let running: Vec<_> = (inboxes.into_iter().zip(logs).enumerate())
        .map(|(me, (inbox, log))| {
            let (world, listener) = (world.clone(), listener.take());
            thread::spawn(move || Chat::new(me, world).run(inbox, listener, log))
        })
        .collect();
    running.into_iter().for_each(|thread| thread.join().unwrap());
}

/// Keeps the calling thread on the processor of this position among those allowed.
fn pin(position: usize) {
    let allowed = rustix::thread::sched_getaffinity(None).unwrap();
    let processors: Vec<_> =
        (0..rustix::thread::CpuSet::MAX_CPU).filter(|number| allowed.is_set(*number)).collect();
    let mut own = rustix::thread::CpuSet::new();
    own.set(processors[position % processors.len()]);
    rustix::thread::sched_setaffinity(None, &own).unwrap();
}

impl Chat {
    fn new(me: usize, world: Arc<World>) -> Chat {
        let notes = world.peers.iter().map(|_| Vec::new()).collect();
        let set = epoll::create(CreateFlags::CLOEXEC).unwrap();
        let (connections, rooms) = (Vec::new(), HashMap::new());
        Chat { me, world, set, connections, rooms, talking: Vec::new(), dirty: Vec::new(), notes }
    }

    fn run(mut self, inbox: Receiver<Vec<Note>>, listener: Option<TcpListener>, mut log: Option<Log>) {
        pin(self.me);
        let world = self.world.clone();
        let own = &world.peers[self.me];
        epoll::add(&self.set, &own.bell, EventData::new_u64(BELL), EventFlags::IN | EventFlags::ET).unwrap();
        if let Some(listener) = &listener {
            epoll::add(&self.set, listener, EventData::new_u64(LISTENER), EventFlags::IN).unwrap();
        }
        let mut events = Vec::with_capacity(1024);
        let mut buffer = vec![0; 16 * 1024];
        let mut accepted = 0;
        loop {
            events.clear();
            own.is_asleep.store(true, Ordering::SeqCst);
            let early = inbox.try_recv().ok();
            let patience = early.as_ref().map(|_| rustix::fs::Timespec::default());
            epoll::wait(&self.set, rustix::buffer::spare_capacity(&mut events), patience.as_ref()).unwrap();
            own.is_asleep.store(false, Ordering::SeqCst);
            for note in early.into_iter().chain(inbox.try_iter()).flatten() {
                self.hear(note);
            }
            for event in &events {
                match event.data.u64() {
                    BELL => {}
                    LISTENER => {
                        let (stream, _) = listener.as_ref().unwrap().accept().unwrap();
                        self.tell(accepted % world.peers.len(), Note::Newcomer(stream));
                        accepted += 1;
                    }
                    number => self.read(number as usize, &mut buffer),
                }
            }
            self.commit(log.as_mut());
            self.flush();
        }
    }

    /// Another thread is told at the end of the turn.
    fn tell(&mut self, thread: usize, note: Note) {
        if thread == self.me { self.hear(note) } else { self.notes[thread].push(note) }
    }

    fn home(&self, room: usize) -> usize {
        room % self.world.peers.len()
    }

    fn hear(&mut self, note: Note) {
        match note {
            Note::Newcomer(stream) => {
                stream.set_nodelay(true).unwrap();
                let data = EventData::new_u64(self.connections.len() as u64);
                epoll::add(&self.set, &stream, data, EventFlags::IN | EventFlags::ET).unwrap();
                (&stream).write_all(b"name: ").unwrap();
                let outbox = Vec::new();
                self.connections.push(Some(Connection { stream, name: None, room: None, outbox }));
            }
            Note::Join { room, thread, connection } => {
                let threads = &mut self.rooms.entry(room).or_default().threads;
                if !threads.contains(&thread) {
                    threads.push(thread);
                }
                self.tell(thread, Note::Joined { room, connection });
            }
            Note::Joined { room, connection: number } => {
                let Some(connection) = &mut self.connections[number] else { return };
                connection.room = Some(room);
                self.rooms.entry(room).or_default().members.push(number);
                let rooms = self.world.rooms.lock().unwrap();
                let (title, _) = rooms.iter().find(|(_, found)| **found == room).unwrap();
                let name = connection.name.as_ref().unwrap();
                connection.outbox.extend_from_slice(format!("{name} has joined {title}\n").as_bytes());
                self.dirty.push(number);
            }
            Note::Said { room, line } => {
                let said = &mut self.rooms.entry(room).or_default().said;
                if said.is_empty() {
                    self.talking.push(room);
                }
                said.extend_from_slice(&line);
            }
            Note::Heard { room, lines } => {
                for member in self.rooms.get(&room).into_iter().flat_map(|room| &room.members) {
                    let Some(reader) = &mut self.connections[*member] else { continue };
                    if reader.outbox.is_empty() {
                        self.dirty.push(*member);
                    }
                    reader.outbox.extend_from_slice(&lines);
                }
            }
        }
    }

    fn read(&mut self, number: usize, buffer: &mut [u8]) {
        let Some(connection) = &self.connections[number] else { return };
        match rustix::net::recv(&connection.stream, &mut *buffer, RecvFlags::DONTWAIT) {
            // The load writes whole lines.
            Ok((_, count)) if count > 0 => self.take(number, &buffer[..count]),
            Err(rustix::io::Errno::AGAIN) => {}
            _ => {
                let room = self.connections[number].take().and_then(|gone| gone.room);
                let members = room.and_then(|room| self.rooms.get_mut(&room)).map(|room| &mut room.members);
                members.into_iter().for_each(|members| members.retain(|member| *member != number));
            }
        }
    }

    fn take(&mut self, number: usize, bytes: &[u8]) {
        for line in bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let Some(connection) = &mut self.connections[number] else { return };
            let Some(name) = &connection.name else {
                let name = String::from_utf8_lossy(line).into_owned();
                connection.outbox.extend_from_slice(format!("{name} has joined general\n").as_bytes());
                connection.name = Some(name);
                self.dirty.push(number);
                continue;
            };
            if let Some(title) = line.strip_prefix(b"/channel ") {
                let title = String::from_utf8_lossy(title).into_owned();
                let mut rooms = self.world.rooms.lock().unwrap();
                let next = rooms.len();
                let room = *rooms.entry(title).or_insert(next);
                drop(rooms);
                let join = Note::Join { room, thread: self.me, connection: number };
                self.tell(self.home(room), join);
                continue;
            }
            let Some(room) = connection.room else { continue };
            let line = [name.as_bytes(), b": ", line, b"\n"].concat();
            self.tell(self.home(room), Note::Said { room, line });
        }
    }

    /// What was said in this thread's rooms is on disk before anyone hears it.
    fn commit(&mut self, log: Option<&mut Log>) {
        let talking = std::mem::take(&mut self.talking);
        let said: Vec<_> =
            talking.iter().map(|room| std::mem::take(&mut self.rooms.get_mut(room).unwrap().said)).collect();
        if let (Some(log), false) = (log, said.is_empty()) {
            log.commit(&said.concat());
        }
        for (room, lines) in talking.into_iter().zip(said) {
            for thread in self.rooms[&room].threads.clone() {
                self.tell(thread, Note::Heard { room, lines: lines.clone() });
            }
        }
    }

    fn flush(&mut self) {
        for (peer, notes) in self.world.peers.iter().zip(&mut self.notes) {
            if notes.is_empty() {
                continue;
            }
            peer.notes.send(std::mem::take(notes)).unwrap();
            if peer.is_asleep.swap(false, Ordering::SeqCst) {
                rustix::io::write(&peer.bell, &1u64.to_ne_bytes()).unwrap();
            }
        }
        for number in self.dirty.drain(..) {
            let Some(connection) = &mut self.connections[number] else { continue };
            // What the kernel does not take is lost: the load says so.
            let _ = rustix::net::send(&connection.stream, &connection.outbox, SendFlags::NOSIGNAL);
            connection.outbox.clear();
        }
    }
}

struct Log {
    file: File,
    end: u64,
}

impl Log {
    fn create(path: &str) -> Log {
        let file = File::create(path).unwrap();
        (&file).write_all(&vec![0; FILE_BYTES as usize]).unwrap();
        file.sync_all().unwrap();
        Log { file, end: 0 }
    }

    fn commit(&mut self, said: &[u8]) {
        if self.end + said.len() as u64 > FILE_BYTES {
            self.end = 0;
        }
        self.file.write_all_at(said, self.end).unwrap();
        self.file.sync_data().unwrap();
        self.end += said.len() as u64;
    }
}
