//! The facts of rooms in their log: how records of them hang together, and what a room's home keeps to append more.
//!
//! A room's facts are a *checkpoint*, all of them, and *records behind it*, each with what has changed since the one
//! it links to. A room's home renews the checkpoint when the records behind it have as many bytes, so that loading a
//! room costs as much as its facts are large. Where the newest record of each room is, the index of each segment and
//! the snapshot say ([`FactsPointer`]).
//!
//! **Invariant:** the records of one room that hang together are in one directory. When a room's home has moved, its
//! first record there is a checkpoint.
//!
//! **Invariant:** a record links to what is committed only, and repeats what its room has appended since: so no place
//! has to be known before it is decided, and a batch that failed can be written again as it is.
//!
//! **Invariant:** of two records the later needs no older segment: until a checkpoint is committed, only checkpoints are
//! appended behind it. So a segment that the newest record in any file does not need is not needed by what the open
//! segment holds.

mod body;
mod chain;
mod ledger;
mod link;
mod salvage;

#[cfg(test)]
pub use body::Behind;
pub use body::FactsBody;
pub use chain::{FactsChain, LoadedFacts};
pub use ledger::{FactsAppended, FactsLedger, FactsNotAppended};
pub use link::{FactsLink, FactsPointer, FactsVersion};
pub use salvage::{FactsSalvage, LostRevisions};
