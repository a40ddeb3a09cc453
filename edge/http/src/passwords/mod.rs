//! Passwords: computed on threads of their own, remembered as proofs, and slow to guess.

mod guesses;
mod proofs;
mod workers;

pub use guesses::{GUESS_WAIT_MAX, Guesses};
pub use proofs::{PROOF_TIME_US, Proofs};
pub use workers::{Busy, PASSWORDS_WAITING_MAX, PasswordLoad, Workers};
