//! Upgrades in place: another process takes over again and again, while everyone talks and counts.

use super::fan_out::{DRAIN_MAX, RoomTalk};
use super::measuring::Measuring;
use super::options::UpgradeOptions;
use super::talk::Talk;
use crate::account::{Record, empty_histogram};
use crate::crowd::{Arrived, Crowd, enter};
use crate::error::BenchError;
use crate::findings::Meter;
use crate::log;
use crate::pace::{Load, Pacer, Schedule, drain, keep_rate_for};
use crate::protocol::Guest;
use crate::watch::Watch;
use hdrhistogram::Histogram;
use std::path::Path;
use std::time::Duration;

/// Talk before the first upgrade, and after each: what was said in the pause has come by then.
const CALM: Duration = Duration::from_secs(1);
/// How long all of it may take, for times that are meant.
const LONGEST: Duration = Duration::from_secs(3_600);
/// How often it is looked whether the new process serves.
const LOOK_NS: u64 = 5_000_000;
/// Rooms of what is stored before.
const STORED_ROOMS: u64 = 1_000;

/// Writes what is stored before the server starts.
pub(super) fn fill(data: &Path, options: &UpgradeOptions, watch: &mut Watch<'_>) -> Result<(), BenchError> {
    if options.messages == 0 {
        return Ok(());
    }
    let rooms = STORED_ROOMS.min(options.messages);
    let plan = log::LogPlan { data, shard_count: 1, rooms, messages: options.messages };
    watch.begin(0.0, 0.2);
    let mut shown = 0;
    log::write(&plan, &mut |share| {
        shown += LOOK_NS;
        if watch.look(shown, "writing a log", share) { Err(BenchError::Stopped) } else { Ok(()) }
    })
}

/// Everyone talks at a fixed rate, and each upgrade is held against the times that were meant.
pub(super) async fn measure(
    options: &UpgradeOptions,
    measuring: &mut Measuring<'_, '_>,
) -> Result<(), BenchError> {
    let site = measuring.site;
    let &UpgradeOptions { connections, members, upgrades, rate, size, .. } = options;
    let rooms = connections / members;
    let guest =
        |number| Guest { name: site.names.user(number), room: Some(site.names.room(number / members)) };
    let guests: Vec<Guest> = (0..connections).map(guest).collect();
    let mut crowd = measuring.crowd()?;
    measuring.watch.begin(0.2, 0.3);
    enter(&mut crowd, &guests, measuring.watch).await?;
    // A connection that does not go along is a fault that is counted, and not the end of the measurement.
    (0..connections).for_each(|number| crowd.allow_end(number));

    let start_ns = crowd.now_ns();
    let meter = Meter::start(site, &crowd)?;
    let talk = Talk::in_rooms(&measuring.circle(rooms, members, size), Record::new(start_ns, LONGEST));
    let mut load = Upgrading {
        talk: RoomTalk { talk, rooms, members },
        window_start_ns: u64::MAX,
        longest_ns: vec![0; connections],
    };
    let mut pacer = Pacer::new(Schedule::new(start_ns, rate, LONGEST));
    let mut pauses_ns = empty_histogram();
    let mut takeovers_ns = empty_histogram();
    crowd.begin("before an upgrade");
    measuring.watch.begin(0.3, 1.0);
    let shown = ("upgrading", |_| 0.0);
    let mut is_cut_short =
        keep_rate_for(CALM, &mut load, &mut pacer, &mut crowd, measuring.watch, shown).await?;
    let mut done = 0;
    while done < upgrades && !is_cut_short {
        crowd.begin("during an upgrade");
        let began_ns = crowd.now_ns();
        load.window_start_ns = began_ns;
        site.begin_upgrade()?;
        while !site.is_upgraded()? {
            let until_ns = crowd.now_ns() + LOOK_NS;
            load.talk_until(until_ns, &mut pacer, &mut crowd).await?;
        }
        takeovers_ns.saturating_record(crowd.now_ns() - began_ns);
        done += 1;
        crowd.begin("after an upgrade");
        let share = f64::from(done) / f64::from(upgrades);
        let shown = ("upgrading", |_| share);
        is_cut_short = keep_rate_for(CALM, &mut load, &mut pacer, &mut crowd, measuring.watch, shown).await?;
        load.take_pauses(&mut pauses_ns);
    }
    drain(&mut load, &mut crowd, DRAIN_MAX, measuring.watch).await?;
    let usage = meter.read(site, &crowd)?;
    let ended = crowd.take_ended().len();

    let talk = load.talk.talk;
    let found = &mut *measuring.found;
    found.is_cut_short = is_cut_short;
    found.count("upgrades", "upgrades", u64::from(done));
    found.count("carried", "connections carried", (connections - ended) as u64);
    found.count("not_carried", "connections that ended", ended as u64);
    found.count("messages", "messages", talk.ledger.messages());
    found.count("deliveries", "deliveries", talk.ledger.delivered());
    found.load_usage(&usage);
    found.send_lag(pacer.lag_ns);
    let (latency_ns, series) = talk.record.finish();
    found.latency("pause", "longest wait per connection", pauses_ns);
    found.latency("takeover", "a takeover, start to end", takeovers_ns);
    found.latency("delivery", "all messages", latency_ns);
    found.series = series;
    found.add_faults(talk.ledger.close().into_faults());
    found.notes.push(format!(
        "a wait is from when a message was meant to be sent to its delivery, the longest of each connection \
         from the start of the new process until {} s after the old one ended; a room has a message every \
         {:.0} ms, so that the server may have paused that much longer",
        CALM.as_secs(),
        1e3 * rooms as f64 / rate as f64
    ));
    Ok(())
}

/// Talk, of which the longest waits around an upgrade are kept.
struct Upgrading {
    talk: RoomTalk,
    /// Messages that were to be said from then on count, in nanoseconds of the crowd's clock.
    window_start_ns: u64,
    /// The longest wait of each connection.
    longest_ns: Vec<u64>,
}

impl Load for Upgrading {
    fn send(&mut self, number: u64, intended_ns: u64, crowd: &mut Crowd) -> Result<(), BenchError> {
        self.talk.send(number, intended_ns, crowd)
    }

    fn take(&mut self, arrived: Arrived<'_>, _outbox: &mut Vec<u8>) -> Result<(), BenchError> {
        let Some(delivered) = self.talk.talk.take(&arrived)? else { return Ok(()) };
        if delivered.intended_ns >= self.window_start_ns {
            let longest_ns = &mut self.longest_ns[arrived.connection];
            *longest_ns = arrived.read_at_ns.saturating_sub(delivered.intended_ns).max(*longest_ns);
        }
        Ok(())
    }

    fn is_settled(&self) -> bool {
        self.talk.is_settled()
    }
}

impl Upgrading {
    async fn talk_until(
        &mut self,
        until_ns: u64,
        pacer: &mut Pacer,
        crowd: &mut Crowd,
    ) -> Result<(), BenchError> {
        while crowd.now_ns() < until_ns {
            let next_ns = pacer.send_due(self, crowd)?;
            crowd.turn(next_ns.min(until_ns), |arrived, outbox| self.take(arrived, outbox)).await?;
        }
        Ok(())
    }

    /// Closes the window of one upgrade.
    fn take_pauses(&mut self, pauses_ns: &mut Histogram<u64>) {
        for longest_ns in &mut self.longest_ns {
            let longest_ns = std::mem::take(longest_ns);
            if longest_ns > 0 {
                pauses_ns.saturating_record(longest_ns);
            }
        }
    }
}
