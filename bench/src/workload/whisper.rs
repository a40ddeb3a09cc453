//! Pairs that whisper: how long until the other has it, and until the receipt is here.

use super::fan_out::{DRAIN_MAX, RoomTalk};
use super::measuring::Measuring;
use super::options::WhisperOptions;
use super::talk::Talk;
use crate::account::Record;
use crate::crowd::enter;
use crate::error::BenchError;
use crate::findings::Meter;
use crate::pace::{Schedule, drain, keep_rate};
use crate::protocol::Guest;
use std::time::Duration;

/// Each pair's members whisper in turn, at a fixed rate over all pairs.
pub(super) async fn measure(
    options: &WhisperOptions,
    measuring: &mut Measuring<'_, '_>,
) -> Result<(), BenchError> {
    let site = measuring.site;
    let &WhisperOptions { pairs, rate, size, seconds } = options;
    let duration = Duration::from_secs_f64(seconds);
    let mut crowd = measuring.crowd()?;
    let guest = |number| Guest { name: site.names.user(number), room: None };
    let guests: Vec<Guest> = (0..2 * pairs).map(guest).collect();
    measuring.watch.begin(0.0, 0.1);
    enter(&mut crowd, &guests, measuring.watch).await?;
    measuring.watch.begin(0.1, 1.0);

    let meter = Meter::start(site, &crowd)?;
    let start_ns = crowd.now_ns();
    let talk = Talk::in_pairs(&measuring.circle(pairs, 2, size), Record::new(start_ns, duration));
    let mut load = RoomTalk { talk, rooms: pairs, members: 2 };
    crowd.begin("while whispers were in flight");
    let schedule = Schedule::new(start_ns, rate, duration);
    let kept = keep_rate(&mut load, &mut crowd, schedule, measuring.watch).await?;
    drain(&mut load, &mut crowd, DRAIN_MAX, measuring.watch).await?;
    let usage = meter.read(site, &crowd)?;
    measuring.found.is_cut_short = kept.is_cut_short;
    measuring.found.send_lag(kept.lag_ns);
    if load.talk.hears_itself() {
        measuring.found.notes.push("a receipt is a delivery too: each whisper is two".into());
    }
    measuring.add_talk(load.talk, &usage, "delivery")
}
