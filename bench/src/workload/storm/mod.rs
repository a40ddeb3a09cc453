//! A reconnect storm: everyone but a talker in each room is cut off at once, returns, and catches up
//! from the last message it saw.

mod returning;

use super::fan_out::{DRAIN_MAX, RoomTalk};
use super::measuring::Measuring;
use super::options::StormOptions;
use super::talk::Talk;
use crate::account::{PayloadFormat, Record, empty_histogram};
use crate::crowd::{Arrived, Crowd, enter};
use crate::error::BenchError;
use crate::findings::Meter;
use crate::pace::{Load, Pacer, Schedule, TURN_MAX_NS, drain, keep_rate_for};
use crate::protocol::{Guest, Protocol};
use crate::results::Better;
use hdrhistogram::Histogram;
use returning::Crowding;
use std::time::Duration;

/// Talk before the storm, for comparison, and after it.
const CALM_BEFORE: Duration = Duration::from_secs(2);
const CALM_AFTER: Duration = Duration::from_secs(1);
/// How long the storm may last.
const STORM_MAX: Duration = Duration::from_secs(60);
/// Connections cut, and opened, in one turn: the load continues to talk and read meanwhile.
const CHANGES_PER_TURN: usize = 32;
/// Connections on their way back at once: within any backlog, so that none waits for a second
/// handshake.
const RETURNING_MAX: usize = 256;

/// Cuts everyone off, and measures until the last one has caught up.
pub(super) async fn measure(
    options: &StormOptions,
    measuring: &mut Measuring<'_, '_>,
) -> Result<(), BenchError> {
    let site = measuring.site;
    let talkers = options.talkers();
    let room_of = |number: usize| if number < talkers { number } else { (number - talkers) % talkers };
    let guest =
        |number: usize| Guest { name: site.names.user(number), room: Some(site.names.room(room_of(number))) };
    let guests: Vec<Guest> = (0..talkers + options.connections).map(guest).collect();
    let mut crowd = measuring.crowd()?;
    measuring.watch.begin(0.0, 0.3);
    enter(&mut crowd, &guests, measuring.watch).await?;

    let start_ns = crowd.now_ns();
    let longest = CALM_BEFORE + STORM_MAX + CALM_AFTER;
    let circle = measuring.circle(talkers, 1, options.size);
    let talk = Talk::in_rooms(&circle, Record::new(start_ns, longest));
    let mut storm = Storm {
        talk: RoomTalk { talk, rooms: talkers, members: 1 },
        crowding: Crowding::new(&guests, talkers, PayloadFormat::new(options.size)),
        before_ns: empty_histogram(),
        during_ns: empty_histogram(),
    };
    let mut pacer = Pacer::new(Schedule::new(start_ns, options.rate, longest));
    let meter = Meter::start(site, &crowd)?;

    crowd.begin("before the storm");
    measuring.watch.begin(0.3, 0.4);
    storm.talk_for(CALM_BEFORE, &mut pacer, &mut crowd, measuring).await?;
    storm.before_ns = std::mem::replace(&mut storm.talk.talk.record.latency_ns, empty_histogram());
    crowd.begin("during the storm");
    measuring.watch.begin(0.4, 0.9);
    let storm_meter = Meter::start(site, &crowd)?;
    let storm_ns = storm.rage(&mut pacer, &mut crowd, measuring).await?;
    let storm_usage = storm_meter.read(site, &crowd)?;
    storm.during_ns = std::mem::replace(&mut storm.talk.talk.record.latency_ns, empty_histogram());
    crowd.begin("after the storm");
    measuring.watch.begin(0.9, 1.0);
    storm.talk_for(CALM_AFTER, &mut pacer, &mut crowd, measuring).await?;
    drain(&mut storm, &mut crowd, DRAIN_MAX, measuring.watch).await?;
    let usage = meter.read(site, &crowd)?;
    storm.tell(options, storm_ns, &storm_usage, measuring)?;
    measuring.found.send_lag(pacer.lag_ns);
    let deliveries = measuring.found.metrics.iter().find(|metric| metric.key == "deliveries");
    let deliveries = deliveries.map_or(0, |metric| metric.value as u64);
    measuring
        .found
        .usage(&usage, ("server_cpu_us_per_delivery", "server CPU per delivery, all in", deliveries));
    measuring.found.resident(site)
}

struct Storm {
    /// Users that stay, each alone in the account of its room.
    talk: RoomTalk,
    /// Users that are cut off and return.
    crowding: Crowding,
    before_ns: Histogram<u64>,
    during_ns: Histogram<u64>,
}

impl Load for Storm {
    fn send(&mut self, number: u64, intended_ns: u64, crowd: &mut Crowd) -> Result<(), BenchError> {
        self.crowding.said(self.talk.writer(number));
        self.talk.send(number, intended_ns, crowd)
    }

    fn take(&mut self, arrived: Arrived<'_>, outbox: &mut Vec<u8>) -> Result<(), BenchError> {
        if self.crowding.is_one_of(arrived.connection) {
            self.crowding.take(&arrived, outbox);
            return Ok(());
        }
        self.talk.take(arrived, outbox)
    }

    fn is_settled(&self) -> bool {
        self.talk.is_settled() && self.crowding.is_settled()
    }
}

impl Storm {
    async fn talk_for(
        &mut self,
        duration: Duration,
        pacer: &mut Pacer,
        crowd: &mut Crowd,
        measuring: &mut Measuring<'_, '_>,
    ) -> Result<(), BenchError> {
        let shown = ("messages, no storm", |share| share);
        let is_stopped = keep_rate_for(duration, self, pacer, crowd, measuring.watch, shown).await?;
        measuring.found.is_cut_short |= is_stopped;
        Ok(())
    }

    /// Returns how long it took from the first cut to the last one's having caught up.
    async fn rage(
        &mut self,
        pacer: &mut Pacer,
        crowd: &mut Crowd,
        measuring: &mut Measuring<'_, '_>,
    ) -> Result<u64, BenchError> {
        if measuring.watch.is_stopped() {
            return Ok(0);
        }
        let start_ns = crowd.now_ns();
        while !self.crowding.is_caught_up() {
            let next_ns = pacer.send_due(self, crowd)?;
            let now_ns = crowd.now_ns();
            if !self.crowding.cut_some(CHANGES_PER_TURN, crowd)? {
                self.crowding.open_some(CHANGES_PER_TURN, RETURNING_MAX, crowd)?;
            }
            self.crowding.ask_again(crowd);
            // While there are changes to make nothing is waited for.
            let idle_ns = if self.crowding.has_changes() { now_ns } else { now_ns + TURN_MAX_NS / 20 };
            crowd.turn(next_ns.min(idle_ns), |arrived, outbox| self.take(arrived, outbox)).await?;
            if measuring.watch.look(now_ns, "the storm", self.crowding.share()) {
                measuring.found.is_cut_short = true;
                break;
            }
            if now_ns - start_ns > STORM_MAX.as_nanos() as u64 {
                return Err(crowd.silent(STORM_MAX));
            }
        }
        Ok(crowd.now_ns() - start_ns)
    }

    fn tell(
        self,
        options: &StormOptions,
        storm_ns: u64,
        usage: &crate::findings::Usage,
        measuring: &mut Measuring<'_, '_>,
    ) -> Result<(), BenchError> {
        let Storm { talk, crowding, before_ns, during_ns } = self;
        let found = &mut *measuring.found;
        let seconds = storm_ns as f64 / 1e9;
        found.metric(
            "storm_seconds",
            "until everyone was back and had caught up",
            seconds,
            "s",
            Better::Lower,
        );
        let back = crowding.back_count() as f64;
        if storm_ns > 0 {
            let per_second = back / seconds;
            let label = "connections back and caught up a second";
            found.metric("returns_per_second", label, per_second, "/s", Better::Higher);
        }
        if let Some(spent_ns) = usage.server_ns.filter(|_| back > 0.0) {
            let each_us = spent_ns as f64 / 1e3 / back;
            let label = "server CPU per return, talk and announcements included";
            found.metric("server_cpu_us_per_return", label, each_us, "µs", Better::Lower);
        }
        found.count("messages", "messages", talk.talk.ledger.messages());
        found.count("deliveries", "deliveries", talk.talk.ledger.delivered() + crowding.deliveries());
        found.count("caught_up_messages", "of these fetched by /history", crowding.caught_up());
        found.count("gaps", "gaps between history and live talk", crowding.gaps());
        found.count(
            "name_retries",
            "names sent again, as the old connection still had them",
            crowding.retries(),
        );
        found.latency("delivery_before", "connections that stayed, before", before_ns);
        found.latency("delivery", "connections that stayed, during", during_ns);
        let (after_ns, series) = talk.talk.record.finish();
        found.latency("delivery_after", "connections that stayed, after", after_ns);
        found.latency("return", "cut off until caught up", crowding.returns_ns());
        found.series = series;
        found.add_faults(talk.talk.ledger.close().into_faults());
        found.add_faults(crowding.close().into_faults());
        found.notes.push(format!(
            "{} talkers stay and write; the other {} are reset and return at once, {RETURNING_MAX} \
             at a time; each asks for /history after the last message it saw",
            options.talkers(),
            options.connections
        ));
        debug_assert_eq!(measuring.site.protocol, Protocol::Line);
        Ok(())
    }
}
