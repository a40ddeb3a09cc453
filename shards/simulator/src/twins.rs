//! Rooms that look alike in pairs, and seldom have messages: the first to join has one made, and nobody the other.

/// What their names begin with.
const FIRST_LETTER: char = 'q';

/// The names of this many pairs: `q00` and `q0O`.
pub fn names(pairs: usize) -> impl Iterator<Item = String> {
    (0..pairs).flat_map(|n| ['0', 'O'].map(|last| format!("{FIRST_LETTER}{n}{last}")))
}

/// Whether a room is one of them.
pub fn is_one(room: &str) -> bool {
    room.starts_with(FIRST_LETTER)
}
