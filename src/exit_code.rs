//! What the process ends with, where more than one part of the program says so.

/// What was typed or configured cannot be done as it stands. clap ends with the same code.
pub const EXIT_USAGE: u8 = 2;
