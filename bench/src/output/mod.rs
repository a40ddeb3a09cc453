//! What was measured, for people and for programs.

mod error;
mod file;
pub mod hgrm;
pub mod html;
pub mod json;
pub(crate) mod number;
mod screen;
mod words;

pub use error::OutputError;
pub use file::{OutputDirectory, OutputFile};
pub use screen::{changes_text, screen};
