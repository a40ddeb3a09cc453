//! The text of a message: who wrote it, its number, when it was meant to be sent, and padding.
//!
//! `WWWWWWWWSSSSSSSSTTTTTTTTTTTTTTTT.....`: hexadecimal, each field of fixed width.

/// What a text holds at least, in bytes.
pub(crate) const PAYLOAD_BYTES_MIN: usize = 32;
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
pub(crate) struct Payload {
    /// The connection that wrote it.
    pub(crate) writer: u32,
    /// Its number among its writer's, from 0.
    pub(crate) sequence: u32,
    /// When it was meant to be sent, in nanoseconds of the crowd's clock.
    pub(crate) intended_ns: u64,
}

/// Writes and reads the texts of one size.
#[derive(Debug)]
pub(crate) struct PayloadFormat {
    padding: Box<[u8]>,
}

impl PayloadFormat {
    /// Texts of `size_bytes`, which is at least [`PAYLOAD_BYTES_MIN`].
    pub(crate) fn new(size_bytes: usize) -> PayloadFormat {
        assert!(size_bytes >= PAYLOAD_BYTES_MIN, "a text of {size_bytes} bytes cannot hold its fields");
        PayloadFormat { padding: vec![b'.'; size_bytes - PAYLOAD_BYTES_MIN].into_boxed_slice() }
    }

    /// Appends the text.
    pub(crate) fn write(&self, payload: Payload, out: &mut Vec<u8>) {
        write_digits::<8>(u64::from(payload.writer), out);
        write_digits::<8>(u64::from(payload.sequence), out);
        write_digits::<16>(payload.intended_ns, out);
        out.extend_from_slice(&self.padding);
    }

    /// What a text says; `None` when one byte of it is not as it was written.
    pub(crate) fn read(&self, text: &[u8]) -> Option<Payload> {
        if text.len() != PAYLOAD_BYTES_MIN + self.padding.len() {
            return None;
        }
        let (fields, padding) = text.split_at(PAYLOAD_BYTES_MIN);
        if *padding != *self.padding {
            return None;
        }
        let writer = u32::try_from(read_digits(&fields[..8])?).ok()?;
        let sequence = u32::try_from(read_digits(&fields[8..16])?).ok()?;
        Some(Payload { writer, sequence, intended_ns: read_digits(&fields[16..])? })
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

    fn text(size_bytes: usize) -> Vec<u8> {
        let mut text = Vec::new();
        PayloadFormat::new(size_bytes).write(PAYLOAD, &mut text);
        text
    }

    #[test]
    fn what_is_written_is_read() {
        for size_bytes in [PAYLOAD_BYTES_MIN, 64, 4000] {
            let text = text(size_bytes);
            assert_eq!(text.len(), size_bytes);
            assert_eq!(PayloadFormat::new(size_bytes).read(&text), Some(PAYLOAD));
        }
    }

    #[test]
    fn a_changed_byte_anywhere_in_the_text_is_seen() {
        let format = PayloadFormat::new(64);
        for place in 0..64 {
            let mut text = text(64);
            text[place] = b'~';
            assert_eq!(format.read(&text), None, "at {place}");
        }
    }

    #[test]
    fn a_text_that_is_longer_or_shorter_is_not_what_was_sent() {
        let format = PayloadFormat::new(64);
        assert_eq!(format.read(&text(65)), None);
        assert_eq!(format.read(&text(64)[..63]), None);
        assert_eq!(format.read(b""), None);
    }
}
