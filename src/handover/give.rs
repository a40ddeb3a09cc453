//! The old process: it gives everything away, and takes it back when the new one fails.

use super::frame::{self, Kind, Receiver};
use super::{CONNECTIONS_PER_FRAME, OPEN_TIME_MAX, SILENCE_MAX, VERSION};
use crate::serve::{ServerState, notify};
use madang_shards::connection::Encoder;
use madang_shards::runtime::{Adopting, Frozen, HandOver, Held, Part, Stop};
use madang_shards::shard::{Saved, ShardImage, write_carried};
use madang_shards::types::ConnectionId;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::net::sockopt;
use rustix::process::{Pid, PidfdFlags, Signal, geteuid, pidfd_open, pidfd_send_signal};
use std::io;
use std::os::unix::net::UnixStream;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// How long the shards may take to freeze.
const FREEZE_TIME_MAX: Duration = Duration::from_secs(8);
/// A process that was killed is gone within this, or the machine does not work.
const DEATH_TIME_MAX: Duration = Duration::from_secs(20);
/// Those who are told to reconnect have so long to read it. The new process reads out what they still
/// send: unread, it would make the kernel reset the connection when this process ends, and throw the
/// words away (RFC 1122, section 4.2.2.13).
const LAST_WORDS_SECONDS: u8 = 3;
/// Bytes of what homes know in one frame, and of connections.
const FRAME_BYTES: usize = 1 << 20;

/// One takeover at a time.
static UNDER_WAY: Mutex<()> = Mutex::new(());

/// The process at the other end.
struct Successor<'a> {
    stream: &'a UnixStream,
    process: OwnedFd,
    pid: i32,
}

/// Hands the server over to the process at the other end of `stream`. Returns when that has failed, and
/// this process serves on. If it succeeds, this process ends.
pub fn give(stream: &UnixStream, version: u32, state: &ServerState, stop: &flume::Sender<Stop>) {
    let outcome = match UNDER_WAY.try_lock() {
        Ok(_under_way) => try_give(stream, version, state, stop),
        Err(_) => Err("another process takes over already".to_owned()),
    };
    if let Err(reason) = outcome {
        tracing::error!(%reason, "nothing is handed over: this process carries on");
        // Whoever was killed hears no more.
        let _ = stream.set_write_timeout(Some(Duration::from_secs(1)));
        let _ = send_magic(stream).and_then(|()| frame::send(stream, Kind::Refused, reason.as_bytes(), &[]));
    }
}

/// Does something unless a handover is under way; and none begins meanwhile.
pub fn unless_under_way<T>(act: impl FnOnce() -> T) -> Option<T> {
    UNDER_WAY.try_lock().ok().map(|_idle| act())
}

fn send_magic(mut stream: &UnixStream) -> io::Result<()> {
    io::Write::write_all(&mut stream, frame::MAGIC)
}

fn try_give(
    stream: &UnixStream,
    version: u32,
    state: &ServerState,
    stop: &flume::Sender<Stop>,
) -> Result<(), String> {
    if version != VERSION {
        return Err(format!(
            "the running server ({}) hands over in version {VERSION} of the handover, the new one takes \
             version {version}: restart instead",
            env!("CARGO_PKG_VERSION")
        ));
    }
    let successor = Successor::identify(stream)?;
    if state.remote().is_none() {
        return Err("the running server is still opening its log; try again when it is ready".to_owned());
    }
    tracing::info!(process = successor.pid, "handing over to a new process");
    let (frozen, is_frozen) = flume::bounded(1);
    let (thaw, is_thawed) = flume::bounded(1);
    stop.try_send(Stop::HandOver(HandOver { frozen, thaw: is_thawed }))
        .map_err(|_| "the running server is being stopped".to_owned())?;
    let mut frozen = match is_frozen.recv_timeout(FREEZE_TIME_MAX) {
        Ok(frozen) => frozen?,
        Err(_) => return Err("the running server stops, or does not come to rest".to_owned()),
    };
    match successor.hand_over(&frozen, state) {
        Ok(()) => {
            notify::handed_over(successor.pid);
            // From here on the other process is the owner, whether it hears it or not.
            let told = frame::send(stream, Kind::Go, &[], &[]);
            let paused_ms = frozen.since.elapsed().as_millis() as u64;
            // Not before: whoever comes back at once is served, and nobody is sent away in vain.
            let ended = say_last_words(&mut frozen);
            tracing::info!(process = successor.pid, paused_ms, ended, is_told = told.is_ok(), "handed over");
            std::process::exit(0);
        }
        Err(error) => {
            successor.kill();
            // The shards wait for it.
            let _ = thaw.send(frozen);
            Err(format!("the new process did not come up ({error})"))
        }
    }
}

impl Successor<'_> {
    fn identify(stream: &UnixStream) -> Result<Successor<'_>, String> {
        let peer = sockopt::socket_peercred(stream).map_err(|error| error.to_string())?;
        if peer.uid != geteuid() {
            return Err(
                "only a process of the same user can take over: run it as the user that serves".into()
            );
        }
        let process = pidfd_open(peer.pid, PidfdFlags::empty()).map_err(|error| {
            format!("the new process cannot be watched: {error}; both must be in one process namespace")
        })?;
        if !is_of_this_service(peer.pid) {
            return Err(
                "the running server is a service of systemd, and the new process is not part of it: use \
                        `madang upgrade`"
                    .to_owned(),
            );
        }
        Ok(Successor { stream, process, pid: Pid::as_raw(Some(peer.pid)) })
    }

    fn hand_over(&self, frozen: &Frozen, state: &ServerState) -> io::Result<()> {
        let connections = frozen.parts.iter().map(|part| part.image.connections.len()).sum();
        let deadline = Instant::now() + OPEN_TIME_MAX + Adopting::time_max(connections);
        self.stream.set_write_timeout(Some(SILENCE_MAX))?;
        send_magic(self.stream)?;
        self.send_beginning(frozen, state)?;
        let mut count = 0;
        for Part { image, held } in &frozen.parts {
            count += self.send_connections(image, held)?;
            self.send_homes(image)?;
            self.send_lingering(image, held)?;
        }
        let mut end = Encoder::default();
        end.number(count);
        frame::send(self.stream, Kind::End, &end.0, &[])?;
        let answer = Receiver::new(self.stream).next(deadline)?;
        if answer.kind == Kind::Ready { Ok(()) } else { Err(io::ErrorKind::InvalidData.into()) }
    }

    fn send_beginning(&self, frozen: &Frozen, state: &ServerState) -> io::Result<()> {
        let lock = state.lock().ok_or_else(|| io::Error::other("the lock cannot be handed over"))?;
        let listeners: Vec<_> = frozen.parts.iter().flat_map(|part| part.held.listeners()).collect();
        let mut descriptors = vec![lock];
        descriptors.extend(listeners.iter().map(|(listener, _)| *listener));
        if descriptors.len() > frame::DESCRIPTORS_MAX {
            return Err(io::Error::other("there are more listeners than can be handed over at once"));
        }
        let mut begin = Encoder::default();
        begin.number(std::process::id().into());
        begin.text(env!("CARGO_PKG_VERSION"));
        begin.number(frozen.parts.len() as u64);
        let (has_passed, has_passed_tls) = state.has_passed();
        begin.flag(has_passed);
        begin.flag(has_passed_tls);
        begin.list(listeners.iter(), |begin, (_, has_tls)| begin.flag(*has_tls));
        begin.number(frozen.since.elapsed().as_micros() as u64);
        frame::send(self.stream, Kind::Begin, &begin.0, &descriptors)
    }

    /// Returns how many go along.
    fn send_connections(&self, image: &ShardImage, held: &Held) -> io::Result<u64> {
        let mut count = 0;
        let mut payload = Encoder::default();
        let mut descriptors = Vec::new();
        let shard = u64::from(image.shard.0);
        let flush = |payload: &mut Encoder, descriptors: &mut Vec<BorrowedFd<'_>>| {
            let sent = frame::send(self.stream, Kind::Connections, &payload.0, descriptors);
            payload.0.clear();
            descriptors.clear();
            sent
        };
        for (id, saved) in &image.connections {
            let (Saved::Image(saved), Some(descriptor)) = (saved, held.connection(*id)) else { continue };
            if payload.0.is_empty() {
                payload.number(shard);
            }
            write_id(*id, &mut payload);
            saved.write(&mut payload);
            descriptors.push(descriptor);
            count += 1;
            if descriptors.len() >= CONNECTIONS_PER_FRAME || payload.0.len() >= FRAME_BYTES {
                flush(&mut payload, &mut descriptors)?;
            }
        }
        if !descriptors.is_empty() {
            flush(&mut payload, &mut descriptors)?;
        }
        Ok(count)
    }

    /// What is closed already, and what will be when this process has let go.
    fn send_lingering(&self, image: &ShardImage, held: &Held) -> io::Result<()> {
        let closed = held.lingering.iter().map(|(descriptor, seconds)| (descriptor.as_fd(), *seconds));
        let left_behind = image.connections.iter().filter_map(|(id, saved)| match saved {
            Saved::LastWords(_) => Some((held.connection(*id)?, LAST_WORDS_SECONDS)),
            Saved::Image(_) => None,
        });
        let lingering: Vec<(BorrowedFd<'_>, u8)> = closed.chain(left_behind).collect();
        for lingering in lingering.chunks(CONNECTIONS_PER_FRAME) {
            let (descriptors, seconds): (Vec<_>, Vec<u8>) = lingering.iter().copied().unzip();
            frame::send(self.stream, Kind::Lingering, &seconds, &descriptors)?;
        }
        Ok(())
    }

    fn send_homes(&self, image: &ShardImage) -> io::Result<()> {
        let mut payload = Encoder::default();
        for carried in &image.carried {
            write_carried(carried, &mut payload);
            if payload.0.len() >= FRAME_BYTES {
                frame::send(self.stream, Kind::Homes, &payload.0, &[])?;
                payload.0.clear();
            }
        }
        frame::send(self.stream, Kind::Homes, &payload.0, &[])
    }

    /// Makes sure that the other process does nothing more. Only then may this one go on.
    fn kill(&self) {
        // It may be dead already.
        let _ = pidfd_send_signal(&self.process, Signal::KILL);
        let deadline = Instant::now() + DEATH_TIME_MAX;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let mut waited = [PollFd::new(&self.process, PollFlags::IN)];
            let timeout = Timespec::try_from(left).ok();
            match poll(&mut waited, timeout.as_ref()) {
                Ok(1..) => return,
                Ok(0) if left.is_zero() => {
                    panic!(
                        "process {} cannot be killed: with two owners of one log nobody may go on",
                        self.pid
                    )
                }
                _ => {}
            }
        }
    }
}

/// systemd takes no process of another control group for the main one of a service.
fn is_of_this_service(pid: Pid) -> bool {
    let group = |process: &str| std::fs::read(format!("/proc/{process}/cgroup")).ok();
    let is_same = || group("self") == group(&Pid::as_raw(Some(pid)).to_string());
    std::env::var_os("NOTIFY_SOCKET").is_none() || is_same()
}

fn write_id(id: ConnectionId, out: &mut Encoder) {
    out.number(u64::from(id.index));
    out.number(u64::from(id.generation));
}

/// Ends the connections that cannot go on in the other process, each with its last words. How many.
fn say_last_words(frozen: &mut Frozen) -> u64 {
    let mut ended = 0;
    for Part { image, held } in &mut frozen.parts {
        for (id, saved) in &image.connections {
            if let Saved::LastWords(words) = saved {
                held.end(*id, words);
                ended += 1;
            }
        }
    }
    ended
}
