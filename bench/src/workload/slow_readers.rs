//! Members that never read: the others must not notice, and the server must close the slow connections.

use super::fan_out::{DRAIN_MAX, RoomTalk};
use super::measuring::Measuring;
use super::options::SlowReadersOptions;
use super::talk::Talk;
use crate::account::Record;
use crate::crowd::{Crowd, enter};
use crate::error::BenchError;
use crate::findings::{Meter, Usage};
use crate::pace::{Kept, Schedule, drain, keep_rate};
use crate::protocol::Guest;
use crate::results::Better;
use std::time::Duration;

/// How long the slow ones' sockets may take to show, at the end, that the server has closed them.
const ENDING_MAX: Duration = Duration::from_secs(2);

/// The same talk twice, the second time with members who do not read.
pub(super) async fn measure(
    options: &SlowReadersOptions,
    measuring: &mut Measuring<'_, '_>,
) -> Result<(), BenchError> {
    let site = measuring.site;
    let &SlowReadersOptions { rooms, members, slow, .. } = options;
    let readers = rooms * members;
    let guest = |number, room| Guest { name: site.names.user(number), room: Some(site.names.room(room)) };
    let mut crowd = measuring.crowd()?;
    let guests: Vec<Guest> = (0..readers).map(|number| guest(number, number / members)).collect();
    measuring.watch.begin(0.0, 0.05);
    enter(&mut crowd, &guests, measuring.watch).await?;
    measuring.watch.begin(0.05, 0.5);
    let half = Duration::from_secs_f64(options.seconds) / 2;
    let circle = measuring.circle(rooms, members, options.size);
    let talk = Talk::in_rooms(&circle, Record::new(crowd.now_ns(), half));
    let mut load = RoomTalk { talk, rooms, members };
    let (kept_before, _) = talk_for(half, options, &mut load, measuring, &mut crowd).await?;

    let guests: Vec<Guest> = (0..rooms * slow).map(|number| guest(readers + number, number / slow)).collect();
    crowd.use_small_buffers();
    enter(&mut crowd, &guests, measuring.watch).await?;
    for number in readers..readers + guests.len() {
        crowd.allow_end(number);
        crowd.stop_reading(number)?;
    }
    measuring.watch.begin(0.5, 0.95);
    let before = std::mem::replace(&mut load.talk.record, Record::new(crowd.now_ns(), half));
    let delivered_before = load.talk.ledger.delivered();
    let (kept_with, usage) = talk_for(half, options, &mut load, measuring, &mut crowd).await?;
    let cut_off = count_cut_off(&mut crowd, readers).await?;

    let p99_us = |record: &Record| record.latency_ns.value_at_quantile(0.99) as f64 / 1e3;
    let ratio = p99_us(&load.talk.record) / p99_us(&before).max(0.001);
    let found = &mut *measuring.found;
    found.is_cut_short = kept_before.is_cut_short || kept_with.is_cut_short;
    found.count("slow_readers", "members who never read", guests.len() as u64);
    found.count("slow_readers_cut_off", "of these cut off by the server", cut_off as u64);
    found.metric(
        "p99_with_slow_readers_ratio",
        "p99 with slow readers, as a multiple of that without",
        ratio,
        "",
        Better::Lower,
    );
    if let Some(shown) = found.metrics.last_mut() {
        shown.decimals = 2;
    }
    let mut lag_ns = kept_before.lag_ns;
    lag_ns.add(kept_with.lag_ns).map_err(|_| BenchError::Stopped)?;
    found.send_lag(lag_ns);
    found.notes.push(
        "members who never read are cut off when the server's queue for them is full; this is intended and no \
         fault. Their deliveries are not counted"
            .into(),
    );
    let (before_ns, _) = before.finish();
    found.latency("delivery_before", "latency without slow readers", before_ns);
    let delivered_with = load.talk.ledger.delivered() - delivered_before;
    measuring.add_talk_since(load.talk, delivered_with, &usage, "delivery")
}

/// Half of the time of talk among members that read.
async fn talk_for(
    duration: Duration,
    options: &SlowReadersOptions,
    load: &mut RoomTalk,
    measuring: &mut Measuring<'_, '_>,
    crowd: &mut Crowd,
) -> Result<(Kept, Usage), BenchError> {
    let meter = Meter::start(measuring.site, crowd)?;
    crowd.begin("while messages were in flight");
    let schedule = Schedule::new(crowd.now_ns(), options.rate, duration);
    let kept = keep_rate(load, crowd, schedule, measuring.watch).await?;
    drain(load, crowd, DRAIN_MAX, measuring.watch).await?;
    Ok((kept, meter.read(measuring.site, crowd)?))
}

/// Reads the slow ones to their end, if they have one.
async fn count_cut_off(crowd: &mut Crowd, readers: usize) -> Result<usize, BenchError> {
    crowd.begin("while slow readers were watched");
    let slow = crowd.len() - readers;
    for number in readers..crowd.len() {
        crowd.read_again(number)?;
    }
    let end_ns = crowd.now_ns() + ENDING_MAX.as_nanos() as u64;
    let mut cut_off = 0;
    while cut_off < slow && crowd.now_ns() < end_ns {
        crowd.turn(end_ns, |_, _| Ok(())).await?;
        cut_off += crowd.take_ended().len();
    }
    Ok(cut_off)
}
