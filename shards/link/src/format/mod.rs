//! Batches of envelopes as bytes. **This does not change with the version**: versions are of bodies.
//!
//! A batch is a header of 16 bytes and its envelopes; an envelope is a header of 8 bytes and its body, an
//! rkyv archive, filled with zeros to a multiple of 8. Numbers are little-endian.
//!
//! ```text
//! batch     "MDLK" · bytes of all envelopes (u32) · how many envelopes (u32) · 0 (u32)
//! envelope  bytes of the body (u32) · version (u16) · kind (u16) · body · zeros
//! ```

mod builder;
mod envelope;
mod fault;
mod kind;
mod reader;

pub use builder::{BatchBuilder, Body, EnvelopeEncoder, TooLong};
pub use envelope::Envelope;
pub use fault::WireFault;
pub use kind::Kind;
pub use reader::BatchReader;
