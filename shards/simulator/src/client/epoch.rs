//! What a client does with the numbers that it knows when the log has another epoch.

use super::super::truth::{Checked, Truth};
use super::Client;

impl Client {
    /// The server names the epoch of its log, where that may change.
    ///
    /// # Errors
    /// When it is that of before although numbers are given again.
    pub(super) fn greeted(&mut self, epoch: &str, truth: &Truth) -> Checked {
        match &self.epoch {
            _ if epoch.is_empty() => return Ok(()),
            Some((known, incarnation)) if known == epoch => {
                return match *incarnation == truth.incarnation {
                    true => Ok(()),
                    false => Err(format!("client {} knows other messages by the numbers of it", self.number)),
                };
            }
            // A number may be another message's.
            Some(_) => self.forget_numbers(),
            None => {}
        }
        self.epoch = Some((epoch.to_owned(), truth.incarnation));
        Ok(())
    }

    fn forget_numbers(&mut self) {
        self.seen.clear();
        self.heard.clear();
        self.edits.clear();
    }
}
