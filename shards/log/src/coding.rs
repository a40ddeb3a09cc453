//! Numbers as bytes.

/// Writes a number in seven-bit groups, the lowest first (LEB128): small ones take one byte.
pub fn push_varint(out: &mut Vec<u8>, value: u64) {
    let mut rest = value;
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

/// The field of a block at `at`.
pub fn field<const N: usize>(block: &[u8], at: usize) -> [u8; N] {
    *block[at..].first_chunk().expect("every field lies within its block")
}

/// Takes a part of a file apart from its start. `None` stands for too few bytes, or wrong ones.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { rest: bytes }
    }

    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// What was not taken yet.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(count)?;
        self.rest = rest;
        Some(taken)
    }

    pub fn byte(&mut self) -> Option<u8> {
        self.bytes(1).map(|bytes| bytes[0])
    }

    pub fn fixed(&mut self) -> Option<u64> {
        self.bytes(8).map(|bytes| u64::from_le_bytes(field(bytes, 0)))
    }

    pub fn varint(&mut self) -> Option<u64> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let group = u64::from(byte & 0x7f);
            if group << shift >> shift != group {
                return None;
            }
            value |= group << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    /// Text with its length before it.
    pub fn text(&mut self) -> Option<&'a str> {
        let length = usize::try_from(self.varint()?).ok()?;
        std::str::from_utf8(self.bytes(length)?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_reads_as_it_is_written() {
        for value in (0..64).flat_map(|bit| [(1_u64 << bit) - 1, 1 << bit]).chain([u64::MAX]) {
            let mut bytes = Vec::new();
            push_varint(&mut bytes, value);
            let mut reader = Reader::new(&bytes);
            assert_eq!((reader.varint(), reader.is_empty()), (Some(value), true));
            assert_eq!(Reader::new(&bytes[..bytes.len() - 1]).varint(), None);
        }
        assert_eq!(Reader::new(&[0xff; 10]).varint(), None);
    }
}
