//! The sockets of a shard, and the connections that are closed but still read out.

use crate::runtime::handover::Held;
use crate::runtime::listener::Listener;
use crate::runtime::sockets::{self, AcceptedSocket, Arrival, HeldSockets};
use crate::turn::{Input, Readiness, Sockets, Written};
use madang_model::connection::{Entrance, EntranceKind};
use madang_model::{ConnectionId, ShardId};
use rustix::fd::OwnedFd;
use rustix::net::{self, RecvFlags, Shutdown, sockopt};
use std::io;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// How many seconds a closed connection's peer gets to read the last words.
const LINGER_SECONDS: u8 = 3;
const LINGERING_MAX: usize = 4096;
/// With this many seconds left it has had at least one since everything arrived at its machine.
const ARRIVED_SECONDS: u8 = 1;

/// All connections of a shard, as far as the kernel knows them.
pub struct Network {
    shard: ShardId,
    pub sockets: sockets::RingSockets,
    /// Connections that are closed but still read out, each with the seconds it has left.
    lingering: Vec<(OwnedFd, u8)>,
    /// What is put aside to be given away.
    held: Option<(HeldSockets, Vec<Listener>)>,
}

impl Network {
    pub fn new(shard: ShardId, sockets: sockets::RingSockets) -> Network {
        Network { shard, sockets, lingering: Vec::new(), held: None }
    }

    /// Connections that are closed but still read out.
    pub fn lingering_count(&self) -> usize {
        self.lingering.len()
    }

    /// From now on these are read out, too.
    pub fn take_over(&mut self, lingering: Vec<(OwnedFd, u8)>) {
        self.lingering.extend(lingering);
        self.lingering.truncate(LINGERING_MAX);
    }

    /// Gives away what was put aside.
    pub fn take_held(&mut self) -> Held {
        let (sockets, listeners) =
            self.held.take().expect("sockets are put aside before they are given away");
        Held { sockets, listeners, lingering: std::mem::take(&mut self.lingering) }
    }

    /// Takes back what was given away.
    ///
    /// # Errors
    /// When the ring of the sockets fails.
    pub fn take_back(&mut self, held: Held) -> io::Result<()> {
        let Held { sockets, listeners, lingering } = held;
        self.take_over(lingering);
        self.sockets.take_back((sockets, listeners))
    }

    /// Closes connections whose time is over, or whose peer has closed its side.
    ///
    /// Some clients, such as OpenBSD's `nc`, read the end of our stream and still wait for input: a broken connection
    /// ends them without another key.
    fn tick_lingering(&mut self, buffer: &mut [u8]) {
        let is_over = |(descriptor, seconds_left): &mut (OwnedFd, u8)| {
            *seconds_left = seconds_left.saturating_sub(1);
            if is_read_out(descriptor, buffer) {
                return true;
            }
            let has_arrived = *seconds_left <= ARRIVED_SECONDS && sockets::has_arrived(descriptor);
            if has_arrived {
                // Closed with a reset, which discards nothing that its machine has received.
                let _ = sockopt::set_socket_linger(&*descriptor, Some(Duration::ZERO));
            }
            has_arrived || *seconds_left == 0
        };
        for (descriptor, _) in self.lingering.extract_if(.., is_over) {
            sockets::close(descriptor);
        }
    }
}

impl Sockets for Network {
    type Arrival = Arrival;
    type Carried = OwnedFd;

    #[inline]
    fn take_ready(&mut self, ready: &mut Vec<Readiness>) -> io::Result<()> {
        self.sockets.take_ready(ready)
    }

    fn listen(&mut self) -> io::Result<()> {
        self.sockets.listen()
    }

    fn pause_listening(&mut self) {
        self.sockets.pause_listening();
    }

    fn close_listener(&mut self) {
        self.sockets.close_listener();
    }

    fn accept(&mut self) -> AcceptedSocket {
        self.sockets.accept()
    }

    fn entrance(&self, arrival: &Arrival) -> Entrance {
        arrival.entrance
    }

    fn address(&self, arrival: &Arrival) -> Option<IpAddr> {
        arrival.address
    }

    #[inline]
    fn is_open(&self, arrival: &Arrival) -> bool {
        !arrival.has_tls()
    }

    fn take_first(&mut self, arrival: &Arrival, buffer: &mut [u8]) -> usize {
        arrival.take_first(buffer)
    }

    fn refuse(&mut self, arrival: Arrival, words: &[u8]) {
        arrival.refuse(words);
    }

    fn turn_away(&mut self, words: &dyn Fn(EntranceKind) -> &'static [u8]) {
        self.sockets.turn_away(words);
    }

    fn add(&mut self, id: ConnectionId, arrival: Arrival) -> io::Result<()> {
        self.sockets.add(id, arrival)
    }

    fn add_carried(&mut self, id: ConnectionId, carried: OwnedFd) -> io::Result<()> {
        self.sockets.add_carried(id, carried)
    }

    #[inline]
    fn read(&mut self, id: ConnectionId, buffer: &mut [u8]) -> Input {
        let input = self.sockets.read(id, buffer);
        if input == Input::Broken
            && let Some(fault) = self.sockets.take_tls_fault()
        {
            tracing::debug!(shard = self.shard.0, connection = %id, %fault, "TLS has failed");
        }
        input
    }

    #[inline]
    fn take_opened(&mut self) -> bool {
        self.sockets.take_opened()
    }

    #[inline]
    fn is_readable(&self, id: ConnectionId) -> bool {
        self.sockets.is_readable(id)
    }

    #[inline]
    fn write_each<'a>(
        &mut self,
        ids: &[ConnectionId],
        outbox: impl Fn(ConnectionId) -> Option<&'a [u8]>,
        written: &mut Vec<(ConnectionId, Written)>,
    ) {
        self.sockets.write_each(ids, outbox, written);
    }

    fn close(&mut self, id: ConnectionId, is_orderly: bool) {
        let Some(descriptor) = self.sockets.remove(id) else { return };
        if is_orderly && self.lingering.len() < LINGERING_MAX {
            // Unread input at the time of close would make the kernel reset the connection and
            // throw the last words away (RFC 1122, section 4.2.2.13): it is read out first.
            let _ = net::shutdown(&descriptor, Shutdown::Write);
            self.lingering.push((descriptor, LINGER_SECONDS));
        } else {
            sockets::close(descriptor);
        }
    }

    fn tick(&mut self, buffer: &mut [u8], gone: &mut Vec<ConnectionId>) {
        self.tick_lingering(buffer);
        self.sockets.close_late(Instant::now());
        self.sockets.look_for_gone(gone);
    }

    fn pause(&mut self) {
        self.sockets.pause();
    }

    fn resume(&mut self) -> io::Result<()> {
        self.sockets.resume()
    }

    fn give_away(&mut self) -> io::Result<()> {
        self.held = Some(self.sockets.give_away()?);
        Ok(())
    }

    fn is_carriable(&self, id: ConnectionId) -> bool {
        self.held.as_ref().is_some_and(|(sockets, _)| sockets.is_carriable(id))
    }

    fn came(&self, id: ConnectionId) -> &[u8] {
        self.held.as_ref().map_or(&[], |(sockets, _)| sockets.came(id))
    }
}

/// Reads and discards. Returns whether the peer has closed its side, too.
fn is_read_out(descriptor: &OwnedFd, buffer: &mut [u8]) -> bool {
    for _ in 0..16 {
        match net::recv(descriptor, &mut *buffer, RecvFlags::DONTWAIT) {
            Ok((_, 0)) => return true,
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(rustix::io::Errno::AGAIN) => return false,
            Err(_) => return true,
        }
    }
    false
}
