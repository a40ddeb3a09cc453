//! All that a server had, out of frames.

use super::begin::Begin;
use super::end;
use super::error::TakeError;
use super::frame::{Frame, Incoming, Kind};
use crate::server::{InheritedListeners, SocketActivation};
use madang_config::LINE;
use madang_engine::runtime::Adoption;
use madang_engine::shard::{ConnectionImage, read_carried};
use madang_model::connection::{CodingError, Decoder, EntranceKind};
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

/// Reads everything, from its first frame on. At most `connections_max` connections are kept: the others end, and
/// their names wait as those of any lost connection.
///
/// # Errors
/// [`TakeError`] when that is not what a server sends.
pub fn unpack(
    begin: Frame,
    incoming: &mut impl Incoming,
    grace: Duration,
    connections_max: usize,
) -> Result<Unpacked, TakeError> {
    let Frame { payload, descriptors, .. } = expect(begin, Kind::Begin)?;
    let begin = Begin::read(&mut Decoder(&payload))?;
    let (lock, listeners) = begin.assign(descriptors)?;
    let activation = if begin.is_activated { listeners.activation() } else { SocketActivation::default() };
    let mut adoption = Adoption {
        shards_before: begin.shards,
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
                count += frame.descriptors.len();
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
                let last = expect(frame, Kind::End)?;
                let entrances = end::read(Decoder(&last.payload), count)?;
                let closed = (count - adoption.connections.len()) as u64;
                came_in(&mut adoption, &entrances);
                let Begin { pid, version, paused, .. } = begin;
                return Ok(Unpacked { lock, listeners, activation, adoption, closed, pid, version, paused });
            }
        }
    }
}

/// Notes each connection's kind of entrance. A connection with one that this program does not know ends.
fn came_in(adoption: &mut Adoption, entrances: &[Option<EntranceKind>]) {
    let count = adoption.connections.len();
    let mut entrances = entrances.iter();
    adoption.connections.retain_mut(|(_, image, _)| match entrances.next() {
        Some(Some(entrance)) => {
            image.entrance = *entrance;
            true
        }
        _ => false,
    });
    let closed = count - adoption.connections.len();
    if closed > 0 {
        tracing::warn!(
            closed,
            "connections are closed: they came in at a kind of listener that this program does not know"
        );
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
        // The last frame says its kind of entrance.
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
    use madang_config::LINE_TLS;
    use madang_model::connection::Encoder;
    use std::collections::VecDeque;
    use std::fs::File;
    use std::io;

    struct Frames(VecDeque<Frame>);

    impl Incoming for Frames {
        fn next(&mut self) -> io::Result<Frame> {
            self.0.pop_front().ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
        }
    }

    fn frame(kind: Kind, payload: Encoder, descriptors: usize) -> Frame {
        let descriptors = (0..descriptors).map(|_| File::open("/dev/null").unwrap().into()).collect();
        Frame { kind, payload: payload.0, descriptors }
    }

    fn begin(is_activated: bool) -> Frame {
        let begin = Begin {
            pid: 4242,
            version: "0.1.0".to_owned(),
            shards: 2,
            is_activated,
            listeners: vec![LINE, LINE_TLS],
            paused: Duration::from_micros(1_234),
            operator: vec!["metrics".to_owned()],
            others: Vec::new(),
        };
        let mut payload = Encoder::default();
        begin.write(&mut payload);
        frame(Kind::Begin, payload, 4)
    }

    fn connections_of(shard: u64, count: u64) -> Frame {
        let mut payload = Encoder::default();
        payload.number(shard);
        for index in 0..count {
            payload.number(index);
            payload.number(0);
            let image = ConnectionImage {
                entrance: LINE,
                user: None,
                address: None,
                outbox: Vec::new(),
                unread: Vec::new(),
                form: 0,
                is_echoed: true,
                used: Duration::ZERO,
                has_input_ended: false,
                is_ending: false,
                protocol: Vec::new(),
            };
            image.write(&mut payload);
        }
        frame(Kind::Connections, payload, count as usize)
    }

    fn unpacked(is_activated: bool, connections_max: usize, rest: Vec<Frame>) -> Result<Unpacked, TakeError> {
        unpack(begin(is_activated), &mut Frames(rest.into()), Duration::ZERO, connections_max)
    }

    fn end_after(count: u64) -> Encoder {
        let mut end = Encoder::default();
        end.number(count);
        end
    }

    #[test]
    fn what_systemd_has_opened_is_all_that_listens_or_nothing() {
        let kinds = |is_activated| {
            let taken = unpacked(is_activated, 10, vec![frame(Kind::End, end_after(0), 0)]).unwrap();
            assert_eq!((taken.pid, taken.version.as_str(), taken.adoption.shards_before), (4242, "0.1.0", 2));
            assert_eq!(taken.paused, Duration::from_micros(1_234));
            assert_eq!((taken.listeners.clients.len(), taken.listeners.operator.len()), (2, 1));
            taken.activation.kinds
        };
        assert_eq!(kinds(true), [LINE, LINE_TLS]);
        assert_eq!(kinds(false), []);
    }

    #[test]
    fn connections_keep_how_they_came_in_and_those_that_are_too_many_or_not_understood_end() {
        let mut end = end_after(4);
        end.list(["line_tls", "tubes", "line"].iter(), |end, name| end.text(name));
        end.bytes(&[2, 1, 0, 2]);
        let rest = vec![connections_of(0, 1), connections_of(1, 3), frame(Kind::End, end, 0)];
        let taken = unpacked(true, 3, rest).unwrap();
        let connections = taken.adoption.connections.iter();
        let known: Vec<_> = connections.map(|(id, image, _)| (id.shard.0, image.entrance)).collect();
        assert_eq!(known, [(0, LINE), (1, LINE_TLS)]);
        assert_eq!(taken.closed, 1);
    }

    #[test]
    fn connections_that_are_missing_refuse_the_whole() {
        let rest = vec![connections_of(0, 1), frame(Kind::End, end_after(2), 0)];
        assert!(unpacked(true, 10, rest).is_err());
    }
}
