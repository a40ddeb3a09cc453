//! Carries out queries of stored messages. What the kernel has in memory is taken at once; all other reads
//! of a step go together through io_uring.
//!
//! Loading a room takes one read per message, up to 256, if other rooms' lie between. Through the executor each costs
//! some 11 µs though the kernel has it in memory; with `RWF_NOWAIT` 2 (docs/measurements/upgrades.md).

use crate::shard::LookupId;
use crate::turn::Found;
use glommio::io::{BufferedFile, ReadResult};
use madang_log::{ReadAnswer, ReadRequest, SegmentNumber, Step, StoredFile, StoredQuery};
use madang_log::{directory_name, open_regular};
use madang_model::ShardId;
use rustix::fs::{OFlags, fcntl_setfl};
use rustix::io::{ReadWriteFlags, preadv2};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::fs;
use std::future::Future;
use std::io::{self, IoSliceMut};
use std::os::fd::{FromRawFd, IntoRawFd};
use std::path::PathBuf;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;

/// Descriptors kept open for the next query, one or two per file. At the limit all are closed, and opened again when
/// they are needed.
const OPEN_DESCRIPTORS_MAX: usize = 64;

/// A query under way.
pub type Reading = Pin<Box<dyn Future<Output = Found>>>;

type File = (ShardId, StoredFile);

/// An open file.
struct Open {
    /// For reads of what is in memory, which never wait.
    here: fs::File,
    /// The same for all others, where there was one.
    ring: RefCell<Option<Rc<BufferedFile>>>,
}

/// Reads the segments and indexes of all directories.
pub struct LogReader {
    data: PathBuf,
    open: RefCell<HashMap<File, Rc<Open>>>,
    /// Whether a query has ended since files were closed: it may have been the last with a file.
    has_read: Cell<bool>,
}

impl LogReader {
    pub fn new(data: PathBuf) -> LogReader {
        LogReader { data, open: RefCell::default(), has_read: Cell::default() }
    }

    /// Carries out a query.
    pub fn carry_out(self: &Rc<LogReader>, id: LookupId, mut query: StoredQuery) -> Reading {
        let reader = Rc::clone(self);
        Box::pin(async move {
            loop {
                let requests = match query.step() {
                    Step::Done(found) => {
                        reader.has_read.set(true);
                        return (id, found);
                    }
                    Step::Read(requests) => requests,
                };
                let results = reader.read_all(&requests).await;
                let answers: Vec<ReadAnswer<'_>> = results.iter().map(ReadOutcome::answer).collect();
                query.supply(&answers);
            }
        })
    }

    async fn read_all(&self, requests: &[ReadRequest]) -> Vec<ReadOutcome> {
        let reads = requests.iter().map(|request| self.read(*request)).collect();
        all(reads).await
    }

    async fn read(&self, request: ReadRequest) -> ReadOutcome {
        if request.file == StoredFile::SnapshotEnd {
            return self.read_snapshot_end(request).await;
        }
        let file = match self.file((request.directory, request.file)) {
            Ok(Some(file)) => file,
            Ok(None) => return self.without_file(&request),
            Err(error) => return self.failed(&request, &error),
        };
        self.read_of(&file, &request, request.offset_bytes).await
    }

    async fn read_snapshot_end(&self, request: ReadRequest) -> ReadOutcome {
        // Reads the current file: it may have been replaced since it was opened.
        self.forget(request.directory, StoredFile::Snapshot);
        let file = match self.file((request.directory, StoredFile::Snapshot)) {
            Ok(Some(file)) => file,
            Ok(None) => return ReadOutcome::NoFile,
            Err(error) => return self.failed(&request, &error),
        };
        match file.here.metadata() {
            Ok(facts) => {
                let end_bytes = facts.len().saturating_sub(request.bytes as u64);
                self.read_of(&file, &request, end_bytes).await
            }
            Err(error) => self.failed(&request, &error),
        }
    }

    async fn read_of(&self, file: &Open, request: &ReadRequest, offset_bytes: u64) -> ReadOutcome {
        if let Some(bytes) = file.read_here(offset_bytes, request.bytes) {
            return ReadOutcome::Here(bytes);
        }
        if file.ring.borrow().is_none() {
            self.make_room();
        }
        let ring = match file.ring() {
            Ok(ring) => ring,
            Err(error) => return self.failed(request, &error),
        };
        match ring.read_at(offset_bytes, request.bytes).await {
            Ok(bytes) => ReadOutcome::Bytes(bytes),
            Err(error) => self.failed(request, &error),
        }
    }

    fn without_file(&self, request: &ReadRequest) -> ReadOutcome {
        if self.is_lost(request.directory, request.file) {
            return self.failed(request, &"it is missing, though the segment before it is there; restore it");
        }
        ReadOutcome::NoFile
    }

    /// A read that fails gives no bytes, which the query takes for damage: it never guesses.
    fn failed(&self, request: &ReadRequest, error: &dyn std::fmt::Display) -> ReadOutcome {
        let path = self.path((request.directory, request.file));
        tracing::error!(path = %path.display(), offset = request.offset_bytes, %error, "cannot read");
        ReadOutcome::Failed
    }

    /// Opens a file, waiting only to see whether it exists.
    fn file(&self, file: File) -> io::Result<Option<Rc<Open>>> {
        if let Some(open) = self.open.borrow().get(&file) {
            return Ok(Some(Rc::clone(open)));
        }
        let path = self.path(file);
        let here = match open_regular(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened?,
        };
        let opened = Rc::new(Open { here, ring: RefCell::default() });
        self.make_room();
        self.open.borrow_mut().insert(file, Rc::clone(&opened));
        Ok(Some(opened))
    }

    /// Closes all files when the limit of descriptors is reached.
    fn make_room(&self) {
        let mut open = self.open.borrow_mut();
        if open.values().map(|file| file.descriptors()).sum::<usize>() >= OPEN_DESCRIPTORS_MAX {
            open.clear();
        }
    }

    /// Whether a segment that is missing was not removed by retention, which begins with the oldest.
    fn is_lost(&self, directory: ShardId, file: StoredFile) -> bool {
        let StoredFile::Segment(SegmentNumber(number @ 2..)) = file else { return false };
        self.path((directory, StoredFile::Segment(SegmentNumber(number - 1)))).exists()
    }

    /// Closes all files; queries under way keep theirs until they are done. Returns whether any was read since the
    /// last time: the executor closes them when it next runs.
    pub fn close_files(&self) -> bool {
        let mut open = self.open.borrow_mut();
        let has_any = !open.is_empty();
        open.clear();
        self.has_read.take() || has_any
    }

    /// Forgets an open file: another has taken its place.
    pub fn forget(&self, directory: ShardId, file: StoredFile) {
        self.open.borrow_mut().remove(&(directory, file));
    }

    fn path(&self, (directory, file): File) -> PathBuf {
        self.data.join(directory_name(directory)).join(file.file_name())
    }
}

impl Open {
    /// What the kernel has in memory; nothing when it lacks any of it, or cannot say so without waiting.
    fn read_here(&self, offset_bytes: u64, bytes: usize) -> Option<Vec<u8>> {
        let mut read = vec![0; bytes];
        let slices = &mut [IoSliceMut::new(&mut read)];
        let filled = preadv2(&self.here, slices, offset_bytes, ReadWriteFlags::NOWAIT).ok()?;
        (filled == bytes).then_some(read)
    }

    fn descriptors(&self) -> usize {
        1 + usize::from(self.ring.borrow().is_some())
    }

    /// The same file for the executor. To open it once more by its path takes two trips through the ring, one after
    /// another (docs/measurements/formats.md).
    fn ring(&self) -> io::Result<Rc<BufferedFile>> {
        if let Some(ring) = &*self.ring.borrow() {
            return Ok(Rc::clone(ring));
        }
        // It was opened so that no pipe is waited for. Reads of such a file by the ring may fail where they would wait.
        fcntl_setfl(&self.here, OFlags::empty())?;
        let descriptor = self.here.try_clone()?.into_raw_fd();
        // SAFETY: the descriptor was made by the line before, has no other owner, and is given up by `into_raw_fd`.
        let opened = Rc::new(unsafe { BufferedFile::from_raw_fd(descriptor) });
        *self.ring.borrow_mut() = Some(Rc::clone(&opened));
        Ok(opened)
    }
}

/// What one read gave.
enum ReadOutcome {
    Here(Vec<u8>),
    Bytes(ReadResult),
    NoFile,
    Failed,
}

impl ReadOutcome {
    fn answer(&self) -> ReadAnswer<'_> {
        match self {
            ReadOutcome::Here(bytes) => ReadAnswer::Bytes(bytes),
            ReadOutcome::Bytes(bytes) => ReadAnswer::Bytes(bytes),
            ReadOutcome::NoFile => ReadAnswer::NoFile,
            ReadOutcome::Failed => ReadAnswer::Bytes(&[]),
        }
    }
}

/// Waits for all futures at once, so that their reads are submitted together.
async fn all<F: Future>(futures: Vec<F>) -> Vec<F::Output> {
    let mut pending: Vec<Pin<Box<F>>> = futures.into_iter().map(Box::pin).collect();
    let mut outputs: Vec<Option<F::Output>> = pending.iter().map(|_| None).collect();
    std::future::poll_fn(|context| {
        let mut is_done = true;
        for (future, output) in pending.iter_mut().zip(&mut outputs) {
            if output.is_some() {
                continue;
            }
            match future.as_mut().poll(context) {
                Poll::Ready(value) => *output = Some(value),
                Poll::Pending => is_done = false,
            }
        }
        if is_done { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    outputs.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use glommio::LocalExecutor;
    use rustix::fs::{Advice, fadvise};

    #[test]
    fn what_is_read_is_the_same_whether_the_kernel_has_it_in_memory_or_not() {
        let data = tempfile::tempdir().expect("a directory");
        let reader = LogReader::new(data.path().to_owned());
        let path = reader.path((ShardId(0), StoredFile::Segment(SegmentNumber::FIRST)));
        fs::create_dir_all(path.parent().expect("a directory")).expect("made");
        let stored: Vec<u8> = (0..1_000_000_u32).map(|number| (number * 7 % 251) as u8).collect();
        fs::write(&path, &stored).expect("a segment");
        fs::File::open(&path).and_then(|file| file.sync_all()).expect("synced");
        let places = [(0, 64), (4_000, 200), (999_990, 10), (999_990, 20), (2_000_000, 20)];
        let read_all = async || {
            for (offset_bytes, bytes) in places {
                let (directory, file) = (ShardId(0), StoredFile::Segment(SegmentNumber::FIRST));
                let read = reader.read(ReadRequest { directory, file, offset_bytes, bytes }).await;
                let from = stored.len().min(offset_bytes as usize);
                let expected = &stored[from..stored.len().min(from + bytes)];
                assert!(
                    matches!(read.answer(), ReadAnswer::Bytes(found) if found == expected),
                    "{offset_bytes}"
                );
            }
        };
        LocalExecutor::default().run(async {
            read_all().await;
            let file = fs::File::open(&path).expect("a segment");
            fadvise(&file, 0, None, Advice::DontNeed).expect("out of memory, where there is a disk");
            read_all().await;
            fs::remove_file(&path).expect("it expires");
            reader.close_files();
            let request = ReadRequest {
                directory: ShardId(0),
                file: StoredFile::Segment(SegmentNumber::FIRST),
                offset_bytes: 0,
                bytes: 64,
            };
            assert!(matches!(reader.read(request).await, ReadOutcome::NoFile));
        });
    }
    #[test]
    fn no_more_descriptors_are_kept_than_the_reader_is_left() {
        let data = tempfile::tempdir().expect("a directory");
        let reader = LogReader::new(data.path().to_owned());
        let directory = ShardId(0);
        fs::create_dir_all(data.path().join(directory_name(directory))).expect("made");
        LocalExecutor::default().run(async {
            for number in 1..=OPEN_DESCRIPTORS_MAX as u64 {
                let file = StoredFile::Segment(SegmentNumber(number));
                fs::write(reader.path((directory, file)), b"hello").expect("a segment");
                // Short reads go through the ring, too.
                for bytes in [5, 8] {
                    let request = ReadRequest { directory, file, offset_bytes: 0, bytes };
                    assert!(matches!(reader.read(request).await.answer(), ReadAnswer::Bytes(b"hello")));
                    let kept: usize = reader.open.borrow().values().map(|file| file.descriptors()).sum();
                    assert!((1..=OPEN_DESCRIPTORS_MAX).contains(&kept), "{kept} after segment {number}");
                }
            }
        });
    }
}
