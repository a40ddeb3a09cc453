//! Rooms in which members talk: what one delivered message costs, and how long it takes.

mod ledger;
mod load;
mod options;
mod payload;
mod report;
#[cfg(test)]
mod tests;

pub use ledger::Faults;
pub use options::FanOutOptions;
pub use report::FanOutReport;

use crate::crowd::{Crowd, Guest, enter};
use crate::error::BenchError;
use crate::machine::{allow_open_files, own_time_ns};
use crate::target::Site;
use load::Load;

/// Measures fan-out.
///
/// # Errors
/// [`BenchError`] when the server cannot be measured. Lost, repeated or disordered deliveries are
/// no error: they are in the report.
pub fn run_fan_out(options: &FanOutOptions) -> Result<FanOutReport, BenchError> {
    options.check()?;
    allow_open_files(options.connections() as u64 + 64)?;
    let site = Site::open(&options.target, &options.server_settings())?;
    let mut crowd = Crowd::new(site.address)?;
    let guest = |number| Guest {
        name: site.names.user(number),
        room: Some(site.names.room(number / options.members)),
    };
    let guests: Vec<Guest> = (0..options.connections()).map(guest).collect();
    enter(&mut crowd, &guests)?;

    let mut load = Load::new(options, site.address, &guests);
    let server_before = site.server_time()?;
    let own_before_ns = own_time_ns();
    let span_ns = load.run(&mut crowd)?;
    let load_time_ns = own_time_ns() - own_before_ns;
    let server_time_ns = match (site.server_time()?, server_before) {
        (Some(after), Some(before)) => Some(after.since_ns(&before)),
        _ => None,
    };
    let report = load.into_report(span_ns, load_time_ns, server_time_ns, site.described());
    drop(crowd);
    site.close()?;
    Ok(report)
}
