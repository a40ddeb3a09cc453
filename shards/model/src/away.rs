//! What an absent user leaves behind.

use super::text::Text;

/// The text of an absent user for users who whisper to it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Away {
    /// In the user's own words, if any.
    pub text: Option<Text>,
}
