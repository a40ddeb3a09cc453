//! A table sorted by key, in buckets by the keys' highest bits. Its *slots*, one a bucket, say
//! where each bucket is: a key is found with one read of a slot and one of a bucket.

use super::identity::FileIdentity;
use crate::coding::field;
use std::io::{self, Write};

/// The bytes of a slot: offset, length and checksum.
pub const SLOT_BYTES: usize = 16;
/// The bytes before the entries of a bucket: their length, and the checksum.
pub const BUCKET_PREFIX_BYTES: usize = 8;
/// Few enough that a bucket is a small read, enough that slots cost a byte an entry.
pub const BUCKET_ENTRIES: u64 = 16;

/// More buckets than any table has.
pub const BUCKET_BITS_MAX: u8 = 40;

/// The buckets of a table with this many entries, as a power of two.
pub fn bucket_bits(entries: u64) -> u8 {
    entries.div_ceil(BUCKET_ENTRIES).max(1).next_power_of_two().trailing_zeros() as u8
}

/// The bucket of a key.
pub fn bucket_of(key: u64, bits: u8) -> u64 {
    key.checked_shr(u64::BITS - u32::from(bits)).unwrap_or(0)
}

/// Where a bucket is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BucketSlot {
    pub offset_bytes: u64,
    /// With what stands before its entries.
    pub bytes: u32,
}

/// Reads the slot that lies at `offset_bytes`; `None` when it is damaged.
pub fn read_slot(identity: FileIdentity, offset_bytes: u64, bytes: &[u8]) -> Option<BucketSlot> {
    let bytes: &[u8; SLOT_BYTES] = bytes.try_into().ok()?;
    let is_right = identity.checksum(offset_bytes, &bytes[..12]) == u32::from_le_bytes(field(bytes, 12));
    is_right.then(|| BucketSlot {
        offset_bytes: u64::from_le_bytes(field(bytes, 0)),
        bytes: u32::from_le_bytes(field(bytes, 8)),
    })
}

/// The entries of the bucket that lies at `offset_bytes`; `None` when it is damaged.
pub fn open_bucket(identity: FileIdentity, offset_bytes: u64, bytes: &[u8]) -> Option<&[u8]> {
    let (prefix, entries) = bytes.split_at_checked(BUCKET_PREFIX_BYTES)?;
    let is_whole = u32::from_le_bytes(field(prefix, 0)) as usize == entries.len();
    let is_right = identity.checksum(offset_bytes, entries) == u32::from_le_bytes(field(prefix, 4));
    (is_whole && is_right).then_some(entries)
}

/// A part of a whole file; `None` where that ends before.
pub fn part(file: &[u8], offset_bytes: u64, bytes: u64) -> Option<&[u8]> {
    let start = usize::try_from(offset_bytes).ok()?;
    let end = start.checked_add(usize::try_from(bytes).ok()?)?;
    file.get(start..end)
}

/// A bucket of a whole file whose slots begin at `slots_at`: where it lies, and its entries. Where the part that is damaged
/// begins, if one is.
pub fn bucket_of_file(
    file: &[u8],
    identity: FileIdentity,
    slots_at: u64,
    bucket: u64,
) -> Result<(u64, &[u8]), u64> {
    let slot_at = slots_at + bucket * SLOT_BYTES as u64;
    let slot = part(file, slot_at, SLOT_BYTES as u64).and_then(|bytes| read_slot(identity, slot_at, bytes));
    let BucketSlot { offset_bytes, bytes } = slot.ok_or(slot_at)?;
    let entries =
        part(file, offset_bytes, bytes.into()).and_then(|bytes| open_bucket(identity, offset_bytes, bytes));
    Ok((offset_bytes, entries.ok_or(offset_bytes)?))
}

/// Writes a table's buckets one after another. Holds one bucket, and every slot.
#[derive(Debug)]
pub struct TableWriter {
    identity: FileIdentity,
    bits: u8,
    /// Where the open bucket begins.
    offset_bytes: u64,
    /// The open bucket, with its prefix.
    open: Vec<u8>,
    /// Of the finished buckets: the open one is the next.
    slots: Vec<BucketSlot>,
    last_key: Option<u64>,
}

impl TableWriter {
    /// A table whose first bucket begins at `offset_bytes` of its file.
    pub fn new(identity: FileIdentity, bits: u8, offset_bytes: u64) -> TableWriter {
        let open = vec![0; BUCKET_PREFIX_BYTES];
        TableWriter { identity, bits, offset_bytes, open, slots: Vec::new(), last_key: None }
    }

    /// Adds an entry, whose bytes `encode` appends.
    ///
    /// # Panics
    /// When its key is not above the last.
    pub fn push(
        &mut self,
        key: u64,
        encode: impl FnOnce(&mut Vec<u8>),
        out: &mut impl Write,
    ) -> io::Result<()> {
        assert!(self.last_key.is_none_or(|last| last < key), "a table is written in the order of its keys");
        self.last_key = Some(key);
        while (self.slots.len() as u64) < bucket_of(key, self.bits) {
            self.end_bucket(out)?;
        }
        encode(&mut self.open);
        Ok(())
    }

    /// Writes what is left. Gives the slots as they are to lie at `slots_at` of the file, or where
    /// the buckets end if that is `None`; and that end.
    pub fn finish(mut self, slots_at: Option<u64>, out: &mut impl Write) -> io::Result<(Vec<u8>, u64)> {
        while (self.slots.len() as u64) < 1 << self.bits {
            self.end_bucket(out)?;
        }
        let mut bytes = Vec::with_capacity(self.slots.len() * SLOT_BYTES);
        for slot in &self.slots {
            let start = bytes.len();
            bytes.extend_from_slice(&slot.offset_bytes.to_le_bytes());
            bytes.extend_from_slice(&slot.bytes.to_le_bytes());
            let offset_bytes = slots_at.unwrap_or(self.offset_bytes) + start as u64;
            let checksum = self.identity.checksum(offset_bytes, &bytes[start..]);
            bytes.extend_from_slice(&checksum.to_le_bytes());
        }
        Ok((bytes, self.offset_bytes))
    }

    fn end_bucket(&mut self, out: &mut impl Write) -> io::Result<()> {
        let (prefix, entries) = self.open.split_at_mut(BUCKET_PREFIX_BYTES);
        let length = u32::try_from(entries.len()).expect("the rooms of one bucket are below 4 GiB");
        prefix[..4].copy_from_slice(&length.to_le_bytes());
        prefix[4..].copy_from_slice(&self.identity.checksum(self.offset_bytes, entries).to_le_bytes());
        out.write_all(&self.open)?;
        self.slots.push(BucketSlot { offset_bytes: self.offset_bytes, bytes: self.open.len() as u32 });
        self.offset_bytes += self.open.len() as u64;
        self.open.truncate(BUCKET_PREFIX_BYTES);
        Ok(())
    }
}
