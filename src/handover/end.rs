//! The last frame: how many connections went before it, and the kind of entrance of each.

use madang_config::{ENTRANCES, EntranceKey, LINE};
use madang_model::connection::{CodingError, Decoder, Encoder, EntranceKind};

/// Writes it: their number, the short names of all kinds of entrances, and for each connection the place of its kind
/// among them.
pub fn write(entrances: &[EntranceKind], out: &mut Encoder) {
    out.number(entrances.len() as u64);
    // A program from before there were several reads no further.
    out.list(ENTRANCES.iter(), |out, key| out.text(key.short_name()));
    let place = |kind: &EntranceKind| u8::try_from(EntranceKey::place(*kind)).expect("the table is short");
    let places: Vec<u8> = entrances.iter().map(place).collect();
    out.bytes(&places);
}

/// Reads the kind of entrance of each of `count` connections. `None` is one that this program does not know.
///
/// # Errors
/// When their number is not `count`, or the frame is malformed.
pub fn read(mut from: Decoder<'_>, count: usize) -> Result<Vec<Option<EntranceKind>>, CodingError> {
    if from.number()? != count as u64 {
        return Err(CodingError("connections are missing"));
    }
    if from.0.is_empty() {
        return Ok(vec![Some(LINE); count]);
    }
    let known = from.list(|from| Ok(EntranceKey::named(from.text()?).map(|key| key.kind)))?;
    let places = from.bytes()?;
    if places.len() != count {
        return Err(CodingError("it is not said of each connection how it came in"));
    }
    let kind = |place: &u8| known.get(usize::from(*place)).copied();
    places.iter().map(|place| kind(place).ok_or(CodingError("there is no such entrance"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use madang_config::LINE_TLS;

    /// What older programs wrote after three connections: no kinds of entrances.
    const BEFORE: &[u8] = b"\x03\0\0\0\0\0\0\0";

    fn written(entrances: &[EntranceKind]) -> Vec<u8> {
        let mut out = Encoder::default();
        write(entrances, &mut out);
        out.0
    }

    #[test]
    fn connections_of_a_program_of_before_came_for_lines() {
        assert_eq!(read(Decoder(BEFORE), 3), Ok(vec![Some(LINE); 3]));
        assert!(read(Decoder(BEFORE), 2).is_err(), "one is missing");
    }

    #[test]
    fn how_each_came_in_goes_along_behind_what_programs_of_before_read() {
        let bytes = written(&[LINE, LINE_TLS, LINE]);
        assert!(bytes.starts_with(BEFORE));
        assert_eq!(read(Decoder(&bytes), 3), Ok(vec![Some(LINE), Some(LINE_TLS), Some(LINE)]));
        for end in (0..bytes.len()).filter(|end| *end != BEFORE.len()) {
            assert!(read(Decoder(&bytes[..end]), 3).is_err(), "{end} bytes of it");
        }
    }

    #[test]
    fn an_entrance_is_known_by_its_name_and_not_by_its_place() {
        let mut out = Encoder::default();
        out.number(3);
        out.list(["tubes", "line"].iter(), |out, name| out.text(name));
        out.bytes(&[1, 0, 1]);
        assert_eq!(read(Decoder(&out.0), 3), Ok(vec![Some(LINE), None, Some(LINE)]));
        *out.0.last_mut().unwrap() = 2;
        assert!(read(Decoder(&out.0), 3).is_err(), "there is no third");
    }
}
