//! What shards are notified of about their process, and when.

use super::{Haste, Phase, SimulatedServer, StepContext};
use crate::SessionOptions;
use crate::chance::Chance;
use crate::disk::VirtualDisk;
use crate::network::Socket;
use crate::options::SessionConditions;
use madang_log::Durability;
use madang_model::{Moment, Now};
use std::time::Duration;

/// A server and the world around it.
struct TestServer {
    server: SimulatedServer,
    disk: VirtualDisk,
    sockets: Vec<Socket>,
    chance: Chance,
    now: Now,
}

impl TestServer {
    /// A server on an empty disk.
    fn begin(shards: u16, durability: Durability) -> TestServer {
        let mut chance = Chance::new(1);
        let mut start =
            SessionConditions::of(&SessionOptions { shards, ..SessionOptions::small(1) }, &mut chance).start;
        start.durability = durability;
        let disk = VirtualDisk::new(chance.fork(), durability.releases_before_sync());
        let server = SimulatedServer::start(&disk, &start).expect("an empty disk");
        TestServer { server, disk, sockets: Vec::new(), chance, now: Now::default() }
    }

    fn with<R>(&mut self, act: impl FnOnce(&mut SimulatedServer, &mut StepContext<'_>) -> R) -> R {
        let TestServer { server, disk, sockets, chance, now } = self;
        let mut world = StepContext { disk, sockets, news: &mut Vec::new(), chance, now: *now, step: 0 };
        act(server, &mut world)
    }

    fn turn(&mut self, shard: usize) -> bool {
        self.with(|server, world| server.turn(shard, Haste::Full, world)).expect("the process keeps running")
    }

    /// Turns and moves the disk until nothing is left to do.
    fn run_until_idle(&mut self) {
        while self.turn(0) | self.with(SimulatedServer::disk_round) {}
    }
}

#[test]
fn a_shard_whose_first_turn_is_late_enters_the_phase_that_the_server_is_in() {
    for phase in [Phase::Running, Phase::Paused, Phase::Draining] {
        let mut server = TestServer::begin(2, Durability::Commit);
        server.server.enter(phase);
        server.turn(0);
        let (first, second) = (&server.server.cells[0], &server.server.cells[1]);
        assert_eq!((first.turn.phase(), second.turn.phase()), (phase, Phase::Running));
        assert_eq!(first.around.is_listening, phase == Phase::Running);
    }
}

#[test]
fn a_sync_that_becomes_due_when_all_is_quiet_is_waited_for_before_the_log_is_sealed() {
    let mut test = TestServer::begin(1, Durability::Interval(Duration::from_millis(50)));
    let mut talker = Socket::new(0, 0, 4096);
    talker.send(b"name ann\njoin general\nsay general - hello\n");
    test.sockets.push(talker);
    test.server.cells[0].around.backlog.push_back(0);
    test.run_until_idle();
    assert!(test.server.cells[0].around.desk.has_unsynced(), "a message is written");
    test.server.pause();
    while test.turn(0) {}
    assert_eq!([test.server.looks_quiet(), test.server.looks_quiet()], [false, true]);

    test.server.enter(Phase::Snapshotted);
    test.now.monotonic = Moment(60);
    test.turn(0);
    assert!(test.server.cells[0].around.desk.is_busy(), "the sync is under way");
    test.run_until_idle();

    let images = test.server.take_parts().expect("it gives everything away").expect("its log is sealed");
    assert_eq!(images.len(), 1);
    let next = madang_log::open_log(&test.disk, 1).expect("a log").next_segments;
    assert_eq!(next, [madang_log::SegmentNumber(2)], "behind the sealed segment");
    test.server.resume();
    test.run_until_idle();
    assert_eq!(test.server.cells[0].turn.shard.log.written().segment, next[0], "as the old process does");
}
