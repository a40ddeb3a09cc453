//! What hyper calls for each request: the bounds, then the router.

use super::activity::Activity;
use super::body::{AnswerBody, BodyFault, BodyReport, OpenRequest, RequestBody};
use super::forwarded::forwarded;
use super::peer::Peer;
use crate::bounds::{BODY_BYTES_MAX, HEADERS_MAX};
use crate::counters::Refused;
use crate::limits::{AddressCounts, EdgeLimits};
use crate::problem::EdgeProblem;
use axum::Router;
use axum::body::Body;
use axum::http::header::{CONNECTION, TRANSFER_ENCODING};
use axum::http::{HeaderValue, Method, Request, Response, Version};
use http_body::Body as _;
use hyper::body::Incoming;
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// Serves the requests of one connection.
#[derive(Clone)]
pub struct RequestService {
    pub router: TowerToHyperService<Router>,
    /// Requests of all connections whose answers have not begun.
    pub requests: Arc<Semaphore>,
    /// The same of each client.
    pub requests_by_address: Arc<AddressCounts>,
    pub activity: Arc<Activity>,
    pub peer: Peer,
    /// Those of when the connection came.
    pub limits: Arc<EdgeLimits>,
}

impl Service<Request<Incoming>> for RequestService {
    type Response = Response<AnswerBody>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let service = self.clone();
        let open = OpenRequest::new(Arc::clone(&self.activity));
        Box::pin(async move { Ok(service.answer(request, open).await) })
    }
}

impl RequestService {
    async fn answer(self, request: Request<Incoming>, mut open: OpenRequest) -> Response<AnswerBody> {
        // A body of two lengths is read by the one that RFC 9112, section 6.3 says; whoever stands in front may have
        // read it by the other, so nothing that follows is taken for a request.
        let is_http_1 = request.version() < Version::HTTP_2;
        let mut closes = is_http_1 && request.headers().contains_key(TRANSFER_ENCODING);
        // Nothing of its body is sent.
        open.answered_by_head(request.method() == Method::HEAD);
        let refused = self.refusal(&request);
        closes |= is_http_1 && refused == Some(EdgeProblem::BodyTooLong);
        let mut response = match refused {
            Some(problem) => problem.response(),
            None => self.ask_router(request).await,
        };
        if closes {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response.map(|body| AnswerBody::new(body, open))
    }

    fn refusal(&self, request: &Request<Incoming>) -> Option<EdgeProblem> {
        // hyper counts the headers of HTTP/1 itself.
        let (why, problem) = if request.headers().len() > HEADERS_MAX {
            (Refused::HeadSize, EdgeProblem::HeadTooLong)
        } else if request.body().size_hint().lower() > BODY_BYTES_MAX {
            (Refused::BodySize, EdgeProblem::BodyTooLong)
        } else {
            return None;
        };
        self.activity.counters().refuse(why);
        Some(problem)
    }

    async fn ask_router(&self, request: Request<Incoming>) -> Response<Body> {
        let (mut parts, body) = request.into_parts();
        let peer = forwarded(self.peer, &parts.headers, &self.limits.forwarded_from);
        let share = self.requests_by_address.admit_request(peer.address.ip(), &self.limits);
        let (Some(_share), Ok(_permit)) = (share, self.requests.try_acquire()) else {
            self.activity.counters().refuse(Refused::Busy);
            return EdgeProblem::Busy.response();
        };
        let report = BodyReport::default();
        parts.extensions.insert(peer);
        let body = RequestBody::new(body, Arc::clone(&self.activity), report.clone());
        let asked = self.router.call(Request::from_parts(parts, body));
        let response = asked.await.unwrap_or_else(|never| match never {});
        // Handlers know only that the body ended early.
        match report.fault().filter(|_| !response.status().is_success()) {
            Some(BodyFault::TooLong) => EdgeProblem::BodyTooLong.response(),
            Some(BodyFault::TooLate) => EdgeProblem::BodyTooLate.response(),
            None => response,
        }
    }
}
