//! The machine that finds a room that is not in memory: where its newest stored messages are.

use crate::index::reads::{QueryFault, ReadAnswer, ReadRequest, Step, StoredFile};
use crate::index::snapshot::{SNAPSHOT_BLOCK_BYTES, SnapshotLookup, SnapshotRoom, SnapshotScope};
use madang_model::{RoomName, ShardId};

/// A snapshot that is replaced while it is read is begun again, at most this often: it is replaced
/// once in many segments.
const ATTEMPTS_MAX: u8 = 3;

/// Looks a room up in the snapshots of all directories that may hold it, side by side: three
/// small reads of each. The newest entry of all is the room's, and so are the latest facts.
#[derive(Debug)]
pub struct RoomQuery {
    room: RoomName,
    lookups: Vec<Lookup>,
    newest: Option<SnapshotRoom>,
    fault: Option<QueryFault>,
}

/// The search in one directory.
#[derive(Debug)]
struct Lookup {
    /// What the snapshot there must cover at least.
    scope: SnapshotScope,
    attempts: u8,
    stage: LookupStage,
}

#[derive(Debug)]
enum LookupStage {
    /// The end says where its table is.
    End,
    Table(Box<SnapshotLookup>),
    Done,
}

impl RoomQuery {
    /// In the snapshots of these scopes, or later ones of the same directories.
    pub fn new(room: &RoomName, scopes: &[SnapshotScope]) -> RoomQuery {
        let may_hold = |scope: &&SnapshotScope| scope.may_hold(room.key());
        let lookup = |scope: &SnapshotScope| Lookup { scope: *scope, attempts: 0, stage: LookupStage::End };
        let lookups = scopes.iter().filter(may_hold).map(lookup).collect();
        RoomQuery { room: room.clone(), lookups, newest: None, fault: None }
    }

    /// What is needed next. Once it is done it gives the room; `None` when nothing of it is stored.
    pub fn step(&mut self) -> Step<Option<SnapshotRoom>> {
        if let Some(fault) = self.fault.take() {
            return Step::Done(Err(fault));
        }
        let requests: Vec<ReadRequest> = self.lookups.iter_mut().filter_map(Lookup::request).collect();
        if requests.is_empty() { Step::Done(Ok(self.newest.take())) } else { Step::Read(requests) }
    }

    /// Takes the answers to what the last step asked for, in the same order.
    ///
    /// # Panics
    /// When there are fewer.
    pub fn supply(&mut self, answers: &[ReadAnswer<'_>]) {
        let mut answers = answers.iter();
        for lookup in &mut self.lookups {
            if matches!(lookup.stage, LookupStage::Done) {
                continue;
            }
            let answer = answers.next().expect("each read has one answer");
            match lookup.supply(answer, &self.room) {
                Ok(Some(found)) => {
                    self.newest = Some(match self.newest.take() {
                        Some(known) => known.or_newer(found),
                        None => found,
                    });
                }
                Ok(None) => {}
                Err(fault) => self.fault = Some(fault),
            }
        }
    }
}

impl Lookup {
    fn request(&mut self) -> Option<ReadRequest> {
        match &mut self.stage {
            LookupStage::End => Some(ReadRequest {
                directory: self.scope.directory,
                file: StoredFile::SnapshotEnd,
                offset_bytes: 0,
                bytes: SNAPSHOT_BLOCK_BYTES,
            }),
            LookupStage::Table(lookup) => match lookup.step() {
                Step::Read(requests) => requests.first().copied(),
                Step::Done(_) => unreachable!("its end is taken when it comes"),
            },
            LookupStage::Done => None,
        }
    }

    fn supply(
        &mut self,
        answer: &ReadAnswer<'_>,
        room: &RoomName,
    ) -> Result<Option<SnapshotRoom>, QueryFault> {
        let found = match &mut self.stage {
            LookupStage::Done => return Ok(None),
            LookupStage::End => {
                self.attempts += 1;
                let Some(info) = self.scope.at_least(answer) else { return self.damaged(0) };
                self.stage = LookupStage::Table(Box::new(SnapshotLookup::new(&info, room)));
                return Ok(None);
            }
            LookupStage::Table(lookup) => {
                lookup.supply(std::slice::from_ref(answer));
                match lookup.step() {
                    Step::Read(_) => return Ok(None),
                    Step::Done(found) => found,
                }
            }
        };
        match found {
            Ok(found) => {
                self.stage = LookupStage::Done;
                // A name that is none has a right checksum, and yet nobody can have written it.
                let is_sound = found.as_ref().is_none_or(|found| found.room_name().is_ok());
                if is_sound { Ok(found) } else { self.damaged(0) }
            }
            Err(_) if self.attempts < ATTEMPTS_MAX => {
                self.stage = LookupStage::End;
                Ok(None)
            }
            Err(fault) => Err(fault),
        }
    }

    fn damaged(&self, offset_bytes: u64) -> Result<Option<SnapshotRoom>, QueryFault> {
        let directory: ShardId = self.scope.directory;
        Err(QueryFault::SnapshotDamaged { directory, offset_bytes })
    }
}
