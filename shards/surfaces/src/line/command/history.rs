//! What `/history` is asked for.

use super::{Mistake, Shown};
use madang_model::{Page, Seq};

/// How many messages are shown when no number is given.
const COUNT_DEFAULT: u32 = 20;
/// Above every number that a message can reach, with room to count on from it.
const SEQ_MAX: u64 = u64::MAX >> 1;

/// Reads `[n]`, `[n] before S` or `after S`.
///
/// # Errors
/// [`Mistake`] names the word that does not fit.
pub fn page_of(rest: &str) -> Result<Page, Mistake> {
    let mut words = rest.split_whitespace().peekable();
    let count = match words.peek() {
        None => return Ok(Page::Last { count: COUNT_DEFAULT }),
        Some(word) if is_keyword(word) => None,
        Some(word) => Some(count_of(word)?),
    };
    words.next_if(|_| count.is_some());
    let page = match words.next() {
        None => Page::Last { count: count.unwrap_or(COUNT_DEFAULT) },
        Some(word) if word.eq_ignore_ascii_case("before") => Page::Before {
            seq: seq_of(words.next(), "/history before 100")?,
            count: count.unwrap_or(COUNT_DEFAULT),
        },
        Some(word) if word.eq_ignore_ascii_case("after") => Page::After {
            seq: seq_of(words.next(), "/history after 100")?,
            count: count.unwrap_or(Page::MESSAGES_MAX),
        },
        Some(word) => return Err(Mistake::NotAPage { found: Shown::of(word) }),
    };
    match words.next() {
        Some(word) => Err(Mistake::NotAPage { found: Shown::of(word) }),
        None => Ok(page),
    }
}

fn is_keyword(word: &str) -> bool {
    word.eq_ignore_ascii_case("before") || word.eq_ignore_ascii_case("after")
}

fn count_of(word: &str) -> Result<u32, Mistake> {
    if !is_number(word) {
        return Err(Mistake::NotANumber { found: Shown::of(word), example: "/history 20" });
    }
    let count_max = Page::MESSAGES_MAX;
    match word.parse() {
        Ok(count) if (1..=count_max).contains(&count) => Ok(count),
        _ => Err(Mistake::CountOutOfRange { found: Shown::of(word), count_max }),
    }
}

fn seq_of(word: Option<&str>, example: &'static str) -> Result<Seq, Mistake> {
    let word = word.ok_or(Mistake::Missing { question: "which message number?", example })?;
    // Numbers are shown as `#12`, so that they may be typed so.
    let digits = word.strip_prefix('#').unwrap_or(word);
    if !is_number(digits) {
        return Err(Mistake::NotANumber { found: Shown::of(word), example });
    }
    match digits.parse() {
        Ok(seq) if seq <= SEQ_MAX => Ok(Seq(seq)),
        _ => Err(Mistake::SeqOutOfRange { found: Shown::of(word), seq_max: SEQ_MAX, example }),
    }
}

/// Whether it is a whole number of any size: one that is too large gets an error of its own.
fn is_number(word: &str) -> bool {
    let digits = word.strip_prefix('-').unwrap_or(word);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}
