//! The language of words for people: Korean or English, as the client asks (RFC 9110, section 12.5.4).

use axum::http::HeaderMap;
use axum::http::header::ACCEPT_LANGUAGE;

/// The longest header that is read, in bytes: browsers send less than 100.
const HEADER_BYTES_MAX: usize = 512;

/// A language that we have words in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Language {
    /// What is spoken where nothing else is asked for.
    English,
    /// Korean.
    Korean,
}

impl Language {
    /// The one that a request prefers.
    pub fn of(headers: &HeaderMap) -> Language {
        let ranges = headers.get_all(ACCEPT_LANGUAGE).iter().filter_map(|value| value.to_str().ok());
        let mut best = (Language::English, 0);
        for range in ranges.flat_map(|value| value.get(..HEADER_BYTES_MAX).unwrap_or(value).split(',')) {
            let (tag, weight) = range.split_once(';').unwrap_or((range, ""));
            let (Some(language), Some(weight)) = (Language::named(tag.trim()), thousandths(weight.trim()))
            else {
                continue;
            };
            // Of equal ones the first.
            if weight > best.1 {
                best = (language, weight);
            }
        }
        best.0
    }

    fn named(tag: &str) -> Option<Language> {
        let primary = tag.split('-').next().unwrap_or_default();
        match primary {
            _ if primary.eq_ignore_ascii_case("ko") => Some(Language::Korean),
            _ if primary.eq_ignore_ascii_case("en") || primary == "*" => Some(Language::English),
            _ => None,
        }
    }

    /// As headers and pages name it (RFC 5646).
    pub fn tag(self) -> &'static str {
        match self {
            Language::English => "en",
            Language::Korean => "ko",
        }
    }
}

/// `q=0.8` in thousandths; nothing said is 1,000, nonsense is `None`.
fn thousandths(parameter: &str) -> Option<u32> {
    if parameter.is_empty() {
        return Some(1_000);
    }
    let value = parameter.strip_prefix("q=").or_else(|| parameter.strip_prefix("Q="))?;
    let (whole, part) = value.split_once('.').unwrap_or((value, ""));
    if part.len() > 3 || !part.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let thousandths: u32 = format!("{part:0<3}").parse().ok()?;
    match whole {
        "0" => Some(thousandths),
        "1" if thousandths == 0 => Some(1_000),
        _ => None,
    }
}

/// Words for people, in each language.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Words {
    /// English.
    pub english: String,
    /// Korean.
    pub korean: String,
}

impl Words {
    /// Of both.
    pub fn new(english: impl Into<String>, korean: impl Into<String>) -> Words {
        Words { english: english.into(), korean: korean.into() }
    }

    /// In one of them.
    pub fn spoken(&self, language: Language) -> &str {
        match language {
            Language::English => &self.english,
            Language::Korean => &self.korean,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn of(header: &str) -> Language {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT_LANGUAGE, HeaderValue::from_str(header).unwrap());
        Language::of(&headers)
    }

    #[test]
    fn the_heaviest_language_that_we_have_is_spoken() {
        for (header, language) in [
            ("ko", Language::Korean),
            ("ko-KR,ko;q=0.9,en-US;q=0.8,en;q=0.7", Language::Korean),
            ("en-US,en;q=0.9,ko;q=0.8", Language::English),
            ("en;q=0.1, KO;q=0.2", Language::Korean),
            ("fr, ko;q=0.5", Language::Korean),
            ("fr, de", Language::English),
            ("ko;q=0, en;q=0.001", Language::English),
            ("ko;q=0", Language::English),
            ("ko;q=2", Language::English),
            ("ko;q=0.8888, en;q=0.1", Language::English),
            ("*, ko;q=0.9", Language::English),
            ("", Language::English),
            ("ko;;;,,,;q=", Language::English),
        ] {
            assert_eq!(of(header), language, "{header}");
        }
        assert_eq!(Language::of(&HeaderMap::new()), Language::English);
    }
}
