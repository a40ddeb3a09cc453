//! What a turn asks of the world around its shard: everything that waits or depends on the machine.
//!
//! The runtime has sockets, threads and clocks; the simulator has a world that a seed decides. None of these calls
//! waits, except for short requests to a disk.

use crate::mesh::Transport;
use crate::shard::{LookupId, Shard, ShardImage, Storage};
use crate::store::{Done, IndexDone, IndexJob, Work};
use madang_log::{QueryFault, QueryOutcome, SegmentNumber, StoredFile, StoredQuery};
use madang_model::connection::{Entrance, EntranceKind, Surface};
use madang_model::{ConnectionId, MeshEntry, Moment, Now, ShardId};
use std::io;
use std::net::IpAddr;
use std::time::Duration;

/// Everything around one shard.
pub trait Shell {
    /// Its sockets.
    type Sockets: Sockets;
    /// Its end of the mesh.
    type Mesh: Mesh;
    /// Its log on disk, and what reads and indexes that.
    type Disk: Disk;
    /// The rest of the server.
    type Server: Server;

    /// Its sockets.
    fn sockets(&mut self) -> &mut Self::Sockets;
    /// Its end of the mesh.
    fn mesh(&mut self) -> &mut Self::Mesh;
    /// Its log on disk, and what reads and indexes that.
    fn disk(&mut self) -> &mut Self::Disk;
    /// The rest of the server.
    fn server(&mut self) -> &mut Self::Server;

    /// The time of the clocks.
    fn now(&self) -> Now;
    /// Reading begins, for a limited time.
    fn begin_reading(&mut self);
    /// Whether that time is over, asked after this many reads.
    fn is_reading_over(&mut self, reads: usize) -> bool;

    /// Answers what the operator has asked of a shard in this phase.
    fn answer<S: Surface>(&mut self, shard: &mut Shard<S>, phase: Phase);
    /// A second has passed: shows the operator how the shard is.
    fn show<S: Surface>(&mut self, shard: &mut Shard<S>);
    /// A batch of this size goes to the writer; the shard has accepted this many messages so far.
    fn commit_begins(&mut self, bytes: usize, messages: u64);
    /// The writer is done with it, or has failed.
    fn commit_ended(&mut self, is_done: bool);
    /// Much was released: the allocator gives back what it keeps.
    fn give_back_memory(&mut self);

    /// Gives away what the shard knows and, with it, what [`Sockets::give_away`] has put aside; or says why it
    /// gives nothing.
    fn hand_over(&mut self, image: Result<ShardImage, String>);
    /// Whether what was given away is back, and in its place.
    ///
    /// # Errors
    /// When the sockets cannot be used any more.
    fn take_back(&mut self) -> io::Result<bool>;
}

/// What the kernel reported of sockets.
#[derive(Clone, Copy, Debug)]
pub enum Readiness {
    /// Connections wait to be accepted.
    Accept,
    /// A socket can be read.
    Read(ConnectionId),
    /// A socket takes bytes again.
    Write(ConnectionId),
}

/// What accepting gave.
#[derive(Debug)]
pub enum Accepted<A> {
    /// A connection, to be named and added.
    Connection(A),
    /// A connection for which there is no descriptor to spare.
    TooMany(A),
    /// One that is no connection yet, or never will be: nothing is to be done for it.
    NotYet,
    /// None is left for now.
    Nothing,
    /// No descriptor is left for one more.
    NoDescriptor,
}

/// What reading gave.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Input {
    /// Bytes, and perhaps more to come at once.
    Bytes {
        /// How many.
        count: usize,
        /// Whether more may be there.
        is_more: bool,
    },
    /// Nothing now; readiness will be reported.
    Nothing,
    /// The peer will send no more.
    End,
    /// The connection is broken.
    Broken,
}

/// What writing gave.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Written {
    /// Bytes were taken.
    Bytes {
        /// How many.
        taken: usize,
        /// Of what they became, how many are held until the peer reads.
        held: usize,
    },
    /// Nothing can be written before the peers have agreed on keys.
    Opening,
    /// The connection is broken.
    Broken,
}

/// The sockets of a shard.
pub trait Sockets {
    /// A new connection.
    type Arrival;
    /// A connection that another process has given away.
    type Carried;

    /// Takes what there is to report, without waiting.
    ///
    /// # Errors
    /// When the sockets cannot be used any more.
    fn take_ready(&mut self, ready: &mut Vec<Readiness>) -> io::Result<()>;

    /// Starts to report connections that wait, after a pause.
    ///
    /// # Errors
    /// When that cannot be done now.
    fn listen(&mut self) -> io::Result<()>;
    /// Stops reporting connections that wait.
    fn pause_listening(&mut self);
    /// Stops listening for good.
    fn close_listener(&mut self);
    /// Takes one waiting connection.
    fn accept(&mut self) -> Accepted<Self::Arrival>;
    /// The entrance of a connection.
    fn entrance(&self, arrival: &Self::Arrival) -> Entrance;
    /// Where the peer of a connection is.
    fn address(&self, arrival: &Self::Arrival) -> Option<IpAddr>;
    /// Whether what is written to a connection goes out as it is, before its peer has agreed on keys.
    fn is_open(&self, arrival: &Self::Arrival) -> bool;
    /// Takes what has come with a connection, if that can be read as it is. Returns how many bytes that is.
    fn take_first(&mut self, arrival: &Self::Arrival, buffer: &mut [u8]) -> usize;
    /// Refuses a connection with a message.
    fn refuse(&mut self, arrival: Self::Arrival, words: &[u8]);
    /// Refuses one waiting connection with a message, though no descriptor is left for it.
    fn turn_away(&mut self, words: &dyn Fn(EntranceKind) -> &'static [u8]);

    /// Adds a connection.
    ///
    /// # Errors
    /// When the sockets cannot be used any more.
    fn add(&mut self, id: ConnectionId, arrival: Self::Arrival) -> io::Result<()>;
    /// Adds a connection that another process has given away.
    ///
    /// # Errors
    /// When the sockets cannot be used any more.
    fn add_carried(&mut self, id: ConnectionId, carried: Self::Carried) -> io::Result<()>;
    /// Takes what came into `buffer`.
    fn read(&mut self, id: ConnectionId, buffer: &mut [u8]) -> Input;
    /// Whether the connection that was read last can be written from now on.
    fn take_opened(&mut self) -> bool;
    /// Whether a socket was reported readable and has not been read empty.
    fn is_readable(&self, id: ConnectionId) -> bool;
    /// Writes to each connection what the kernel takes of its outbox. `written` gets every one that has an
    /// outbox.
    fn write_each<'a>(
        &mut self,
        ids: &[ConnectionId],
        outbox: impl Fn(ConnectionId) -> Option<&'a [u8]>,
        written: &mut Vec<(ConnectionId, Written)>,
    );
    /// Closes a connection. Where that is orderly its peer is given time to read the last words.
    fn close(&mut self, id: ConnectionId, is_orderly: bool);
    /// A second has passed. `gone` gets connections whose peers are not there any more.
    fn tick(&mut self, buffer: &mut [u8], gone: &mut Vec<ConnectionId>);

    /// No connection is accepted or read from now on.
    fn pause(&mut self);
    /// Connections are accepted and read again.
    ///
    /// # Errors
    /// When no connection can be accepted yet.
    fn resume(&mut self) -> io::Result<()>;
    /// Puts all of them aside, to be given away by [`Shell::hand_over`].
    ///
    /// # Errors
    /// When the sockets cannot be used any more.
    fn give_away(&mut self) -> io::Result<()>;
    /// Whether another process could take over a connection that is put aside.
    fn is_carriable(&self, id: ConnectionId) -> bool;
    /// What came from a connection that is put aside and was not read, and so is no longer to be had from its
    /// socket.
    fn came(&self, id: ConnectionId) -> &[u8];
}

/// A shard's end of the mesh.
pub trait Mesh: Transport {
    /// How many shards it connects.
    fn shard_count(&self) -> u16;
    /// Whether threads that are no shards have an endpoint.
    fn has_endpoint(&self) -> bool {
        false
    }
    /// Takes the next batch that another shard or the endpoint sent, if any.
    fn receive(&mut self, from: ShardId) -> Option<Vec<MeshEntry>>;
    /// Whether a batch waits to be received.
    fn has_mail(&self) -> bool;
    /// Wakes every shard that was sent something since the last call, once.
    fn ring(&mut self);
}

/// A query that is done.
pub type Found = (LookupId, Result<QueryOutcome, QueryFault>);

/// The log of a shard on disk: its writer, its readers, and the writers of its indexes.
pub trait Disk {
    /// Whether the writer is at work. Until it is done it is given nothing else, nor asked.
    fn is_writing(&self) -> bool;
    /// Gives the writer work.
    fn begin(&mut self, work: Work);
    /// Takes the work that is done, if it is.
    fn take_done(&mut self) -> Option<Done>;
    /// Whether there is a segment to continue with; `None` while the writer is at work.
    fn next_storage(&mut self, now: Moment) -> Option<Storage>;
    /// The log continues after it was finished.
    fn begin_again(&mut self, first: SegmentNumber, capacity_bytes: u64);
    /// Whether something written waits to be synced.
    fn has_unsynced(&self) -> bool;
    /// A sync is due after this time, unless one is due before.
    fn remind_of_sync(&mut self, after: Duration);
    /// Whether a sync has become due since the last call.
    fn take_sync_due(&mut self) -> bool;
    /// A second has passed: what could not be had is tried again, and what was only kept open is closed.
    fn tick(&mut self);

    /// How many queries are under way.
    fn queries_under_way(&self) -> usize;
    /// Begins a query.
    fn begin_query(&mut self, id: LookupId, query: StoredQuery);
    /// Takes a query that is done, if one is.
    fn take_found(&mut self) -> Option<Found>;
    /// Another file has taken the place of this one.
    fn forget(&mut self, directory: ShardId, file: StoredFile);

    /// Orders an index or a chore.
    fn order(&mut self, job: IndexJob);
    /// Takes a job that is done, if one is.
    fn take_index_done(&mut self) -> Option<IndexDone>;
}

/// The rest of the server, as its shards know it.
pub trait Server {
    /// What is asked of all shards.
    fn phase(&self) -> Phase;
    /// A turn begins.
    fn count_turn(&mut self);
    /// Whether a second has passed since the last call.
    fn take_tick(&mut self) -> bool;
    /// Whether nothing is left to do, while that is asked.
    fn set_idle(&mut self, is_idle: bool);
    /// Entries were sent to other shards.
    fn sent(&mut self, entries: u64);
    /// Entries came from another shard.
    fn received(&mut self, entries: u64);
}

/// A step in the life of the server.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[repr(u8)]
pub enum Phase {
    /// Connections are accepted, read and answered.
    Running = 0,
    /// No connection is accepted or read; what was read is processed to its end.
    Paused = 1,
    /// The shards give everything away.
    Snapshotted = 2,
    /// No connection is accepted or read any more; all clients are notified.
    Draining = 3,
    /// Outboxes are emptied and logs sealed.
    Closing = 4,
}
