use super::*;
use crate::runtime::bell::Bell;
use crate::runtime::operate::inquiry::Common;
use crate::shard::tests::{Words, World, settings};
use glommio::{LocalExecutorBuilder, Placement};
use madang_model::connection::EntranceKind;
use std::sync::Arc;

/// A shard's monitor, and the end of its mailbox that others hold.
struct Stage {
    monitor: Monitor,
    shard: Shard<Words>,
    sockets: RingSockets,
    common: Arc<Common>,
    inquiries: flume::Sender<Inquiry>,
}

impl Stage {
    /// Plays a scene on a thread of its own, in an executor, as a shard would.
    fn play(scene: impl FnOnce(&mut Stage) + Send + 'static) {
        let play = move || {
            let executor = LocalExecutorBuilder::new(Placement::Unbound).io_memory(65_536).ring_depth(128);
            executor.make().expect("an executor").run(async move {
                let bell = Bell::new().expect("a descriptor");
                let sockets = RingSockets::new(Vec::new(), &bell, 1).expect("a ring");
                let (mailbox, common, inquiries) = Mailbox::new();
                let shard = World::new(&settings(1)).shards.remove(0);
                scene(&mut Stage { monitor: Monitor::new(mailbox), shard, sockets, common, inquiries });
            });
        };
        std::thread::spawn(play).join().expect("the scene is played to its end");
    }

    /// Puts an inquiry into the mailbox, as the remote does.
    fn ask<T>(&self, inquiry: impl FnOnce(flume::Sender<T>) -> Inquiry) -> flume::Receiver<T> {
        let (reply, answer) = flume::bounded(2);
        self.inquiries.try_send(inquiry(reply)).expect("there is room");
        self.common.has_inquiry.store(true, Ordering::Release);
        answer
    }

    fn ask_to_listen(&self) -> flume::Receiver<u64> {
        self.ask(|reply| Inquiry::Listen { kind: EntranceKind::default(), listeners: Vec::new(), reply })
    }

    fn answer(&mut self, phase: Phase) {
        self.monitor.answer(&mut self.shard, &mut self.sockets, phase);
    }
}

#[test]
fn all_that_was_asked_since_the_last_turn_is_answered_in_one() {
    Stage::play(|stage| {
        let answers = [1, 2, 3].map(|count| stage.ask(|reply| Inquiry::Report { count, reply }));
        stage.answer(Phase::Running);
        assert!(answers.iter().all(|answer| answer.try_recv().is_ok()));
    });
}

#[test]
fn whoever_asks_to_listen_between_two_processes_is_answered_once_it_is_known_which_serves() {
    Stage::play(|stage| {
        for (later, expected) in [(Phase::Running, 1), (Phase::Draining, 0)] {
            let answer = stage.ask_to_listen();
            for phase in [Phase::Paused, Phase::Snapshotted, Phase::Paused] {
                stage.answer(phase);
                assert!(answer.try_recv().is_err(), "{phase:?}");
            }
            stage.answer(later);
            assert_eq!(answer.try_recv(), Ok(expected), "{later:?}");
        }
    });
}
