//! Many connections that say a name and then nothing: how fast they come in, and what each holds.

use crate::crowd::{Crowd, Guest, enter};
use crate::error::BenchError;
use crate::machine::{KernelMemory, ProcessMemory, allow_open_files, own_time_ns};
use crate::report::Figures;
use crate::target::{Site, Target};
use std::fmt;
use std::time::Duration;

/// Most connections of one measurement: two hundred loopback addresses' worth.
const CONNECTIONS_MAX: usize = 5_000_000;
/// The lobby is quiet when nothing has come for this long.
const QUIET: Duration = Duration::from_millis(500);
/// How long the lobby may take until it is quiet.
const QUIET_MAX: Duration = Duration::from_secs(20);
/// Above this share of a processor the load itself may be what limits.
const LOAD_SHARE_MAX: f64 = 0.9;

/// What to measure.
#[derive(Clone, Debug)]
pub struct IdleOptions {
    /// The server.
    pub target: Target,
    /// How many connections.
    pub connections: usize,
}

/// What was measured.
#[derive(Clone, Debug)]
pub struct IdleReport {
    connections: usize,
    entry_ns: u64,
    load_time_ns: u64,
    server_time_ns: Option<u64>,
    server: Option<Growth<ProcessMemory>>,
    kernel: Option<Growth<KernelMemory>>,
    site: String,
}

#[derive(Clone, Copy, Debug)]
struct Growth<M> {
    before: M,
    after: M,
}

/// Brings everyone into the lobby, waits until it is quiet, and compares the server's memory.
///
/// # Errors
/// [`BenchError`] when the server cannot be measured.
pub fn run_idle(options: &IdleOptions) -> Result<IdleReport, BenchError> {
    if !(1..=CONNECTIONS_MAX).contains(&options.connections) {
        let allowed = format!("1 to {CONNECTIONS_MAX}");
        let value = options.connections.to_string();
        return Err(BenchError::BadOption { option: "connections", value, allowed });
    }
    allow_open_files(options.connections as u64 + 64)?;
    let site = Site::open(&options.target, &["telemetry.level=warn".to_owned()])?;
    let guests: Vec<Guest> =
        (0..options.connections).map(|number| Guest { name: site.names.user(number), room: None }).collect();
    let mut crowd = Crowd::new(site.address)?;

    let server_before = site.pid.map(ProcessMemory::read).transpose()?;
    let kernel_before = KernelMemory::read();
    let server_time_before = site.server_time()?;
    let (start_ns, own_before_ns) = (crowd.now_ns(), own_time_ns());
    enter(&mut crowd, &guests)?;
    let entry_ns = crowd.now_ns() - start_ns;
    let load_time_ns = own_time_ns() - own_before_ns;
    let server_time_ns =
        site.server_time()?.zip(server_time_before).map(|(after, before)| after.since_ns(&before));

    wait_until_quiet(&mut crowd)?;
    let server_after = site.pid.map(ProcessMemory::read).transpose()?;
    let kernel_after = KernelMemory::read();
    let report = IdleReport {
        connections: options.connections,
        entry_ns,
        load_time_ns,
        server_time_ns,
        server: server_before.zip(server_after).map(|(before, after)| Growth { before, after }),
        kernel: kernel_before.zip(kernel_after).map(|(before, after)| Growth { before, after }),
        site: site.described(),
    };
    drop(crowd);
    site.close()?;
    Ok(report)
}

/// Reads what others' arrivals still bring, until nothing has come for [`QUIET`].
fn wait_until_quiet(crowd: &mut Crowd) -> Result<(), BenchError> {
    crowd.begin("while everyone was idle");
    let quiet_ns = QUIET.as_nanos() as u64;
    let start_ns = crowd.now_ns();
    let mut last_line_ns = start_ns;
    while crowd.now_ns() - last_line_ns < quiet_ns {
        crowd.turn(QUIET / 10, |line, _| {
            last_line_ns = line.read_at_ns;
            Ok(())
        })?;
        if crowd.now_ns() - start_ns > QUIET_MAX.as_nanos() as u64 {
            return Err(crowd.restless(QUIET_MAX));
        }
    }
    Ok(())
}

impl IdleReport {
    /// Growth of the server's resident memory for each connection, in bytes, when its process is known.
    pub fn resident_bytes_per_connection(&self) -> Option<f64> {
        self.server.map(|server| self.each(server.before.resident_bytes, server.after.resident_bytes))
    }

    /// Connections accepted and named in a second.
    pub fn entries_per_second(&self) -> f64 {
        self.connections as f64 * 1e9 / self.entry_ns.max(1) as f64
    }

    fn each(&self, before_bytes: u64, after_bytes: u64) -> f64 {
        (after_bytes as f64 - before_bytes as f64) / self.connections as f64
    }

    fn add_memory(&self, figures: &mut Figures) {
        const MIB: f64 = 1024.0 * 1024.0;
        if let Some(Growth { before, after }) = self.server {
            let anonymous_bytes = self.each(before.anonymous_bytes, after.anonymous_bytes);
            let resident_bytes = self.each(before.resident_bytes, after.resident_bytes);
            figures.measure("user space per connection (RssAnon)", anonymous_bytes, 0, "bytes");
            figures.measure("user space per connection (VmRSS)", resident_bytes, 0, "bytes");
            figures.measure("server VmRSS before", before.resident_bytes as f64 / MIB, 1, "MiB");
            figures.measure("server VmRSS after", after.resident_bytes as f64 / MIB, 1, "MiB");
        } else {
            figures.note("the server's memory is unknown: pass its process id with --pid");
        }
        if let Some(Growth { before, after }) = self.kernel {
            let slab_bytes = self.each(before.slab_bytes, after.slab_bytes);
            let queued_bytes = self.each(before.queued_bytes, after.queued_bytes);
            figures.measure("kernel slab per connection, both ends", slab_bytes, 0, "bytes");
            figures.measure("kernel socket queues per connection, both ends", queued_bytes, 0, "bytes");
            figures.note("kernel figures are the whole machine's: quiet it, and halve them for one end");
        }
    }
}

impl fmt::Display for IdleReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut figures = Figures::new(format!("idle: {} connections", self.connections));
        figures.count("accepted and named a second", self.entries_per_second() as u64, "/s");
        if let Some(spent_ns) = self.server_time_ns {
            figures.measure("server CPU per entry", spent_ns as f64 / 1e3 / self.connections as f64, 1, "µs");
        }
        let load_share = self.load_time_ns as f64 / self.entry_ns.max(1) as f64;
        figures.measure("load CPU", 100.0 * load_share, 1, "% of one processor");
        if load_share > LOAD_SHARE_MAX {
            figures.note("the load is at its own limit: the server may accept faster than this");
        }
        self.add_memory(&mut figures);
        figures.note(self.site.as_str());
        figures.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::{self, Conduct};

    #[test]
    fn everyone_comes_in_and_memory_is_compared() {
        let target = fake::target(fake::start(Conduct::Faithful), Some(std::process::id()));
        let report = run_idle(&IdleOptions { target, connections: 200 }).expect("a report");
        assert!(report.entries_per_second() > 0.0, "{report}");
        // The fake server has a thread for each, so it cannot be below one page.
        assert!(report.resident_bytes_per_connection().is_some_and(|bytes| bytes > 4096.0), "{report}");
    }
}
