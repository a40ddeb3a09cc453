//! Finding a key in a table: the read of its slot, then the read of its bucket.

use super::request::{ReadRequest, StoredFile};
use crate::index::bytes::{
    BucketSlot, FileIdentity, MESSAGES_VERSION, SLOT_BYTES, bucket_of, open_bucket, read_slot,
};

/// The part that begins here is not what was written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Damaged {
    pub offset_bytes: u64,
}

/// A search for one key's bucket.
#[derive(Debug)]
pub struct BucketLookup {
    identity: FileIdentity,
    file: StoredFile,
    slot_at: u64,
    /// Where the bucket is, once that was read.
    slot: Option<BucketSlot>,
}

impl BucketLookup {
    /// In a table whose slots begin at `slots_at`.
    pub fn new(
        identity: FileIdentity,
        file: StoredFile,
        slots_at: u64,
        key: u64,
        bucket_bits: u8,
    ) -> BucketLookup {
        let slot_at = slots_at + bucket_of(key, bucket_bits) * SLOT_BYTES as u64;
        BucketLookup { identity, file, slot_at, slot: None }
    }

    pub fn request(&self) -> ReadRequest {
        let (offset_bytes, bytes) = match self.slot {
            None => (self.slot_at, SLOT_BYTES),
            Some(slot) => (slot.offset_bytes, slot.bytes as usize),
        };
        ReadRequest { directory: self.identity.directory, file: self.file, offset_bytes, bytes }
    }

    /// Takes what was asked for. Gives the bucket's entries, once they are there, and the format of the file: whichever
    /// of those that are read it has.
    pub fn supply<'a>(&mut self, bytes: &'a [u8]) -> Result<Option<(&'a [u8], u32)>, Damaged> {
        match self.slot {
            None => {
                let versions = [self.identity, self.identity.of_version(MESSAGES_VERSION)];
                let read = |identity| Some((identity, read_slot(identity, self.slot_at, bytes)?));
                let found = versions.into_iter().find_map(read);
                let (identity, slot) = found.ok_or(Damaged { offset_bytes: self.slot_at })?;
                (self.identity, self.slot) = (identity, Some(slot));
                Ok(None)
            }
            Some(BucketSlot { offset_bytes, .. }) => {
                let entries = open_bucket(self.identity, offset_bytes, bytes);
                entries.map(|entries| Some((entries, self.identity.version))).ok_or(Damaged { offset_bytes })
            }
        }
    }

    /// Where the part asked for begins.
    pub fn offset_bytes(&self) -> u64 {
        self.slot.map_or(self.slot_at, |slot| slot.offset_bytes)
    }
}
