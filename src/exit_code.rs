//! Exit codes that more than one part of the program uses.

/// The command line or the configuration must be corrected. clap uses the same code.
pub const EXIT_USAGE: u8 = 2;
