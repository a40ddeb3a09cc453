//! Rooms that look alike in pairs, and are seldom spoken in: whoever comes first has one made, and nobody the other.

/// What their names begin with.
const FIRST_LETTER: char = 'q';

/// Their names, of so many pairs: `q00` and `q0O`.
pub fn names(pairs: usize) -> impl Iterator<Item = String> {
    (0..pairs).flat_map(|n| ['0', 'O'].map(|last| format!("{FIRST_LETTER}{n}{last}")))
}

/// Whether a room is one of them.
pub fn is_one(room: &str) -> bool {
    room.starts_with(FIRST_LETTER)
}
