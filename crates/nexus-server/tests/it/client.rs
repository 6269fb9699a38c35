//! A small HTTP client: one connection, everything in the open.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

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
pub(crate) struct Call {
    builder: http::request::Builder,
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
        let request = call.builder.header("host", "nexus.test");
        let request = request.body(Full::new(call.body)).unwrap();
        self.connection.ready().await.unwrap();
        self.connection.send_request(request).await.unwrap()
    }

    /// Sends a request and takes the whole answer.
    pub(crate) async fn send(&mut self, call: Call) -> Answer {
        let (head, body) = self.open(call).await.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Answer {
            status: head.status.as_u16(),
            headers: head.headers,
            body: String::from_utf8(body.to_vec()).unwrap(),
        }
    }

    /// Breaks the connection off, as a client that crashes.
    pub(crate) async fn leave(mut self) {
        self.driver.shutdown().await;
    }
}

impl Call {
    pub(crate) fn new(method: &Method, path: &str) -> Self {
        Self {
            builder: Request::builder().method(method).uri(path),
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

    fn json(method: &Method, path: &str, body: impl Into<Bytes>) -> Self {
        let call = Self::new(method, path).header("content-type", "application/json");
        Self {
            body: body.into(),
            ..call
        }
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.builder = self.builder.header(name, value);
        self
    }

    pub(crate) fn token(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }
}

impl Answer {
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
