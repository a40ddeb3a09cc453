//! One connection that talks to itself: the time of one message, on disk and back, on an idle server.

use super::fan_out::{DRAIN_MAX, RoomTalk, saturate};
use super::measuring::Measuring;
use super::options::EchoOptions;
use super::talk::Talk;
use crate::account::Record;
use crate::crowd::enter;
use crate::error::BenchError;
use crate::findings::Meter;
use crate::pace::drain;
use crate::protocol::{Guest, Protocol};
use std::time::Duration;

/// Sends a message as soon as the one before has come back, in a room of its own.
pub(super) async fn measure(
    options: &EchoOptions,
    measuring: &mut Measuring<'_, '_>,
) -> Result<(), BenchError> {
    let site = measuring.site;
    let duration = Duration::from_secs_f64(options.seconds);
    let mut crowd = measuring.crowd()?;
    let room = (site.protocol != Protocol::Irc).then(|| site.names.room(0));
    enter(&mut crowd, &[Guest { name: site.names.user(0), room }], measuring.watch).await?;
    let circle = measuring.circle(1, 1, options.size);
    let meter = Meter::start(site, &crowd)?;
    let mut talk = Talk::alone(&circle, Record::new(crowd.now_ns(), duration));
    crowd.begin("while a message was in flight");
    measuring.found.is_cut_short = saturate(&mut talk, &mut crowd, 1, duration, measuring.watch).await?;
    let mut load = RoomTalk { talk, rooms: 1, members: 1 };
    drain(&mut load, &mut crowd, DRAIN_MAX, measuring.watch).await?;
    let usage = meter.read(site, &crowd)?;
    measuring
        .found
        .notes
        .push("one at a time: a stall of the server counts once, as no other message is in flight".into());
    measuring.add_talk(load.talk, &usage, "round trip")
}
