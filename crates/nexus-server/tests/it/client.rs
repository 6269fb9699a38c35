//! A small HTTP client: one connection, everything in the open.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, Uri};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Body;
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use nexus_core::Timestamp;
use nexus_core::auth::SigningKey;
use nexus_core::auth::request::{Content, SignatureTerms, Target, sign};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::world::HOST;

/// A connection that is kept alive.
pub(crate) struct Client {
    connection: SendRequest<Full<Bytes>>,
    driver: JoinSet<()>,
}

/// An answer that has arrived whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

/// A request to be sent.
#[derive(Clone)]
pub(crate) struct Call {
    method: Method,
    path: String,
    headers: Vec<(String, String)>,
    host: String,
    body: Bytes,
}

impl Client {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let (connection, driving) = handshake(TokioIo::new(stream)).await.unwrap();
        let mut driver = JoinSet::new();
        driver.spawn(async { drop(driving.await) });
        Self { connection, driver }
    }

    /// Sends a request; the answer may still be coming.
    pub(crate) async fn open(&mut self, call: Call) -> Response<Incoming> {
        self.connection.ready().await.unwrap();
        self.connection.send_request(call.request()).await.unwrap()
    }

    /// Sends a request and takes the whole answer.
    pub(crate) async fn send(&mut self, call: Call) -> Answer {
        let answer = self.open(call).await;
        Answer::collect(answer).await
    }

    /// Breaks the connection off, as a client that crashes.
    pub(crate) async fn leave(mut self) {
        self.driver.shutdown().await;
    }
}

impl Call {
    pub(crate) fn new(method: &Method, path: &str) -> Self {
        Self {
            method: method.clone(),
            path: path.to_owned(),
            headers: Vec::new(),
            host: HOST.to_owned(),
            body: Bytes::new(),
        }
    }

    pub(crate) fn get(path: &str) -> Self {
        Self::new(&Method::GET, path)
    }

    /// A JSON body, well formed or not.
    pub(crate) fn post(path: &str, body: impl Into<Bytes>) -> Self {
        Self::json(&Method::POST, path, body)
    }

    pub(crate) fn put(path: &str, body: impl Into<Bytes>) -> Self {
        Self::json(&Method::PUT, path, body)
    }

    /// A command, not signed yet.
    pub(crate) fn command(name: &str, arguments: &Value) -> Self {
        let body = json!({ "command": name, "arguments": arguments });
        Self::post("/api/v1/commands/execute", body.to_string())
    }

    pub(crate) fn json(method: &Method, path: &str, body: impl Into<Bytes>) -> Self {
        let call = Self::new(method, path).header("content-type", "application/json");
        Self {
            body: body.into(),
            ..call
        }
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The same for another host.
    pub(crate) fn host(mut self, host: &str) -> Self {
        host.clone_into(&mut self.host);
        self
    }

    /// Another body, when everything else is settled.
    pub(crate) fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    /// Another path, when everything else is settled.
    pub(crate) fn path(mut self, path: &str) -> Self {
        path.clone_into(&mut self.path);
        self
    }

    /// Another method, when everything else is settled.
    pub(crate) fn method(mut self, method: &Method) -> Self {
        method.clone_into(&mut self.method);
        self
    }

    /// The value of a header that is there.
    pub(crate) fn value(&self, name: &str) -> &str {
        let mut headers = self.headers.iter();
        let found = headers.find(|(other, _)| other == name);
        found.map(|(_, value)| &**value).unwrap()
    }

    /// The same with another value of a header.
    pub(crate) fn replace(mut self, name: &str, value: &str) -> Self {
        self.headers.retain(|(other, _)| other != name);
        self.header(name, value)
    }

    /// Adds the signature of a key over what is there so far.
    pub(crate) fn signed(self, key: &SigningKey, now: Timestamp) -> Self {
        let terms = SignatureTerms::new(1, now).unwrap();
        self.signed_with(key, &terms)
    }

    pub(crate) fn signed_with(self, key: &SigningKey, terms: &SignatureTerms) -> Self {
        let uri: Uri = self.path.parse().unwrap();
        let mut headers = self.headers.iter();
        let kind = headers.find(|(name, _)| name == "content-type");
        let target = Target {
            method: self.method.as_str(),
            authority: &self.host,
            path: uri.path(),
            query: uri.query(),
        };
        let content = Content {
            media_type: kind.map_or("", |(_, kind)| kind),
            body: &self.body,
        };
        let headers = sign(key, target, Some(&content), terms).unwrap();
        let headers: Vec<_> = headers
            .iter()
            .map(|(name, value)| (name, value.to_owned()))
            .collect();
        headers
            .into_iter()
            .fold(self, |call, (name, value)| call.header(name, &value))
    }

    /// What goes over the wire.
    pub(crate) fn request(self) -> Request<Full<Bytes>> {
        let request = Request::builder().method(self.method).uri(self.path);
        let headers = self.headers.iter();
        let request = headers.fold(request, |request, (name, value)| {
            request.header(name, value)
        });
        let request = request.header("host", self.host);
        request.body(Full::new(self.body)).unwrap()
    }

    pub(crate) fn token(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }
}

impl Answer {
    pub(crate) async fn collect<B>(answer: Response<B>) -> Self
    where
        B: Body,
        B::Error: std::fmt::Debug,
    {
        let (head, body) = answer.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Self {
            status: head.status.as_u16(),
            headers: head.headers,
            body: String::from_utf8(body.to_vec()).unwrap(),
        }
    }

    /// Status and code of an error.
    pub(crate) fn code(&self) -> String {
        let code = self.json()["error"]["code"].take();
        format!("{} {}", self.status, code.as_str().unwrap_or("-"))
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    /// Status and body, for a snapshot: ids that differ each time are blotted out.
    pub(crate) fn shown(&self) -> String {
        format!("{} {}", self.status, redacted(&self.body))
    }

    /// Status, code and field of an error, then its message.
    pub(crate) fn error(&self) -> String {
        let error = &self.json()["error"];
        let word = |key: &str| error[key].as_str().unwrap_or("-").to_owned();
        format!(
            "{} {} {}: {}",
            self.status,
            word("code"),
            word("field"),
            word("message")
        )
    }
}

/// Replaces what follows `run_`, `msg_` and `req_`.
pub(crate) fn redacted(text: &str) -> String {
    let mut shown = text.to_owned();
    for prefix in ["run_", "msg_", "req_"] {
        let mut parts = shown.split(prefix);
        let first = parts.next().unwrap_or_default().to_owned();
        shown = parts.fold(first, |shown, part| {
            let is_id = part.len() >= 32 && part[..32].bytes().all(|byte| byte.is_ascii_hexdigit());
            let rest = if is_id { &part[32..] } else { part };
            let mark = if is_id { "…" } else { "" };
            format!("{shown}{prefix}{mark}{rest}")
        });
    }
    shown
}
