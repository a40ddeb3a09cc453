//! Bytes that are checked wherever they are used.

mod identity;
mod table;

pub use crate::coding::{Reader, field, push_varint};
pub use identity::{
    AMENDMENTS_VERSION, FORMAT_VERSION, FileIdentity, FileKind, MESSAGES_VERSION, RUN_VERSION,
    SNAPSHOT_VERSION,
};
pub use table::{
    BUCKET_BITS_MAX, BUCKET_ENTRIES, BUCKET_PREFIX_BYTES, BucketSlot, SLOT_BYTES, TableWriter, bucket_bits,
    bucket_of, bucket_of_file, open_bucket, part, read_slot,
};
