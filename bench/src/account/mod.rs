//! What was sent, what came, and how long it took: the books of a measurement, without sockets.

mod fault_list;
mod ledger;
mod payload;
mod record;
mod timeline;

pub(crate) use fault_list::{FaultKind, FaultList};
pub(crate) use ledger::{Ledger, Promises};
pub(crate) use payload::{Payload, PayloadFormat};
pub(crate) use record::{Record, empty_histogram};
