//! All that a server had, out of frames.

use super::error::TakeError;
use super::frame::{Frame, Incoming, Kind};
use crate::server::{InheritedListeners, SocketActivation};
use madang_config::{LINE, LINE_TLS};
use madang_engine::runtime::Adoption;
use madang_engine::shard::{ConnectionImage, read_carried};
use madang_model::connection::{CodingError, Decoder};
use madang_model::{ConnectionId, SessionId, ShardId};
use rustix::fd::OwnedFd;
use std::time::Duration;

/// What a server had, and who it was.
#[derive(Debug)]
pub struct Unpacked {
    /// The lock of the data directory.
    pub lock: OwnedFd,
    /// Where it listened, as far as that goes along.
    pub listeners: InheritedListeners,
    /// Which sockets systemd had opened for it.
    pub activation: SocketActivation,
    /// Connections, names, members.
    pub adoption: Adoption,
    /// How many connections were closed, as they are too many for this process.
    pub closed: u64,
    /// The number of the process.
    pub pid: u64,
    /// Its version.
    pub version: String,
    /// For how long people had waited when it began to send.
    pub paused: Duration,
}

/// Reads everything, from its first frame on. Of the connections only so many are kept: the others end, and
/// their names wait as those of any who were lost.
///
/// # Errors
/// [`TakeError`] when that is not what a server sends.
pub fn unpack(
    begin: Frame,
    incoming: &mut impl Incoming,
    grace: Duration,
    connections_max: usize,
) -> Result<Unpacked, TakeError> {
    let begin = expect(begin, Kind::Begin)?;
    let mut from = Decoder(&begin.payload);
    let (pid, version) = (from.number()?, from.text()?.to_owned());
    let shards_before = from.small()?;
    let (has_sockets, _has_tls_sockets) = (from.flag()?, from.flag()?);
    let have_tls = from.list(Decoder::flag)?;
    let paused = Duration::from_micros(from.number()?);
    // A program from before these went along says nothing of them.
    let read_name = |from: &mut Decoder<'_>| from.text().map(str::to_owned);
    let operator = if from.0.is_empty() { Vec::new() } else { from.list(read_name)? };
    let mut descriptors = begin.descriptors.into_iter();
    let lock = descriptors.next().ok_or(CodingError("the lock is missing"))?;
    let mut listeners = InheritedListeners::default();
    for has_tls in have_tls {
        let listener = descriptors.next().ok_or(CodingError("listeners are missing"))?;
        listeners.clients.push((if has_tls { LINE_TLS } else { LINE }, listener));
    }
    let activation = if has_sockets { listeners.activation() } else { SocketActivation::default() };
    listeners.operator = operator.into_iter().zip(descriptors).collect();
    let mut adoption = Adoption {
        shards_before,
        connections: Vec::new(),
        carried: Vec::new(),
        lingering: Vec::new(),
        grace,
    };
    let mut count = 0;
    loop {
        let frame = incoming.next()?;
        match frame.kind {
            Kind::Connections => {
                count += frame.descriptors.len() as u64;
                connections(frame, &mut adoption, connections_max)?;
            }
            Kind::Homes => {
                let mut from = Decoder(&frame.payload);
                while !from.0.is_empty() {
                    adoption.carried.push(read_carried(&mut from)?);
                }
            }
            Kind::Lingering => adoption.lingering.extend(frame.descriptors.into_iter().zip(frame.payload)),
            _ => {
                let end = expect(frame, Kind::End)?;
                if Decoder(&end.payload).number()? != count {
                    return Err(CodingError("connections are missing").into());
                }
                let closed = count - adoption.connections.len() as u64;
                return Ok(Unpacked { lock, listeners, activation, adoption, closed, pid, version, paused });
            }
        }
    }
}

/// The frame, where it is of this kind.
pub fn expect(frame: Frame, kind: Kind) -> Result<Frame, TakeError> {
    match frame.kind {
        found if found == kind => Ok(frame),
        Kind::Refused => Err(TakeError::Refused(String::from_utf8_lossy(&frame.payload).into_owned())),
        _ => Err(CodingError("it sent an unexpected frame").into()),
    }
}

fn connections(frame: Frame, adoption: &mut Adoption, connections_max: usize) -> Result<(), TakeError> {
    let mut from = Decoder(&frame.payload);
    let shard = ShardId(from.small()?);
    for descriptor in frame.descriptors {
        let connection = ConnectionId { index: from.small()?, generation: from.small()? };
        let image = ConnectionImage::read(&mut from, LINE)?;
        if adoption.connections.len() < connections_max {
            adoption.connections.push((SessionId { shard, connection }, image, descriptor));
        }
    }
    Ok(from.end()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::VecDeque;
    use std::fs::File;
    use std::io;

    /// The first frame as programs wrote it before listeners for operators went along: process 4242 of version
    /// 0.1.0, 2 shards, TLS sockets of systemd, a plain and a TLS listener, 1,234 µs.
    const BEFORE: &[u8] = b"\x92\x10\0\0\0\0\0\0\x05\0\0\0\0\0\0\x000.1.0\x02\0\0\0\0\0\0\0\0\x01\
        \x02\0\0\0\0\0\0\0\0\x01\xd2\x04\0\0\0\0\0\0";
    /// What goes behind it since: the name of one listener.
    const OPERATOR: &[u8] = b"\x01\0\0\0\0\0\0\0\x07\0\0\0\0\0\0\0metrics";

    struct Frames(VecDeque<Frame>);

    impl Incoming for Frames {
        fn next(&mut self) -> io::Result<Frame> {
            self.0.pop_front().ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
        }
    }

    fn frame(kind: Kind, payload: &[u8], descriptors: usize) -> Frame {
        let descriptors = (0..descriptors).map(|_| File::open("/dev/null").unwrap().into()).collect();
        Frame { kind, payload: payload.to_vec(), descriptors }
    }

    fn unpacked(begin: &[u8], descriptors: usize) -> Result<Unpacked, TakeError> {
        let mut rest = Frames(VecDeque::from([frame(Kind::End, &[0; 8], 0)]));
        unpack(frame(Kind::Begin, begin, descriptors), &mut rest, Duration::ZERO, 10)
    }

    #[test]
    fn what_a_program_of_before_hands_over_is_taken() {
        let taken = unpacked(BEFORE, 3).unwrap();
        assert_eq!((taken.pid, taken.version.as_str(), taken.adoption.shards_before), (4242, "0.1.0", 2));
        assert!(!taken.activation.has_sockets());
        let kinds: Vec<_> = taken.listeners.clients.iter().map(|(kind, _)| *kind).collect();
        assert_eq!(kinds, [LINE, LINE_TLS]);
        assert_eq!(taken.paused, Duration::from_micros(1_234));
        assert!(taken.listeners.operator.is_empty());
    }

    #[test]
    fn listeners_for_operators_go_along_by_name() {
        let taken = unpacked(&[BEFORE, OPERATOR].concat(), 4).unwrap();
        let names: Vec<&str> = taken.listeners.operator.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["metrics"]);
    }

    #[test]
    fn a_first_frame_that_is_cut_short_is_refused() {
        let whole = [BEFORE, OPERATOR].concat();
        // Without its end it is one of before.
        for end in (0..whole.len()).filter(|end| *end != BEFORE.len()) {
            assert!(unpacked(&whole[..end], 4).is_err(), "{end} bytes of it");
        }
    }
}
