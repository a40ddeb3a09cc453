//! What shards hear of the life of the server, and when.

use super::{Haste, Phase, Server, World};
use crate::Options;
use crate::chance::Chance;
use crate::disk::Disk;
use crate::network::Socket;
use crate::options::Climate;
use madang_log::Durability;
use madang_model::{Moment, Now};
use std::time::Duration;

/// A server and the world around it.
struct Stage {
    server: Server,
    disk: Disk,
    sockets: Vec<Socket>,
    chance: Chance,
    now: Now,
}

impl Stage {
    /// A server on an empty disk.
    fn begin(shards: u16, durability: Durability) -> Stage {
        let mut chance = Chance::new(1);
        let mut start = Climate::of(&Options { shards, ..Options::small(1) }, &mut chance).start;
        start.durability = durability;
        let disk = Disk::new(chance.fork(), durability.releases_before_sync());
        let server = Server::start(&disk, &start).expect("an empty disk");
        Stage { server, disk, sockets: Vec::new(), chance, now: Now::default() }
    }

    fn with<R>(&mut self, act: impl FnOnce(&mut Server, &mut World<'_>) -> R) -> R {
        let Stage { server, disk, sockets, chance, now } = self;
        let mut world = World { disk, sockets, news: &mut Vec::new(), chance, now: *now, step: 0 };
        act(server, &mut world)
    }

    fn turn(&mut self, shard: usize) -> bool {
        self.with(|server, world| server.turn(shard, Haste::Full, world)).expect("the process goes on")
    }

    /// Turns and moves the disk until nothing is left to do.
    fn come_to_rest(&mut self) {
        while self.turn(0) | self.with(Server::disk_round) {}
    }
}

#[test]
fn a_shard_whose_first_turn_is_late_enters_the_phase_that_the_server_is_in() {
    for phase in [Phase::Running, Phase::Paused, Phase::Draining] {
        let mut stage = Stage::begin(2, Durability::Commit);
        stage.server.enter(phase);
        stage.turn(0);
        let (first, second) = (&stage.server.cells[0], &stage.server.cells[1]);
        assert_eq!((first.turn.phase(), second.turn.phase()), (phase, Phase::Running));
        assert_eq!(first.around.is_listening, phase == Phase::Running);
    }
}

#[test]
fn a_sync_that_becomes_due_when_all_is_quiet_is_waited_for_before_the_log_is_sealed() {
    let mut stage = Stage::begin(1, Durability::Interval(Duration::from_millis(50)));
    let mut talker = Socket::new(0, 0, 4096);
    talker.send(b"name ann\njoin general\nsay general - hello\n");
    stage.sockets.push(talker);
    stage.server.cells[0].around.backlog.push_back(0);
    stage.come_to_rest();
    assert!(stage.server.cells[0].around.desk.has_unsynced(), "a message is written");
    stage.server.pause();
    while stage.turn(0) {}
    assert_eq!([stage.server.looks_quiet(), stage.server.looks_quiet()], [false, true]);

    stage.server.enter(Phase::Snapshotted);
    stage.now.monotonic = Moment(60);
    stage.turn(0);
    assert!(stage.server.cells[0].around.desk.is_busy(), "the sync is under way");
    stage.come_to_rest();

    let images = stage.server.take_parts().expect("it gives everything away").expect("its log is sealed");
    assert_eq!(images.len(), 1);
    let next = madang_log::open_log(&stage.disk, 1).expect("a log").next_segments;
    assert_eq!(next, [madang_log::SegmentNumber(2)], "behind the sealed segment");
    stage.server.resume();
    stage.come_to_rest();
    assert_eq!(stage.server.cells[0].turn.shard.log.written().segment, next[0], "as the old process does");
}
