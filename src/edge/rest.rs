//! REST on the edge: the router of `edge/http`, on the connections of `edge/server`.

use super::error::EdgeError;
use crate::server::wall_time;
use axum::Router;
use axum::extract::Request;
use axum::middleware::map_request;
use madang_config::{Config, PlainPasswords, SignUp};
use madang_directory::Directory;
use madang_edge::Peer;
use madang_http::tokens::Keyring;
use madang_http::{
    AccountEvents, AccountState, Acknowledged, Api, Client, Ended, Parts, Settings, UserSearch,
};
use std::path::Path;
use std::sync::Arc;

/// The directory in the data directory that has the keys of access tokens.
const KEYS: &str = "keys";

/// Everything that is served, and what it is made of.
///
/// # Errors
/// [`EdgeError`].
pub fn router(config: &Config, data: &Path, directory: Directory) -> Result<Router, EdgeError> {
    let keyring = Keyring::open(&data.join(KEYS), wall_time()).map_err(EdgeError::Keys)?;
    let parts = Parts {
        directory: Arc::new(directory),
        keyring,
        core: Arc::new(NoConnections),
        settings: settings(config),
    };
    let api = Api::new(parts).map_err(EdgeError::System)?;
    Ok(madang_http::router(api).layer(map_request(with_client)))
}

fn settings(config: &Config) -> Settings {
    Settings {
        sign_up: match config.accounts.sign_up {
            SignUp::Open => madang_http::SignUp::Open,
            SignUp::Code => madang_http::SignUp::Code,
            SignUp::Admin => madang_http::SignUp::Admin,
            SignUp::Closed => madang_http::SignUp::Closed,
        },
        plain_passwords: match config.accounts.plain_passwords {
            PlainPasswords::Loopback => madang_http::PlainPasswords::Loopback,
            PlainPasswords::Always => madang_http::PlainPasswords::Always,
        },
        // Nobody shares a room with anyone yet.
        user_search: UserSearch::Shared,
        origins: Vec::new(),
    }
}

/// Says whose request it is, in the words of the handlers.
async fn with_client(mut request: Request) -> Request {
    if let Some(peer) = request.extensions().get::<Peer>() {
        let client = client(peer);
        request.extensions_mut().insert(client);
    }
    request
}

fn client(peer: &Peer) -> Client {
    let address = peer.address.ip();
    let is_from_here = !peer.is_proxied && address.to_canonical().is_loopback();
    // A configured proxy is trusted with what it passes on.
    let is_private = peer.has_tls || peer.is_proxied || is_from_here;
    Client { address, is_private, has_tls: peer.is_https }
}

/// Nobody can log in at the core yet: no connection there is an account's, and none is to be ended.
struct NoConnections;

impl AccountEvents for NoConnections {
    fn end_sessions(&self, _: i64, _: Ended) -> Acknowledged<'_> {
        Box::pin(async { Ok(()) })
    }

    fn account_changed(&self, _: AccountState) -> Acknowledged<'_> {
        Box::pin(async { Ok(()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_comes_by_tls_from_this_machine_or_through_a_configured_proxy() {
        let peer = |address: &str, is_proxied, has_tls| Peer {
            address: address.parse().expect("an address"),
            is_proxied,
            has_tls,
            is_https: has_tls,
        };
        assert!(client(&peer("127.0.0.1:9", false, false)).is_private);
        assert!(client(&peer("[::1]:9", false, false)).is_private);
        assert!(client(&peer("192.0.2.1:9", false, true)).is_private);
        assert!(client(&peer("192.0.2.1:9", true, false)).is_private);
        assert!(!client(&peer("192.0.2.1:9", false, false)).is_private);
    }
}
