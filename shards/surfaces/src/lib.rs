//! The protocols by which people and programs reach the shards: bytes on one side, requests and events on the other.
//! None holds a socket, a clock or a file.

pub mod line;

use madang_model::connection::ProtocolReason;

/// Every reason of a protocol by which connections end, each at its place.
pub const REASONS: [ProtocolReason; 2] = [line::ENDLESS_LINE, line::WRONG_PROTOCOL];
/// The names of [`REASONS`], under which such ends are counted.
pub const REASON_NAMES: [&str; REASONS.len()] = [line::ENDLESS_LINE.name(), line::WRONG_PROTOCOL.name()];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_is_counted_at_a_place_of_its_own_under_a_name_of_its_own() {
        for (place, reason) in REASONS.iter().enumerate() {
            assert_eq!((reason.place(), reason.name()), (place, REASON_NAMES[place]));
            assert!(REASONS[..place].iter().all(|other| other.name() != reason.name()));
        }
    }
}
