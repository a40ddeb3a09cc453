//! Talk, whispers and moves from room to room together, in stated proportions.

use super::fan_out::{DRAIN_MAX, RoomTalk};
use super::history::Dice;
use super::measuring::Measuring;
use super::options::MixedOptions;
use super::talk::Talk;
use crate::account::{FaultKind, FaultList, Record, empty_histogram};
use crate::crowd::{Arrived, Crowd, enter};
use crate::error::BenchError;
use crate::findings::Meter;
use crate::pace::{Load, Schedule, drain, keep_rate};
use crate::protocol::{Frame, Guest, Names};
use crate::results::Better;
use hdrhistogram::Histogram;
use std::collections::VecDeque;
use std::time::Duration;

/// Users who stay talk and whisper; one more for each room wanders.
pub(super) async fn measure(
    options: &MixedOptions,
    measuring: &mut Measuring<'_, '_>,
) -> Result<(), BenchError> {
    let site = measuring.site;
    let &MixedOptions { rooms, members, rate, size, seconds, .. } = options;
    let duration = Duration::from_secs_f64(seconds);
    let stay = rooms * members;
    let guest = |number: usize| {
        let room = if number < stay { number / members } else { number - stay };
        Guest { name: site.names.user(number), room: Some(site.names.room(room)) }
    };
    let guests: Vec<Guest> = (0..stay + options.wanderers()).map(guest).collect();
    let mut crowd = measuring.crowd()?;
    measuring.watch.begin(0.0, 0.1);
    enter(&mut crowd, &guests, measuring.watch).await?;
    measuring.watch.begin(0.1, 1.0);

    let meter = Meter::start(site, &crowd)?;
    let start_ns = crowd.now_ns();
    let record = || Record::new(start_ns, duration);
    let talk = Talk::in_rooms(&measuring.circle(rooms, members, size), record());
    let mut load = Mix {
        options: options.clone(),
        stay,
        talk: RoomTalk { talk, rooms, members },
        whispers: Talk::in_pairs(&measuring.circle(stay / 2, 2, size), record()),
        names: site.names.clone(),
        wanderers: (0..options.wanderers()).map(|room| Wanderer { room, moves: VecDeque::new() }).collect(),
        moves_ns: empty_histogram(),
        heard: 0,
        said: 0,
        whispered: 0,
        moved: 0,
    };
    crowd.begin("while messages, whispers and moves were in flight");
    let schedule = Schedule::new(start_ns, rate, duration);
    let kept = keep_rate(&mut load, &mut crowd, schedule, measuring.watch).await?;
    drain(&mut load, &mut crowd, DRAIN_MAX, measuring.watch).await?;
    let usage = meter.read(site, &crowd)?;

    let faults = load.close();
    let Mix { talk, whispers, moves_ns, heard, said, whispered, moved, .. } = load;
    let found = &mut *measuring.found;
    found.is_cut_short = kept.is_cut_short;
    found.send_lag(kept.lag_ns);
    found.count("talk", "messages to rooms", said);
    found.count("whispers", "whispers", whispered);
    found.count("moves", "moves from room to room", moved);
    let deliveries = talk.talk.ledger.delivered() + whispers.ledger.delivered() + heard;
    found.count("deliveries", "deliveries of talk, whispers and receipts", deliveries);
    let span_ns = talk.talk.record.span_ns().max(1);
    let per_second = deliveries as f64 * 1e9 / span_ns as f64;
    found.metric("deliveries_per_second", "deliveries a second", per_second, "/s", Better::Higher);
    let actions = said + whispered + moved;
    found.usage(&usage, ("server_cpu_us_per_action", "server CPU per action", actions));
    found.resident(site)?;
    let (talk_ns, series) = talk.talk.record.finish();
    let (whispers_ns, _) = whispers.record.finish();
    found.latency("delivery", "talk", talk_ns);
    found.latency("whisper", "whisper", whispers_ns);
    found.latency("receipt", "receipt", whispers.receipts_ns);
    found.latency("move", "move to another room", moves_ns);
    found.series = series;
    found.add_faults(talk.talk.ledger.close().into_faults());
    found.add_faults(whispers.ledger.close().into_faults());
    found.add_faults(faults.into_faults());
    found.notes.push("what users receive while they move is counted as delivered, but not required".into());
    Ok(())
}

/// A user that moves from room to room.
struct Wanderer {
    /// The room it was last sent to.
    room: usize,
    /// Moves under way: the room, and when it was to go.
    moves: VecDeque<(usize, u64)>,
}

struct Mix {
    options: MixedOptions,
    stay: usize,
    talk: RoomTalk,
    whispers: Talk,
    names: Names,
    wanderers: Vec<Wanderer>,
    moves_ns: Histogram<u64>,
    /// Deliveries to wanderers.
    heard: u64,
    said: u64,
    whispered: u64,
    moved: u64,
}

impl Load for Mix {
    fn send(&mut self, number: u64, intended_ns: u64, crowd: &mut Crowd) -> Result<(), BenchError> {
        let moves = u64::from(self.options.moves);
        let whispers = u64::from(self.options.whispers);
        // The same mix in every run.
        let drawn = Dice(number).next() % 100;
        if drawn < moves {
            let place = self.moved as usize % self.wanderers.len();
            let wanderer = &mut self.wanderers[place];
            wanderer.room = (wanderer.room + 1) % self.options.rooms;
            wanderer.moves.push_back((wanderer.room, intended_ns));
            let line = format!("/channel {}\n", self.names.room(wanderer.room));
            crowd.outbox(self.stay + place).extend_from_slice(line.as_bytes());
            self.moved += 1;
        } else if drawn < moves + whispers {
            let writer = self.whispered as usize % self.whispers.connections();
            self.whispers.say(writer, intended_ns, crowd.outbox(writer));
            self.whispered += 1;
        } else {
            self.talk.send(self.said, intended_ns, crowd)?;
            self.said += 1;
        }
        Ok(())
    }

    fn take(&mut self, arrived: Arrived<'_>, outbox: &mut Vec<u8>) -> Result<(), BenchError> {
        let wanderer = arrived.connection.checked_sub(self.stay);
        match (arrived.frame, wanderer) {
            (Frame::Said { .. }, Some(_)) => self.heard += 1,
            (Frame::Answer(words), Some(place)) => self.take_move(place, words, arrived.read_at_ns),
            (Frame::Said { whispered_to, .. }, None) if !whispered_to.is_empty() => {
                self.whispers.take(&arrived)?;
            }
            _ => self.talk.take(arrived, outbox)?,
        }
        Ok(())
    }

    fn is_settled(&self) -> bool {
        self.talk.is_settled()
            && self.whispers.ledger.is_settled()
            && self.wanderers.iter().all(|wanderer| wanderer.moves.is_empty())
    }
}

impl Mix {
    /// `NAME has joined ROOM` ends a wanderer's oldest move.
    fn take_move(&mut self, place: usize, words: &[u8], read_at_ns: u64) {
        let Some((room, intended_ns)) = self.wanderers[place].moves.front().copied() else { return };
        let expected = format!("{} has joined {}", self.names.user(self.stay + place), self.names.room(room));
        if *words == *expected.as_bytes() {
            self.moves_ns.saturating_record(read_at_ns.saturating_sub(intended_ns));
            self.wanderers[place].moves.pop_front();
        }
    }

    /// Moves that never came to an end.
    fn close(&self) -> FaultList {
        let mut faults = FaultList::default();
        for (place, wanderer) in self.wanderers.iter().enumerate() {
            for (room, _) in &wanderer.moves {
                let (user, room) = (self.names.user(self.stay + place), self.names.room(*room));
                faults.add(FaultKind::Lost, || format!("lost: {user} was never let into {room}"));
            }
        }
        faults
    }
}
