//! What operators' threads ask of a shard, and the mailbox for it.

use super::board::Board;
use super::remote::ShardReport;
use crate::runtime::listener::Listener;
use crate::shard::Settings;
use madang_log::Erasures;
use madang_model::connection::EntranceKind;
use madang_model::{Text, UserName};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// The limit of inquiries that wait for one shard; more are not taken.
pub const INQUIRIES_MAX: usize = 16;

/// Something asked of one shard. It answers within a turn, unless stated otherwise, into a channel with room for it.
#[derive(Debug)]
pub enum Inquiry {
    /// How it is, with at most `count` of each list.
    Report { count: usize, reply: flume::Sender<ShardReport> },
    /// End the connections of a user. The answer counts them, and comes when they have given back what they had.
    Kick { name: UserName, reason: Arc<str>, reply: flume::Sender<u64> },
    /// Send a notice to every connection that has a name. The answer counts them.
    Broadcast { text: Text, reply: flume::Sender<u64> },
    /// Use other settings from now on. The answer is 1.
    Reconfigure { settings: Arc<Settings>, reply: flume::Sender<u64> },
    /// Finish the open segment. The answer is 1 once that is on disk, and 0 when it cannot be begun now.
    FinishSegment { reply: flume::Sender<u64> },
    /// Show nobody what is still to be erased; all else is erased. The answer is how many messages in memory it was.
    Hide { erasures: Arc<Erasures>, reply: flume::Sender<u64> },
    /// Listen there from now on, and at no other entrance of this kind. The answer is 1 when it does.
    Listen { kind: EntranceKind, listeners: Vec<Listener>, reply: flume::Sender<u64> },
}

/// What a shard and its remote share.
#[derive(Debug, Default)]
pub struct Common {
    /// The shard's numbers.
    pub board: Board,
    /// Why messages cannot be stored; written when that changes.
    pub reason: Mutex<&'static str>,
    /// Whether an inquiry waits.
    pub has_inquiry: AtomicBool,
}

/// The shard's end.
#[derive(Debug)]
pub struct Mailbox {
    common: Arc<Common>,
    inquiries: flume::Receiver<Inquiry>,
}

impl Mailbox {
    /// A mailbox, and the end that others hold.
    pub fn new() -> (Mailbox, Arc<Common>, flume::Sender<Inquiry>) {
        let (sender, inquiries) = flume::bounded(INQUIRIES_MAX);
        let common = Arc::new(Common::default());
        (Mailbox { common: Arc::clone(&common), inquiries }, common, sender)
    }

    /// Whether anything was put in since the last call. One load per turn.
    pub fn has_mail(&self) -> bool {
        self.common.has_inquiry.load(Ordering::Relaxed)
            && self.common.has_inquiry.swap(false, Ordering::AcqRel)
    }

    /// The next inquiry.
    pub fn take(&self) -> Option<Inquiry> {
        self.inquiries.try_recv().ok()
    }

    /// The board to store samples on.
    pub fn board(&self) -> &Board {
        &self.common.board
    }

    /// Why messages cannot be stored from now on; empty when they can.
    pub fn say_why(&self, reason: &'static str) {
        *self.common.reason.lock().unwrap_or_else(PoisonError::into_inner) = reason;
    }
}
