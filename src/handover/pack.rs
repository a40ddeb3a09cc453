//! All that a snapshotted server has, as frames.

use super::begin::Begin;
use super::end;
use super::frame::{Kind, Outgoing};
use crate::server::{HttpSocket, ServerState};
use madang_config::EntranceKey;
use madang_engine::runtime::{Held, Part, Snapshotted};
use madang_engine::shard::{Saved, ShardImage, write_carried};
use madang_model::ConnectionId;
use madang_model::connection::{Encoder, EntranceKind};
use rustix::fd::{AsFd, BorrowedFd};
use std::io;

/// Connections of one frame.
const CONNECTIONS_PER_FRAME: usize = 200;
/// Bytes of what homes know in one frame, and of connections.
const FRAME_BYTES: usize = 1 << 20;
/// Clients that are asked to reconnect have this time to read the notice. The new process reads what they still send:
/// unread, it would make the kernel reset the connection when this process ends, and discard the notice (RFC 1122,
/// section 4.2.2.13).
const LAST_WORDS_SECONDS: u8 = 3;

/// Sends everything. Listeners stay behind where somebody else (systemd) passes them on.
///
/// # Errors
/// What the way says.
pub fn pack<'a>(
    snapshotted: &'a Snapshotted,
    state: &'a ServerState,
    has_listeners: bool,
    out: &mut impl Outgoing<'a>,
) -> io::Result<()> {
    send_beginning(snapshotted, state, has_listeners, out)?;
    let mut entrances = Vec::new();
    for Part { image, held } in &snapshotted.parts {
        send_connections(image, held, &mut entrances, out)?;
        send_homes(image, out)?;
        send_lingering(image, held, out)?;
    }
    let mut last = Encoder::default();
    end::write(&entrances, &mut last);
    out.send(Kind::End, &last.0, &[])
}

/// Ends the connections that the other process cannot resume, each with its last words. Returns how many.
pub fn say_last_words(snapshotted: &mut Snapshotted) -> u64 {
    let mut ended = 0;
    for Part { image, held } in &mut snapshotted.parts {
        for (id, saved) in &image.connections {
            if let Saved::LastWords(words) = saved {
                held.end(*id, words);
                ended += 1;
            }
        }
    }
    ended
}

fn send_beginning<'a>(
    snapshotted: &'a Snapshotted,
    state: &'a ServerState,
    has_listeners: bool,
    out: &mut impl Outgoing<'a>,
) -> io::Result<()> {
    let lock = state.lock().ok_or_else(|| io::Error::other("the lock cannot be handed over"))?;
    let listeners = snapshotted.parts.iter().flat_map(|part| part.held.listeners());
    let (listeners, others): (Vec<_>, Vec<_>) =
        listeners.filter(|_| has_listeners).partition(|(kind, _)| Begin::is_known_to_all(*kind));
    let operator = state.operator_listeners();
    let mut descriptors = vec![lock];
    descriptors.extend(listeners.iter().map(|(_, listener)| *listener));
    descriptors.extend(operator.iter().map(|one| one.listener()));
    // Named beside those for operators: an older program closes those whose name it does not know.
    // Once: the names must be those of the descriptors.
    let http = state.http_sockets();
    descriptors.extend(http.iter().copied().map(HttpSocket::as_fd));
    descriptors.extend(others.iter().map(|(_, listener)| *listener));
    let http = http.iter().map(|socket| socket.key.short_name());
    let begin = Begin {
        pid: std::process::id().into(),
        version: crate::version::VERSION.to_owned(),
        shards: u16::try_from(snapshotted.parts.len()).expect("shards are counted in 16 bits"),
        is_activated: state.activation().has_sockets(),
        listeners: listeners.iter().map(|(kind, _)| *kind).collect(),
        paused: snapshotted.since.elapsed(),
        operator: operator.iter().map(|one| one.name()).chain(http).map(str::to_owned).collect(),
        others: others.iter().map(|(kind, _)| EntranceKey::of(*kind).short_name().to_owned()).collect(),
    };
    let mut first = Encoder::default();
    begin.write(&mut first);
    out.send(Kind::Begin, &first.0, &descriptors)
}

/// Adds the kind of entrance of each connection that it sends.
fn send_connections<'a>(
    image: &ShardImage,
    held: &'a Held,
    entrances: &mut Vec<EntranceKind>,
    out: &mut impl Outgoing<'a>,
) -> io::Result<()> {
    let mut payload = Encoder::default();
    let mut descriptors = Vec::new();
    let shard = u64::from(image.shard.0);
    for (id, saved) in &image.connections {
        let (Saved::Image(saved), Some(descriptor)) = (saved, held.connection(*id)) else { continue };
        if payload.0.is_empty() {
            payload.number(shard);
        }
        write_id(*id, &mut payload);
        saved.write(&mut payload);
        descriptors.push(descriptor);
        entrances.push(saved.entrance);
        if descriptors.len() >= CONNECTIONS_PER_FRAME || payload.0.len() >= FRAME_BYTES {
            out.send(Kind::Connections, &payload.0, &descriptors)?;
            payload.0.clear();
            descriptors.clear();
        }
    }
    if !descriptors.is_empty() {
        out.send(Kind::Connections, &payload.0, &descriptors)?;
    }
    Ok(())
}

/// What is closed already, and what will be when this process has released it.
fn send_lingering<'a>(image: &ShardImage, held: &'a Held, out: &mut impl Outgoing<'a>) -> io::Result<()> {
    let closed = held.lingering.iter().map(|(descriptor, seconds)| (descriptor.as_fd(), *seconds));
    let left_behind = image.connections.iter().filter_map(|(id, saved)| match saved {
        Saved::LastWords(_) => Some((held.connection(*id)?, LAST_WORDS_SECONDS)),
        Saved::Image(_) => None,
    });
    let lingering: Vec<(BorrowedFd<'a>, u8)> = closed.chain(left_behind).collect();
    for lingering in lingering.chunks(CONNECTIONS_PER_FRAME) {
        let (descriptors, seconds): (Vec<_>, Vec<u8>) = lingering.iter().copied().unzip();
        out.send(Kind::Lingering, &seconds, &descriptors)?;
    }
    Ok(())
}

fn send_homes<'a>(image: &ShardImage, out: &mut impl Outgoing<'a>) -> io::Result<()> {
    let mut payload = Encoder::default();
    for carried in &image.carried {
        write_carried(carried, &mut payload);
        if payload.0.len() >= FRAME_BYTES {
            out.send(Kind::Homes, &payload.0, &[])?;
            payload.0.clear();
        }
    }
    out.send(Kind::Homes, &payload.0, &[])
}

fn write_id(id: ConnectionId, out: &mut Encoder) {
    out.number(u64::from(id.index));
    out.number(u64::from(id.generation));
}
