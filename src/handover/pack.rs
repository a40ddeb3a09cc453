//! All that a frozen server has, as frames.

use super::frame::{self, Kind, Outgoing};
use crate::server::ServerState;
use madang_engine::runtime::{Frozen, Held, Part};
use madang_engine::shard::{Saved, ShardImage, write_carried};
use madang_model::ConnectionId;
use madang_model::connection::Encoder;
use rustix::fd::{AsFd, BorrowedFd};
use std::io;

/// Connections of one frame.
const CONNECTIONS_PER_FRAME: usize = 200;
/// Bytes of what homes know in one frame, and of connections.
const FRAME_BYTES: usize = 1 << 20;
/// Those who are told to reconnect have so long to read it. The new process reads out what they still
/// send: unread, it would make the kernel reset the connection when this process ends, and throw the
/// words away (RFC 1122, section 4.2.2.13).
const LAST_WORDS_SECONDS: u8 = 3;

/// Sends everything. Listeners stay behind where somebody else (systemd) passes them on.
///
/// # Errors
/// What the way says.
pub fn pack<'a>(
    frozen: &'a Frozen,
    state: &'a ServerState,
    has_listeners: bool,
    out: &mut impl Outgoing<'a>,
) -> io::Result<()> {
    send_beginning(frozen, state, has_listeners, out)?;
    let mut count = 0;
    for Part { image, held } in &frozen.parts {
        count += send_connections(image, held, out)?;
        send_homes(image, out)?;
        send_lingering(image, held, out)?;
    }
    let mut end = Encoder::default();
    end.number(count);
    out.send(Kind::End, &end.0, &[])
}

/// Ends the connections that cannot go on in the other process, each with its last words. How many.
pub fn say_last_words(frozen: &mut Frozen) -> u64 {
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

fn send_beginning<'a>(
    frozen: &'a Frozen,
    state: &'a ServerState,
    has_listeners: bool,
    out: &mut impl Outgoing<'a>,
) -> io::Result<()> {
    let lock = state.lock().ok_or_else(|| io::Error::other("the lock cannot be handed over"))?;
    let listeners = frozen.parts.iter().flat_map(|part| part.held.listeners());
    let listeners: Vec<_> = listeners.filter(|_| has_listeners).collect();
    let operator = state.operator_listeners();
    let mut descriptors = vec![lock];
    descriptors.extend(listeners.iter().map(|(_, listener)| *listener));
    descriptors.extend(operator.iter().map(|one| one.listener()));
    if descriptors.len() > frame::DESCRIPTORS_MAX {
        return Err(io::Error::other("there are more listeners than can be handed over at once"));
    }
    let mut begin = Encoder::default();
    begin.number(std::process::id().into());
    begin.text(env!("CARGO_PKG_VERSION"));
    begin.number(frozen.parts.len() as u64);
    let activation = state.activation();
    begin.flag(activation.has_sockets());
    begin.flag(activation.kinds.iter().any(|kind| kind.has_tls));
    begin.list(listeners.iter(), |begin, (kind, _)| begin.flag(kind.has_tls));
    begin.number(frozen.since.elapsed().as_micros() as u64);
    // Programs from before these went along read no further, and close what they do not know.
    begin.list(operator.iter(), |begin, one| begin.text(one.name()));
    out.send(Kind::Begin, &begin.0, &descriptors)
}

/// Returns how many go along.
fn send_connections<'a>(image: &ShardImage, held: &'a Held, out: &mut impl Outgoing<'a>) -> io::Result<u64> {
    let mut count = 0;
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
        count += 1;
        if descriptors.len() >= CONNECTIONS_PER_FRAME || payload.0.len() >= FRAME_BYTES {
            out.send(Kind::Connections, &payload.0, &descriptors)?;
            payload.0.clear();
            descriptors.clear();
        }
    }
    if !descriptors.is_empty() {
        out.send(Kind::Connections, &payload.0, &descriptors)?;
    }
    Ok(count)
}

/// What is closed already, and what will be when this process has let go.
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
