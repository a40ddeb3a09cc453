//! How a link ends.

use crate::format::WireFault;
use crate::versions::Versions;

/// Why the core is about to end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum GoingDown {
    /// The server stops.
    Stop,
    /// Another process takes over; the edge connects to that one.
    Upgrade,
}

/// Why a link has ended. The edge begins anew with the next one.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum LinkEnd {
    /// The other end's bytes cannot be understood.
    #[error("the other end has made a fault: {0}")]
    Fault(#[from] WireFault),
    /// The edge did not take its events in time.
    #[error("{bytes} bytes of events wait for the edge, {bytes_max} may: it is too slow")]
    SlowEdge {
        /// What waits.
        bytes: usize,
        /// What may.
        bytes_max: usize,
    },
    /// A shard had more for the link than could wait.
    #[error("a shard has more events for the edge than can wait: the edge is too slow")]
    Overrun,
    /// Something is too long to be sent.
    #[error("an envelope of {bytes} bytes is longer than the other end takes")]
    TooLong {
        /// How long it is.
        bytes: usize,
    },
    /// The other end has sent no whole envelope for too long.
    #[error("the other end has sent nothing whole for {silent_ms} ms")]
    Silent {
        /// For how long.
        silent_ms: u64,
    },
    /// The ends have no version in common.
    #[error("the other end speaks {theirs} of the link, this one {ours}: upgrade the older one")]
    VersionsApart {
        /// Of this end.
        ours: Versions,
        /// Of the other end.
        theirs: Versions,
    },
    /// The core ends, in order.
    #[error("the core {}", match .0 { GoingDown::Stop => "stops", GoingDown::Upgrade => "is upgraded" })]
    GoingDown(GoingDown),
    /// The other end has ended the link and said why.
    #[error("the other end has ended the link: {0}")]
    Goodbye(Box<str>),
    /// The other end is gone without a word.
    #[error("the other end is gone")]
    Lost,
}

impl LinkEnd {
    /// Whether the other end is notified why this one ends the link: not where it has ended the link itself, is gone,
    /// or knows that the versions differ.
    pub fn says_goodbye(&self) -> bool {
        !matches!(self, LinkEnd::VersionsApart { .. } | LinkEnd::Goodbye(_) | LinkEnd::Lost)
    }

    /// Its name in metrics.
    pub fn name(&self) -> &'static str {
        match self {
            LinkEnd::Fault(_) => "fault",
            LinkEnd::SlowEdge { .. } => "slow_edge",
            LinkEnd::Overrun => "overrun",
            LinkEnd::TooLong { .. } => "too_long",
            LinkEnd::Silent { .. } => "silent",
            LinkEnd::VersionsApart { .. } => "versions_apart",
            LinkEnd::GoingDown(_) => "going_down",
            LinkEnd::Goodbye(_) => "goodbye",
            LinkEnd::Lost => "lost",
        }
    }

    /// All names.
    pub const NAMES: [&'static str; 9] = [
        "fault",
        "slow_edge",
        "overrun",
        "too_long",
        "silent",
        "versions_apart",
        "going_down",
        "goodbye",
        "lost",
    ];
}
