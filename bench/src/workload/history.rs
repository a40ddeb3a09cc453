//! Pages of 50 stored messages from random places of a room: how long until a page is whole.

use super::measuring::Measuring;
use super::options::HistoryOptions;
use super::talk::Talk;
use crate::account::{FaultKind, FaultList, PayloadFormat, Record};
use crate::crowd::{Arrived, Crowd, enter};
use crate::error::BenchError;
use crate::findings::Meter;
use crate::pace::{Load, Schedule, TURN_MAX_NS, drain, keep_rate};
use crate::protocol::{Frame, Guest};
use crate::results::{Better, Series};
use std::collections::VecDeque;
use std::time::Duration;

/// Messages of a page.
const PAGE: u64 = 50;
/// Messages on their way while the room is filled.
const FILLING_MAX: u64 = 2_000;
/// How long the last pages may take.
const DRAIN_MAX: Duration = Duration::from_secs(10);

/// Fills a room, and reads pages of it at a fixed rate.
pub(super) async fn measure(
    options: &HistoryOptions,
    measuring: &mut Measuring<'_, '_>,
) -> Result<(), BenchError> {
    let site = measuring.site;
    let &HistoryOptions { messages, readers, rate, size, seconds } = options;
    let duration = Duration::from_secs_f64(seconds);
    let guest = |number| Guest { name: site.names.user(number), room: Some(site.names.room(0)) };
    let mut crowd = measuring.crowd()?;
    enter(&mut crowd, &[guest(0)], measuring.watch).await?;
    measuring.watch.begin(0.0, 0.5);
    let talk = Talk::in_rooms(&measuring.circle(1, 1, size), Record::new(crowd.now_ns(), duration));
    let filled_ns = fill(talk, &mut crowd, messages, measuring).await?;
    let guests: Vec<Guest> = (1..=readers).map(guest).collect();
    enter(&mut crowd, &guests, measuring.watch).await?;
    measuring.watch.begin(0.5, 1.0);

    let meter = Meter::start(site, &crowd)?;
    let start_ns = crowd.now_ns();
    let mut load = Readers {
        author: site.names.user(0),
        format: PayloadFormat::new(size),
        messages,
        pages: vec![VecDeque::new(); readers],
        record: Record::new(start_ns, duration),
        faults: FaultList::default(),
        read: 0,
        refused: 0,
        refusal: None,
        dice: Dice(0x6d61_6461_6e67),
    };
    crowd.begin("while pages were in flight");
    let schedule = Schedule::new(start_ns, rate, duration);
    let kept = keep_rate(&mut load, &mut crowd, schedule, measuring.watch).await?;
    drain(&mut load, &mut crowd, DRAIN_MAX, measuring.watch).await?;
    let usage = meter.read(site, &crowd)?;

    load.close();
    let found = &mut *measuring.found;
    found.is_cut_short = kept.is_cut_short;
    found.send_lag(kept.lag_ns);
    found.count("pages", "pages", load.read);
    found.count("pages_refused", "pages refused", load.refused);
    let per_second = load.read as f64 * 1e9 / load.record.span_ns().max(1) as f64;
    found.metric("pages_per_second", "pages a second", per_second, "/s", Better::Higher);
    let filled = messages as f64 * 1e9 / filled_ns.max(1) as f64;
    found.metric(
        "stored_per_second",
        "messages stored a second, to fill the room",
        filled,
        "/s",
        Better::Neither,
    );
    found.usage(&usage, ("server_cpu_us_per_page", "server CPU per page", load.read));
    found.resident(site)?;
    let (latency_ns, series) = load.record.finish();
    found.latency("page", "a page of 50", latency_ns);
    found.series = series.into_iter().map(of_pages).collect();
    found.add_faults(load.faults.into_faults());
    if let Some(words) = load.refusal {
        found.notes.push(format!("pages were refused, the first with: {words}"));
    }
    Ok(())
}

/// Writes the room's messages as fast as they are stored. Returns how long that took.
async fn fill(
    mut talk: Talk,
    crowd: &mut Crowd,
    messages: u64,
    measuring: &mut Measuring<'_, '_>,
) -> Result<u64, BenchError> {
    crowd.begin("while its room was filled");
    let (start_ns, mut sent) = (crowd.now_ns(), 0);
    let mut last_ns = start_ns;
    const SILENCE_MAX: Duration = Duration::from_secs(10);
    while talk.ledger.delivered() < messages {
        let now_ns = crowd.now_ns();
        while sent < messages && sent - talk.ledger.delivered() < FILLING_MAX {
            talk.say(0, now_ns, crowd.outbox(0));
            sent += 1;
        }
        let before = talk.ledger.delivered();
        crowd.turn(now_ns + TURN_MAX_NS, |arrived, _| talk.take(&arrived).map(drop)).await?;
        if talk.ledger.delivered() > before {
            last_ns = now_ns;
        } else if now_ns - last_ns > SILENCE_MAX.as_nanos() as u64 {
            return Err(crowd.silent(SILENCE_MAX));
        }
        let share = talk.ledger.delivered() as f64 / messages as f64;
        if measuring.watch.look(now_ns, "filling the room", share) {
            return Err(BenchError::Stopped);
        }
    }
    measuring.found.add_faults(talk.ledger.close().into_faults());
    Ok(crowd.now_ns() - start_ns)
}

/// A page that was asked for and is not whole.
#[derive(Clone, Copy, Debug)]
struct Page {
    intended_ns: u64,
    /// The number that should come next.
    next: u64,
    /// The number that makes it whole.
    last: u64,
}

struct Readers {
    author: String,
    format: PayloadFormat,
    messages: u64,
    /// Pages under way, by reader, in the order in which they were asked for.
    pages: Vec<VecDeque<Page>>,
    record: Record,
    faults: FaultList,
    read: u64,
    refused: u64,
    /// The first refusal's words.
    refusal: Option<String>,
    dice: Dice,
}

impl Load for Readers {
    fn send(&mut self, number: u64, intended_ns: u64, crowd: &mut Crowd) -> Result<(), BenchError> {
        let reader = number as usize % self.pages.len();
        let before = PAGE + 1 + self.dice.next() % (self.messages - PAGE + 1);
        self.pages[reader].push_back(Page { intended_ns, next: before - PAGE, last: before - 1 });
        // The writer is connection 0.
        crowd.outbox(reader + 1).extend_from_slice(format!("/history {PAGE} before {before}\n").as_bytes());
        Ok(())
    }

    fn take(&mut self, arrived: Arrived<'_>, _outbox: &mut Vec<u8>) -> Result<(), BenchError> {
        let Some(pages) = arrived.connection.checked_sub(1).and_then(|reader| self.pages.get_mut(reader))
        else {
            return Ok(());
        };
        match (arrived.frame, pages.front_mut()) {
            (Frame::Stored { number, author, text }, Some(page)) => {
                let is_true = *author == *self.author.as_bytes()
                    && self
                        .format
                        .read(text)
                        .is_some_and(|payload| u64::from(payload.sequence) + 1 == number);
                if !is_true {
                    let words = String::from_utf8_lossy(text).into_owned();
                    self.faults
                        .add(FaultKind::Damaged, || format!("damaged: #{number} in a page is '{words}'"));
                }
                if number < page.next {
                    self.faults.add(FaultKind::Repeated, || {
                        format!("repeated: #{number} came in a page where #{} was due", page.next)
                    });
                    return Ok(());
                }
                let (lost, due) = (number.min(page.last + 1) - page.next, page.next);
                self.faults.add_many(FaultKind::Lost, lost, || {
                    format!("lost: #{due} and {} more are missing in a page", lost - 1)
                });
                page.next = number + 1;
                if number >= page.last {
                    self.record.delivery(page.intended_ns, arrived.read_at_ns);
                    self.read += 1;
                    pages.pop_front();
                }
            }
            (Frame::Stored { number, .. }, None) => {
                self.faults
                    .add(FaultKind::Repeated, || format!("repeated: #{number} came without a request"));
            }
            (Frame::Refusal(words), Some(_)) => {
                pages.pop_front();
                self.refused += 1;
                self.refusal.get_or_insert_with(|| String::from_utf8_lossy(words).into_owned());
            }
            _ => {}
        }
        Ok(())
    }

    fn is_settled(&self) -> bool {
        self.pages.iter().all(VecDeque::is_empty)
    }
}

impl Readers {
    /// What has not come now is lost.
    fn close(&mut self) {
        for page in self.pages.iter().flatten() {
            let lost = page.last + 1 - page.next;
            self.faults.add_many(FaultKind::Lost, lost, || {
                format!("lost: #{} to #{} of a page never came", page.next, page.last)
            });
        }
    }
}

/// Series of deliveries, as those of pages.
fn of_pages(series: Series) -> Series {
    let (key, label) = match series.key {
        "deliveries_per_second" => ("pages_per_second", "pages a second"),
        "delivery_p50_us" => ("page_p50_us", "a page, p50"),
        _ => ("page_p99_us", "a page, p99"),
    };
    Series { key, label: label.to_owned(), ..series }
}

/// The same places in every run (splitmix64).
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }
}
