//! What every workload measures with, and how all talk is reported.

use super::talk::{Circle, Talk};
use crate::crowd::Crowd;
use crate::error::BenchError;
use crate::findings::Usage;
use crate::results::{Better, Measurement};
use crate::target::Site;
use crate::watch::Watch;

/// One measurement under way.
pub(super) struct Measuring<'a, 'w> {
    /// The server.
    pub(super) site: &'a Site,
    /// Who watches.
    pub(super) watch: &'a mut Watch<'w>,
    /// What was found so far.
    pub(super) found: &'a mut Measurement,
}

impl Measuring<'_, '_> {
    /// A crowd of nobody in front of the server.
    pub(super) fn crowd(&self) -> Result<Crowd, BenchError> {
        Crowd::new(self.site.address, self.site.protocol, self.site.spin())
    }

    /// What the workload's circle of talk has in common with the server.
    pub(super) fn circle(&self, rooms: usize, members: usize, size_bytes: usize) -> Circle<'_> {
        let site = self.site;
        let (target, protocol, names) = (site.address, site.protocol, &site.names);
        Circle { target, protocol, names, rooms, members, size_bytes }
    }

    /// Closes the account of talk and adds what it says. `each` is what a delivery is called.
    pub(super) fn add_talk(&mut self, talk: Talk, usage: &Usage, each: &str) -> Result<(), BenchError> {
        let deliveries = talk.ledger.delivered();
        self.add_talk_since(talk, deliveries, usage, each)
    }

    /// The same of the last part of a measurement, which had `deliveries`.
    pub(super) fn add_talk_since(
        &mut self,
        talk: Talk,
        deliveries: u64,
        usage: &Usage,
        each: &str,
    ) -> Result<(), BenchError> {
        let messages = talk.ledger.messages();
        let span_ns = talk.record.span_ns();
        let found = &mut *self.found;
        found.count("messages", "messages", messages);
        found.count("deliveries", "deliveries", deliveries);
        let per_second = deliveries as f64 * 1e9 / span_ns.max(1) as f64;
        found.metric("deliveries_per_second", "deliveries a second", per_second, "/s", Better::Higher);
        let label = format!("server CPU per {each}");
        found.usage(usage, ("server_cpu_us_per_delivery", &label, deliveries));
        found.resident(self.site)?;
        let (latency_ns, series) = talk.record.finish();
        let label = if each == "delivery" { "latency" } else { each };
        found.latency("delivery", label, latency_ns);
        found.latency("receipt", "receipt", talk.receipts_ns);
        found.series = series;
        found.add_faults(talk.ledger.close().into_faults());
        Ok(())
    }
}
