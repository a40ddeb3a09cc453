//! What has happened, in numbers.

use std::sync::atomic::{AtomicU64, Ordering};

/// Why a connection was closed, or a request refused, by a bound or a fault.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refused {
    /// As many connections come from its address as may.
    Address,
    /// A header of a proxy was missing, wrong or late.
    Proxy,
    /// A TLS handshake failed, or was not finished in time.
    Handshake,
    /// A head was not complete in time, or nothing came at all.
    HeadTime,
    /// A head was too long, or had too many headers.
    HeadSize,
    /// What came is not HTTP.
    NotHttp,
    /// A body was too long.
    BodySize,
    /// A body was not complete in time.
    BodyTime,
    /// The peer took nothing of what was written to it.
    WriteTime,
    /// The peer gave up too many requests, or broke the rules of HTTP/2 too often.
    ResetFlood,
    /// The peer sent too much that is no request.
    IdleFlood,
    /// As many requests were under way as may.
    Busy,
}

impl Refused {
    /// All of them.
    pub const ALL: [Refused; 12] = [
        Refused::Address,
        Refused::Proxy,
        Refused::Handshake,
        Refused::HeadTime,
        Refused::HeadSize,
        Refused::NotHttp,
        Refused::BodySize,
        Refused::BodyTime,
        Refused::WriteTime,
        Refused::ResetFlood,
        Refused::IdleFlood,
        Refused::Busy,
    ];

    /// Its name in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Refused::Address => "address",
            Refused::Proxy => "proxy",
            Refused::Handshake => "handshake",
            Refused::HeadTime => "head_time",
            Refused::HeadSize => "head_size",
            Refused::NotHttp => "not_http",
            Refused::BodySize => "body_size",
            Refused::BodyTime => "body_time",
            Refused::WriteTime => "write_time",
            Refused::ResetFlood => "reset_flood",
            Refused::IdleFlood => "idle_flood",
            Refused::Busy => "busy",
        }
    }
}

/// Counters of an edge, shared by all its tasks.
#[derive(Debug, Default)]
pub struct Counters {
    connections: AtomicU64,
    accepted: AtomicU64,
    accept_errors: AtomicU64,
    waits_when_full: AtomicU64,
    requests: AtomicU64,
    given_up: AtomicU64,
    refused: [AtomicU64; Refused::ALL.len()],
}

/// The counters at one moment.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Figures {
    /// Connections that are open.
    pub connections: u64,
    /// Connections that were accepted.
    pub accepted: u64,
    /// How often the system refused to accept one.
    pub accept_errors: u64,
    /// How often nobody was accepted until a connection ended.
    pub waits_when_full: u64,
    /// Requests whose head came.
    pub requests: u64,
    /// Requests that their client gave up.
    pub given_up: u64,
    /// By [`Refused::ALL`].
    pub refused: [u64; Refused::ALL.len()],
}

impl Counters {
    /// Something was refused.
    pub fn refuse(&self, why: Refused) {
        add(&self.refused[why as usize]);
    }

    /// A connection was accepted.
    pub fn accept(&self) {
        add(&self.accepted);
        add(&self.connections);
    }

    /// A connection has ended.
    pub fn close(&self) {
        self.connections.fetch_sub(1, Ordering::Relaxed);
    }

    /// The system has refused to accept a connection.
    pub fn accept_error(&self) {
        add(&self.accept_errors);
    }

    /// Nobody is accepted until a connection ends.
    pub fn wait_when_full(&self) {
        add(&self.waits_when_full);
    }

    /// A request came.
    pub fn request(&self) {
        add(&self.requests);
    }

    /// A request was given up.
    pub fn give_up(&self) {
        add(&self.given_up);
    }

    /// All of them.
    pub fn figures(&self) -> Figures {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Figures {
            connections: read(&self.connections),
            accepted: read(&self.accepted),
            accept_errors: read(&self.accept_errors),
            waits_when_full: read(&self.waits_when_full),
            requests: read(&self.requests),
            given_up: read(&self.given_up),
            refused: self.refused.each_ref().map(read),
        }
    }
}

fn add(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_has_a_place_of_its_own() {
        let counters = Counters::default();
        for (count, why) in Refused::ALL.into_iter().enumerate() {
            (0..=count).for_each(|_| counters.refuse(why));
        }
        let counts = counters.figures().refused;
        assert_eq!(counts.to_vec(), (1..=Refused::ALL.len() as u64).collect::<Vec<_>>());
    }
}
