//! What was measured, for people and for programs.

mod error;
mod file;
pub(crate) mod hgrm;
pub mod json;
pub(crate) mod number;

pub use error::OutputError;
pub use file::{OutputDirectory, OutputFile};
