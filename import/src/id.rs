//! By which a message is known when it comes again.

use madang_model::{DraftId, Timestamp};
use siphasher::sip128::{Hasher128, SipHasher24};
use std::hash::Hasher;

/// The key of ids that are made here. They are stored: never change it, or imports would store messages again.
const ID_HASH_KEY: [u8; 16] = *b"madang/import/id";
/// Base 32 without letters that are mistaken for digits.
const LETTERS: &[u8; 32] = b"abcdefghjkmnpqrstuvwxyz023456789";
/// As many letters hold 128 bits.
const ID_LETTERS: usize = 26;

/// What is hashed to an id.
#[derive(Clone, Copy)]
enum Source {
    Message = 1,
    Given = 2,
}

/// The id of a message that has none: of all that is known of it, as it was given.
pub fn derived_id(room: &str, author: &str, time: Timestamp, text: &str) -> DraftId {
    hashed(Source::Message, &[room, author, text], time.0)
}

/// A message's own id: as it is where it can be stored so, else its hash.
pub fn given_id(given: &str) -> DraftId {
    DraftId::parse(given).unwrap_or_else(|| hashed(Source::Given, &[given], 0))
}

fn hashed(source: Source, parts: &[&str], number: i64) -> DraftId {
    let mut hasher = SipHasher24::new_with_key(&ID_HASH_KEY);
    hasher.write_u8(source as u8);
    hasher.write(&number.to_le_bytes());
    for part in parts {
        hasher.write(&(part.len() as u64).to_le_bytes());
        hasher.write(part.as_bytes());
    }
    let mut bits = hasher.finish128().as_u128();
    let mut letters = String::with_capacity(ID_LETTERS);
    for _ in 0..ID_LETTERS {
        letters.push(char::from(LETTERS[(bits & 31) as usize]));
        bits >>= 5;
    }
    DraftId::parse(&letters).expect("letters and digits are an id")
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIME: Timestamp = Timestamp(1_700_000_000_000_000);

    /// Ids are stored: with others, a repeated import would store every message again.
    #[test]
    fn ids_are_stable_across_releases() {
        assert_eq!(derived_id("general", "alice", TIME, "안녕").as_str(), DERIVED);
        assert_eq!(given_id("with a space").as_str(), GIVEN);
        assert_eq!(given_id("1700000000.000100").as_str(), "1700000000.000100");
    }

    #[test]
    fn every_part_counts_and_parts_do_not_run_into_each_other() {
        let ids = [
            derived_id("ab", "c", TIME, "d"),
            derived_id("a", "bc", TIME, "d"),
            derived_id("ab", "", TIME, "cd"),
            derived_id("ab", "c", Timestamp(TIME.0 + 1), "d"),
            derived_id("ab", "c", TIME, "D"),
            given_id("ab c"),
            given_id(""),
            given_id(&"x".repeat(65)),
        ];
        for (index, id) in ids.iter().enumerate() {
            assert!(!ids[..index].contains(id), "{index}");
            assert_eq!(id.as_str().len(), ID_LETTERS);
        }
    }

    const DERIVED: &str = "0z93wjtuw0tb6qbfh9yt8q7cea";
    const GIVEN: &str = "hyxcexm32ype5xu6ujmpcq4mtb";
}
