//! The line so far as bytes, and where in a telnet command it stands.

use super::{Decoder, ENDLESS_LINE_BYTES};
use madang_shards::connection::{CodingError, Decoder as Reader, Encoder};

impl Decoder {
    /// Writes it.
    pub fn write(&self, out: &mut Encoder) {
        out.bytes(&self.partial);
        out.number(u64::from(self.line_bytes));
        out.flag(self.ends_in_return);
        self.telnet.write(out);
    }

    /// Reads one.
    ///
    /// # Errors
    /// [`CodingError`] when it is none.
    pub fn read(from: &mut Reader<'_>) -> Result<Decoder, CodingError> {
        let partial = from.bytes()?.to_vec();
        let line_bytes: u32 = from.small()?;
        let is_possible =
            (partial.is_empty() || partial.len() == line_bytes as usize) && line_bytes < ENDLESS_LINE_BYTES;
        if !is_possible {
            return Err(CodingError("the line so far is not as long as it says"));
        }
        let ends_in_return = from.flag()? && line_bytes > 0;
        Ok(Decoder { partial, line_bytes, ends_in_return, telnet: super::telnet::Telnet::read(from)? })
    }
}
