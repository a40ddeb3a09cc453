//! A new process takes over, or tries to, while clients continue with what they do.

use super::super::client::Client;
use super::super::network::Line;
use super::super::server::{Handed, Haste, Phase, SimulatedServer, Standing};
use super::super::truth::Checked;
use super::Session;
use madang_engine::mutation::{Mutation, is_on};
use madang_log::{DeletionSearch, Durability};
use madang_model::ShardId;

/// As in the runtime: how long what was read may take to be stored, and what was given to have its place.
const PAUSE_MS_MAX: u64 = 2_000;
const ADOPT_MS_MAX: u64 = 4_000;
/// How long the new process has to be ready.
const READY_MS_MAX: u64 = 5_000;
/// Steps that pass before the next one, on average.
const STEPS_BETWEEN: usize = 300;
/// Rounds after which an upgrade is over, whatever becomes of it.
const ROUNDS_MAX: usize = 20_000;

/// What becomes of the new process, unless the disk or the power decide otherwise.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fate {
    /// It takes over.
    GoesOn,
    /// It gives up before it has everything.
    NeverComes,
    /// It dies this many looks after it was given everything.
    Dies(u32),
    /// It is never ready, and killed.
    Hangs,
    /// The old process dies this many looks after it has given everything.
    OldDies(u32),
}

/// How far it has come.
#[derive(Debug)]
enum UpgradeStage {
    /// The old process becomes idle.
    Paused,
    /// It seals its logs.
    Snapshotted,
    /// The new one has everything, and finds a place for it.
    Adopting,
    /// The new one waits for the release.
    Ready,
}

/// An upgrade that is under way.
pub struct Upgrade {
    stage: UpgradeStage,
    fate: Fate,
    since_ms: u64,
    given_ms: u64,
    shard_count: u16,
    /// The old process, while the new one is [`Session::server`].
    pub(super) old: Option<SimulatedServer>,
    /// What the old one had when it gave everything.
    before: Standing,
    is_old_dead: bool,
}

impl Session {
    /// Now and then one begins. The processes have more to do then, and less time than else.
    pub(super) fn upgrade_moves(&mut self) -> Checked {
        if self.upgrade.is_none() {
            if self.chance.one_in(STEPS_BETWEEN) {
                self.begin_upgrade();
            }
            return Ok(());
        }
        // With that many clients a shard has more to do in the same time.
        for _ in 0..=self.clients.len() / 50 {
            match self.chance.below(4) {
                0 => self.look_at_upgrade()?,
                1 => self.disk_moves()?,
                2 => {
                    let index = self.any_shard();
                    self.turn(index, Haste::Some)?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Somebody starts a new process that is to take over.
    pub(super) fn begin_upgrade(&mut self) {
        let looks = self.chance.below(60) as u32;
        let fate = match self.chance.below(16) {
            0 => Fate::NeverComes,
            1 | 2 => Fate::Dies(looks),
            3 => Fate::Hangs,
            4 => Fate::OldDies(looks),
            _ => Fate::GoesOn,
        };
        let shard_count = self.any_shard_count();
        self.trace.note(format_args!("another process is to take over with {shard_count} shards: {fate:?}"));
        if self.conditions.start.durability == Durability::Commit
            && self.chance.one_in(8 + self.clients.len() / 50)
        {
            let changes = self.chance.between(1, 60) as u32;
            self.trace.note(format_args!("the power has {changes} changes left"));
            self.disk.cut_power_after(changes);
        }
        let Some(server) = &mut self.server else { return };
        server.pause();
        self.cut_link();
        self.upgrade = Some(Upgrade {
            stage: UpgradeStage::Paused,
            fate,
            since_ms: self.now.monotonic.0,
            given_ms: 0,
            shard_count,
            old: None,
            before: Standing::default(),
            is_old_dead: false,
        });
    }

    fn any_shard_count(&mut self) -> u16 {
        if self.chance.one_in(2) {
            self.chance.between(1, 4) as u16
        } else {
            self.conditions.start.settings.shard_count
        }
    }

    /// The supervisors of both processes look how far it is.
    fn look_at_upgrade(&mut self) -> Checked {
        let now_ms = self.now.monotonic.0;
        let (Some(upgrade), Some(server)) = (&mut self.upgrade, &mut self.server) else { return Ok(()) };
        let is_late = now_ms > upgrade.given_ms + READY_MS_MAX;
        match upgrade.stage {
            UpgradeStage::Paused
                if server.looks_quiet() || (is_on(Mutation::SnapshotTooSoon) && server.is_paused()) =>
            {
                self.trace.note(format_args!("everything that was read has come to its end"));
                server.enter(Phase::Snapshotted);
                upgrade.stage = UpgradeStage::Snapshotted;
            }
            UpgradeStage::Paused if now_ms > upgrade.since_ms + PAUSE_MS_MAX => {
                return self.upgrade_fails("what was said was not stored in time");
            }
            UpgradeStage::Paused => {}
            UpgradeStage::Snapshotted => return self.hand_over(),
            UpgradeStage::Adopting | UpgradeStage::Ready => match &mut upgrade.fate {
                Fate::Dies(0) => return self.upgrade_fails("the new process dies"),
                Fate::OldDies(0) => return self.old_dies(),
                _ if is_late => return self.upgrade_fails("the new process is late"),
                fate => {
                    if let Fate::Dies(looks) | Fate::OldDies(looks) = fate {
                        *looks -= 1;
                    }
                    return self.look_at_new_process();
                }
            },
        }
        Ok(())
    }

    fn look_at_new_process(&mut self) -> Checked {
        let now_ms = self.now.monotonic.0;
        let (Some(upgrade), Some(server)) = (&mut self.upgrade, &mut self.server) else { return Ok(()) };
        let may_be_ready = upgrade.fate != Fate::Hangs;
        match upgrade.stage {
            UpgradeStage::Adopting if may_be_ready && server.looks_quiet() => {
                self.trace.note(format_args!("the new process is ready"));
                upgrade.stage = UpgradeStage::Ready;
            }
            UpgradeStage::Adopting if now_ms > upgrade.given_ms + ADOPT_MS_MAX => {
                return self.upgrade_fails("not everything has its place in time");
            }
            // With the release on its way the old process is as good as gone.
            UpgradeStage::Ready if upgrade.fate == Fate::GoesOn => return self.go(),
            _ => {}
        }
        Ok(())
    }

    /// Once every shard has given everything away, the new process is given it.
    fn hand_over(&mut self) -> Checked {
        let (Some(upgrade), Some(server)) = (&mut self.upgrade, &mut self.server) else { return Ok(()) };
        let images = match server.take_parts() {
            None => return Ok(()),
            Some(Err(reason)) => return self.upgrade_fails(&reason),
            Some(Ok(images)) => images,
        };
        if upgrade.fate == Fate::NeverComes {
            return self.upgrade_fails("the new process says no");
        }
        upgrade.before = server.standing();
        let lines = |shard: ShardId, id| server.cells[shard.index()].around.lines.get(&id).copied();
        let handed = Handed::through_bytes(images, lines)?;
        let mut options = self.conditions.start.clone();
        options.settings.shard_count = upgrade.shard_count;
        // What the old process could not read is still being reported.
        let is_foul = self.disk_fails_until.is_some();
        let shards_before = server.shard_count() as u16;
        let started = SimulatedServer::start(&self.disk, &options);
        self.note_stored()?;
        if self.disk.is_off() {
            return self.power_cut("while a new process starts");
        }
        let mut new_process = match started {
            Ok(new_process) => new_process,
            // The same start would fail after a restart, too: only the disk may be the reason.
            Err(error) if !is_foul => return Err(format!("the start of a new process fails: {error}")),
            Err(error) => return self.upgrade_fails(&format!("the new process cannot start: {error}")),
        };
        let counts = (shards_before, options.settings.shard_count);
        new_process.begin_adoption(handed.share_out(counts, options.settings.users.grace));
        let Some(upgrade) = &mut self.upgrade else { return Ok(()) };
        upgrade.old = self.server.replace(new_process);
        upgrade.stage = UpgradeStage::Adopting;
        upgrade.given_ms = self.now.monotonic.0;
        self.trace.note(format_args!("a new process has everything, and {} shards", counts.1));
        Ok(())
    }

    /// The old process takes everything back.
    fn upgrade_fails(&mut self, why: &str) -> Checked {
        let Some(mut upgrade) = self.upgrade.take() else { return Ok(()) };
        self.trace.note(format_args!("nothing is handed over: {why}"));
        if upgrade.is_old_dead {
            return self.kill();
        }
        self.counts.failed_upgrades += 1;
        if let Some(old) = upgrade.old.as_mut().or(self.server.as_mut()) {
            for cell in &mut old.cells {
                for (id, bytes) in std::mem::take(&mut cell.around.came) {
                    self.sockets[cell.around.lines[&id]].come_again(bytes);
                }
            }
        }
        if let Some(old) = upgrade.old
            && let Some(mut new_process) = self.server.replace(old)
        {
            new_process.tear(&self.disk, &mut self.chance);
            let waiting = new_process.take_backlogs();
            self.take_back(waiting);
        }
        if let Some(server) = &mut self.server {
            server.resume();
        }
        Ok(())
    }

    fn take_back(&mut self, waiting: Vec<Line>) {
        let Some(server) = &mut self.server else { return };
        server.give_backlogs(waiting);
        let lines: Vec<Line> =
            server.cells.iter().flat_map(|cell| cell.around.lines.values().copied()).collect();
        for line in lines {
            let regained = self.sockets[line].take_back();
            if regained.is_readable {
                self.report(line);
            }
            if regained.is_writable {
                self.report_room(line);
            }
        }
    }

    /// The old process has released everything, or has died: the new one serves.
    fn go(&mut self) -> Checked {
        let (Some(upgrade), Some(server)) = (self.upgrade.take(), &mut self.server) else { return Ok(()) };
        let Some(mut old) = upgrade.old else { return Ok(()) };
        upgrade.before.check(&server.standing())?;
        self.conditions.start.settings.shard_count = upgrade.shard_count;
        self.name_epoch()?;
        let Some(server) = &mut self.server else { return Ok(()) };
        server.give_backlogs(old.take_backlogs());
        server.resume();
        self.sockets.iter_mut().for_each(super::super::network::Socket::give);
        self.counts.upgrades += 1;
        // Sessions have other numbers in the new process.
        self.clients.iter_mut().for_each(Client::is_carried);
        self.room_lists.forget_members();
        self.deleted = DeletionSearch::new();
        let paused_ms = self.now.monotonic.0 - upgrade.since_ms;
        self.trace.note(format_args!("the new process goes on, after {paused_ms} ms"));
        self.count(&old);
        if is_on(Mutation::ServeTwice) {
            old.resume();
            self.stale_server = Some(old);
        }
        match self.chance.below(16) {
            0 => self.kill(),
            1 => self.power_cut("behind an upgrade"),
            _ => Ok(()),
        }
    }

    /// The new process is alone, and serves as soon as everything has its place.
    fn old_dies(&mut self) -> Checked {
        self.trace.note(format_args!("the old process dies"));
        if let Some(upgrade) = &mut self.upgrade {
            upgrade.fate = Fate::GoesOn;
            upgrade.is_old_dead = true;
        }
        Ok(())
    }

    /// Whatever becomes of it, it comes to its end.
    pub(super) fn finish_upgrade(&mut self) -> Checked {
        for _ in 0..ROUNDS_MAX {
            if self.upgrade.is_none() {
                return Ok(());
            }
            let mut has_done = false;
            for index in 0..self.server.as_ref().map_or(0, SimulatedServer::shard_count) {
                has_done |= self.turn(index, Haste::Full)?;
            }
            let (server, mut world, _) = self.parts();
            has_done |= server.disk_round(&mut world);
            has_done |= self.link_round();
            self.note_stored()?;
            self.pass_ms(if has_done { 1 } else { 100 });
            self.look_at_upgrade()?;
        }
        Err("an upgrade does not come to an end".to_owned())
    }
}
