//! The page that the `type` of a problem names.

use super::{Problem, ProblemCode};
use crate::language::Language;
use axum::extract::Path;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};

/// The page of a code. It loads nothing, and runs nothing.
pub async fn explain(
    code: Result<Path<String>, axum::extract::rejection::PathRejection>,
    headers: HeaderMap,
) -> Response {
    let code = code.ok().and_then(|Path(code)| ProblemCode::named(&code));
    let Some(code) = code else {
        return Problem::plain(ProblemCode::NotFound).into_response();
    };
    let language = Language::of(&headers);
    let page = page(code, language);
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
        (header::CONTENT_LANGUAGE, HeaderValue::from_static(language.tag())),
        (header::VARY, HeaderValue::from_static("accept-language")),
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'")),
    ];
    (headers, page).into_response()
}

fn page(code: ProblemCode, language: Language) -> String {
    let (tag, word, status) = (language.tag(), code.as_str(), code.status().as_u16());
    let (title, about) = (escaped(code.title(language)), escaped(code.about(language)));
    format!(
        "<!doctype html>\n<html lang=\"{tag}\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{title}</title>\n\
         <h1>{title}</h1>\n<p>{about}</p>\n<p><code>{word}</code> ({status})</p>\n</html>\n"
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
