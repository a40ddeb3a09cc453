//! Appending with a commit: as fast as it goes, and one at a time beside the disk by itself.

use super::client::LogClient;
use super::page::histogram;
use super::{Part, metric, space};
use crate::error::BenchError;
use crate::machine::{Placement, process_time_ns};
use crate::results::{Better, Latency, Measurement};
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Connections that talk at saturation, each alone in a room, so that a message is delivered once.
const TALKERS: u64 = 4;
/// Messages of each on their way.
const IN_FLIGHT: u64 = 2000;
const WARM_UP: Duration = Duration::from_millis(500);
const SATURATED: Duration = Duration::from_secs(5);
/// Round trips of an idle server, and as many of the disk by itself, in turns.
const ROUND_TRIPS: usize = 3000;
/// What a commit of one message writes.
const FRAME_BYTES: usize = 144;
const ZEROED_BYTES: usize = 4 << 20;
const TEXT: &str = "sixty-four bytes of talk, as a match has them, and then some mor\n";

pub(super) fn measure_saturated(
    part: &mut Part<'_>,
    measurement: &mut Measurement,
) -> Result<(), BenchError> {
    let data = part.directory.join("saturated");
    part.show("appending at saturation", 0.2);
    let placement = Placement::choose()?;
    placement.move_to_server()?;
    let server = part.server(&data, Some(1))?;
    placement.move_to_load()?;
    let is_over = AtomicBool::new(false);
    let scale = (part.options.messages as f64 / 1e6).clamp(0.1, 1.0);
    let (messages, took, used) = thread::scope(|scope| {
        let talkers: Vec<_> = (0..TALKERS)
            .map(|number| {
                let (address, is_over) = (server.address, &is_over);
                scope.spawn(move || talk(address, number, is_over))
            })
            .collect();
        let before = process_time_ns(server.pid());
        let until = Instant::now() + WARM_UP + SATURATED.mul_f64(scale);
        while Instant::now() < until && !part.stop.is_asked() {
            thread::sleep(Duration::from_millis(20));
        }
        is_over.store(true, Ordering::Release);
        let after = process_time_ns(server.pid());
        let (mut messages, mut took) = (0, Duration::ZERO);
        for talker in talkers {
            let (count, time) = talker.join().map_err(|_| BenchError::System {
                action: "talk at saturation".to_owned(),
                source: std::io::Error::other("a talker panicked"),
            })??;
            messages += count;
            took = took.max(time);
        }
        Ok::<_, BenchError>((messages, took, after?.saturating_sub(before?)))
    })?;
    let rate = messages as f64 / took.as_secs_f64().max(1e-3);
    measurement.metrics.push(metric(
        "append_messages_per_second",
        "messages stored, synced and shown to their author",
        rate,
        "/s",
        Better::Higher,
    ));
    let share = 100.0 * used as f64 / 1e9 / (WARM_UP + SATURATED.mul_f64(scale)).as_secs_f64();
    measurement.metrics.push(metric(
        "server_cpu_share",
        "processor time of the server",
        share,
        "%",
        Better::Neither,
    ));
    measurement.notes.push(format!(
        "through {TALKERS} line connections, {IN_FLIGHT} messages of each in flight; {}",
        placement.described()
    ));
    server.stop()?;
    space::weigh(&data, space::LOAD_SEALED, "under load, sealed", measurement)?;
    Ok(())
}

/// Talks to itself in a room of its own until it is over. How many came back, and in what time.
fn talk(
    address: std::net::SocketAddr,
    number: u64,
    is_over: &AtomicBool,
) -> Result<(u64, Duration), BenchError> {
    let mut client = LogClient::enter(address, &format!("talker{number}"), &format!("talk-{number}"))?;
    let mut buffer = vec![0; 256 * 1024];
    let mut ahead = 0;
    let (mut counted, mut began) = (0, None);
    let entered = Instant::now();
    let mut stream = client.stream.try_clone().map_err(BenchError::system("share a connection"))?;
    let lines = TEXT.repeat(IN_FLIGHT as usize);
    while !is_over.load(Ordering::Acquire) {
        let more = IN_FLIGHT.saturating_sub(ahead);
        if more >= IN_FLIGHT / 4 {
            let bytes = &lines.as_bytes()[..more as usize * TEXT.len()];
            stream.write_all(bytes).map_err(BenchError::system("talk at saturation"))?;
            ahead += more;
        }
        let came = client.count_lines(&mut buffer)?;
        ahead = ahead.saturating_sub(came);
        if began.is_none() && entered.elapsed() >= WARM_UP {
            began = Some(Instant::now());
        } else if began.is_some() {
            counted += came;
        }
    }
    Ok((counted, began.map_or(Duration::ZERO, |began| began.elapsed())))
}

pub(super) fn measure_at_rest(part: &mut Part<'_>, measurement: &mut Measurement) -> Result<(), BenchError> {
    let data = part.directory.join("rest");
    part.show("appending without load", 0.1);
    let placement = Placement::choose()?;
    placement.move_to_server()?;
    let server = part.server(&data, Some(1))?;
    placement.move_to_load()?;
    let mut client = LogClient::enter(server.address, "echo", "rest")?;
    let disk = Zeroed::make(&part.directory.join("zeroed"))?;
    let (mut round_trip, mut own) = (histogram()?, histogram()?);
    let round_trips = (part.options.messages as usize / 100).clamp(200, ROUND_TRIPS);
    for number in 0..round_trips {
        if part.stop.is_asked() {
            break;
        }
        let began = Instant::now();
        client.send(TEXT)?;
        client.line()?;
        round_trip.saturating_record(began.elapsed().as_nanos() as u64);
        own.saturating_record(disk.write_and_sync(number)?.as_nanos() as u64);
    }
    for (key, label, quantile) in [
        ("rest_over_disk_p50_us", "more than the disk alone, p50", 0.5),
        ("rest_over_disk_p99_us", "more than the disk alone, p99", 0.99),
    ] {
        let of =
            |histogram: &hdrhistogram::Histogram<u64>| histogram.value_at_quantile(quantile) as f64 / 1e3;
        let more = of(&round_trip) - of(&own);
        measurement.metrics.push(metric(key, label, more, "µs", Better::Lower));
    }
    space::weigh(&data, space::REST_OPEN, "at rest, open", measurement)?;
    let latency = |key, label: &str, histogram_ns| Latency {
        key,
        label: label.to_owned(),
        histogram_ns,
        is_compared: true,
    };
    measurement.latencies.push(latency(
        "rest_round_trip",
        "sent, synced and shown to its author",
        round_trip,
    ));
    measurement.latencies.push(latency("disk_sync", "the disk alone: pwrite and fdatasync", own));
    measurement.notes.push(format!(
        "through one line connection, there and back over loopback; the disk alone writes {FRAME_BYTES} bytes \
         to a zero-filled file of the same file system, in turns with it; {}",
        placement.described()
    ));
    drop(client);
    server.stop()?;
    space::weigh(&data, space::REST_SEALED, "at rest, sealed", measurement)?;
    Ok(())
}

/// A file like an open segment.
struct Zeroed {
    file: File,
}

impl Zeroed {
    fn make(path: &Path) -> Result<Zeroed, BenchError> {
        let make = || -> std::io::Result<File> {
            let mut file = File::options().read(true).write(true).create_new(true).open(path)?;
            file.write_all(&vec![0; ZEROED_BYTES])?;
            file.sync_all()?;
            Ok(file)
        };
        let file = make().map_err(BenchError::system(format!("write '{}'", path.display())))?;
        Ok(Zeroed { file })
    }

    fn write_and_sync(&self, number: usize) -> Result<Duration, BenchError> {
        let offset = (number * FRAME_BYTES % (ZEROED_BYTES - FRAME_BYTES)) as u64;
        let began = Instant::now();
        let bytes = [b'x'; FRAME_BYTES];
        let write = self.file.write_all_at(&bytes, offset).and_then(|()| self.file.sync_data());
        write.map_err(BenchError::system("write and sync a file beside the log"))?;
        Ok(began.elapsed())
    }
}
