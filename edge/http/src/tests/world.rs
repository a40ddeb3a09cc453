//! A router with everything that it needs, and a client that holds every answer against the description.

use crate::testing::RecordingCore;
use crate::tokens::Keyring;
use crate::{Api, Client, Parts, Settings, openapi, router};
use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::BodyExt;
use madang_directory::{Actor, Directory, Location, NewAccount, Role, SqliteOpening};
use madang_model::Timestamp;
use serde_json::Value;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, LazyLock};
use tempfile::TempDir;
use tower::ServiceExt;

/// A password that is not weak.
pub const PASSWORD: &str = "correct horse battery";
/// The time at which tests begin.
pub const NOW: Timestamp = Timestamp(1_800_000_000_000_000);

static DESCRIPTION: LazyLock<Value> = LazyLock::new(|| serde_json::to_value(openapi()).unwrap());

/// A server without a socket.
pub struct World {
    pub router: Router,
    pub api: Api,
    pub directory: Arc<Directory>,
    pub core: Arc<RecordingCore>,
    now: Arc<AtomicI64>,
    files: TempDir,
}

impl World {
    pub fn new() -> World {
        World::with(Settings::default())
    }

    pub fn with(settings: Settings) -> World {
        let files = tempfile::tempdir().unwrap();
        let directory = Directory::open(&Location::in_data(files.path()), SqliteOpening::Create).unwrap();
        let (directory, core) = (Arc::new(directory), Arc::new(RecordingCore::default()));
        let keyring = Keyring::open(&files.path().join("keys"), NOW).unwrap();
        let now = Arc::new(AtomicI64::new(NOW.0));
        let clock = Arc::clone(&now);
        let parts = Parts { directory: Arc::clone(&directory), keyring, core: core.clone(), settings };
        let clock: crate::WallClock = Arc::new(move || Timestamp(clock.load(Ordering::Relaxed)));
        let api = Api::with_clock(parts, clock).unwrap();
        World { router: router(api.clone()), api, directory, core, now, files }
    }

    /// The directory of its files.
    pub fn data(&self) -> &std::path::Path {
        self.files.path()
    }

    pub fn now(&self) -> Timestamp {
        Timestamp(self.now.load(Ordering::Relaxed))
    }

    /// Lets time pass.
    pub fn pass(&self, seconds: i64) {
        self.now.fetch_add(seconds * 1_000_000, Ordering::Relaxed);
    }

    pub fn sign_up(&self, name: &str, role: Role) {
        let (password, password_again) = (PASSWORD, PASSWORD);
        let new = NewAccount { name, password, password_again, display_name: None, role };
        self.directory.sign_up(new, Actor::Operator, self.now()).unwrap();
    }

    /// An account that has logged in: its access token.
    pub async fn logged_in(&self, name: &str, role: Role) -> String {
        self.sign_up(name, role);
        self.log_in(name).await.text("/access_token")
    }

    pub async fn log_in(&self, name: &str) -> Answered {
        let body = serde_json::json!({"name": name, "password": PASSWORD, "refresh": "body"});
        self.post("/api/v1/sessions").json(&body).send().await.expect(201)
    }

    pub fn request(&self, method: Method, path: &str) -> Asked<'_> {
        let client = Client { address: [192, 0, 2, 7].into(), is_private: true, has_tls: true };
        Asked {
            world: self,
            method,
            path: path.to_owned(),
            headers: HeaderMap::new(),
            body: Vec::new(),
            client,
        }
    }

    pub fn get(&self, path: &str) -> Asked<'_> {
        self.request(Method::GET, path)
    }

    pub fn post(&self, path: &str) -> Asked<'_> {
        self.request(Method::POST, path)
    }

    pub fn put(&self, path: &str) -> Asked<'_> {
        self.request(Method::PUT, path)
    }

    pub fn patch(&self, path: &str) -> Asked<'_> {
        self.request(Method::PATCH, path)
    }

    pub fn delete(&self, path: &str) -> Asked<'_> {
        self.request(Method::DELETE, path)
    }
}

/// A request that is made.
pub struct Asked<'w> {
    world: &'w World,
    method: Method,
    path: String,
    headers: HeaderMap,
    body: Vec<u8>,
    client: Client,
}

impl Asked<'_> {
    pub fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.append(name, value.parse().unwrap());
        self
    }

    pub fn bearer(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    pub fn json(self, value: &Value) -> Self {
        self.text("application/json", value.to_string())
    }

    pub fn text(mut self, kind: &str, body: impl AsRef<[u8]>) -> Self {
        self.body = body.as_ref().to_vec();
        self.header("content-type", kind)
    }

    pub fn client(mut self, client: Client) -> Self {
        self.client = client;
        self
    }

    pub fn at_address(mut self, address: [u8; 4]) -> Self {
        self.client.address = address.into();
        self
    }

    pub async fn send(self) -> Answered {
        let (method, path) = (self.method.clone(), self.path.clone());
        let answered = self.send_undescribed().await;
        answered.expect_described(&method, &path);
        answered
    }

    /// As a browser asks before a page does.
    pub async fn send_undescribed(self) -> Answered {
        let mut request = Request::builder().method(self.method).uri(&self.path);
        *request.headers_mut().unwrap() = self.headers;
        let request = request.extension(self.client).body(Body::from(self.body)).unwrap();
        let response = self.world.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes().to_vec();
        Answered { status: parts.status, headers: parts.headers, body }
    }
}

/// An answer.
pub struct Answered {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Answered {
    #[track_caller]
    pub fn expect(self, status: u16) -> Answered {
        assert_eq!(self.status.as_u16(), status, "{}", String::from_utf8_lossy(&self.body));
        self
    }

    /// It is a problem of this code.
    #[track_caller]
    pub fn refused(self, status: u16, code: &str) -> Answered {
        let answered = self.expect(status);
        assert_eq!(answered.text("/code"), code, "{}", String::from_utf8_lossy(&answered.body));
        answered
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    #[track_caller]
    pub fn text(&self, pointer: &str) -> String {
        let value = self.json();
        let found = value.pointer(pointer).and_then(Value::as_str);
        found.unwrap_or_else(|| panic!("no {pointer} in {value}")).to_owned()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The description has this answer, for this route: its status, its media type, the code of a problem.
    fn expect_described(&self, method: &Method, path: &str) {
        assert_eq!(self.headers[header::CACHE_CONTROL], "no-store");
        let path = path.split('?').next().unwrap();
        let kind = self.header("content-type");
        let is_problem = self.status.is_client_error() || self.status.is_server_error();
        if is_problem {
            assert_eq!(kind, "application/problem+json", "{method} {path} {}", self.status);
            let problem = self.json();
            for field in ["type", "title", "status", "detail", "code"] {
                assert!(problem.get(field).is_some(), "{field}: {problem}");
            }
            assert_eq!(problem["status"], self.status.as_u16());
            assert_eq!(problem["type"], format!("/problems/{}", problem["code"].as_str().unwrap()));
        }
        let Some(operation) = operation(method, path) else { return };
        let status = self.status.as_u16().to_string();
        let described = &operation["responses"][&status];
        assert!(described.is_object(), "{method} {path} does not describe {status}: {}", self.json());
        if is_problem {
            let code = self.text("/code");
            let words = described["description"].as_str().unwrap();
            assert!(
                words.contains(&format!("`{code}`")),
                "{method} {path} does not describe {code}: {words}"
            );
        }
        match kind {
            "" => assert!(self.body.is_empty() && described.get("content").is_none(), "{method} {path}"),
            kind => assert!(described["content"].get(kind).is_some(), "{method} {path} {status}: {kind}"),
        }
        if kind == "application/json" {
            let schema = &described["content"][kind]["schema"];
            super::schemas::expect_fits(&DESCRIPTION, schema, &self.json(), path);
        }
    }
}

/// What the description says of a route.
pub fn operation(method: &Method, path: &str) -> Option<&'static Value> {
    let paths = DESCRIPTION["paths"].as_object().unwrap();
    let fits = |template: &str| {
        let (wanted, given): (Vec<_>, Vec<_>) = (template.split('/').collect(), path.split('/').collect());
        let is_part = |(wanted, given): (&&str, &&str)| {
            wanted == given || (wanted.starts_with('{') && !given.is_empty())
        };
        wanted.len() == given.len() && wanted.iter().zip(&given).all(is_part)
    };
    // One without parameters is nearer.
    let mut found: Vec<_> = paths.iter().filter(|(template, _)| fits(template)).collect();
    found.sort_by_key(|(template, _)| template.matches('{').count());
    let (_, item) = found.first()?;
    item.get(method.as_str().to_lowercase())
}

/// The whole description.
pub fn description() -> &'static Value {
    &DESCRIPTION
}
