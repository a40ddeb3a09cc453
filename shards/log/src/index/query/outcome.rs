//! What is asked of the stored messages, and what it comes to.

use super::drafts::{DraftOutcome, DraftQuery};
use super::entries::{EntriesQuery, FoundEntries};
use super::facts::FactsQuery;
use super::page::{FoundPage, PageQuery};
use super::room::RoomQuery;
use super::unread::{UnreadCount, UnreadQuery};
use crate::facts::LoadedFacts;
use crate::index::reads::{ReadAnswer, Step};
use crate::index::snapshot::SnapshotRoom;

/// A query of any kind: [`step`](Self::step) says what to read, [`supply`](Self::supply) takes it.
#[derive(Debug)]
pub enum StoredQuery {
    /// For a page of a room's messages.
    Page(PageQuery),
    /// For entries by their numbers.
    Entries(EntriesQuery),
    /// For a draft.
    Draft(DraftQuery),
    /// For how many messages are unread.
    Unread(UnreadQuery),
    /// For a room.
    Room(RoomQuery),
    /// For the facts of a room.
    Facts(FactsQuery),
}

/// What a query came to.
#[derive(Clone, Debug)]
pub enum QueryOutcome {
    /// A page.
    Page(FoundPage),
    /// Entries.
    Entries(FoundEntries),
    /// Whether a draft is stored.
    Draft(DraftOutcome),
    /// How many messages are unread.
    Unread(UnreadCount),
    /// The room's newest entry and facts; `None` when nothing of it is stored in sealed segments.
    Room(Option<SnapshotRoom>),
    /// Facts.
    Facts(Box<LoadedFacts>),
}

impl StoredQuery {
    /// What is needed next. Once it is done it gives its outcome, a single time.
    pub fn step(&mut self) -> Step<QueryOutcome> {
        match self {
            StoredQuery::Page(query) => outcome(query.step(), QueryOutcome::Page),
            StoredQuery::Entries(query) => outcome(query.step(), QueryOutcome::Entries),
            StoredQuery::Draft(query) => outcome(query.step(), QueryOutcome::Draft),
            StoredQuery::Unread(query) => outcome(query.step(), QueryOutcome::Unread),
            StoredQuery::Room(query) => outcome(query.step(), QueryOutcome::Room),
            StoredQuery::Facts(query) => outcome(query.step(), |facts| QueryOutcome::Facts(Box::new(facts))),
        }
    }

    /// Takes the answers to what the last step asked for, in the same order.
    ///
    /// # Panics
    /// When there are more or fewer.
    pub fn supply(&mut self, answers: &[ReadAnswer<'_>]) {
        match self {
            StoredQuery::Page(query) => query.supply(answers),
            StoredQuery::Entries(query) => query.supply(answers),
            StoredQuery::Draft(query) => query.supply(answers),
            StoredQuery::Unread(query) => query.supply(answers),
            StoredQuery::Room(query) => query.supply(answers),
            StoredQuery::Facts(query) => query.supply(answers),
        }
    }
}

fn outcome<T>(step: Step<T>, wrap: impl FnOnce(T) -> QueryOutcome) -> Step<QueryOutcome> {
    match step {
        Step::Read(requests) => Step::Read(requests),
        Step::Done(found) => Step::Done(found.map(wrap)),
    }
}
