//! What an absent user leaves behind.

use super::text::Text;

/// What an absent user leaves for those who whisper.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Away {
    /// In the user's own words, if any.
    pub text: Option<Text>,
}
