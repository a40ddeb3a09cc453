//! A person at `nc`, or at a telnet: types lines, and reads what comes.

use super::PATIENCE;
use super::telnet::TelnetFilter;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with, sockopt};
use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// What a server says when it wants a name. No line end follows it.
pub const PROMPT: &str = "name: ";

/// The receive buffer of [`Client::connect_with_small_buffer`], in bytes. The kernel doubles it.
const SMALL_BUFFER_BYTES: usize = 16 * 1024;

/// How much of what was read a failure shows: lines, and characters of each.
const SHOWN_LINES: usize = 40;
const SHOWN_CHARS: usize = 160;

/// One connection. Every read gives up after [`PATIENCE`] and shows all that was read so far.
pub struct Client {
    stream: TcpStream,
    /// What came and is not a whole line yet.
    pending: Vec<u8>,
    /// Every line so far.
    transcript: Vec<String>,
    /// Before it has a name, the prompt counts as a line.
    is_named: bool,
    /// Of a telnet: what is not text is taken out of what comes.
    telnet: Option<TelnetFilter>,
}

impl Client {
    /// Connects, and says nothing.
    pub fn connect(address: SocketAddr) -> Client {
        Client::over(TcpStream::connect(address).expect("connect"))
    }

    /// Connects with a receive buffer that is soon full, and still fit for reading on: below some
    /// kilobytes each segment may overflow it and come again after a second, so that what the server's
    /// kernel holds takes a quarter of an hour to read.
    pub fn connect_with_small_buffer(address: SocketAddr) -> Client {
        let socket = socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None);
        let socket = socket.expect("a socket");
        sockopt::set_socket_recv_buffer_size(&socket, SMALL_BUFFER_BYTES).expect("set the receive buffer");
        rustix::net::connect(&socket, &address).expect("connect");
        Client::over(TcpStream::from(socket))
    }

    /// Connects from this address of the machine.
    pub fn connect_from(source: IpAddr, address: SocketAddr) -> Client {
        let socket = socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None);
        let socket = socket.expect("a socket");
        rustix::net::bind(&socket, &SocketAddr::new(source, 0)).expect("an address of this machine");
        rustix::net::connect(&socket, &address).expect("connect");
        Client::over(TcpStream::from(socket))
    }

    fn over(stream: TcpStream) -> Client {
        stream.set_nodelay(true).expect("switch Nagle's delay off");
        stream.set_write_timeout(Some(PATIENCE)).expect("set a time-out");
        Client { stream, pending: Vec::new(), transcript: Vec::new(), is_named: false, telnet: None }
    }

    /// Connects with a telnet, and says a name, as [`Client::login`] does.
    pub fn login_by_telnet(address: SocketAddr, name: &str) -> Client {
        let mut client = Client::connect(address);
        client.telnet = Some(TelnetFilter::default());
        client.expect(PROMPT);
        client.send_bytes(&TelnetFilter::ANSWERS);
        client.name(name);
        client
    }

    /// Connects, says a name and is in the lobby. Its history, if any, is not read yet.
    pub fn login(address: SocketAddr, name: &str) -> Client {
        let mut client = Client::connect(address);
        client.expect(PROMPT);
        client.name(name);
        client
    }

    /// Logs in at a server that may be gone at any moment: then `None`.
    pub fn try_login(address: SocketAddr, name: &str) -> Option<Client> {
        let mut client = Client::over(TcpStream::connect(address).ok()?);
        client.try_send(&format!("{name}\n"))?;
        while client.next_line(PATIENCE)? != format!("{name} has joined general") {}
        client.is_named = true;
        Some(client)
    }

    /// The telnet commands that have come so far.
    pub fn telnet_commands(&self) -> &[Vec<u8>] {
        self.telnet.as_ref().map_or(&[], |filter| &filter.commands)
    }

    /// Says a name that is accepted.
    pub fn name(&mut self, name: &str) {
        self.send(name);
        self.expect_next(&format!("{name} has joined general"));
        self.is_named = true;
    }

    /// Logs in with a name that is given back at this moment, perhaps on another shard.
    pub fn login_when_free(address: SocketAddr, name: &str) -> Client {
        let (client, room) = Client::return_when_free(address, name);
        assert_eq!(room, "general", "{name} is in the lobby");
        client
    }

    /// The same for one who may have been lost a moment ago, and is in the room again where that was. Returns the room.
    pub fn return_when_free(address: SocketAddr, name: &str) -> (Client, String) {
        let deadline = Instant::now() + PATIENCE;
        let mut client = Client::connect(address);
        client.expect(PROMPT);
        loop {
            client.send(name);
            let answer = client.read_line();
            if let Some(room) = answer.strip_prefix(&format!("{name} has joined ")) {
                client.is_named = true;
                return (client, room.to_owned());
            }
            client.expect_next(PROMPT);
            assert!(answer.contains("taken") && Instant::now() < deadline, "{answer}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Logs in, goes to a room and has left the lobby. The room's history is passed over.
    pub fn login_to(address: SocketAddr, name: &str, room: &str) -> Client {
        let mut client = Client::login(address, name);
        client.enter(room, name);
        client.ask("/who general"); // asked of the lobby's home behind the leave, and answered after it
        client
    }

    /// Goes to a room. Its history, if any, is not read yet.
    pub fn enter(&mut self, room: &str, name: &str) {
        self.send(&format!("/channel {room}"));
        self.expect(&format!("{name} has joined {room}"));
    }

    /// Types a line.
    pub fn send(&mut self, line: &str) {
        self.send_bytes(format!("{line}\n").as_bytes());
    }

    /// Sends to a server that may be gone: then `None`.
    pub fn try_send(&mut self, text: &str) -> Option<()> {
        self.stream.write_all(text.as_bytes()).ok()
    }

    /// Sends bytes as they are.
    pub fn send_bytes(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap_or_else(|error| self.fail(&format!("cannot send: {error}")));
    }

    /// Types a line and returns what is answered before the pong behind it. For commands that are
    /// answered in order; talk is not, as it is on disk first.
    pub fn ask(&mut self, line: &str) -> Vec<String> {
        self.send(line);
        self.send("/ping");
        self.expect("pong")
    }

    /// Waits until what was said about this user has reached the room's home and the user's own.
    pub fn settle(&mut self, name: &str) {
        self.ask("/who");
        self.ask(&format!("/whois {name}"));
    }

    /// Reads up to exactly this line, and returns what came before it.
    #[track_caller]
    pub fn expect(&mut self, line: &str) -> Vec<String> {
        let start = self.transcript.len();
        loop {
            match self.next_line(PATIENCE) {
                Some(found) if found == line => {
                    return self.transcript[start..self.transcript.len() - 1].to_vec();
                }
                Some(_) => {}
                None => self.fail(&format!("closed before {line:?}")),
            }
        }
    }

    /// Reads up to exactly this line; false when the connection ends before it.
    #[track_caller]
    pub fn hears(&mut self, line: &str) -> bool {
        std::iter::from_fn(|| self.next_line(PATIENCE)).any(|found| found == line)
    }

    /// Reads one line, which must be exactly this.
    #[track_caller]
    pub fn expect_next(&mut self, line: &str) {
        let found = self.read_line();
        if found != line {
            self.fail(&format!("expected {line:?} next, found {found:?}"));
        }
    }

    /// Reads these lines, in this order and nothing between them.
    #[track_caller]
    pub fn expect_all<L: AsRef<str>>(&mut self, lines: impl IntoIterator<Item = L>) {
        for line in lines {
            self.expect_next(line.as_ref());
        }
    }

    /// Reads one line, which must be an error that holds all these words.
    #[track_caller]
    pub fn expect_error(&mut self, words: &[&str]) -> String {
        let found = self.read_line();
        if !found.starts_with("! ") || !words.iter().all(|word| found.contains(word)) {
            self.fail(&format!("expected an error with {words:?}, found {found:?}"));
        }
        found
    }

    /// Reads one line, whatever it is.
    #[track_caller]
    pub fn read_line(&mut self) -> String {
        self.next_line(PATIENCE).unwrap_or_else(|| self.fail("closed where a line was due"))
    }

    /// Reads the next line; `None` when the server has closed the connection.
    #[track_caller]
    pub fn next_line(&mut self, patience: Duration) -> Option<String> {
        let deadline = Instant::now() + patience;
        loop {
            if let Some(line) = self.take_line() {
                self.transcript.push(line.clone());
                return Some(line);
            }
            if !self.receive(deadline) {
                return None;
            }
        }
    }

    /// Reads to the end of the connection, and returns the lines that came. Gives up when the end has
    /// not come after six times [`PATIENCE`], though something comes.
    #[track_caller]
    pub fn expect_closed(&mut self) -> Vec<String> {
        let (start, deadline) = (self.transcript.len(), Instant::now() + 6 * PATIENCE);
        while self.next_line(PATIENCE.min(deadline.saturating_duration_since(Instant::now()))).is_some() {}
        if !self.pending.is_empty() {
            let rest = String::from_utf8_lossy(&self.pending).into_owned();
            self.transcript.push(rest);
        }
        self.transcript[start..].to_vec()
    }

    /// What has come within this time without a look at its meaning, if anything.
    pub fn first_words(&mut self, patience: Duration) -> Option<String> {
        self.stream.set_read_timeout(Some(patience)).expect("set a time-out");
        let mut buffer = [0; 1024];
        if let Ok(count) = self.stream.read(&mut buffer) {
            self.pending.extend_from_slice(&buffer[..count]);
        }
        (!self.pending.is_empty()).then(|| String::from_utf8_lossy(&self.pending).into_owned())
    }

    /// Reads bytes as they come, to the end of the connection.
    #[track_caller]
    pub fn expect_closed_raw(&mut self) -> Vec<u8> {
        let deadline = Instant::now() + PATIENCE;
        while self.receive(deadline) {}
        std::mem::take(&mut self.pending)
    }

    /// Ends its own side, as Ctrl-D at `nc -N` does.
    pub fn finish_sending(&mut self) {
        self.stream.shutdown(Shutdown::Write).expect("end the sending side");
    }

    /// Breaks the connection with a reset.
    pub fn reset(self) {
        sockopt::set_socket_linger(&self.stream, Some(Duration::ZERO)).expect("set linger");
    }

    /// A second handle on the connection, to write while this one reads.
    pub fn writer(&self) -> TcpStream {
        self.stream.try_clone().expect("a second handle")
    }

    fn take_line(&mut self) -> Option<String> {
        let bytes = if !self.is_named && self.pending.starts_with(PROMPT.as_bytes()) {
            self.pending.drain(..PROMPT.len()).collect()
        } else {
            let end = self.pending.iter().position(|byte| *byte == b'\n')?;
            let mut line: Vec<u8> = self.pending.drain(..=end).collect();
            line.pop();
            line
        };
        Some(String::from_utf8(bytes).unwrap_or_else(|error| self.fail(&format!("not UTF-8: {error:?}"))))
    }

    /// Waits for more; false when there is no more to come.
    #[track_caller]
    fn receive(&mut self, deadline: Instant) -> bool {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            self.fail("nothing more came");
        }
        self.stream.set_read_timeout(Some(left)).expect("set a time-out");
        let mut buffer = [0; 16 * 1024];
        match self.stream.read(&mut buffer) {
            Ok(0) => false,
            Ok(count) => {
                match &mut self.telnet {
                    Some(filter) => filter.take_text(&buffer[..count], &mut self.pending),
                    None => self.pending.extend_from_slice(&buffer[..count]),
                }
                true
            }
            Err(error) => match error.kind() {
                ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => false,
                ErrorKind::WouldBlock | ErrorKind::TimedOut => self.fail("nothing more came"),
                // A stop and resume interrupts a read that has a time-out (signal(7)): the reader looks again.
                ErrorKind::Interrupted => true,
                _ => self.fail(&format!("cannot read: {error}")),
            },
        }
    }

    /// Ends the test, showing what this connection has read.
    #[track_caller]
    fn fail(&self, why: &str) -> ! {
        let start = self.transcript.len().saturating_sub(SHOWN_LINES);
        let latest: String =
            self.transcript[start..].iter().map(|line| format!("\n  {}", shown(line))).collect();
        let pending = shown(&String::from_utf8_lossy(&self.pending));
        panic!("{why:.800}; read last:{latest}\n  and without an end: {pending}");
    }
}

/// The start of a line, harmless to a terminal.
fn shown(line: &str) -> String {
    line.chars().take(SHOWN_CHARS).flat_map(char::escape_debug).collect()
}
