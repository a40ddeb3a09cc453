//! The least that a chat server can do, to measure others against: it reads what is ready, writes each
//! reader once, and knows nothing of order, limits, names or failure. With a file it also writes each
//! turn's lines to it and syncs them before anyone sees them, on the one thread it has.
//!
//! `taskset -c 0 cargo run --release --example bare_chat -p madang-bench -- [FILE]` says where it listens;
//! `madang bench --target ADDRESS fanout --rate 1000` measures it. It ends by a signal.

#![allow(clippy::unwrap_used, reason = "whoever measures sees what failed")]

use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::net::{RecvFlags, SendFlags};
use std::collections::HashMap;
use std::fs::File;
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::FileExt;

/// The file is written over and over: so many bytes, filled with zeros before.
const FILE_BYTES: u64 = 64 << 20;
const LISTENER: u64 = u64::MAX;

struct Connection {
    stream: TcpStream,
    name: Option<String>,
    room: Option<String>,
    outbox: Vec<u8>,
}

#[derive(Default)]
struct Chat {
    connections: Vec<Option<Connection>>,
    rooms: HashMap<String, Vec<usize>>,
    dirty: Vec<usize>,
}

fn main() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    println!("{}", listener.local_addr().unwrap());
    let mut file = std::env::args().nth(1).map(|path| Log::create(&path));
    let set = epoll::create(CreateFlags::CLOEXEC).unwrap();
    epoll::add(&set, &listener, EventData::new_u64(LISTENER), EventFlags::IN).unwrap();
    let mut chat = Chat::default();
    let mut events = Vec::with_capacity(1024);
    let mut buffer = vec![0; 16 * 1024];
    loop {
        events.clear();
        epoll::wait(&set, rustix::buffer::spare_capacity(&mut events), None).unwrap();
        let mut said = Vec::new();
        for event in &events {
            if event.data.u64() == LISTENER {
                let (stream, _) = listener.accept().unwrap();
                stream.set_nodelay(true).unwrap();
                let number = chat.connections.len() as u64;
                epoll::add(&set, &stream, EventData::new_u64(number), EventFlags::IN | EventFlags::ET)
                    .unwrap();
                chat.welcome(stream);
                continue;
            }
            let number = event.data.u64() as usize;
            let Some(connection) = &chat.connections[number] else { continue };
            match rustix::net::recv(&connection.stream, &mut buffer[..], RecvFlags::DONTWAIT) {
                Ok((_, 0)) => chat.lose(number),
                // The load writes whole lines.
                Ok((_, count)) => chat.take(number, &buffer[..count], &mut said),
                Err(rustix::io::Errno::AGAIN) => {}
                Err(_) => chat.lose(number),
            }
        }
        if let (Some(file), false) = (&mut file, said.is_empty()) {
            file.commit(&said);
        }
        for number in chat.dirty.drain(..) {
            let Some(connection) = &mut chat.connections[number] else { continue };
            // What the kernel does not take is lost: the load says so.
            let _ = rustix::net::send(&connection.stream, &connection.outbox, SendFlags::NOSIGNAL);
            connection.outbox.clear();
        }
    }
}

impl Chat {
    fn welcome(&mut self, stream: TcpStream) {
        (&stream).write_all(b"name: ").unwrap();
        self.connections.push(Some(Connection { stream, name: None, room: None, outbox: Vec::new() }));
    }

    fn lose(&mut self, number: usize) {
        self.rooms.values_mut().for_each(|members| members.retain(|member| *member != number));
        self.connections[number] = None;
    }

    fn take(&mut self, number: usize, bytes: &[u8], said: &mut Vec<u8>) {
        for line in bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let Some(connection) = &mut self.connections[number] else { return };
            let Some(name) = connection.name.clone() else {
                let name = String::from_utf8_lossy(line).into_owned();
                connection.outbox.extend_from_slice(format!("{name} has joined general\n").as_bytes());
                connection.name = Some(name);
                self.dirty.push(number);
                continue;
            };
            if let Some(room) = line.strip_prefix(b"/channel ") {
                let room = String::from_utf8_lossy(room).into_owned();
                connection.outbox.extend_from_slice(format!("{name} has joined {room}\n").as_bytes());
                connection.room = Some(room.clone());
                self.rooms.entry(room).or_default().push(number);
                self.dirty.push(number);
                continue;
            }
            let start = said.len();
            said.extend_from_slice(name.as_bytes());
            said.extend_from_slice(b": ");
            said.extend_from_slice(line);
            said.push(b'\n');
            let members = connection.room.as_ref().and_then(|room| self.rooms.get(room));
            for member in members.into_iter().flatten() {
                let Some(reader) = &mut self.connections[*member] else { continue };
                if reader.outbox.is_empty() {
                    self.dirty.push(*member);
                }
                reader.outbox.extend_from_slice(&said[start..]);
            }
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
