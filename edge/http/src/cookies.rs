//! The cookie of a page: its refresh token, which its scripts cannot read.

use crate::client::Client;
use crate::problem::{Problem, ProblemCode};
use crate::settings::Settings;
use axum::http::header::{COOKIE, HOST, ORIGIN};
use axum::http::{HeaderMap, HeaderValue, Uri};
use madang_directory::{IDLE_US_MAX, RefreshToken};

/// Its name.
const NAME: &str = "madang_refresh";
/// The paths that it is sent to: those that log in and refresh.
const PATH: &str = "/api/v1/sessions";

/// The refresh token in the cookie of a request.
pub fn refresh_token(headers: &HeaderMap) -> Option<RefreshToken> {
    let cookies = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = cookies.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == NAME).and_then(|(_, value)| RefreshToken::parse(value))
}

/// The header that has a page keep a token.
pub fn keep(token: &RefreshToken, client: &Client) -> HeaderValue {
    let age_s = IDLE_US_MAX / 1_000_000;
    written(&token.reveal(), age_s, client)
}

/// The header that has a page forget its token.
pub fn forget(client: &Client) -> HeaderValue {
    written("", 0, client)
}

fn written(value: &str, age_s: i64, client: &Client) -> HeaderValue {
    let secure = if client.has_tls { "; Secure" } else { "" };
    let text = format!("{NAME}={value}; Path={PATH}; Max-Age={age_s}; HttpOnly; SameSite=Strict{secure}");
    HeaderValue::from_str(&text).expect("tokens are letters, digits, - and _")
}

/// A page may have a cookie set: it is of this server, or of an origin that the operator lists. A program has no origin.
///
/// # Errors
/// [`ProblemCode::OriginNotAllowed`].
pub fn expect_own_page(headers: &HeaderMap, uri: &Uri, settings: &Settings) -> Result<(), Problem> {
    match headers.contains_key(ORIGIN) {
        true => expect_origin(headers, uri, settings),
        false => Ok(()),
    }
}

/// The cookie of a request may be used: browsers say with each POST which page it is of (RFC 6454), and who says nothing
/// is refused.
///
/// # Errors
/// [`ProblemCode::OriginNotAllowed`].
pub fn expect_origin(headers: &HeaderMap, uri: &Uri, settings: &Settings) -> Result<(), Problem> {
    let refused = || Problem::plain(ProblemCode::OriginNotAllowed);
    let mut given = headers.get_all(ORIGIN).iter();
    let (Some(origin), None) = (given.next(), given.next()) else { return Err(refused()) };
    let origin = origin.to_str().map_err(|_| refused())?;
    if settings.origins.iter().any(|listed| listed.eq_ignore_ascii_case(origin)) {
        return Ok(());
    }
    // HTTP/2 has the host in its own field.
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    let host = host.or_else(|| uri.authority().map(|authority| authority.as_str()));
    let page_host = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
    match (host, page_host) {
        (Some(host), Some(page_host)) if host.eq_ignore_ascii_case(page_host) => Ok(()),
        _ => Err(refused()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(origins: &[&'static str], host: Option<&'static str>) -> bool {
        let mut headers = HeaderMap::new();
        for origin in origins {
            headers.append(ORIGIN, HeaderValue::from_static(origin));
        }
        if let Some(host) = host {
            headers.insert(HOST, HeaderValue::from_static(host));
        }
        let settings = Settings { origins: vec!["https://chat.example".to_owned()], ..Settings::default() };
        expect_origin(&headers, &Uri::from_static("https://h2.example/api"), &settings).is_ok()
    }

    #[test]
    fn a_cookie_is_taken_from_pages_of_this_host_and_of_listed_origins() {
        let here = Some("here.example:8081");
        assert!(allowed(&["http://here.example:8081"], here));
        assert!(allowed(&["https://HERE.example:8081"], here));
        assert!(allowed(&["https://chat.example"], here));
        assert!(allowed(&["https://h2.example"], None));
        for origin in [
            "http://here.example",
            "http://here.example:8082",
            "https://evil.example",
            "https://chat.example.evil.example",
            "https://chat.example:8443",
            "http://chat.example",
            "null",
            "",
        ] {
            assert!(!allowed(&[origin], here), "{origin}");
        }
        assert!(!allowed(&[], here));
        assert!(!allowed(&["https://chat.example", "https://evil.example"], here));
    }

    #[test]
    fn the_cookie_is_hidden_from_scripts_and_from_other_sites() {
        let mut headers = HeaderMap::new();
        headers.insert(COOKIE, HeaderValue::from_static("a=b; madang_refresh=nonsense;; x"));
        assert!(refresh_token(&headers).is_none());
        let client = Client { has_tls: true, ..Client::UNKNOWN };
        let text = forget(&client).to_str().unwrap().to_owned();
        for part in ["HttpOnly", "SameSite=Strict", "Path=/api/v1/sessions", "Max-Age=0", "Secure"] {
            assert!(text.contains(part), "{text}");
        }
        assert!(!forget(&Client::UNKNOWN).to_str().unwrap().contains("Secure"));
    }
}
