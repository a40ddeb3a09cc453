//! A page of fifty from anywhere in a room of many messages, with nothing in the page cache.

use super::client::LogClient;
use super::server::LogServer;
use super::write::{Plan, room, write};
use super::{Part, files};
use crate::error::BenchError;
use crate::results::{Latency, Measurement};
use hdrhistogram::Histogram;
use std::fs;
use std::time::Instant;

const PAGE: u64 = 50;
/// Above it a time counts as it.
const LATENCY_NS_MAX: u64 = 60_000_000_000;
/// Pages read at each depth.
const PAGES: u64 = 25;

pub(super) fn measure(part: &mut Part<'_>) -> Result<Option<Measurement>, BenchError> {
    if part.stop.is_asked() {
        return Ok(None);
    }
    let data = part.directory.join("room");
    let messages = part.options.room_messages();
    let plan = Plan { data: &data, shard_count: 1, rooms: 1, messages };
    if !write(part, &plan)? {
        return Ok(None);
    }
    let mut measurement =
        part.measurement(format!("log: pages of {PAGE} from a room of {messages} messages, cold page cache"));
    let server = LogServer::start(&part.options.program, &data, Some(1))?;
    let mut client = LogClient::enter(server.address, "reader", &room(0))?;
    let places = [
        ("page_first", "page near the start", messages / 100),
        ("page_middle", "page from the middle", messages / 2),
        ("page_last", "page near the end", messages - messages / 100),
    ];
    for (key, label, around) in places {
        part.show("reading pages", 0.5);
        let mut histogram_ns = histogram()?;
        for number in 0..PAGES {
            if part.stop.is_asked() {
                break;
            }
            // Never the same frames twice, and no frames near those of the page before.
            let place = around + (number * 997) % (messages / 200).max(1) + PAGE + 1;
            let before = place.min(messages);
            // The server's own segments and indexes; its program stays where it is.
            files::forget(&files::ending(&data, "seg")?)?;
            files::forget(&files::ending(&data, "idx")?)?;
            let began = Instant::now();
            client.send(&format!("/history {PAGE} before {before}\n"))?;
            let last = format!("#{} ", before - 1);
            while !client.line()?.starts_with(&last) {}
            histogram_ns.saturating_record(began.elapsed().as_nanos() as u64);
        }
        let latency = Latency { key, label: label.to_owned(), histogram_ns, is_compared: true };
        measurement.latencies.push(latency);
    }
    measurement.notes.push(
        "before each page the kernel is told to forget the segments and indexes (posix_fadvise DONTNEED)"
            .to_owned(),
    );
    drop(client);
    server.stop()?;
    fs::remove_dir_all(&data).map_err(BenchError::system(format!("remove '{}'", data.display())))?;
    Ok(Some(measurement))
}

pub(super) fn histogram() -> Result<Histogram<u64>, BenchError> {
    Histogram::new_with_bounds(1, LATENCY_NS_MAX, 3).map_err(|error| BenchError::System {
        action: "make a histogram".to_owned(),
        source: std::io::Error::other(error.to_string()),
    })
}
