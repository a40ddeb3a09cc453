//! What happens with every request before its handler, and with every answer behind it.

use crate::api::Api;
use crate::client::Client;
use crate::extract::Presented;
use crate::problem::Problem;
use crate::problem::ProblemCode;
use crate::rates::{Limited, Policy, Standing};
use axum::extract::{FromRequestParts, Request, State};
use axum::http::header::{CACHE_CONTROL, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::sync::{Arc, Mutex, PoisonError};

/// How a request stands with the limits that it has met.
#[derive(Clone, Default)]
struct Standings(Arc<Mutex<Vec<Standing>>>);

impl Standings {
    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Standing>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The layer of every request: who asks, and whether that one may ask so much.
pub async fn admit(State(api): State<Api>, mut request: Request, next: Next) -> Response {
    let client = request.extensions().get::<Client>().copied().unwrap_or(Client::UNKNOWN);
    let meter = Meter { client, standings: Standings::default(), api: api.clone() };
    let standings = meter.standings.clone();
    let mut response = match meter.admit(request.headers()).await {
        Ok(presented) => {
            request.extensions_mut().insert(presented);
            request.extensions_mut().insert(meter);
            next.run(request).await
        }
        Err(problem) => problem.into_response(),
    };
    let headers = response.headers_mut();
    for standing in standings.lock().drain(..) {
        standing.write(headers);
    }
    protect(headers);
    response
}

/// No answer is kept by anyone on the way, and none is taken for something else.
fn protect(headers: &mut HeaderMap) {
    for (name, value) in
        [(CACHE_CONTROL, "no-store"), (X_CONTENT_TYPE_OPTIONS, "nosniff"), (REFERRER_POLICY, "no-referrer")]
    {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
}

/// What limits a request, besides what limits all.
#[derive(Clone)]
pub struct Meter {
    /// Who is at the other end.
    pub client: Client,
    standings: Standings,
    api: Api,
}

impl Meter {
    /// Finds out who asks, and counts the request for that one.
    async fn admit(&self, headers: &HeaderMap) -> Result<Presented, Problem> {
        let presented = Presented::of(&self.api, headers).await?;
        match &presented {
            Presented { key: Some(Ok(key)), .. } => self.count(Policy::Service, Limited::Service(key.id))?,
            Presented { token: Some(Ok(token)), .. } => {
                self.count(Policy::Account, Limited::Account(token.account))?;
            }
            _ => self.take(Policy::Address)?,
        }
        Ok(presented)
    }

    /// Counts a request of this client; this machine is not limited.
    ///
    /// # Errors
    /// [`ProblemCode::TooManyRequests`].
    pub fn take(&self, policy: Policy) -> Result<(), Problem> {
        if self.client.is_loopback() {
            return Ok(());
        }
        self.count(policy, Limited::Network(self.client.network()))
    }

    fn count(&self, policy: Policy, who: Limited) -> Result<(), Problem> {
        let standing = self.api.rates().take(policy, who, self.api.now());
        self.standings.lock().push(standing);
        match standing.refused {
            Some(wait) => Err(Problem::plain(ProblemCode::TooManyRequests).retry_after(wait)),
            None => Ok(()),
        }
    }
}

impl FromRequestParts<Api> for Meter {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Self::Rejection> {
        let meter = parts.extensions.get::<Meter>().cloned();
        Ok(meter.unwrap_or_else(|| Meter {
            client: Client::UNKNOWN,
            standings: Standings::default(),
            api: api.clone(),
        }))
    }
}
