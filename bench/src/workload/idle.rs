//! Many connections that say a name and then nothing: how fast they connect, and what each holds.

use super::measuring::Measuring;
use super::options::IdleOptions;
use crate::crowd::{Crowd, enter};
use crate::error::BenchError;
use crate::findings::Meter;
use crate::machine::KernelMemory;
use crate::protocol::Guest;
use crate::results::Better;
use crate::watch::Watch;
use std::time::Duration;

/// The lobby is quiet when nothing has come for this long.
const QUIET: Duration = Duration::from_millis(500);
/// How long the lobby may take until it is quiet.
const QUIET_MAX: Duration = Duration::from_secs(20);

/// Brings everyone into the lobby, waits until it is quiet, and compares the server's memory.
pub(super) async fn measure(
    options: &IdleOptions,
    measuring: &mut Measuring<'_, '_>,
) -> Result<(), BenchError> {
    let site = measuring.site;
    let guest = |number| Guest { name: site.names.user(number), room: None };
    let guests: Vec<Guest> = (0..options.connections).map(guest).collect();
    let mut crowd = measuring.crowd()?;
    let memory_before = site.server_memory()?;
    let kernel_before = KernelMemory::read();
    let meter = Meter::start(site, &crowd)?;
    measuring.watch.begin(0.0, 0.9);
    match enter(&mut crowd, &guests, measuring.watch).await {
        Err(BenchError::Stopped) => measuring.found.is_cut_short = true,
        other => other?,
    }
    // The last few of a crowd that was stopped may be on their way in still.
    let connections = crowd.len().max(1);
    let usage = meter.read(site, &crowd)?;
    measuring.watch.begin(0.9, 1.0);
    wait_until_quiet(&mut crowd, measuring.watch).await?;
    let memory_after = site.server_memory()?;
    let kernel_after = KernelMemory::read();

    let found = &mut *measuring.found;
    let each = |before: u64, after: u64| (after as f64 - before as f64) / connections as f64;
    found.count("connections", "connections", connections as u64);
    let per_second = connections as f64 * 1e9 / usage.wall_ns as f64;
    found.metric("accepts_per_second", "connections logged in a second", per_second, "/s", Better::Higher);
    found.usage(&usage, ("server_cpu_us_per_accept", "server CPU per login", connections as u64));
    if let Some((before, after)) = memory_before.zip(memory_after) {
        let anonymous = each(before.anonymous_bytes, after.anonymous_bytes);
        let resident = each(before.resident_bytes, after.resident_bytes);
        let label = "user-space memory per connection, resident";
        found.metric("resident_bytes_per_connection", label, resident, "bytes", Better::Lower);
        let label = "of that, anonymous (heap and stacks)";
        found.metric("anonymous_bytes_per_connection", label, anonymous, "bytes", Better::Lower);
        let bytes = after.resident_bytes as f64;
        found.metric("resident_bytes", "server memory, resident", bytes, "bytes", Better::Lower);
    }
    if let Some((before, after)) = kernel_before.zip(kernel_after) {
        let slab = each(before.slab_bytes, after.slab_bytes);
        let label = "kernel memory (slab) per connection, both ends";
        found.metric("kernel_bytes_per_connection", label, slab, "bytes", Better::Neither);
        found.notes.push(
            "memory per connection is the server's own, in user space (smaps_rollup); the kernel's is the \
             whole machine's and both ends of each connection"
                .into(),
        );
    }
    Ok(())
}

/// Reads what others' arrivals still bring, until nothing has come for [`QUIET`].
async fn wait_until_quiet(crowd: &mut Crowd, watch: &mut Watch<'_>) -> Result<(), BenchError> {
    crowd.begin("while everyone was idle");
    let quiet_ns = QUIET.as_nanos() as u64;
    let start_ns = crowd.now_ns();
    let mut last_ns = start_ns;
    loop {
        let now_ns = crowd.now_ns();
        if now_ns - last_ns >= quiet_ns || watch.look(now_ns, "waiting for silence", 0.5) {
            return Ok(());
        }
        if now_ns - start_ns > QUIET_MAX.as_nanos() as u64 {
            return Err(crowd.restless(QUIET_MAX));
        }
        crowd
            .turn(last_ns + quiet_ns, |arrived, _| {
                last_ns = arrived.read_at_ns;
                Ok(())
            })
            .await?;
    }
}
