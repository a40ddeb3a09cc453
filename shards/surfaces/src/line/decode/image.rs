//! The line so far as bytes, and where in a telnet command it stands.

use super::{ENDLESS_LINE_BYTES, LineDecoder};
use crate::line::foreign::VersionAtEnd;
use madang_model::connection::{CodingError, Decoder, Encoder};

impl LineDecoder {
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
    pub fn read(from: &mut Decoder<'_>) -> Result<LineDecoder, CodingError> {
        let partial = from.bytes()?.to_vec();
        let line_bytes: u32 = from.small()?;
        let is_possible =
            (partial.is_empty() || partial.len() == line_bytes as usize) && line_bytes < ENDLESS_LINE_BYTES;
        if !is_possible {
            return Err(CodingError("the line so far is not as long as it says"));
        }
        let ends_in_return = from.flag()? && line_bytes > 0;
        let telnet = super::telnet::Telnet::read(from)?;
        Ok(LineDecoder { partial, line_bytes, ends_in_return, telnet, ..LineDecoder::default() })
    }

    /// Writes what images did not hold at first.
    pub fn write_more(&self, out: &mut Encoder) {
        out.flag(self.follows_return);
        out.flag(self.is_mangled);
        out.flag(self.begins_as_http);
        out.byte(self.version_at_end.0);
        self.telnet.write_options(out);
    }

    /// Reads that.
    ///
    /// # Errors
    /// [`CodingError`] when it is none.
    pub fn read_more(&mut self, from: &mut Decoder<'_>) -> Result<(), CodingError> {
        self.follows_return = from.flag()?;
        self.is_mangled = from.flag()?;
        self.begins_as_http = from.flag()?;
        self.version_at_end = VersionAtEnd(from.byte()?);
        self.telnet.read_options(from)
    }

    /// Writes what there is only of a peer that was known to speak telnet as it came.
    pub fn write_of_telnet(&self, out: &mut Encoder) {
        self.telnet.write_opened(out);
    }

    /// Reads that.
    ///
    /// # Errors
    /// [`CodingError`] when it is none.
    pub fn read_of_telnet(&mut self, from: &mut Decoder<'_>) -> Result<(), CodingError> {
        self.telnet.read_opened(from)
    }
}
