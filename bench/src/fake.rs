//! A small line server for tests, which breaks its promises on request.

use crate::protocol::Protocol;
use crate::target::Target;
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// What is wrong with the server.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Conduct {
    /// Nothing.
    Faithful,
    /// It forgets the delivery of that number to every receiver.
    Drops(u64),
    /// It delivers that one twice.
    Repeats(u64),
    /// It delivers that one behind the next.
    Swaps(u64),
    /// It changes a byte of that one.
    Damages(u64),
    /// It pauses for 200 ms before that one.
    Stalls(u64),
    /// It hands each delivery over this many milliseconds late.
    Delays(u64),
    /// It hands that one to a member of another room, too.
    Misdelivers(u64),
    /// It delivers neither that one nor any later one.
    FallsSilent(u64),
    /// It takes connections and says nothing.
    NeverAnswers,
    /// It refuses that one with an error.
    Refuses(u64),
    /// It closes the connection instead of that one.
    Closes(u64),
    /// It likes no name.
    RefusesNames,
    /// It is no chat server.
    SpeaksHttp,
}

#[derive(Debug)]
struct FakeMember {
    name: String,
    stream: TcpStream,
    /// Deliveries so far, from 1.
    deliveries: u64,
    held: Option<String>,
}

type Rooms = Arc<Mutex<HashMap<String, Vec<FakeMember>>>>;

/// It as a target.
pub(crate) fn target(address: SocketAddr, pid: Option<u32>) -> Target {
    Target::Running { protocol: Protocol::Line, address, pid, label: "fake".to_owned() }
}

/// Serves until the test process ends, one thread a connection.
pub(crate) fn start(conduct: Conduct) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address");
    let rooms = Rooms::default();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let rooms = Arc::clone(&rooms);
            // A client that goes away ends its own thread only.
            thread::spawn(move || drop(converse(stream, &rooms, conduct)));
        }
    });
    address
}

fn converse(mut stream: TcpStream, rooms: &Rooms, conduct: Conduct) -> std::io::Result<()> {
    if conduct == Conduct::SpeaksHttp {
        return stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
    }
    if conduct == Conduct::NeverAnswers {
        let mut unread = Vec::new();
        return stream.read_to_end(&mut unread).map(drop);
    }
    stream.set_nodelay(true)?;
    stream.write_all(b"* a fake server\nname: ")?;
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let Some(name) = lines.next().transpose()? else { return Ok(()) };
    if conduct == Conduct::RefusesNames {
        return stream.write_all(format!("! the name {name} is taken\nname: ").as_bytes());
    }
    stream.write_all(format!("{name} has joined general\n").as_bytes())?;
    let mut room = None;
    for line in lines {
        let line = line?;
        if let Some(wanted) = line.strip_prefix("/channel ") {
            let member =
                FakeMember { name: name.clone(), stream: stream.try_clone()?, deliveries: 0, held: None };
            let mut rooms = rooms.lock().unwrap_or_else(PoisonError::into_inner);
            rooms.entry(wanted.to_owned()).or_default().push(member);
            // Only now: a client that hears it may count on hearing what is said from here on.
            stream.write_all(format!("{name} has joined {wanted}\n").as_bytes())?;
            room = Some(wanted.to_owned());
        } else if let Some(room) = &room {
            let mut rooms = rooms.lock().unwrap_or_else(PoisonError::into_inner);
            let mut is_strayed = false;
            for member in rooms.get_mut(room).into_iter().flatten() {
                is_strayed |= member.deliveries + 1 == strays_at(conduct);
                member.deliver(format!("{name}: {line}\n"), conduct)?;
            }
            let others = rooms.iter_mut().filter(|(other, _)| *other != room);
            if let Some(stray) = others.flat_map(|(_, members)| members).next().filter(|_| is_strayed) {
                stray.stream.write_all(format!("{name}: {line}\n").as_bytes())?;
            }
        }
    }
    Ok(())
}

/// The delivery that goes to another room, too; none is numbered 0.
fn strays_at(conduct: Conduct) -> u64 {
    if let Conduct::Misdelivers(at) = conduct { at } else { 0 }
}

impl FakeMember {
    fn deliver(&mut self, line: String, conduct: Conduct) -> std::io::Result<()> {
        self.deliveries += 1;
        let now = self.deliveries;
        let line = match conduct {
            Conduct::Drops(at) if at == now => return Ok(()),
            Conduct::Repeats(at) if at == now => line.repeat(2),
            Conduct::Damages(at) if at == now => line.replacen('.', "?", 1),
            Conduct::Refuses(at) if at == now => format!("! {} sends too fast\n", self.name),
            Conduct::Closes(at) if at == now => {
                self.stream.write_all(b"* slow reader\n")?;
                return self.stream.shutdown(std::net::Shutdown::Both);
            }
            Conduct::Stalls(at) if at == now => {
                thread::sleep(Duration::from_millis(200));
                line
            }
            Conduct::Delays(milliseconds) => {
                thread::sleep(Duration::from_millis(milliseconds));
                line
            }
            Conduct::FallsSilent(at) if now >= at => return Ok(()),
            Conduct::Swaps(at) if at == now => {
                self.held = Some(line);
                return Ok(());
            }
            _ => line + &self.held.take().unwrap_or_default(),
        };
        self.stream.write_all(line.as_bytes())
    }
}
