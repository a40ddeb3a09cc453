//! Plain values as bytes, for what one process hands to another of the same machine: little-endian,
//! lengths before what they count. Every length is checked against what is there before it is believed.

use std::net::IpAddr;

/// What was written cannot be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("what was handed over cannot be read: {0}")]
pub struct CodingError(pub &'static str);

/// Writes values behind one another.
#[derive(Debug, Default)]
pub struct Encoder(pub Vec<u8>);

impl Encoder {
    /// A byte.
    pub fn byte(&mut self, value: u8) {
        self.0.push(value);
    }

    /// Yes or no.
    pub fn flag(&mut self, value: bool) {
        self.0.push(u8::from(value));
    }

    /// A number.
    pub fn number(&mut self, value: u64) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    /// Bytes, with their length.
    pub fn bytes(&mut self, value: &[u8]) {
        self.number(value.len() as u64);
        self.0.extend_from_slice(value);
    }

    /// A text, with its length.
    pub fn text(&mut self, value: &str) {
        self.bytes(value.as_bytes());
    }

    /// Something, or nothing.
    pub fn option<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Encoder, T)) {
        self.flag(value.is_some());
        if let Some(value) = value {
            write(self, value);
        }
    }

    /// Several of a kind, with their count.
    pub fn list<T>(
        &mut self,
        values: impl ExactSizeIterator<Item = T>,
        mut write: impl FnMut(&mut Encoder, T),
    ) {
        self.number(values.len() as u64);
        for value in values {
            write(self, value);
        }
    }

    /// An address.
    pub fn address(&mut self, address: IpAddr) {
        match address {
            IpAddr::V4(address) => self.bytes(&address.octets()),
            IpAddr::V6(address) => self.bytes(&address.octets()),
        }
    }
}

/// Reads values in the order in which they were written.
#[derive(Debug)]
pub struct Decoder<'a>(pub &'a [u8]);

impl<'a> Decoder<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], CodingError> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(CodingError("it ends too soon"))?;
        self.0 = rest;
        Ok(taken)
    }

    /// A byte.
    ///
    /// # Errors
    /// As all of these: when what is there is not what is read.
    pub fn byte(&mut self) -> Result<u8, CodingError> {
        Ok(self.take(1)?[0])
    }

    /// Yes or no.
    ///
    /// # Errors
    /// [`CodingError`].
    pub fn flag(&mut self) -> Result<bool, CodingError> {
        match self.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(CodingError("a flag is neither yes nor no")),
        }
    }

    /// A number.
    ///
    /// # Errors
    /// [`CodingError`].
    pub fn number(&mut self) -> Result<u64, CodingError> {
        let bytes = self.take(8)?;
        Ok(bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    /// A number that must fit into a smaller type.
    ///
    /// # Errors
    /// [`CodingError`].
    pub fn small<T: TryFrom<u64>>(&mut self) -> Result<T, CodingError> {
        T::try_from(self.number()?).map_err(|_| CodingError("a number is too large"))
    }

    /// Bytes.
    ///
    /// # Errors
    /// [`CodingError`].
    pub fn bytes(&mut self) -> Result<&'a [u8], CodingError> {
        let count = self.small()?;
        self.take(count)
    }

    /// A text.
    ///
    /// # Errors
    /// [`CodingError`].
    pub fn text(&mut self) -> Result<&'a str, CodingError> {
        std::str::from_utf8(self.bytes()?).map_err(|_| CodingError("a text is not UTF-8"))
    }

    /// Something, or nothing.
    ///
    /// # Errors
    /// [`CodingError`].
    pub fn option<T>(
        &mut self,
        read: impl FnOnce(&mut Decoder<'a>) -> Result<T, CodingError>,
    ) -> Result<Option<T>, CodingError> {
        if self.flag()? { read(self).map(Some) } else { Ok(None) }
    }

    /// Several of a kind, each of at least a byte.
    ///
    /// # Errors
    /// [`CodingError`].
    pub fn list<T>(
        &mut self,
        mut read: impl FnMut(&mut Decoder<'a>) -> Result<T, CodingError>,
    ) -> Result<Vec<T>, CodingError> {
        let count: usize = self.small()?;
        if count > self.0.len() {
            return Err(CodingError("a list is longer than what is there"));
        }
        (0..count).map(|_| read(self)).collect()
    }

    /// An address.
    ///
    /// # Errors
    /// [`CodingError`].
    pub fn address(&mut self) -> Result<IpAddr, CodingError> {
        let bytes = self.bytes()?;
        let version_4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
        version_4
            .or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from))
            .map_err(|_| CodingError("an address has 4 or 16 bytes"))
    }

    /// Everything must have been read.
    ///
    /// # Errors
    /// [`CodingError`] when something is left.
    pub fn end(&self) -> Result<(), CodingError> {
        if self.0.is_empty() { Ok(()) } else { Err(CodingError("something is left over")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_and_no_cut_of_it_is() {
        let mut encoder = Encoder::default();
        encoder.text("마당");
        encoder.option(Some(7), Encoder::number);
        encoder.list([true, false].into_iter(), Encoder::flag);
        encoder.address([127, 0, 0, 1].into());
        let read = |bytes: &[u8]| {
            let mut decoder = Decoder(bytes);
            let text = decoder.text()?.to_owned();
            let number = decoder.option(Decoder::number)?;
            let flags = decoder.list(Decoder::flag)?;
            let address = decoder.address()?;
            decoder.end()?;
            Ok::<_, CodingError>((text, number, flags, address))
        };
        let whole = read(&encoder.0).expect("it was written so");
        assert_eq!(whole, ("마당".to_owned(), Some(7), vec![true, false], [127, 0, 0, 1].into()));
        for end in 0..encoder.0.len() {
            assert!(read(&encoder.0[..end]).is_err(), "{end} bytes of it");
        }
    }

    #[test]
    fn no_length_is_believed_that_is_not_there() {
        let mut endless = Encoder::default();
        endless.number(u64::MAX);
        assert!(Decoder(&endless.0).bytes().is_err());
        assert!(Decoder(&endless.0).list(Decoder::byte).is_err());
    }
}
