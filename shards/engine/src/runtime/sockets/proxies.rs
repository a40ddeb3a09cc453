//! Connections that a proxy passes on: each is read up to the end of its PROXY header, and is accepted with the
//! address that the header names.
//!
//! While a header is incomplete, the shard has no connection for it yet. What came of it is taken out of the socket,
//! so that the kernel reports the next bytes; what follows the header stays there.

use super::arrival::Caller;
use hashbrown::HashMap;
use madang_model::connection::{
    HeaderRead, Networks, PROXY_HEADER_BYTES_MAX, PROXY_HEADER_TIME_MAX, ProxyFault, read_header,
};
use rustix::io::Errno;
use rustix::net::{self, RecvFlags};
use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// The limit of connections that wait for their header. A proxy sends it at once.
pub const WAITING_MAX: usize = 1_024;

/// Why a connection of a proxy was closed before the shard had a connection for it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ProxyRefusal {
    /// It began with something else, or ended.
    Absent,
    /// It began with a header that is wrong.
    Malformed,
    /// Its header did not come in time.
    Late,
    /// Too many others waited.
    Full,
}

impl ProxyRefusal {
    /// The names, each at its place.
    pub const NAMES: &'static [&'static str] = &["absent", "malformed", "late", "full"];
    /// How many there are.
    pub const COUNT: usize = ProxyRefusal::NAMES.len();
}

/// Which connections come from proxies, and those that wait for their header.
pub(super) struct Proxies {
    networks: Networks,
    /// By a number that is not used again, so that what the kernel reports is never taken for another's.
    waiting: HashMap<u64, PassedOn>,
    /// The numbers of those with new input. Some may be gone.
    ready: VecDeque<u64>,
    number_last: u64,
    refused: [u64; ProxyRefusal::COUNT],
    /// How long a header may take, and how many are waited for.
    pub(super) time_max: Duration,
    pub(super) waiting_max: usize,
}

/// A connection that a proxy passes on.
pub(super) struct PassedOn {
    pub caller: Caller,
    /// What came of the header.
    came: Vec<u8>,
    give_up_at: Instant,
}

/// How far a header is.
pub(super) enum Heard {
    /// It is whole; whose connection it is, if it says so.
    Whole(Option<IpAddr>),
    /// More of it is to come.
    Part,
    /// The connection ended, or something else came.
    Absent { has_spoken: bool },
    /// It is wrong.
    Malformed(ProxyFault),
}

impl Proxies {
    pub fn new() -> Proxies {
        Proxies {
            networks: Networks::default(),
            waiting: HashMap::new(),
            ready: VecDeque::new(),
            number_last: 0,
            refused: [0; ProxyRefusal::COUNT],
            time_max: PROXY_HEADER_TIME_MAX,
            waiting_max: WAITING_MAX,
        }
    }

    /// From now on connections from these networks are a proxy's. Those that wait for their header still do.
    pub fn set_networks(&mut self, networks: Networks) {
        self.networks = networks;
    }

    /// Whether a connection from there begins with a header.
    pub fn pass_on(&self, address: Option<IpAddr>) -> bool {
        address.is_some_and(|address| self.networks.contains(address))
    }

    /// One that has just come.
    pub fn begin(&self, caller: Caller) -> PassedOn {
        PassedOn { caller, came: Vec::new(), give_up_at: Instant::now() + self.time_max }
    }

    /// Waits for the rest of a header, under the number that this returns; or returns the connection, if that would
    /// be one too many.
    pub fn wait_for(&mut self, passed_on: PassedOn) -> Result<(u64, &PassedOn), PassedOn> {
        if self.waiting.len() >= self.waiting_max {
            return Err(passed_on);
        }
        self.number_last += 1;
        Ok((self.number_last, self.waiting.entry(self.number_last).insert(passed_on).into_mut()))
    }

    /// Notes new input of the connection with this number. Returns whether it is still there.
    pub fn came(&mut self, number: u64) -> bool {
        let is_there = self.waiting.contains_key(&number);
        if is_there {
            self.ready.push_back(number);
        }
        is_there
    }

    /// Takes one that has new input.
    pub fn take_ready(&mut self) -> Option<PassedOn> {
        while let Some(number) = self.ready.pop_front() {
            if let Some(passed_on) = self.waiting.remove(&number) {
                return Some(passed_on);
            }
        }
        None
    }

    /// Forgets which have new input: they are to be reported once more.
    pub fn forget_ready(&mut self) -> impl Iterator<Item = (u64, &PassedOn)> {
        let Proxies { ready, waiting, .. } = self;
        ready.drain(..).filter_map(|number| Some((number, waiting.get(&number)?)))
    }

    /// Takes those whose time is over.
    pub fn take_late(&mut self, now: Instant) -> Vec<PassedOn> {
        if self.waiting.is_empty() {
            return Vec::new();
        }
        self.waiting.extract_if(|_, passed_on| passed_on.give_up_at <= now).map(|(_, late)| late).collect()
    }

    /// Takes all of them.
    pub fn take_all(&mut self) -> Vec<PassedOn> {
        self.ready.clear();
        self.waiting.drain().map(|(_, passed_on)| passed_on).collect()
    }

    /// One was closed for this reason.
    pub fn count(&mut self, reason: ProxyRefusal) {
        self.refused[reason as usize] += 1;
    }

    /// How many are waited for, and how many were closed so far, by [`ProxyRefusal`].
    pub fn counts(&self) -> (usize, [u64; ProxyRefusal::COUNT]) {
        (self.waiting.len(), self.refused)
    }
}

impl PassedOn {
    /// Reads what has come of the header, and no byte behind it.
    pub fn read(&mut self) -> Heard {
        let mut bytes = [0; PROXY_HEADER_BYTES_MAX];
        let known = self.came.len();
        bytes[..known].copy_from_slice(&self.came);
        let count = match self.receive(&mut bytes[known..], RecvFlags::PEEK) {
            Ok(0) => return Heard::Absent { has_spoken: known > 0 },
            Ok(count) => count,
            Err(Errno::AGAIN) => return Heard::Part,
            Err(_) => return Heard::Absent { has_spoken: known > 0 },
        };
        let all = &bytes[..known + count];
        let (of_header, heard) = match read_header(all) {
            HeaderRead::Complete(header) => {
                (header.bytes, Heard::Whole(header.source.map(|source| source.ip())))
            }
            HeaderRead::Incomplete => (all.len(), Heard::Part),
            HeaderRead::Absent => return Heard::Absent { has_spoken: true },
            HeaderRead::Malformed(fault) => return Heard::Malformed(fault),
        };
        if matches!(heard, Heard::Part) {
            self.came.extend_from_slice(&all[known..]);
        }
        match self.receive(&mut bytes[known..of_header], RecvFlags::empty()) {
            Ok(taken) if taken == of_header - known => heard,
            // It was there a moment ago, and nobody else reads: the connection has broken meanwhile.
            _ => Heard::Absent { has_spoken: true },
        }
    }

    fn receive(&self, into: &mut [u8], flags: RecvFlags) -> Result<usize, Errno> {
        loop {
            match net::recv(&self.caller.descriptor, &mut *into, flags | RecvFlags::DONTWAIT) {
                Err(Errno::INTR) => {}
                received => return received.map(|(count, _)| count),
            }
        }
    }
}
