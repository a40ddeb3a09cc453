//! One connection that talks to itself: the time of one message, on disk and back, at rest.

use crate::error::BenchError;
use crate::fan_out::{FanOutOptions, FanOutReport, Faults, run_fan_out};
use crate::report::Figures;
use crate::target::Target;
use crate::workload::Pace;
use std::fmt;
use std::time::Duration;

/// What to measure.
#[derive(Clone, Debug)]
pub struct EchoOptions {
    /// The server.
    pub target: Target,
    /// For how long.
    pub duration: Duration,
    /// Bytes of a message's text.
    pub size_bytes: usize,
}

/// What was measured.
#[derive(Clone, Debug)]
pub struct EchoReport {
    fan_out: FanOutReport,
}

/// Sends a message as soon as the one before has come back, in a room of its own.
///
/// # Errors
/// [`BenchError`] when the server cannot be measured.
pub fn run_echo(options: &EchoOptions) -> Result<EchoReport, BenchError> {
    let fan_out = run_fan_out(&FanOutOptions {
        target: options.target.clone(),
        rooms: 1,
        members: 1,
        size_bytes: options.size_bytes,
        duration: options.duration,
        pace: Pace::Saturated { in_flight: 1 },
    })?;
    Ok(EchoReport { fan_out })
}

impl EchoReport {
    pub(crate) fn fan_out(&self) -> &FanOutReport {
        &self.fan_out
    }

    /// What was wrong with the deliveries.
    pub fn faults(&self) -> &Faults {
        self.fan_out.faults()
    }
}

impl fmt::Display for EchoReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let report = &self.fan_out;
        let title = format!("echo: 1 connection, {}-byte messages, one at a time", report.size_bytes());
        let mut figures = Figures::new(title);
        figures.count("round trips", report.messages(), "");
        figures.latency("round trip", report.latency_ns());
        report.add_server_time(&mut figures, "round trip");
        report.faults().add_to(&mut figures);
        figures.note(report.site());
        figures.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::{self, Conduct};

    #[test]
    fn a_stall_shows_in_the_slowest_round_trip() {
        let target = fake::target(fake::start(Conduct::Stalls(5)), None);
        let options = EchoOptions { target, duration: Duration::from_millis(400), size_bytes: 64 };
        let report = run_echo(&options).expect("a report");
        assert!(report.faults().is_none(), "{report}");
        assert!(report.fan_out.latency_ns().max() >= 200_000_000, "{report}");
    }
}
