//! One page with everything, which needs nothing else.

use crate::baseline::Comparison;
use crate::results::Run;

/// stub
pub fn page(_run: &Run, _comparison: Option<&Comparison>) -> Result<String, String> {
    Ok(String::new())
}
