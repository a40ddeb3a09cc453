//! A body of JSON.

use super::depth::{DEPTH_MAX, is_too_deep};
use crate::problem::{Problem, ProblemCode, WrongValue};
use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, Request};
use axum::http::HeaderMap;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::de::DeserializeOwned;
use std::borrow::Cow;

/// The largest body, in bytes.
pub const BODY_BYTES_MAX: usize = 64 * 1_024;
/// The longest words of the parser that are shown, in characters: they have what was sent in them.
const WORDS_CHARS_MAX: usize = 200;

/// A body of JSON, of the form that is described. Unknown fields are refused: a misspelt one would have no effect.
#[derive(Clone, Copy, Debug)]
pub struct Json<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        if !is_json(&parts.headers) {
            return Err(Problem::plain(ProblemCode::ContentType));
        }
        let bytes = read(&parts.headers, body).await?;
        parse(&bytes).map(Json)
    }
}

/// A body that may be left out.
impl<T: DeserializeOwned, S: Send + Sync> axum::extract::OptionalFromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Option<Self>, Problem> {
        let (parts, body) = request.into_parts();
        let bytes = read(&parts.headers, body).await?;
        if bytes.is_empty() {
            return Ok(None);
        }
        if !is_json(&parts.headers) {
            return Err(Problem::plain(ProblemCode::ContentType));
        }
        // `null` is nothing, too.
        Ok(parse::<Option<T>>(&bytes)?.map(Json))
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let given = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut parts = given.split(';').map(str::trim);
    let is_type = parts.next().is_some_and(|kind| kind.eq_ignore_ascii_case("application/json"));
    // JSON is UTF-8 (RFC 8259, section 8.1).
    let is_charset = |part: &str| {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        !name.eq_ignore_ascii_case("charset") || value.trim_matches('"').eq_ignore_ascii_case("utf-8")
    };
    is_type && parts.all(is_charset)
}

async fn read(headers: &HeaderMap, body: Body) -> Result<Bytes, Problem> {
    let too_large = || {
        let (english, korean) = (
            format!("a body has at most {BODY_BYTES_MAX} bytes; send less"),
            format!("본문은 {BODY_BYTES_MAX}바이트까지입니다. 더 적게 보내십시오"),
        );
        Problem::new(ProblemCode::BodyTooLong, english, korean)
    };
    let length = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if length.is_some_and(|length| length > BODY_BYTES_MAX as u64) {
        return Err(too_large());
    }
    match Limited::new(body, BODY_BYTES_MAX).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(too_large()),
        Err(_) => Err(Problem::plain(ProblemCode::BodyIncomplete)),
    }
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    if is_too_deep(bytes) {
        return Err(Problem::new(
            ProblemCode::JsonTooDeep,
            format!("arrays and objects are nested at most {DEPTH_MAX} deep; send a flatter body"),
            format!("배열과 객체는 {DEPTH_MAX}겹까지 중첩할 수 있습니다. 덜 중첩된 본문을 보내십시오"),
        ));
    }
    // The values of an array would be taken for those of an object, in their order.
    if bytes.trim_ascii_start().starts_with(b"[") {
        serde_json::from_slice::<serde::de::IgnoredAny>(bytes)
            .map_err(|error| refused(&error, String::new()))?;
        let error = serde::de::Error::invalid_type(serde::de::Unexpected::Seq, &"an object");
        return Err(refused(&error, String::new()));
    }
    let mut parser = serde_json::Deserializer::from_slice(bytes);
    let parsed = serde_path_to_error::deserialize(&mut parser);
    let value = parsed.map_err(|error| {
        let pointer = pointer(error.path());
        refused(error.inner(), pointer)
    })?;
    parser.end().map_err(|error| refused(&error, String::new()))?;
    Ok(value)
}

/// A JSON pointer (RFC 6901) to where the parser was.
fn pointer(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    let steps = path.iter().filter_map(|segment| match segment {
        Segment::Seq { index } => Some(format!("/{index}")),
        Segment::Map { key } => Some(format!("/{}", key.replace('~', "~0").replace('/', "~1"))),
        Segment::Enum { .. } | Segment::Unknown => None,
    });
    steps.collect()
}

fn refused(error: &serde_json::Error, pointer: String) -> Problem {
    // Without the place in the text, which is said apart.
    let words = error.to_string();
    let words = words.rsplit_once(" at line ").map_or(&*words, |(words, _)| words);
    let words: String = words.chars().filter(|c| !c.is_control()).take(WORDS_CHARS_MAX).collect();
    if !error.is_data() {
        let (line, column) = (error.line(), error.column());
        return Problem::new(
            ProblemCode::JsonInvalid,
            format!("the body is no JSON: {words} at line {line}, column {column}; send JSON in UTF-8"),
            format!(
                "본문이 JSON이 아닙니다({line}번째 줄 {column}번째 칸: {words}). UTF-8로 된 JSON을 보내십시오"
            ),
        );
    }
    let named = words.split('`').nth(1).unwrap_or_default();
    let (code, pointer) = match () {
        () if words.starts_with("missing field") => ("required", format!("{pointer}/{named}")),
        () if words.starts_with("unknown field") => ("unknown", pointer),
        () if words.starts_with("duplicate field") => ("repeated", format!("{pointer}/{named}")),
        () => ("invalid", pointer),
    };
    let shown: String = pointer.chars().filter(|c| !c.is_control()).take(WORDS_CHARS_MAX).collect();
    let korean = match code {
        "required" => format!("{shown} 값이 빠졌습니다"),
        "unknown" => format!("{shown} 값은 알 수 없습니다"),
        "repeated" => format!("{shown} 값이 되풀이되었습니다"),
        _ => format!("{shown} 값의 형식이 다릅니다({words})"),
    };
    let mut problem = Problem::new(
        ProblemCode::BodyInvalid,
        format!("{words} (at '{shown}'); /api/openapi.json describes the body"),
        format!("{korean}. 본문의 형식은 /api/openapi.json에 있습니다"),
    );
    problem.errors.push(WrongValue { pointer: Cow::Owned(pointer), code });
    problem
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;
    use serde::Deserialize;

    #[derive(Deserialize, Debug)]
    #[serde(deny_unknown_fields)]
    struct Sent {
        #[allow(dead_code, reason = "it is only read")]
        name: String,
        #[serde(default)]
        #[allow(dead_code, reason = "it is only read")]
        many: Vec<u8>,
    }

    fn refused(text: &str) -> (&'static str, String, Vec<(String, &'static str)>) {
        let problem = parse::<Sent>(text.as_bytes()).unwrap_err();
        let errors =
            problem.errors.into_iter().map(|wrong| (wrong.pointer.into_owned(), wrong.code)).collect();
        (problem.code.as_str(), problem.detail.english, errors)
    }

    #[test]
    fn a_wrong_value_is_named_by_its_pointer() {
        for (text, code, pointer) in [
            ("{}", "required", "/name"),
            (r#"{"name":1}"#, "invalid", "/name"),
            (r#"{"name":"a","nmae":"b"}"#, "unknown", "/nmae"),
            (r#"{"name":"a","a/b~":"b"}"#, "unknown", "/a~1b~0"),
            (r#"{"name":"a","name":"b"}"#, "repeated", "/name"),
            (r#"{"name":"a","many":[1,2,"x"]}"#, "invalid", "/many/2"),
            (r#"{"name":"a","many":[256]}"#, "invalid", "/many/0"),
            ("7", "invalid", ""),
            ("[]", "invalid", ""),
            (" [\"alice\", [1]]", "invalid", ""),
        ] {
            let (problem, _, errors) = refused(text);
            assert_eq!((problem, errors), ("body-invalid", vec![(pointer.to_owned(), code)]), "{text}");
        }
        let huge = format!(r#"{{"name":"a","{}":1}}"#, "x".repeat(10_000));
        assert!(refused(&huge).1.len() < 600);
    }

    #[test]
    fn what_is_no_json_is_named_with_its_place() {
        for text in ["", "{", "{\"name\":\"a\"} x", "{\"name\":\"a\",}", "{'name':'a'}", "\u{feff}{}", "NaN"]
        {
            let (problem, words, errors) = refused(text);
            assert_eq!((problem, errors.len()), ("json-invalid", 0), "{text}");
            assert!(words.contains("line 1, column "), "{words}");
        }
        assert_eq!(parse::<Sent>(b"{\"name\":\"\xff\"}").unwrap_err().code, ProblemCode::JsonInvalid);
        assert_eq!(refused(&"[".repeat(100_000)).0, "json-too-deep");
    }

    #[test]
    fn a_type_is_json_in_utf_8_however_it_is_written() {
        for (given, is) in [
            ("application/json", true),
            ("Application/JSON; Charset=\"UTF-8\"", true),
            ("application/json;charset=utf-8; x=y", true),
            ("application/json; charset=euc-kr", false),
            ("application/problem+json", false),
            ("text/plain", false),
            ("", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(given));
            assert_eq!(is_json(&headers), is, "{given}");
        }
        assert!(!is_json(&HeaderMap::new()));
    }
}
