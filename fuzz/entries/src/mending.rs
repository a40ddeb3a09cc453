//! Right checksums around wrong contents: without them no damage would ever be looked into.
//!
//! A checksum whose highest bit is 1 is left as it is, so that wrong ones are tried, too.

const ALIGN_BYTES: usize = 16;
const FRAME_HEADER_BYTES: usize = 16;
const BLOCK_BYTES: usize = 64;
const SLOT_BYTES: usize = 16;
/// Tables with more buckets than these are left as they are.
const BUCKETS_MAX: u64 = 64;

pub const INDEX: u8 = 1;
pub const SNAPSHOT: u8 = 2;

/// Gives each frame of a segment the checksum that it has there.
pub fn frames(segment: &mut [u8], shard: u16, number: u64) {
    let mut at = BLOCK_BYTES;
    while at + FRAME_HEADER_BYTES <= segment.len() {
        // The upper byte is the length of the head.
        let length = (u32_at(segment, at) & 0x00ff_ffff) as usize;
        let end = at.saturating_add(FRAME_HEADER_BYTES + length.next_multiple_of(ALIGN_BYTES));
        if length == 0 || end > segment.len() {
            at += ALIGN_BYTES;
            continue;
        }
        let mut covered = [0; 32];
        covered[..4].copy_from_slice(&segment[at..at + 4]);
        covered[4..12].copy_from_slice(&segment[at + 8..at + 16]);
        covered[12..14].copy_from_slice(&shard.to_le_bytes());
        covered[16..24].copy_from_slice(&number.to_le_bytes());
        covered[24..].copy_from_slice(&(at as u64).to_le_bytes());
        let checksum = crc32c::crc32c_append(crc32c::crc32c(&covered), &segment[at + 16..end]);
        put(segment, at + 4, checksum);
        at = end;
    }
}

/// Gives the header of an index, its slots and their buckets their checksums.
pub fn index(file: &mut [u8], directory: u16, segment: u64) {
    if file.len() < BLOCK_BYTES {
        return;
    }
    let length = file.len() as u64;
    file[48..56].copy_from_slice(&length.to_le_bytes());
    let identity = Identity { kind: INDEX, directory, number: segment };
    let checksum = identity.checksum(0, &file[..60]);
    put(file, 60, checksum);
    identity.table(file, BLOCK_BYTES, file[14]);
}

/// Gives both blocks of a snapshot, its slots and their buckets their checksums.
pub fn snapshot(file: &mut [u8]) {
    if file.len() < 2 * BLOCK_BYTES {
        return;
    }
    let end_at = file.len() - BLOCK_BYTES;
    for at in [0, end_at] {
        let checksum = crc32c::crc32c(&file[at..at + 60]);
        put(file, at + 60, checksum);
    }
    let directory = u16::from_le_bytes([file[12], file[13]]);
    let identity = Identity { kind: SNAPSHOT, directory, number: u64_at(file, 16) };
    let slots_at = usize::try_from(u64_at(file, end_at + 32)).unwrap_or(usize::MAX);
    identity.table(file, slots_at, file[40]);
}

/// Which file: its checksums cover that.
struct Identity {
    kind: u8,
    directory: u16,
    number: u64,
}

impl Identity {
    fn checksum(&self, offset_bytes: u64, part: &[u8]) -> u32 {
        let mut covered = [0; 24];
        covered[0] = 1;
        covered[4] = self.kind;
        covered[6..8].copy_from_slice(&self.directory.to_le_bytes());
        covered[8..16].copy_from_slice(&self.number.to_le_bytes());
        covered[16..].copy_from_slice(&offset_bytes.to_le_bytes());
        crc32c::crc32c_append(crc32c::crc32c(&covered), part)
    }

    fn table(&self, file: &mut [u8], slots_at: usize, bits: u8) {
        let buckets = 1_u64.checked_shl(u32::from(bits)).unwrap_or(u64::MAX);
        if buckets > BUCKETS_MAX {
            return;
        }
        for bucket in 0..buckets as usize {
            let at = slots_at.saturating_add(bucket * SLOT_BYTES);
            if at.saturating_add(SLOT_BYTES) > file.len() {
                return;
            }
            let checksum = self.checksum(at as u64, &file[at..at + 12]);
            put(file, at + 12, checksum);
            let bucket_at = u64_at(file, at) as usize;
            let bucket_end = bucket_at.saturating_add(u32_at(file, at + 8) as usize);
            if bucket_end <= file.len() && bucket_at.saturating_add(8) <= bucket_end {
                let entries_bytes = (bucket_end - bucket_at - 8) as u32;
                file[bucket_at..bucket_at + 4].copy_from_slice(&entries_bytes.to_le_bytes());
                let checksum = self.checksum(bucket_at as u64, &file[bucket_at + 8..bucket_end]);
                put(file, bucket_at + 4, checksum);
            }
        }
    }
}

fn put(file: &mut [u8], at: usize, checksum: u32) {
    if file[at + 3] & 0x80 == 0 || u32_at(file, at) == checksum {
        file[at..at + 4].copy_from_slice(&checksum.to_le_bytes());
    }
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | u64::from(u32_at(bytes, at + 4)) << 32
}
