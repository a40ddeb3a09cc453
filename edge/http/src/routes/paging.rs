//! Parts of lists.

use crate::problem::Problem;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Entries of a page, at most.
pub const LIMIT_MAX: u16 = 100;
/// Entries of a page, where nothing is said.
const LIMIT_DEFAULT: u16 = 50;

/// How many entries are asked for.
///
/// # Errors
/// [`crate::problem::ProblemCode::QueryInvalid`].
pub fn limit(given: Option<u16>) -> Result<usize, Problem> {
    let limit = given.unwrap_or(LIMIT_DEFAULT);
    match (1..=LIMIT_MAX).contains(&limit) {
        true => Ok(usize::from(limit)),
        false => Err(Problem::parameter(
            "limit",
            &format!("it is 1 to {LIMIT_MAX}"),
            &format!("1에서 {LIMIT_MAX}까지입니다"),
        )),
    }
}

/// A cursor that is none.
pub fn no_cursor() -> Problem {
    Problem::parameter("cursor", "it is the `next` of the page before", "앞 쪽의 `next` 값입니다")
}

/// What a list continues after, for its next part.
pub fn cursor_of(number: i64) -> String {
    URL_SAFE_NO_PAD.encode(number.to_string())
}

/// What [`cursor_of`] was given; `None` is at the beginning.
///
/// # Errors
/// [`no_cursor`].
pub fn number_of(cursor: Option<&str>) -> Result<Option<i64>, Problem> {
    let number = |cursor: &str| {
        let text = String::from_utf8(URL_SAFE_NO_PAD.decode(cursor).ok()?).ok()?;
        text.parse().ok()
    };
    cursor.map(|cursor| number(cursor).ok_or_else(no_cursor)).transpose()
}
