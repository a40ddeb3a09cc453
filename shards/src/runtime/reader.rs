//! Carries out queries of stored messages: all reads of a step together, through io_uring.

use crate::log::{
    Answer, QueryFault, QueryOutcome, ReadRequest, SegmentNumber, Step, StoredFile, StoredQuery,
};
use crate::log::{SNAPSHOT_FILE_NAME, directory_name, file_name, index_file_name};
use crate::shard::LookupId;
use crate::types::ShardId;
use glommio::io::{BufferedFile, OpenOptions, ReadResult};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;

/// Files kept open for the next query. Past it all are closed, and opened again as they are needed.
const OPEN_FILES_MAX: usize = 64;
/// Queries carried out at a time.
pub const QUERIES_MAX: usize = 32;

/// A query under way.
pub type Reading = Pin<Box<dyn Future<Output = (LookupId, Result<QueryOutcome, QueryFault>)>>>;

type File = (ShardId, StoredFile);

/// Reads the segments and indexes of all directories.
pub struct Reader {
    data: PathBuf,
    open: RefCell<HashMap<File, Rc<BufferedFile>>>,
    /// Whether a query has ended since files were closed: it may have been the last with a file.
    has_read: Cell<bool>,
}

impl Reader {
    pub fn new(data: PathBuf) -> Reader {
        Reader { data, open: RefCell::default(), has_read: Cell::default() }
    }

    /// Carries out a query.
    pub fn carry_out(self: &Rc<Reader>, id: LookupId, mut query: StoredQuery) -> Reading {
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
                let answers: Vec<Answer<'_>> = results.iter().map(ReadOutcome::answer).collect();
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
        let file = match self.file((request.directory, request.file)).await {
            Ok(Some(file)) => file,
            Ok(None) if self.is_lost(request.directory, request.file) => {
                return self
                    .failed(&request, &"it is missing, though the segment before it is there; put it back");
            }
            Ok(None) => return ReadOutcome::NoFile,
            Err(error) => return self.failed(&request, &error),
        };
        match file.read_at(request.offset_bytes, request.bytes).await {
            Ok(bytes) => ReadOutcome::Bytes(bytes),
            Err(error) => self.failed(&request, &error),
        }
    }

    async fn read_snapshot_end(&self, request: ReadRequest) -> ReadOutcome {
        // The one that is there now: it may have been replaced since it was opened.
        self.forget(request.directory, StoredFile::Snapshot);
        let file = match self.file((request.directory, StoredFile::Snapshot)).await {
            Ok(Some(file)) => file,
            Ok(None) => return ReadOutcome::NoFile,
            Err(error) => return self.failed(&request, &error),
        };
        let end = match file.file_size().await {
            Ok(file_bytes) => {
                file.read_at(file_bytes.saturating_sub(request.bytes as u64), request.bytes).await
            }
            Err(error) => Err(error),
        };
        end.map_or_else(|error| self.failed(&request, &error), ReadOutcome::Bytes)
    }

    /// A read that fails gives no bytes, which the query takes for damage: it never guesses.
    fn failed(&self, request: &ReadRequest, error: &dyn std::fmt::Display) -> ReadOutcome {
        let path = self.path((request.directory, request.file));
        tracing::error!(path = %path.display(), offset = request.offset_bytes, %error, "cannot read");
        ReadOutcome::Failed
    }

    async fn file(&self, file: File) -> Result<Option<Rc<BufferedFile>>, String> {
        if let Some(open) = self.open.borrow().get(&file) {
            return Ok(Some(Rc::clone(open)));
        }
        let path = self.path(file);
        if !path.exists() {
            return Ok(None);
        }
        let opened = OpenOptions::new().read(true).buffered_open(&path).await;
        let opened = Rc::new(opened.map_err(|error| error.to_string())?);
        let mut open = self.open.borrow_mut();
        if open.len() >= OPEN_FILES_MAX {
            open.clear();
        }
        open.insert(file, Rc::clone(&opened));
        Ok(Some(opened))
    }

    /// Whether a segment that is missing was not removed by retention, which begins with the oldest.
    fn is_lost(&self, directory: ShardId, file: StoredFile) -> bool {
        let StoredFile::Segment(SegmentNumber(number @ 2..)) = file else { return false };
        self.path((directory, StoredFile::Segment(SegmentNumber(number - 1)))).exists()
    }

    /// Closes all files; queries under way keep theirs until they are done. Says whether any was
    /// read since the last time: the executor closes them when it is let in.
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
        let name = match file {
            StoredFile::Segment(segment) => file_name(segment),
            StoredFile::Index(segment) => index_file_name(segment),
            StoredFile::Snapshot | StoredFile::SnapshotEnd => SNAPSHOT_FILE_NAME.to_owned(),
        };
        self.data.join(directory_name(directory)).join(name)
    }
}

/// What one read gave.
enum ReadOutcome {
    Bytes(ReadResult),
    NoFile,
    Failed,
}

impl ReadOutcome {
    fn answer(&self) -> Answer<'_> {
        match self {
            ReadOutcome::Bytes(bytes) => Answer::Bytes(bytes),
            ReadOutcome::NoFile => Answer::NoFile,
            ReadOutcome::Failed => Answer::Bytes(&[]),
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
