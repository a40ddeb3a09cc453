//! The text of a message: who wrote it, its number, when it was meant to be sent, and padding.
//!
//! `WWWWWWWWSSSSSSSSTTTTTTTTTTTTTTTT.....`: hexadecimal, each field of fixed width.

/// What a text holds at least, in bytes.
pub(super) const PAYLOAD_BYTES_MIN: usize = 32;
/// Stands for nothing in [`NIBBLES`].
const NONE: u8 = 0xff;
/// The value of each hexadecimal digit.
const NIBBLES: [u8; 256] = {
    let mut table = [NONE; 256];
    let mut value = 0;
    while value < 16 {
        table[b"0123456789abcdef"[value] as usize] = value as u8;
        value += 1;
    }
    table
};

/// What a message says of itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Payload {
    /// The connection that wrote it.
    pub(super) writer: u32,
    /// Its number among its writer's, from 0.
    pub(super) sequence: u32,
    /// When it was meant to be sent, in nanoseconds of the crowd's clock.
    pub(super) intended_ns: u64,
}

/// Writes and reads the texts of one size.
#[derive(Debug)]
pub(super) struct PayloadFormat {
    padding: Box<[u8]>,
}

impl PayloadFormat {
    /// Texts of `size_bytes`, which is at least [`PAYLOAD_BYTES_MIN`].
    pub(super) fn new(size_bytes: usize) -> PayloadFormat {
        assert!(size_bytes >= PAYLOAD_BYTES_MIN, "a text of {size_bytes} bytes cannot hold its fields");
        PayloadFormat { padding: vec![b'.'; size_bytes - PAYLOAD_BYTES_MIN].into_boxed_slice() }
    }

    /// Appends the text and the end of its line.
    pub(super) fn write(&self, payload: Payload, out: &mut Vec<u8>) {
        write_digits::<8>(u64::from(payload.writer), out);
        write_digits::<8>(u64::from(payload.sequence), out);
        write_digits::<16>(payload.intended_ns, out);
        out.extend_from_slice(&self.padding);
        out.push(b'\n');
    }

    /// Splits `AUTHOR: TEXT` into what stands before the text and what the text says; `None` when
    /// one byte of the text is not as it was written.
    pub(super) fn read<'a>(&self, line: &'a [u8]) -> Option<(&'a [u8], Payload)> {
        let author_bytes = line.len().checked_sub(PAYLOAD_BYTES_MIN + self.padding.len())?;
        let (author, text) = line.split_at(author_bytes);
        let (fields, padding) = text.split_at(PAYLOAD_BYTES_MIN);
        if *padding != *self.padding {
            return None;
        }
        let writer = u32::try_from(read_digits(&fields[..8])?).ok()?;
        let sequence = u32::try_from(read_digits(&fields[8..16])?).ok()?;
        Some((author, Payload { writer, sequence, intended_ns: read_digits(&fields[16..])? }))
    }
}

fn write_digits<const DIGITS: usize>(value: u64, out: &mut Vec<u8>) {
    let digits: [u8; DIGITS] = std::array::from_fn(|place| {
        let nibble = value >> (4 * (DIGITS - 1 - place)) & 15;
        b"0123456789abcdef"[nibble as usize]
    });
    out.extend_from_slice(&digits);
}

fn read_digits(digits: &[u8]) -> Option<u64> {
    let mut value = 0;
    let mut seen = 0;
    for digit in digits {
        let nibble = NIBBLES[usize::from(*digit)];
        seen |= nibble;
        value = value << 4 | u64::from(nibble & 15);
    }
    (seen != NONE).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAYLOAD: Payload = Payload { writer: 99, sequence: 0xdead_beef, intended_ns: u64::MAX - 7 };

    fn line(size_bytes: usize) -> Vec<u8> {
        let mut line = b"w99: ".to_vec();
        PayloadFormat::new(size_bytes).write(PAYLOAD, &mut line);
        assert_eq!(line.pop(), Some(b'\n'));
        line
    }

    #[test]
    fn what_is_written_is_read() {
        for size_bytes in [PAYLOAD_BYTES_MIN, 64, 4000] {
            let line = line(size_bytes);
            assert_eq!(line.len(), 5 + size_bytes);
            let expected = Some((&b"w99: "[..], PAYLOAD));
            assert_eq!(PayloadFormat::new(size_bytes).read(&line), expected);
        }
    }

    #[test]
    fn a_changed_byte_anywhere_in_the_text_is_seen() {
        let format = PayloadFormat::new(64);
        for place in 5..69 {
            let mut line = line(64);
            line[place] = b'~';
            assert_eq!(format.read(&line), None, "at {place}");
        }
    }
}
