//! One measurement from its server's start to its end.

use super::measuring::Measuring;
use super::{Workload, echo, fan_out, history, idle, mixed, slow_readers, storm, upgrade, whisper};
use crate::error::BenchError;
use crate::log;
use crate::machine::allow_open_files;
use crate::results::{Faults, Measurement};
use crate::runtime;
use crate::target::{Site, Target};
use crate::watch::{Progress, Stop, Watch};

/// Measures one workload once against one server.
///
/// # Errors
/// [`BenchError`] when the server cannot be measured. Lost, repeated, disordered or damaged deliveries are no error:
/// they are in the measurement. One that is stopped early reports what it has.
pub(crate) fn measure(
    workload: &Workload,
    target: &Target,
    progress: &mut dyn Progress,
    stop: &Stop,
) -> Result<Measurement, BenchError> {
    workload.check(target.protocol())?;
    allow_open_files(workload.connections())?;
    let mut found = empty(workload, target);
    let bad = |reason: &str| BenchError::BadOption {
        option: "target",
        value: "ADDRESS".to_owned(),
        allowed: format!("{} {reason}; leave it out", workload.name()),
    };
    if matches!(workload, Workload::Upgrade(_)) && !matches!(target, Target::Own(_)) {
        return Err(bad("starts the processes that take over by itself"));
    }
    if let Workload::Log(options) = workload {
        let Target::Own(own) = target else {
            return Err(bad("writes a log of its own and starts servers on it"));
        };
        match log::measure(options, &own.program, progress, stop, &mut found) {
            Err(BenchError::Stopped) => found.is_cut_short = true,
            other => other?,
        }
        return Ok(found);
    }
    let mut watch = Watch::new(workload.name(), progress, stop);
    let opened = Site::open(target, &workload.server_settings(), |data| match workload {
        Workload::Upgrade(options) => upgrade::fill(data, options, &mut watch),
        _ => Ok(()),
    });
    let site = match opened {
        Err(BenchError::Stopped) => {
            found.is_cut_short = true;
            return Ok(found);
        }
        opened => opened?,
    };
    found.notes.push(site.described());
    found.notes.extend(site.protocol.counting().map(str::to_owned));
    let mut measuring = Measuring { site: &site, watch: &mut watch, found: &mut found };
    match runtime::run(site.load_processor(), carry_out(workload, &mut measuring)) {
        Err(BenchError::Stopped) => found.is_cut_short = true,
        other => other?,
    }
    site.close()?;
    // The load's own lag stands last.
    found.latencies.sort_by_key(|latency| !latency.is_compared);
    watch.finish();
    Ok(found)
}

async fn carry_out(workload: &Workload, measuring: &mut Measuring<'_, '_>) -> Result<(), BenchError> {
    match workload {
        Workload::Echo(options) => echo::measure(options, measuring).await,
        Workload::FanOut(options) => fan_out::measure(options, measuring).await,
        Workload::Idle(options) => idle::measure(options, measuring).await,
        Workload::Whisper(options) => whisper::measure(options, measuring).await,
        Workload::Storm(options) => storm::measure(options, measuring).await,
        Workload::History(options) => history::measure(options, measuring).await,
        Workload::Mixed(options) => mixed::measure(options, measuring).await,
        Workload::SlowReaders(options) => slow_readers::measure(options, measuring).await,
        Workload::Upgrade(options) => upgrade::measure(options, measuring).await,
        // It has threads of its own: see `measure`.
        Workload::Log(_) => Ok(()),
    }
}

/// What is known before anything has happened.
fn empty(workload: &Workload, target: &Target) -> Measurement {
    Measurement {
        workload: workload.name(),
        title: workload.title(),
        label: workload.label(),
        server: target.label().to_owned(),
        parameters: workload.parameters(),
        metrics: Vec::new(),
        latencies: Vec::new(),
        series: Vec::new(),
        faults: Faults::default(),
        load_limit: None,
        notes: Vec::new(),
        is_cut_short: false,
    }
}
