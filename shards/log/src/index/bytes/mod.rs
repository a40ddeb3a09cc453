//! Bytes that are checked wherever they are used.

mod coding;
mod identity;
mod table;

pub use coding::{Reader, field, push_varint};
pub use identity::{FORMAT_VERSION, Identity, Kind};
pub use table::{
    BUCKET_BITS_MAX, BUCKET_PREFIX_BYTES, SLOT_BYTES, Slot, TableWriter, bucket_bits, bucket_of, open_bucket,
    read_slot,
};
