//! The load itself: sends at its pace, checks every delivery, and waits for the last.

use super::ledger::Ledger;
use super::options::FanOutOptions;
use super::payload::{Payload, PayloadFormat};
use super::report::FanOutReport;
use crate::crowd::{Crowd, Guest, Line};
use crate::error::BenchError;
use crate::workload::Pace;
use hdrhistogram::Histogram;
use rustix::thread::set_current_timer_slack;
use std::net::SocketAddr;
use std::num::NonZeroU64;
use std::time::Duration;

/// How long deliveries may be on their way after the last message was sent.
const DRAIN_MAX: Duration = Duration::from_secs(5);
/// The longest wait for events in one turn.
const TURN_MAX: Duration = Duration::from_millis(100);
/// The longest latency a histogram holds, in nanoseconds.
const LATENCY_MAX_NS: u64 = 60_000_000_000;

/// One measurement in progress.
#[derive(Debug)]
pub(super) struct Load {
    options: FanOutOptions,
    target: SocketAddr,
    format: PayloadFormat,
    /// What stands before the text of each writer's messages.
    authors: Vec<Box<[u8]>>,
    ledger: Ledger,
    /// From the intended sending to the reading of each delivery.
    latency_ns: Histogram<u64>,
    /// From the intended to the real sending of each message.
    send_lag_ns: Histogram<u64>,
    last_delivery_ns: u64,
}

impl Load {
    pub(super) fn new(options: &FanOutOptions, target: SocketAddr, guests: &[Guest]) -> Load {
        let author = |guest: &Guest| format!("{}: ", guest.name).into_bytes().into_boxed_slice();
        Load {
            options: options.clone(),
            target,
            format: PayloadFormat::new(options.size_bytes),
            authors: guests.iter().map(author).collect(),
            ledger: Ledger::new(options.rooms, options.members),
            latency_ns: empty_histogram(),
            send_lag_ns: empty_histogram(),
            last_delivery_ns: 0,
        }
    }

    /// Sends, receives and drains. Returns how long it took from the first message to the last
    /// delivery, in nanoseconds.
    pub(super) fn run(&mut self, crowd: &mut Crowd) -> Result<u64, BenchError> {
        crowd.begin("while messages were on their way");
        let start_ns = crowd.now_ns();
        let end_ns = start_ns + self.options.duration.as_nanos() as u64;
        match self.options.pace {
            Pace::Saturated { in_flight } => self.saturate(crowd, in_flight, end_ns)?,
            Pace::Rate { messages_per_second } => {
                self.keep_rate(crowd, messages_per_second, start_ns)?;
            }
        }
        let drained_ns = crowd.now_ns() + DRAIN_MAX.as_nanos() as u64;
        while !self.ledger.is_settled() && crowd.now_ns() < drained_ns {
            crowd.turn(TURN_MAX, |line, _| self.take(line).map(drop))?;
        }
        Ok(self.last_delivery_ns.saturating_sub(start_ns))
    }

    /// Keeps `in_flight` messages of each room on their way until `end_ns`.
    fn saturate(&mut self, crowd: &mut Crowd, in_flight: usize, end_ns: u64) -> Result<(), BenchError> {
        let members = self.options.members;
        for writer in 0..self.options.connections() {
            let member = writer % members;
            let share = in_flight / members + usize::from(member < in_flight % members);
            for _ in 0..share {
                let now_ns = crowd.now_ns();
                self.send(writer, now_ns, crowd.outbox(writer));
            }
        }
        while crowd.now_ns() < end_ns {
            crowd.turn(TURN_MAX, |line, outbox| {
                let own_came_back = self.take(line)? == Some(line.connection);
                if own_came_back && line.read_at_ns < end_ns {
                    self.send(line.connection, line.read_at_ns, outbox);
                }
                Ok(())
            })?;
        }
        Ok(())
    }

    /// Sends message `n` at `start_ns + n / rate`, or as soon after that as it can. Its latency
    /// counts from when it was meant to go.
    fn keep_rate(&mut self, crowd: &mut Crowd, rate: u64, start_ns: u64) -> Result<(), BenchError> {
        // The kernel wakes a thread up to 50 µs late to save power, unless it is asked not to.
        set_current_timer_slack(NonZeroU64::new(1)).map_err(BenchError::system("ask for exact timers"))?;
        let (rooms, members) = (self.options.rooms, self.options.members);
        let messages = (u128::from(rate) * self.options.duration.as_nanos()).div_ceil(1_000_000_000) as u64;
        let intended =
            |number: u64| start_ns + (u128::from(number) * 1_000_000_000 / u128::from(rate)) as u64;
        let mut number = 0;
        while number < messages {
            let now_ns = crowd.now_ns();
            while number < messages && intended(number) <= now_ns {
                // Room by room first, so that neighbours in time are in different rooms.
                let (room, round) = (number as usize % rooms, number as usize / rooms);
                let writer = room * members + round % members;
                self.send_lag_ns.saturating_record(now_ns - intended(number));
                self.send(writer, intended(number), crowd.outbox(writer));
                number += 1;
            }
            let wait = Duration::from_nanos(intended(number).saturating_sub(crowd.now_ns()));
            crowd.turn(wait.min(TURN_MAX), |line, _| self.take(line).map(drop))?;
        }
        Ok(())
    }

    fn send(&mut self, writer: usize, intended_ns: u64, outbox: &mut Vec<u8>) {
        let sequence = self.ledger.send(writer);
        self.format.write(Payload { writer: writer as u32, sequence, intended_ns }, outbox);
    }

    /// Takes account of one line. Returns the writer of a delivery that came for the first time.
    fn take(&mut self, line: Line<'_>) -> Result<Option<usize>, BenchError> {
        if let Some((author, payload)) = self.format.read(line.text) {
            let writer = payload.writer as usize;
            if self.ledger.is_plausible(line.connection, writer, payload.sequence)
                && *author == *self.authors[writer]
            {
                if !self.ledger.receive(line.connection, writer, payload.sequence) {
                    return Ok(None);
                }
                self.latency_ns.saturating_record(line.read_at_ns.saturating_sub(payload.intended_ns));
                self.last_delivery_ns = line.read_at_ns;
                return Ok(Some(writer));
            }
        }
        if line.text.starts_with(b"! ") {
            let answer = String::from_utf8_lossy(line.text).into_owned();
            return Err(BenchError::Refused { target: self.target, answer });
        }
        // Notices and arrivals are none of ours; anything else came from an author.
        let is_talk = memchr::memmem::find(line.text, b": ").is_some();
        if is_talk && !line.text.starts_with(b"* ") {
            self.ledger.damaged();
        }
        Ok(None)
    }

    /// Closes the account.
    pub(super) fn into_report(
        self,
        span_ns: u64,
        load_time_ns: u64,
        server_time_ns: Option<u64>,
        site: String,
    ) -> FanOutReport {
        FanOutReport {
            messages: self.ledger.messages(),
            deliveries: self.ledger.delivered(),
            faults: self.ledger.close(),
            options: self.options,
            latency_ns: self.latency_ns,
            send_lag_ns: self.send_lag_ns,
            span_ns,
            load_time_ns,
            server_time_ns,
            site,
        }
    }
}

fn empty_histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LATENCY_MAX_NS, 3).expect("bounds and digits are constants that fit")
}
