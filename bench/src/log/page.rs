//! A page of fifty from anywhere in a room of many messages, with nothing in the page cache.

use super::client::LogClient;
use super::cold::ColdReads;
use super::write::{LogPlan, room};
use super::{Part, cold};
use crate::error::BenchError;
use crate::results::{Latency, Measurement};
use hdrhistogram::Histogram;
use std::time::Instant;

const PAGE: u64 = 50;
/// Above it a time counts as it.
const LATENCY_NS_MAX: u64 = 60_000_000_000;
/// Pages read at each depth.
const PAGES: u64 = 25;
/// Bare reads after each page: about as many as a page needs one after another.
const BARE_READS: usize = 8;

pub(super) fn measure(part: &mut Part<'_>, measurement: &mut Measurement) -> Result<(), BenchError> {
    let data = part.directory.join("room");
    let messages = part.options.room_messages();
    let plan = LogPlan { data: &data, shard_count: 1, rooms: 1, messages };
    part.write(&plan)?;
    let server = part.server(&data, Some(1))?;
    let mut client = LogClient::enter(server.address, "reader", &room(0))?;
    let places = [
        ("page_first", "page near the start", messages / 100),
        ("page_middle", "page from the middle", messages / 2),
        ("page_last", "page near the end", messages - messages / 100),
    ];
    let (mut bare_ns, mut cold) = (histogram()?, ColdReads::open(&data)?);
    for (key, label, around) in places {
        part.show("reading pages", 0.5);
        let mut histogram_ns = histogram()?;
        for number in 0..PAGES {
            part.go_on()?;
            // Never the same frames twice, and no frames near those of the page before.
            let place = around + (number * 997) % (messages / 200).max(1) + PAGE + 1;
            let before = place.min(messages);
            cold.forget()?;
            let began = Instant::now();
            client.send(&format!("/history {PAGE} before {before}\n"))?;
            let last = format!("#{} ", before - 1);
            while !client.line()?.starts_with(&last) {}
            histogram_ns.saturating_record(began.elapsed().as_nanos() as u64);
            cold.forget()?;
            for _ in 0..BARE_READS {
                bare_ns.saturating_record(cold.read()?.as_nanos() as u64);
            }
        }
        let latency = Latency { key, label: label.to_owned(), histogram_ns, is_compared: true };
        measurement.latencies.push(latency);
    }
    let label = format!("the disk alone: one cold read of {} bytes", cold::READ_BYTES);
    measurement.latencies.push(Latency {
        key: "disk_read",
        label,
        histogram_ns: bare_ns,
        is_compared: false,
    });
    measurement.notes.push(format!(
        "before each page the kernel drops the segments and indexes from its cache (posix_fadvise DONTNEED); the disk \
         alone reads at random places of the same files, {BARE_READS} times after each page, in turns with them"
    ));
    drop(client);
    server.stop()
}

pub(super) fn histogram() -> Result<Histogram<u64>, BenchError> {
    Histogram::new_with_bounds(1, LATENCY_NS_MAX, 3).map_err(|error| BenchError::System {
        action: "make a histogram".to_owned(),
        source: std::io::Error::other(error.to_string()),
    })
}
