//! A measurement as it is put together.

use crate::crowd::Crowd;
use crate::error::BenchError;
use crate::machine::{ProcessMemory, own_time_ns};
use crate::results::{Better, Faults, Latency, Measurement, Metric};
use crate::target::Site;
use hdrhistogram::Histogram;

/// Above this share of a processor the load itself may be what limits.
const LOAD_SHARE_MAX: f64 = 0.9;
/// A message that goes out later than this, in nanoseconds, was not sent when it was meant to be.
const SEND_LAG_P99_MAX_NS: u64 = 1_000_000;

/// Processor time from one moment on.
#[derive(Debug)]
pub(crate) struct Meter {
    start_ns: u64,
    own_ns: u64,
    spun_ns: u64,
    server_ns: Option<u64>,
}

/// What was used between two moments, in nanoseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Usage {
    pub(crate) wall_ns: u64,
    /// Processor time of the load, without what it spun away.
    pub(crate) load_ns: u64,
    /// Processor time that the load spun away with nothing to do.
    pub(crate) spun_ns: u64,
    /// Processor time of the server, when its process is known.
    pub(crate) server_ns: Option<u64>,
}

impl Meter {
    /// From now on.
    pub(crate) fn start(site: &Site, crowd: &Crowd) -> Result<Meter, BenchError> {
        let server_ns = site.server_time_ns()?;
        Ok(Meter { start_ns: crowd.now_ns(), own_ns: own_time_ns(), spun_ns: crowd.spun_ns(), server_ns })
    }

    /// Until now.
    pub(crate) fn read(&self, site: &Site, crowd: &Crowd) -> Result<Usage, BenchError> {
        let own_ns = own_time_ns() - self.own_ns;
        let spun_ns = crowd.spun_ns() - self.spun_ns;
        let server_now_ns = site.server_time_ns()?;
        Ok(Usage {
            wall_ns: (crowd.now_ns() - self.start_ns).max(1),
            load_ns: own_ns.saturating_sub(spun_ns),
            spun_ns,
            server_ns: server_now_ns.zip(self.server_ns).map(|(now, before)| now.saturating_sub(before)),
        })
    }
}

impl Usage {
    /// What part of one processor that is.
    fn share(&self, spent_ns: u64) -> f64 {
        spent_ns as f64 / self.wall_ns as f64
    }
}

impl Measurement {
    /// Adds a figure.
    pub(crate) fn metric(
        &mut self,
        key: &'static str,
        label: &str,
        value: f64,
        unit: &'static str,
        better: Better,
    ) {
        let decimals = match (unit, value.abs()) {
            ("" | "/s" | "bytes", _) => 0,
            (share, _) if share.starts_with('%') => 1,
            (_, size) if size >= 100.0 => 1,
            (_, size) if size >= 10.0 => 2,
            _ => 3,
        };
        self.metrics.push(Metric { key, label: label.to_owned(), value, unit, decimals, better });
    }

    /// Adds a count that is not compared.
    pub(crate) fn count(&mut self, key: &'static str, label: &str, value: u64) {
        self.metric(key, label, value as f64, "", Better::Neither);
    }

    /// Adds a distribution, unless nothing is in it.
    pub(crate) fn latency(&mut self, key: &'static str, label: &str, histogram_ns: Histogram<u64>) {
        if !histogram_ns.is_empty() {
            self.latencies.push(Latency { key, label: label.to_owned(), histogram_ns, is_compared: true });
        }
    }

    /// Adds how late the load was, and says so when it was too late.
    pub(crate) fn send_lag(&mut self, histogram_ns: Histogram<u64>) {
        if histogram_ns.is_empty() {
            return;
        }
        let p99_ns = histogram_ns.value_at_quantile(0.99);
        if p99_ns > SEND_LAG_P99_MAX_NS {
            self.limit(format!(
                "the load did not keep its pace (it sent {:.1} ms late at p99): the latencies include its own \
                 delay; lower --rate",
                p99_ns as f64 / 1e6
            ));
        }
        let label = "send lag of the load".to_owned();
        self.latencies.push(Latency { key: "send_lag", label, histogram_ns, is_compared: false });
    }

    /// Adds processor time of server and load. `each` is what the server's is shared out over: its
    /// key, its label and how many.
    pub(crate) fn usage(&mut self, usage: &Usage, each: (&'static str, &str, u64)) {
        let (key, label, count) = each;
        match usage.server_ns {
            Some(spent_ns) => {
                if count > 0 {
                    self.metric(key, label, spent_ns as f64 / 1e3 / count as f64, "µs", Better::Lower);
                }
                let server = 100.0 * usage.share(spent_ns);
                self.metric("server_cpu_share", "server CPU", server, "% of one processor", Better::Neither);
            }
            None => self
                .notes
                .push("server CPU and memory are unknown: pass the server's process id with --pid".into()),
        }
        self.load_usage(usage);
    }

    /// Adds processor time of the load alone.
    pub(crate) fn load_usage(&mut self, usage: &Usage) {
        let load = usage.share(usage.load_ns);
        self.metric("load_cpu_share", "load CPU", 100.0 * load, "% of one processor", Better::Neither);
        let spun = 100.0 * usage.share(usage.spun_ns);
        if spun > 0.05 {
            let label = "load CPU spent in busy-waiting, to be on time";
            self.metric("load_spin_share", label, spun, "% of one processor", Better::Neither);
        }
        if load > LOAD_SHARE_MAX {
            self.limit(format!(
                "the load used {:.0} % of its processor: the server may be faster than these figures say",
                100.0 * load
            ));
        }
    }

    /// Adds what the server holds now, when its process is known.
    pub(crate) fn resident(&mut self, site: &Site) -> Result<(), BenchError> {
        if let Some(pid) = site.pid() {
            let bytes = ProcessMemory::read(pid)?.resident_bytes;
            self.metric("resident_bytes", "server memory, resident", bytes as f64, "bytes", Better::Lower);
        }
        Ok(())
    }

    /// Adds what was wrong in another part of the measurement.
    pub(crate) fn add_faults(&mut self, other: Faults) {
        let Faults { lost, repeated, disordered, damaged, examples } = other;
        self.faults.lost += lost;
        self.faults.repeated += repeated;
        self.faults.disordered += disordered;
        self.faults.damaged += damaged;
        self.faults.examples.extend(examples);
    }

    /// Adds why the figures describe the load.
    pub(crate) fn limit(&mut self, words: String) {
        match &mut self.load_limit {
            Some(known) => *known = format!("{known}; {words}"),
            None => self.load_limit = Some(words),
        }
    }
}
