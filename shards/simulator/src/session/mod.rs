//! A session from its first start to its last check.

mod calm;
mod deleting;
mod erasing;
mod link;
mod mishaps;
mod people;
mod restoring;
mod running;
mod twins;
mod upgrade;

use super::chance::Chance;
use super::client::{Client, Leniency};
use super::disk::VirtualDisk;
use super::edge::{Edge, RoomLists};
use super::network::Socket;
use super::options::{SessionConditions, SessionOptions};
use super::server::{Haste, SimulatedServer, StepContext};
use super::trace::{SessionOutcome, Trace};
use super::truth::{Checked, Truth};
use madang_log::{DeletionSearch, ErasureList};
use madang_model::{Moment, Now, Timestamp};
use restoring::Backups;
use std::sync::Arc;
use upgrade::Upgrade;

/// Steps between two checks when idle, at least.
const STEPS_BETWEEN_CALMS: u64 = 2_000;

/// When it begins, in microseconds since 1970.
const START_US: i64 = 1_800_000_000_000_000;

/// The longest line that a client receives.
const EVENT_BYTES_MAX: usize = 8192;

/// Everything there is.
pub struct Session {
    options: SessionOptions,
    conditions: SessionConditions,
    chance: Chance,
    now: Now,
    next_tick_ms: u64,
    disk: Arc<VirtualDisk>,
    server: Option<SimulatedServer>,
    sockets: Vec<Socket>,
    clients: Vec<Client>,
    /// Clients with something to read.
    news: Vec<usize>,
    truth: Truth,
    trace: Trace,
    leniency: Leniency,
    /// The disk fails until this step.
    disk_fails_until: Option<u64>,
    /// A storm: when the server is killed, and when the power is cut.
    storm: Option<(u64, u64)>,
    /// A new process is taking over.
    upgrade: Option<Upgrade>,
    /// An old process that goes on though another has taken over, as one deliberate fault has it.
    stale_server: Option<SimulatedServer>,
    /// An edge that is connected.
    edge: Option<Edge>,
    room_lists: RoomLists,
    /// The thread of the link does not run before this step.
    link_pauses_until: u64,
    /// The last request to erase for which the open segments were to be finished, in this process.
    finished_to: i64,
    /// What was to be erased, as the running process knows it.
    erasures: ErasureList,
    /// Which deletions the list has, as far as the running process knows.
    deleted: DeletionSearch,
    /// A backup, or a look for deletions, is going through the files.
    is_log_read: bool,
    backups: Backups,
    /// Lines that edges have said.
    edge_lines: u64,
    counts: Counts,
}

#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    starts: u64,
    power_cuts: u64,
    slow_readers: u64,
    budget_cuts: u64,
    rooms_left: u64,
    lookups: u64,
    run_rounds: u64,
    expired_segments: u64,
    overflow_entries_max: u64,
    upgrades: u64,
    failed_upgrades: u64,
    links: u64,
    overruns: u64,
    edge_messages: u64,
    refused_to_edges: u64,
    passes: u64,
    erased: u64,
    deletions_found: u64,
    copies: u64,
    restores: u64,
}

/// Runs a session.
pub fn run(options: SessionOptions) -> SessionOutcome {
    let mut session = Session::new(options);
    let violation = session.run().err();
    let Session { trace, truth, clients, sockets, counts, room_lists, .. } = session;
    SessionOutcome {
        options,
        hash: trace.hash(),
        steps: trace.step,
        messages: truth.messages,
        deliveries: clients.iter().map(|client| client.deliveries).sum(),
        lines: clients.iter().map(|client| client.lines_heard).sum(),
        lists: clients.iter().map(|client| client.lists).sum(),
        list_pages: clients.iter().map(|client| client.list_pages).sum(),
        room_lists: room_lists.lists,
        room_pages: room_lists.pages,
        refused_cursors: room_lists.refused,
        refused_to_guests: clients.iter().map(|client| client.refused_as_guest).sum(),
        refused_to_edges: counts.refused_to_edges,
        starts: counts.starts,
        power_cuts: counts.power_cuts,
        connections: sockets.len() as u64,
        slow_readers: counts.slow_readers,
        budget_cuts: counts.budget_cuts,
        rooms_left: counts.rooms_left,
        lookups: counts.lookups,
        run_rounds: counts.run_rounds,
        expired_segments: counts.expired_segments,
        revisions: truth.facts.revisions(),
        overflow_entries_max: counts.overflow_entries_max,
        upgrades: counts.upgrades,
        failed_upgrades: counts.failed_upgrades,
        links: counts.links,
        overruns: counts.overruns,
        edge_messages: counts.edge_messages,
        passes: counts.passes,
        erased: counts.erased,
        deletions_found: counts.deletions_found,
        copies: counts.copies,
        restores: counts.restores,
        violation,
        last: trace.last(),
    }
}

impl Session {
    fn new(options: SessionOptions) -> Session {
        let mut chance = Chance::new(options.seed);
        let mut conditions = SessionConditions::of(&options, &mut chance);
        let mut truth = Truth::default();
        truth.now_us = START_US;
        let lobby = truth.room("general");
        let rooms: Vec<usize> = (0..options.rooms)
            .map(|n| truth.room(&if n % 5 == 4 { format!("방{n}") } else { format!("r{n}") }))
            .collect();
        let favoured = rooms.len().div_ceil(2);
        let twins = super::twins::names(1 + options.rooms / 6).map(|name| truth.room(&name));
        let rooms: Vec<usize> = rooms.into_iter().chain(twins.collect::<Vec<usize>>()).collect();
        conditions.habits.has_facts = options.has_facts;
        conditions.habits.has_lists = options.has_lists;
        conditions.habits.has_deletions = options.has_deletions;
        conditions.habits.side_rooms = rooms[favoured % rooms.len()]..rooms[rooms.len() - 1] + 1;
        let mut client = |number: usize| {
            let mut favourites: Vec<usize> = (0..3).map(|_| rooms[chance.below(favoured)]).collect();
            favourites.sort_unstable();
            favourites.dedup();
            if chance.one_in(2) {
                favourites.push(lobby);
            }
            Client::new(number, favourites)
        };
        let clients = (0..options.users).map(&mut client).collect();
        let disk = VirtualDisk::new(chance.fork(), conditions.start.durability.releases_before_sync());
        let leniency =
            Leniency { may_expire: !conditions.start.retention.keeps_all(), ..Leniency::default() };
        Session {
            options,
            conditions,
            chance,
            now: Now { wall: Timestamp(START_US), monotonic: Moment(0) },
            next_tick_ms: 1000,
            disk: Arc::new(disk),
            server: None,
            sockets: Vec::new(),
            clients,
            news: Vec::new(),
            truth,
            trace: Trace::new(options.is_traced),
            leniency,
            disk_fails_until: None,
            storm: None,
            upgrade: None,
            stale_server: None,
            edge: None,
            room_lists: RoomLists::default(),
            link_pauses_until: 0,
            finished_to: i64::MIN,
            erasures: ErasureList::default(),
            deleted: DeletionSearch::new(),
            is_log_read: false,
            backups: Backups::default(),
            edge_lines: 0,
            counts: Counts::default(),
        }
    }

    fn run(&mut self) -> Checked {
        let conditions = &self.conditions;
        let start = &conditions.start;
        self.trace.note(format_args!(
            "durability {}, outbox {} bytes, channels of {}, rooms of {}, retention {:?}",
            start.durability,
            start.settings.outbox_bytes_max,
            start.channel_batches_max,
            start.settings.rooms.members_max,
            start.retention.bytes_max
        ));
        self.start()?;
        while self.trace.step < self.options.steps {
            self.advance()?;
        }
        self.calm()?;
        self.erase_deleted()?;
        self.drain()?;
        self.check_log()
    }

    /// One step, and what comes after so many.
    fn advance(&mut self) -> Checked {
        self.trace.step += 1;
        self.step()?;
        let between = STEPS_BETWEEN_CALMS.max(self.options.steps / 6);
        if self.trace.step.is_multiple_of(between) { self.calm() } else { Ok(()) }
    }

    /// Splits what a server needs from the server.
    fn parts(&mut self) -> (&mut SimulatedServer, StepContext<'_>, &mut Trace) {
        let Session { server, disk, sockets, news, chance, now, trace, .. } = self;
        let world = StepContext { disk, sockets, news, chance, now: *now, step: trace.step };
        (server.as_mut().expect("a server runs between two steps"), world, trace)
    }

    fn step(&mut self) -> Checked {
        let ms = self.chance.below(3) as u64;
        self.pass_ms(ms);
        match self.chance.below(100) {
            0..=34 => self.somebody_acts(),
            35..=49 => {
                let readers = 1 + self.news.len() / 4;
                for _ in 0..readers {
                    self.somebody_reads()?;
                }
            }
            50..=76 => {
                let index = self.any_shard();
                self.turn(index, Haste::Some)?;
            }
            77..=96 => self.disk_moves()?,
            97 => {
                // Long enough for idle rooms to be evicted, now and then.
                let is_long = self.chance.one_in(8);
                // Longer than drafts are known, now and then, and than they are looked for.
                let wait_ms = match self.chance.below(300) {
                    0..=9 => 600_000 + self.chance.below(200_000) as u64,
                    10 => 8 * 86_400_000,
                    _ => self.chance.below(if is_long { 40_000 } else { 1500 }) as u64,
                };
                self.trace.note(format_args!("{wait_ms} ms pass"));
                self.pass_ms(wait_ms);
            }
            _ if self.options.has_mishaps => self.mishap()?,
            _ => {}
        }
        if self.disk_fails_until.is_some_and(|end| end <= self.trace.step) {
            self.clear_disk_faults();
        }
        if self.options.has_upgrades {
            self.upgrade_moves()?;
        }
        if self.options.has_link {
            self.link_moves()?;
        }
        if self.options.has_erasures {
            self.erasure_moves()?;
        }
        if self.options.has_storms {
            self.storm_moves()?;
        }
        if self.options.has_restores {
            self.restore_moves()?;
        }
        if self.options.has_deletions {
            self.deletion_moves()?;
        }
        if self.stale_server.is_some() {
            self.ghost_moves();
        }
        Ok(())
    }

    /// The process that should have ended turns.
    fn ghost_moves(&mut self) {
        let Session { stale_server: Some(stale_server), disk, sockets, news, chance, now, trace, .. } = self
        else {
            return;
        };
        let mut world = StepContext { disk, sockets, news, chance, now: *now, step: trace.step };
        let index = world.chance.below(stale_server.shard_count());
        // Whatever becomes of it is seen by what it does.
        let _ = stale_server.turn(index, Haste::Some, &mut world);
        stale_server.disk_step(index, &mut world);
    }

    pub(super) fn disk_moves(&mut self) -> Checked {
        let index = self.any_shard();
        for _ in 0..self.chance.between(1, 12) {
            let (server, mut world, trace) = self.parts();
            if server.disk_step(index, &mut world) {
                trace.note(format_args!("the disk moves for shard {index}"));
            }
            self.note_stored()?;
            if self.disk.is_off() {
                return self.power_cut("in the middle of a change");
            }
        }
        Ok(())
    }

    fn any_shard(&mut self) -> usize {
        let count = self.server.as_ref().map_or(1, SimulatedServer::shard_count);
        self.chance.below(count)
    }

    fn pass_ms(&mut self, ms: u64) {
        self.now.monotonic.0 += ms;
        self.now.wall.0 += ms as i64 * 1000;
        self.disk.set_time(self.now.wall.0);
        self.truth.now_us = self.now.wall.0;
        if self.now.monotonic.0 >= self.next_tick_ms {
            self.next_tick_ms = self.now.monotonic.0 + 1000;
            if let Some(server) = &mut self.server {
                server.tick(self.now.monotonic);
            }
            if let Some(edge) = &mut self.edge {
                edge.end.tick(self.now.monotonic);
            }
        }
    }

    /// One turn of one shard. Whether it did anything.
    fn turn(&mut self, index: usize, haste: Haste) -> Result<bool, String> {
        let (server, mut world, trace) = self.parts();
        let has_done = server.turn(index, haste, &mut world)?;
        let notes = server.take_notes();
        let queues = server.cells[index].turn.shard.queues();
        let outbox = std::mem::take(&mut server.cells[index].around.outbox_bytes_max);
        let shard = &server.cells[index].turn.shard;
        let (waiting_bytes, connections) = (shard.waiting_bytes(), shard.connection_count());
        let (channel, channel_max) = server.fullest_channel();
        let kept = server.names_of_parted(index);
        if has_done {
            trace.note(format_args!("shard {index} turns: {queues:?}"));
        }
        for note in notes {
            self.trace.note(format_args!("shard {index}: {note}"));
        }
        if has_done {
            self.check_twins()?;
            self.follow_rooms(index);
        }
        if let Some((number, name)) =
            kept.into_iter().find(|(number, name)| self.clients[*number].goes_by(name))
        {
            return Err(format!(
                "client {number} was sent a farewell, and {name} is held by its connection still"
            ));
        }
        self.counts.overflow_entries_max = self.counts.overflow_entries_max.max(queues.overflow);
        // One more line and the last words may pass the bound.
        let outbox_bytes_max = self.conditions.start.settings.outbox_bytes_max + 8192;
        if outbox > outbox_bytes_max {
            return Err(format!("an outbox holds {outbox} bytes, more than {outbox_bytes_max}"));
        }
        let total_bytes_max = self.conditions.start.settings.outbox_total_bytes_max;
        // One event more, which every connection of the shard may receive.
        let event_bytes_max = connections * EVENT_BYTES_MAX;
        let slack_bytes = total_bytes_max / 4 + event_bytes_max.max(4 * outbox_bytes_max);
        if waiting_bytes > total_bytes_max + slack_bytes {
            return Err(format!("{waiting_bytes} bytes wait in all outboxes, of {total_bytes_max}"));
        }
        if channel > channel_max
            || queues.lookups > 4096 + 4096
            || queues.deferred > 16_384
            || queues.waiting_for_room > 16_384
            || queues.waiting_for_draft > 16_384
            || queues.waiting_for_looks > 65_536
        {
            return Err(format!("a queue is past its bound: {queues:?}, a channel holds {channel}"));
        }
        Ok(has_done)
    }

    /// Takes note of what was stored, and of what has expired.
    fn note_stored(&mut self) -> Checked {
        let stored = self.disk.take_stored();
        for message in &stored.messages {
            self.truth.store(message, self.trace.step)?;
        }
        for facts in &stored.facts {
            self.truth.facts.store(facts, self.trace.step)?;
        }
        let expired = self.server.as_mut().map(SimulatedServer::take_expired).unwrap_or_default();
        for at in expired {
            self.trace.note(format_args!("segment {at:?} expires"));
            self.counts.expired_segments += 1;
            self.truth.expire(at);
        }
        Ok(())
    }
}
