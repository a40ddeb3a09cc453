//! Rooms in which members talk: what one delivered message costs, and how long it takes.

use super::measuring::Measuring;
use super::options::{FanOutOptions, Pace};
use super::talk::Talk;
use crate::account::Record;
use crate::crowd::{Arrived, Crowd, enter};
use crate::error::BenchError;
use crate::findings::Meter;
use crate::pace::{Load, Schedule, drain, keep_rate};
use crate::protocol::Guest;
use crate::watch::Watch;
use std::time::Duration;

/// How long deliveries may be on their way after the last message was sent.
pub(super) const DRAIN_MAX: Duration = Duration::from_secs(5);
/// The longest wait for events in one turn.
const TURN_MAX_NS: u64 = 100_000_000;

/// Talk in rooms, one message after the other through all of them.
pub(super) struct RoomTalk {
    pub(super) talk: Talk,
    pub(super) rooms: usize,
    pub(super) members: usize,
}

impl RoomTalk {
    /// The writer of message `number`: room by room first, so that neighbours in time are in different rooms.
    pub(super) fn writer(&self, number: u64) -> usize {
        let (room, round) = (number as usize % self.rooms, number as usize / self.rooms);
        room * self.members + round % self.members
    }
}

impl Load for RoomTalk {
    fn send(&mut self, number: u64, intended_ns: u64, crowd: &mut Crowd) -> Result<(), BenchError> {
        let writer = self.writer(number);
        self.talk.say(writer, intended_ns, crowd.outbox(writer));
        Ok(())
    }

    fn take(&mut self, arrived: Arrived<'_>, _outbox: &mut Vec<u8>) -> Result<(), BenchError> {
        self.talk.take(&arrived).map(drop)
    }

    fn is_settled(&self) -> bool {
        self.talk.ledger.is_settled()
    }
}

pub(super) async fn measure(
    options: &FanOutOptions,
    measuring: &mut Measuring<'_, '_>,
) -> Result<(), BenchError> {
    let site = measuring.site;
    let &FanOutOptions { rooms, members, size, seconds, .. } = options;
    let duration = Duration::from_secs_f64(seconds);
    let mut crowd = measuring.crowd()?;
    let guest =
        |number| Guest { name: site.names.user(number), room: Some(site.names.room(number / members)) };
    let guests: Vec<Guest> = (0..rooms * members).map(guest).collect();
    measuring.watch.begin(0.0, 0.1);
    enter(&mut crowd, &guests, measuring.watch).await?;
    measuring.watch.begin(0.1, 1.0);

    let circle = measuring.circle(rooms, members, size);
    let meter = Meter::start(site, &crowd)?;
    let start_ns = crowd.now_ns();
    let talk = Talk::in_rooms(&circle, Record::new(start_ns, duration));
    let mut load = RoomTalk { talk, rooms, members };
    crowd.begin("while messages were in flight");
    match options.pace() {
        Pace::Saturated { in_flight } => {
            let is_cut_short =
                saturate(&mut load.talk, &mut crowd, in_flight, duration, measuring.watch).await?;
            measuring.found.is_cut_short = is_cut_short;
            measuring.found.notes.push(
                "saturated: each message follows one that came back, so latency shows the queue that \
                 --in-flight makes, not what users would see"
                    .into(),
            );
        }
        Pace::Rate { messages_per_second } => {
            let schedule = Schedule::new(start_ns, messages_per_second, duration);
            let kept = keep_rate(&mut load, &mut crowd, schedule, measuring.watch).await?;
            measuring.found.is_cut_short = kept.is_cut_short;
            measuring.found.send_lag(kept.lag_ns);
        }
    }
    drain(&mut load, &mut crowd, DRAIN_MAX, measuring.watch).await?;
    let usage = meter.read(site, &crowd)?;
    measuring.add_talk(load.talk, &usage, "delivery")
}

/// Keeps `in_flight` messages of each room on their way for `duration`. A member that hears itself continues when its
/// own message has come back; where none does, the next member continues when it hears the previous one. Returns
/// whether it was stopped.
pub(super) async fn saturate(
    talk: &mut Talk,
    crowd: &mut Crowd,
    in_flight: usize,
    duration: Duration,
    watch: &mut Watch<'_>,
) -> Result<bool, BenchError> {
    let hears_itself = talk.hears_itself();
    let start_ns = crowd.now_ns();
    let end_ns = start_ns + duration.as_nanos() as u64;
    let members = talk.members();
    for writer in 0..talk.connections() {
        let member = writer % members;
        let share = in_flight / members + usize::from(member < in_flight % members);
        for _ in 0..share {
            let now_ns = crowd.now_ns();
            talk.say(writer, now_ns, crowd.outbox(writer));
        }
    }
    loop {
        let now_ns = crowd.now_ns();
        if now_ns >= end_ns {
            return Ok(false);
        }
        let share = (now_ns - start_ns) as f64 / (end_ns - start_ns) as f64;
        if watch.look(now_ns, "measuring", share) {
            return Ok(true);
        }
        crowd
            .turn(end_ns.min(now_ns + TURN_MAX_NS), |arrived, outbox| {
                let Some(delivered) = talk.take(&arrived)? else { return Ok(()) };
                let goes_on =
                    if hears_itself { delivered.writer } else { talk.next_member(delivered.writer) };
                if goes_on == arrived.connection && arrived.read_at_ns < end_ns {
                    talk.say(goes_on, arrived.read_at_ns, outbox);
                }
                Ok(())
            })
            .await?;
    }
}
